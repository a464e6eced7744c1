"""What all options of the loss group share: lambdas, the user's own terms, their YAML files."""

import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from rnnexp.config.components import check_component
from rnnexp.config.instantiate import instantiate
from rnnexp.latent_steps.almost_linear import ALRNN
from rnnexp.losses import DSRLoss, LossTerm, NN4NLoss, PsychRNNLoss, RNNLoss, SpikeRNNLoss
from rnnexp.losses.lambdas import with_user_terms

OPTIONS = {
    "rnn_loss": RNNLoss,
    "psychrnn": PsychRNNLoss,
    "spikernn": SpikeRNNLoss,
    "nn4n": NN4NLoss,
    "dsr": DSRLoss,
}
CONFIGS = Path(__file__).parents[2] / "conf" / "loss"


def arguments_of(option: str) -> dict[str, object]:
    """Argument -> default."""
    return {name: p.default for name, p in inspect.signature(OPTIONS[option]).parameters.items()}


def lambdas_of(option: str) -> dict[str, float]:
    names = [name for name in arguments_of(option) if name.startswith("lambda_") and name != "lambda_terms"]
    return {name: arguments_of(option)[name] for name in names}


EVERY_LAMBDA = [(option, name) for option in OPTIONS for name in lambdas_of(option)]


class Slowness(LossTerm):
    """Mean squared change of the rates between steps."""

    def __init__(self, lag: int = 1) -> None:
        self.lag = lag

    def term(self, trajectory, trials):
        return (trajectory.rates[:, self.lag :] - trajectory.rates[:, : -self.lag]).square().mean((1, 2))


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


NEEDS = {
    "mse": "outputs",
    "bce": "outputs",
    "cross_entropy": "outputs",
    "l1": "outputs",
    "l2": "outputs",
    "in": "W_in",
    "l1_in": "W_in",
    "l2_in": "W_in",
    "conn_input": "W_in",
    "hid": "W",
    "l1_rec": "W",
    "l2_rec": "W",
    "conn_hidden": "W",
    "out": "W_out",
    "l1_out": "W_out",
    "l2_out": "W_out",
    "conn_readout": "W_out",
    "conn_all": "W_in W W_out",
    "hebbian": "rates W",
    "ar": "latent_step",
    "mar": "latent_step",
    "latent_l2": "latent_step",
    "obs": "W_out",
    "invert": "latents latent_step",
}


def parts_with(needed: str):
    """Trajectory, trials and model that have nothing but what is needed."""
    y, names = normal(2, 5, 2).sigmoid(), needed.split()
    trajectory = {"outputs": y, "rates": normal(2, 5, 4), "latents": normal(2, 5, 4)}
    model = {
        "W_in": ("input_matrix", normal(4, 3)),
        "W": ("recurrent_matrices", (normal(4, 4),)),
        "W_out": ("output_matrix", normal(2, 4)),
        "latent_step": ("latent_step", ALRNN(4, 0, ar_epsilon=0.1)),
    }
    return (
        SimpleNamespace(**{name: value for name, value in trajectory.items() if name in names}),
        SimpleNamespace(targets=y.flip(0), mask=torch.ones_like(y)),
        SimpleNamespace(**dict(pair for name, pair in model.items() if name in names)),
    )


@pytest.mark.parametrize(("option", "name"), EVERY_LAMBDA)
def test_only_the_term_that_has_a_lambda_is_evaluated(option, name):
    key = name.removeprefix("lambda_")
    lambdas = dict.fromkeys(lambdas_of(option), 0.0) | {name: 0.5}
    losses = OPTIONS[option](**lambdas)(*parts_with(NEEDS.get(key, "rates")))
    assert list(losses) == [key]
    assert torch.isfinite(losses.total)
    torch.testing.assert_close(losses.total, 0.5 * losses.raw[key])


