"""RNNLoss and its terms against nn4n and PsychRNN, at the edges (silent networks) and in the config."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from rnnexp.config.instantiate import instantiate
from rnnexp.losses import (
    LossTerm,
    MaskedMeanSquaredError,
    MeanSquaredRate,
    MeanSquaredWeight,
    RateSpread,
    RateVariation,
    RNNLoss,
)

VECTORS = Path(__file__).parents[1] / "vectors"
NN4N = np.load(VECTORS / "nn4n" / "rnnloss.npz", allow_pickle=False)
DSR = np.load(VECTORS / "dsr" / "teacher_forcing_small.npz", allow_pickle=False)
PSYCHRNN = np.load(VECTORS / "psychrnn" / "losses.npz", allow_pickle=False)
CONFIG = Path(__file__).parents[2] / "conf" / "loss" / "rnn_loss.yaml"

KEYS = ["mse", "in", "hid", "out", "fr", "fr_sd", "fr_cv"]
CASES = ["relu_rates", "signed_rates"]
TERMS = {"documented": "terms_seed_f64", "nn4n_1_2": "terms_code_v120_f32"}
TOTALS = {"documented": "total_seed_f64", "nn4n_1_2": "total_code_v120_f32"}
VARIANTS = list(TERMS)


def golden(case: str, dtype: torch.dtype = torch.float64):
    """Trajectory, trials and model of one golden case; pred and label become batch first."""

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(NN4N[f"{case}__{name}"]).to(dtype)

    outputs, targets = tensor("pred").transpose(0, 1), tensor("label").transpose(0, 1)
    trajectory = SimpleNamespace(rates=tensor("states"), outputs=outputs)
    trials = SimpleNamespace(targets=targets, mask=torch.ones_like(targets))
    model = network(tensor("w_in"), (tensor("w_hid"),), tensor("w_out"))
    return trajectory, trials, model


def network(input_matrix=None, recurrent_matrices=(), output_matrix=None):
    return SimpleNamespace(
        input_matrix=input_matrix, recurrent_matrices=recurrent_matrices, output_matrix=output_matrix
    )


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def with_rates(rates: torch.Tensor):
    return SimpleNamespace(rates=rates)


def lambdas(values) -> dict[str, float]:
    return {f"lambda_{key}": float(value) for key, value in zip(KEYS, values, strict=True)}


def tolerance(variant: str, dtype: torch.dtype) -> dict[str, float]:
    exact = variant == "documented" and dtype == torch.float64
    return {"rtol": 0, "atol": 1e-10} if exact else {"rtol": 1e-5, "atol": 0}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
def test_every_term_matches_nn4n(case, variant, dtype):
    losses = RNNLoss(**lambdas(np.ones(7)), variant=variant)(*golden(case, dtype))
    assert list(losses) == KEYS
    values = np.array([losses[key].item() for key in KEYS])
    np.testing.assert_allclose(values, NN4N[f"{case}__{TERMS[variant]}"], **tolerance(variant, dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
def test_weighted_values_and_total_match_nn4n(case, variant, dtype):
    weights = NN4N[f"{case}__lambdas"]
    losses = RNNLoss(**lambdas(weights), variant=variant)(*golden(case, dtype))
    expected = (weights * NN4N[f"{case}__{TERMS[variant]}"])[weights > 0]
    values = np.array([value.item() for value in losses.values()])
    assert list(losses) == [key for key, weight in zip(KEYS, weights, strict=True) if weight > 0]
    np.testing.assert_allclose(values, expected, **tolerance(variant, dtype))
    np.testing.assert_allclose(
        losses.total.item(), NN4N[f"{case}__{TOTALS[variant]}"], **tolerance(variant, dtype)
    )
    if variant == "nn4n_1_2":
        np.testing.assert_allclose(values, NN4N[f"{case}__returned_vector_code_v120_f32"], rtol=1e-5)


@pytest.mark.parametrize(("mask", "expected"), [("mask", "mse_pred_y"), (None, "mse_pred_y_nomask")])
def test_masked_error_matches_psychrnn(mask, expected):
    outputs, targets = (torch.from_numpy(PSYCHRNN[name]) for name in ("pred", "y"))
    weight = torch.ones_like(targets) if mask is None else torch.from_numpy(PSYCHRNN[mask])
    trials = SimpleNamespace(targets=targets, mask=weight)
    losses = MaskedMeanSquaredError()(SimpleNamespace(outputs=outputs), trials)
    np.testing.assert_allclose(losses["mse"].item(), PSYCHRNN[expected], rtol=1e-5)


def test_error_is_a_mean_over_all_entries_with_the_mask_squared():
    trials = SimpleNamespace(targets=torch.zeros(2, 3, 1), mask=torch.zeros(2, 3, 1))
    trials.mask[0, 0] = 0.5
    losses = MaskedMeanSquaredError()(SimpleNamespace(outputs=torch.full((2, 3, 1), 4.0)), trials)
    assert losses.total.item() == pytest.approx((0.5 * 4.0) ** 2 / 6)


def test_error_refuses_shapes_that_would_broadcast():
    trials = SimpleNamespace(targets=torch.zeros(2, 3, 1), mask=torch.ones(2, 3, 1))
    with pytest.raises(
        ValueError, match=r"same shape \(B, T, O\), got \(2, 3, 2\), \(2, 3, 1\), \(2, 3, 1\)"
    ):
        MaskedMeanSquaredError()(SimpleNamespace(outputs=torch.zeros(2, 3, 2)), trials)


def test_recurrent_penalty_is_the_mean_square_over_all_matrices_together():
    W1, W2 = normal(4, 20), normal(20, 5)
    losses = MeanSquaredWeight("recurrent")(None, None, network(recurrent_matrices=(W1, W2)))
    expected = torch.cat([W1.flatten(), W2.flatten()]).square().mean()
    torch.testing.assert_close(losses.total, expected)


@pytest.mark.parametrize("epsilon", [0.05, 0.95, 0.0001])
def test_ar_convergence_is_one_term_of_the_loss(epsilon):
    A, W = (torch.from_numpy(DSR[f"ar_{name}"]).requires_grad_() for name in "AW")
    model = SimpleNamespace(latent_step=SimpleNamespace(A=A, W=W, ar_epsilon=epsilon))
    loss = RNNLoss(lambda_mse=0, lambda_ar=2.0)
    loss.check_model(model)
    losses = loss(None, None, model)
    losses.raw["ar"].backward()
    np.testing.assert_allclose(losses["ar"].item(), 2 * DSR[f"ar_eps{epsilon}_loss"], atol=1e-10)
    np.testing.assert_allclose(A.grad, DSR[f"ar_eps{epsilon}_grad_A"], atol=1e-10)
    np.testing.assert_allclose(W.grad, DSR[f"ar_eps{epsilon}_grad_W"], atol=1e-10)


RATE_TERMS = [MeanSquaredRate, RateSpread, RateVariation]


@pytest.mark.parametrize("n_units", [1, 6])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("term", RATE_TERMS)
def test_silent_and_uniform_networks_have_finite_values_and_gradients(term, variant, rate, n_units):
    rates = torch.full((3, 5, n_units), rate, requires_grad=True)
    total = term(variant)(with_rates(rates), None).total
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(rates.grad).all()
    if rate == 0.0:
        assert total == 0.0
        assert (rates.grad == 0).all()


def test_rate_variation_stays_finite_and_positive_for_signed_rates():
    centred = torch.tensor([-1.0, 1.0]).expand(3, 5, 2).clone().requires_grad_()
    total = RateVariation()(with_rates(centred), None).total
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(centred.grad).all()
    negative = RateVariation()(with_rates(torch.tensor([-3.0, -1.0]).expand(3, 5, 2)), None).total
    assert negative.item() == pytest.approx(0.5)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("term", RATE_TERMS)
def test_gradients_of_rate_terms_agree_with_finite_differences(term, variant):
    rates = normal(2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda r: term(variant)(with_rates(r), None).total, rates)


def test_gradients_of_error_and_weight_terms_agree_with_finite_differences():
    outputs, W1, W2 = normal(3, 2, 3, 2).requires_grad_()
    trials = SimpleNamespace(targets=outputs.detach().flip(0), mask=W1.detach().abs())

    def error(y):
        return MaskedMeanSquaredError()(SimpleNamespace(outputs=y), trials).total

    assert torch.autograd.gradcheck(error, outputs)
    for which in ("input", "recurrent", "output"):
        penalty = MeanSquaredWeight(which)
        assert torch.autograd.gradcheck(
            lambda a, b, penalty=penalty: penalty(None, None, network(a, (a, b), b)).total, (W1, W2)
        )


@pytest.mark.parametrize(
    ("name", "which"), [("lambda_in", "input"), ("lambda_hid", "recurrent"), ("lambda_out", "output")]
)
def test_a_weight_penalty_without_something_to_shrink_is_refused(name, which):
    loss = RNNLoss(**{name: 0.1})
    fixed = torch.ones(3, 2)
    with pytest.raises(
        ValueError, match=f"{name} must be 0, there is no {which} matrix.*this model has none"
    ):
        loss.check_model(network())
    with pytest.raises(ValueError, match=f"{name} must be 0.*this model has none"):
        MeanSquaredWeight(which)(None, None, network())
    with pytest.raises(ValueError, match=f"{name} must be 0.*fixed in this model"):
        loss.check_model(network(fixed, (fixed,), fixed))
    trained = torch.nn.Parameter(fixed)
    loss.check_model(network(trained, (fixed, trained), trained))
    RNNLoss().check_model(network())


def test_a_weight_penalty_called_without_the_model_says_so():
    with pytest.raises(ValueError, match="must be called with the model"):
        MeanSquaredWeight("input")(None, None)


@pytest.mark.parametrize("value", [-1, -1e-9, float("nan"), float("inf"), "0.1", None, True, [0.1]])
@pytest.mark.parametrize("key", [*KEYS, "ar"])
def test_a_lambda_that_is_no_finite_number_of_at_least_zero_is_refused(key, value):
    with pytest.raises(ValueError, match=f"^lambda_{key} must be a finite number >= 0, got "):
        RNNLoss(**{f"lambda_{key}": value})


def test_a_lambda_is_refused_with_its_value():
    with pytest.raises(ValueError, match=r"^lambda_fr must be a finite number >= 0, got -1$"):
        RNNLoss(lambda_fr=-1)


def test_a_loss_without_any_weight_is_refused():
    with pytest.raises(ValueError, match="every lambda is 0"):
        RNNLoss(lambda_mse=0)
    assert RNNLoss(lambda_mse=0, terms={"mine": Slowness()}).weights["mine"] == 1.0


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="variant must be one of documented, nn4n_1_2, got 'nn4n'"):
        RNNLoss(variant="nn4n")


class Slowness(LossTerm):
    """Mean squared change of the rates between steps."""

    def __init__(self, lag: int = 1) -> None:
        self.lag = lag

    def term(self, trajectory, trials):
        return (trajectory.rates[:, self.lag :] - trajectory.rates[:, : -self.lag]).square().mean((1, 2))


def total_output(trajectory, trials, model, scale):
    return scale * trajectory.outputs.sum()


def test_user_terms_follow_the_built_in_ones_with_their_own_lambda():
    trajectory, trials, model = golden("relu_rates")
    loss = RNNLoss(lambda_fr=0.1, terms={"slowness": Slowness()}, lambda_terms={"slowness": 0.5})
    losses = loss(trajectory, trials, model)
    assert list(losses) == ["mse", "fr", "slowness"]
    torch.testing.assert_close(losses["slowness"], 0.5 * trajectory.rates.diff(dim=1).square().mean())
    torch.testing.assert_close(losses.total, losses["mse"] + losses["fr"] + losses["slowness"])


def test_a_composite_as_user_term_is_taken_apart():
    loss = RNNLoss(terms={"reg": 2 * Slowness() + 3 * RateSpread()}, lambda_terms={"reg": 0.5})
    assert {key: weight for key, weight in loss.weights.items() if key not in KEYS and key != "ar"} == {
        "reg_slowness": 1.0,
        "reg_fr_sd": 1.5,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"terms": {"fr_sd": Slowness()}},
            "terms.fr_sd: mse, in, .* are built-in terms, choose another name",
        ),
        ({"terms": {"MSE": Slowness()}}, "terms.MSE: .* choose another name"),
        (
            {"terms": {"slow": Slowness()}, "lambda_terms": {"slwo": 1}},
            "lambda_terms.slwo: .*did you mean slow?",
        ),
        ({"lambda_terms": {"slow": 1}}, "lambda_terms.slow: no entry of terms has this name"),
        (
            {"terms": {"slow": Slowness()}, "lambda_terms": {"slow": -2}},
            "lambda_terms.slow must be a finite number >= 0, got -2",
        ),
        ({"terms": {"slow": {"lag": 1}}}, "loss term 'slow' must be a LossTerm or a callable, got dict"),
    ],
)
def test_user_terms_that_cannot_be_used_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RNNLoss(**arguments)


def test_the_config_spells_out_every_argument_with_its_default():
    config = OmegaConf.to_container(OmegaConf.load(CONFIG))
    loss = instantiate(config, key="loss")
    assert loss.weights == RNNLoss().weights
    arguments = set(RNNLoss.__init__.__annotations__) - {"return"}
    assert set(config) - {"_target_"} == arguments


def test_user_terms_come_in_through_the_config():
    config = OmegaConf.to_container(OmegaConf.load(CONFIG))
    here = f"{__name__}.Slowness", f"{__name__}.total_output"
    added = {
        "terms": {
            "slowness": {"_target_": here[0], "lag": 2},
            "total": {"_target_": here[1], "_partial_": True, "scale": 3.0},
        },
        "lambda_terms": {"slowness": 0.25},
    }
    loss = instantiate(config | added, key="loss")
    assert loss.terms["slowness"].lag == 2
    assert loss.weights["slowness"] == 0.25
    trajectory, trials, model = golden("relu_rates")
    torch.testing.assert_close(loss(trajectory, trials, model)["total"], 3 * trajectory.outputs.sum())


def test_importing_the_losses_loads_no_other_heavy_package():
    heavy = ["hydra", "omegaconf", "pandas", "matplotlib", "scipy", "numba"]
    program = f"import sys, rnnexp.losses; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
