"""Which classes a configuration out of a file may name, and where."""

import copy
import inspect

import pytest

import rnnexp.losses as losses
from rnnexp.config.instantiate import locate
from rnnexp.config.paths import options_by_group
from rnnexp.config.schema import OPTIMIZERS
from rnnexp.config.targets import GROUPS, LOSS_TERMS, allowed_at, check_trusted
from rnnexp.errors import UserError

TRUSTED = {
    "task": {"_target_": "rnnexp.tasks.cognitive.simple_pd.SimplePD", "dt": 10.0},
    "observation": {"_target_": "rnnexp.observation.Linear"},
    "optimizer": {"_target_": "torch.optim.Adam", "lr": 1e-3},
    "loss": {
        "_target_": "rnnexp.losses.RNNLoss",
        "terms": {"a": {"_target_": "rnnexp.losses.output.MaskedMeanSquaredError"}},
    },
    "curriculum": {"stages": [{"_target_": "rnnexp.tasks.GoNogo"}]},
}


def test_classes_of_rnnexp_and_known_optimizers_are_trusted():
    check_trusted(TRUSTED, trust=False)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "my_lab.tasks.MyTask",
        "rnnexp_evil.Task",
        "rnnexp.training.run_directory.os.system",
        "rnnexp.training.run_directory.subprocess",
        "rnnexp.training.run_directory.Path",
        "rnnexp.tasks.base.count_steps",
        "rnnexp.nothing.Here",
        "torch.load",
        "torch.optim.lr_scheduler.LambdaLR",
        "${oc.env:HOME}",
        "rnnexp.${x}",
        "",
        None,
        5,
    ],
)
@pytest.mark.parametrize("place", ["task", "loss.terms.a", "list"])
def test_anything_else_out_of_a_checkpoint_is_refused(target, place):
    config, node = copy.deepcopy(TRUSTED), {"_target_": target}
    if place == "task":
        config["task"] = node
    elif place == "loss.terms.a":
        config["loss"]["terms"]["a"] = node
    else:
        config["list"] = [1, [node]]
    with pytest.raises(UserError, match=r"_target_: .*is not a class of rnnexp; .* trust=true"):
        check_trusted(config, trust=False)


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("task", "rnnexp.training.run_directory.RunDirectory"),
        ("task", "rnnexp.latent_steps.almost_linear.ALRNN"),
        ("task", "torch.optim.Adam"),
        ("latent_step", "rnnexp.tasks.cognitive.simple_pd.SimplePD"),
        ("loss.terms.a", "rnnexp.losses.RNNLoss"),
        ("loss", "rnnexp.losses.output.MaskedMeanSquaredError"),
        ("device", "rnnexp.observation.Linear"),
        ("trainer.inner", "rnnexp.training.trainer.Trainer"),
        ("task.T", "rnnexp.tasks.cognitive.simple_pd.SimplePD"),
        ("loss.terms.a.inner", "rnnexp.losses.output.MaskedMeanSquaredError"),
        ("curriculum.stages[0].T", "rnnexp.tasks.cognitive.simple_pd.SimplePD"),
    ],
)
def test_a_class_of_rnnexp_stands_only_where_it_is_meant_to(place, target):
    with pytest.raises(UserError, match=r"_target_: .*is not a class that may stand at .* trust=true"):
        check_trusted(_nested(place, {"_target_": target}), trust=False)


def _nested(place, node):
    for part in reversed(place.replace("[0]", ".0").split(".")):
        node = [node] if part == "0" else {part: node}
    return node


def test_trust_lets_in_everything_and_says_what(caplog):
    check_trusted({"task": {"_target_": "my_lab.tasks.MyTask"}, **TRUSTED["observation"]}, trust=True)
    assert caplog.messages == ["trust=true: imports my_lab.tasks.MyTask, rnnexp.observation.Linear"]


@pytest.mark.parametrize("group", GROUPS)
def test_every_bundled_option_may_stand_in_a_checkpoint(group):
    assert allowed_at(group)
    for target in allowed_at(group):
        assert inspect.isclass(locate(target))
    bases = [
        path.read_text().partition("_target_:")[2].split() for path in options_by_group()[group].values()
    ]
    for target in [words[0] for words in bases if words and words[0] != "???"]:
        check_trusted({group: {"_target_": target}}, trust=False)


def test_the_terms_of_a_loss_are_all_listed():
    listed = {f"rnnexp.losses.{module}.{name}" for module, names in LOSS_TERMS.items() for name in names}
    classes = [getattr(losses, name) for name in losses.__all__]
    terms = {
        c
        for c in classes
        if inspect.isclass(c) and issubclass(c, losses.LossTerm) and not inspect.isabstract(c)
    }
    assert listed == {f"{term.__module__}.{term.__name__}" for term in terms} == allowed_at("loss.terms.any")


def test_known_optimizers_are_allowed_as_optimizers_alone():
    assert set(OPTIMIZERS) <= allowed_at("optimizer")
    assert not set(OPTIMIZERS) & allowed_at("task")