@pytest.mark.parametrize("value", [-1, -1e-9, float("nan"), float("inf"), "0.1", None, True, [0.1]])
@pytest.mark.parametrize(("option", "name"), EVERY_LAMBDA)
def test_a_lambda_that_is_no_finite_number_of_at_least_zero_is_refused(option, name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a finite number >= 0, got "):
        OPTIONS[option](**{name: value})


@pytest.mark.parametrize("option", OPTIONS)
def test_a_loss_without_any_weight_is_refused(option):
    zeros = dict.fromkeys(lambdas_of(option), 0.0)
    with pytest.raises(ValueError, match="every lambda is 0"):
        OPTIONS[option](**zeros)
    assert OPTIONS[option](**zeros, terms={"mine": Slowness()}).weights["mine"] == 1.0


@pytest.mark.parametrize("option", OPTIONS)
def test_the_task_error_alone_has_a_weight_by_default(option):
    on = {key: weight for key, weight in OPTIONS[option]().weights.items() if weight}
    assert on == ({"l2": 1.0} if option == "spikernn" else {"mse": 1.0})


@pytest.mark.parametrize("option", OPTIONS)
def test_user_terms_follow_the_built_in_ones_with_their_own_lambda(option):
    trajectory, trials, model = parts_with("outputs rates")
    loss = OPTIONS[option](
        terms={"slowness": Slowness(), "late": Slowness(2)}, lambda_terms={"slowness": 0.5}
    )
    losses = loss(trajectory, trials, model)
    assert list(losses)[1:] == ["slowness", "late"]
    torch.testing.assert_close(losses["slowness"], 0.5 * trajectory.rates.diff(dim=1).square().mean())
    assert loss.weights["late"] == 1.0


@pytest.mark.parametrize("option", OPTIONS)
def test_user_terms_that_cannot_be_used_are_refused(option):
    build = OPTIONS[option]
    for key in build().weights:
        with pytest.raises(ValueError, match=f"^terms.{key}: .* are built-in terms, choose another name"):
            build(terms={key: Slowness()})
    with pytest.raises(ValueError, match=r"^lambda_terms.slwo: .*did you mean slow\?"):
        build(terms={"slow": Slowness()}, lambda_terms={"slwo": 1})
    with pytest.raises(ValueError, match=r"^lambda_terms.slow must be a finite number >= 0, got -2"):
        build(terms={"slow": Slowness()}, lambda_terms={"slow": -2})


def test_terms_and_weights_come_in_one_order():
    mse, mine = Slowness(1), Slowness(2)
    terms, weights = with_user_terms({"b": (0.0, mse), "a": (2, mse)}, {"mine": mine}, {"mine": 3})
    assert list(terms.items()) == [("b", mse), ("a", mse), ("mine", mine)]
    assert list(weights.items()) == [("b", 0.0), ("a", 2.0), ("mine", 3.0)]
    assert with_user_terms({"a": (1, mse)}, None, None) == ({"a": mse}, {"a": 1.0})


@pytest.mark.parametrize("option", OPTIONS)
def test_ar_convergence_is_refused_without_a_threshold(option):
    model = SimpleNamespace(latent_step=SimpleNamespace(ar_epsilon=None))
    with pytest.raises(ValueError, match="lambda_ar needs a latent step with ar_epsilon"):
        OPTIONS[option](lambda_ar=0.1).check_model(model)


def config_of(option: str) -> dict[str, object]:
    return OmegaConf.to_container(OmegaConf.load(CONFIGS / f"{option}.yaml"))


def test_every_option_has_a_file():
    assert {path.stem for path in CONFIGS.glob("*.yaml")} >= set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_config_spells_out_every_argument_with_its_default(option):
    config = config_of(option)
    assert type(instantiate(config, key="loss")) is OPTIONS[option]
    defaults = arguments_of(option) | {"terms": {}, "lambda_terms": {}}
    del config["_target_"]
    assert config == defaults
    assert list(config) == list(defaults)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_config_passes_the_check_before_training_and_mistakes_do_not(option):
    config = config_of(option)
    assert check_component("loss", config) == []
    for name in lambdas_of(option):
        assert check_component("loss", config | {name: -1.0}) == [
            f"loss.{name}: -1.0: must be a finite number >= 0"
        ]
    (problem,) = check_component("loss", config | {"lambda_masked": 0.1})
    assert problem.startswith("loss.lambda_masked: 0.1: unknown key of ")


@pytest.mark.parametrize(
    ("option", "key", "value", "allowed"),
    [
        ("psychrnn", "reduction", "none", "mean or sum"),
        ("nn4n", "conn_metric", "l2", "fro or l1"),
        ("nn4n", "apply_softmax", "yes", "true or false"),
        ("nn4n", "state_pred_steps", 1.5, "an integer"),
    ],
)
def test_wrong_options_are_found_before_training(option, key, value, allowed):
    (problem,) = check_component("loss", config_of(option) | {key: value})
    assert problem == f"loss.{key}: {value}: must be {allowed}"


@pytest.mark.parametrize("option", OPTIONS)
def test_user_terms_come_in_through_the_config(option):
    added = {
        "terms": {"slow": {"_target_": f"{__name__}.Slowness", "lag": 2}},
        "lambda_terms": {"slow": 0.25},
    }
    loss = instantiate(config_of(option) | added, key="loss")
    assert loss.terms["slow"].lag == 2
    assert loss.weights["slow"] == 0.25


def test_a_second_term_of_a_type_comes_in_through_the_config():
    late = {"_target_": "rnnexp.losses.population.StatePrediction", "state_pred_steps": 10}
    config = config_of("nn4n") | {"terms": {"late": late}, "lambda_state_pred": 1.0}
    assert check_component("loss", config) == []
    terms = instantiate(config, key="loss").terms
    assert (terms["state_pred"].state_pred_steps, terms["late"].state_pred_steps) == (1, 10)
