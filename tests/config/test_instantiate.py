"""Building objects from nodes, and what may be built from a checkpoint."""

import pytest
import torch

from rnnexp.config.instantiate import instantiate, locate
from rnnexp.errors import UserError
from rnnexp.latent_steps.almost_linear import ALRNN

ALRNN_NODE = {"_target_": "rnnexp.latent_steps.almost_linear.ALRNN", "num_relus": 2}


def refusal(node, key="latent_step", **arguments):
    with pytest.raises(UserError) as error:
        instantiate(node, key=key, **arguments)
    return str(error.value)


def test_arguments_of_the_node_and_of_the_program_meet():
    step = instantiate(ALRNN_NODE, key="latent_step", latent_dim=5, input_dim=1)
    assert isinstance(step, ALRNN)
    assert (step.latent_dim, step.num_relus) == (5, 2)


def test_parameters_reach_an_optimizer_themselves_and_not_as_copies():
    parameters = [torch.nn.Parameter(torch.zeros(2))]
    optimizer = instantiate({"_target_": "torch.optim.SGD", "lr": 0.1}, key="optimizer", params=parameters)
    assert optimizer.param_groups[0]["params"][0] is parameters[0]


def test_lists_and_mappings_arrive_as_plain_ones():
    node = {"_target_": "builtins.dict", "a": (1, 2), "b": {"c": [3]}}
    built = instantiate(node, key="x")
    assert (type(built["a"]), type(built["b"]), type(built["b"]["c"])) == (list, dict, list)


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "${oc.create:{_target_:builtins.open}}", "\\${x}"])
def test_a_text_is_a_text(text):
    assert instantiate({"_target_": "builtins.dict", "a": text, "b": [text]}, key="x") == {
        "a": text,
        "b": [text],
    }


def test_a_partial_node_is_called_by_who_gets_it():
    built = instantiate({"_target_": "builtins.dict", "_partial_": True, "a": [1]}, key="x", b=2)
    assert built(c=3) == {"a": [1], "b": 2, "c": 3}


def test_nested_nodes_are_built_first():
    node = {"_target_": "builtins.dict", "inner": {"_target_": "rnnexp.training.schedules.Constant"}}
    assert instantiate(node, key="x")["inner"].factor(0, 10) == 1


def test_the_refusal_of_a_constructor_begins_with_the_key():
    message = refusal({**ALRNN_NODE, "num_relus": 7}, latent_dim=5, input_dim=1)
    assert message == "latent_step: num_relus must be between 0 and latent_dim=5, got 7"


def test_the_refusal_of_a_nested_constructor_names_its_place():
    nested = {"_target_": "rnnexp.training.schedules.Constant", "warmup": 3}
    message = refusal({"_target_": "builtins.dict", "inner": nested}, key="x")
    assert message == "x.inner: warmup must be a number in [0, 1), got 3"


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({}, "latent_step._target_: None: must be the dotted path of a class"),
        ({"_target_": "ALRNN"}, "latent_step._target_: ALRNN: must be the dotted path of a class"),
        (
            {"_target_": "my_laboratory.steps.Mine"},
            "latent_step._target_: my_laboratory.steps.Mine: there is no module my_laboratory; the working directory",
        ),
        (
            {"_target_": "rnnexp.latent_steps.almost_linear.ALRN"},
            "latent_step._target_: rnnexp.latent_steps.almost_linear.ALRN: rnnexp.latent_steps.almost_linear has no "
            "ALRN, did you mean ALRNN?",
        ),
        ({**ALRNN_NODE, "num_relu": 3}, "latent_step.num_relu: ALRNN takes no such argument, did you mean"),
        (
            {**ALRNN_NODE, "_target_": "rnnexp.observation.Linear"},
            "latent_step.num_relus: Linear takes no such",
        ),
        (
            {"_target_": "rnnexp.training.schedules.Constant"},
            "latent_step: Constant must take the argument latent_dim, which the program supplies",
        ),
        (
            {"_target_": "rnnexp.latent_steps.shallow.ShPLRNN"},
            "latent_step.hidden_dim: not given, but ShPLRNN needs it",
        ),
    ],
)
def test_what_cannot_be_built_is_explained(node, message):
    assert refusal(node, latent_dim=5, input_dim=1).startswith(message)


def test_a_module_of_the_user_that_fails_is_explained(tmp_path, monkeypatch):
    (tmp_path / "broken_lab.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "wrong_lab.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="importing broken_lab fails: No module named 'nothing_of_this_name'"):
        locate("broken_lab.Task")
    with pytest.raises(UserError, match="importing wrong_lab fails: ZeroDivisionError: division by zero"):
        locate("wrong_lab.Task")
