"""NN4NLoss and its terms against nn4n's CompositeLoss, second computations, and at the edges."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from rnnexp.losses import (
    HebbianDrive,
    MaskedCrossEntropy,
    MeanRateLevel,
    MeanRateSpread,
    NN4NLoss,
    RateEntropy,
    StatePrediction,
)

VECTORS = Path(__file__).parents[1] / "vectors"
GOLDEN = np.load(VECTORS / "nn4n" / "rnnloss.npz", allow_pickle=False)
CASES = ["relu_rates", "signed_rates"]
DTYPES = [torch.float32, torch.float64]
GOLDEN_KEYS = {
    "fr_l2": "fr_l2",
    "fr_l1": "fr_l1",
    "fr_sd": "sd",
    "fr_cv": "cv",
    "fr_mean_ad": "mean_ad",
    "fr_max_ad": "max_ad",
    "conn_all": "conn_all",
    "hebbian": "hebb",
}


def golden(case: str, dtype: torch.dtype = torch.float64):
    """Trajectory and model of one golden case."""
    rates, W_in, W, W_out = (
        torch.from_numpy(GOLDEN[f"{case}__{name}"]).to(dtype) for name in ("states", "w_in", "w_hid", "w_out")
    )
    return SimpleNamespace(rates=rates), network(W_in, (W,), W_out)


def network(input_matrix=None, recurrent_matrices=(), output_matrix=None, latent_dim=4, output_dim=2):
    return SimpleNamespace(
        input_matrix=input_matrix,
        recurrent_matrices=recurrent_matrices,
        output_matrix=output_matrix,
        latent_step=SimpleNamespace(latent_dim=latent_dim),
        observation=SimpleNamespace(output_dim=output_dim),
    )


def only(**arguments) -> NN4NLoss:
    return NN4NLoss(lambda_mse=0, **arguments)


def with_rates(rates: torch.Tensor):
    return SimpleNamespace(rates=rates)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("key", GOLDEN_KEYS)
@pytest.mark.parametrize("case", CASES)
def test_composable_terms_match_nn4n(case, key, dtype):
    trajectory, model = golden(case, dtype)
    losses = only(**{f"lambda_{key}": 1.0})(trajectory, None, model)
    assert list(losses) == [key]
    assert losses.total.dtype == dtype
    np.testing.assert_allclose(
        losses.total.item(), GOLDEN[f"{case}__composite_v120__{GOLDEN_KEYS[key]}"], rtol=1e-5
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_sum_of_absolute_hidden_weights_matches_nn4n(case, dtype):
    losses = only(lambda_conn_hidden=1.0, conn_metric="l1")(None, None, golden(case, dtype)[1])
    np.testing.assert_allclose(losses.total.item(), GOLDEN[f"{case}__composite_v120__conn_hid_l1"], rtol=1e-5)


@pytest.mark.parametrize("metric", ["fro", "l1"])
def test_connection_terms_take_their_layer_and_all_is_their_sum(metric):
    W_in, W1, W2, W_out = normal(4, 3), normal(4, 9), normal(9, 4), normal(2, 4)
    keys = ["input", "hidden", "readout", "all"]
    loss = only(**{f"lambda_conn_{key}": 1.0 for key in keys}, conn_metric=metric)
    losses = loss(None, None, network(W_in, (W1, W2), W_out))
    order = 2 if metric == "fro" else 1
    both = np.concatenate([W1.flatten(), W2.flatten()])
    expected = [np.linalg.norm(np.ravel(entries), order) for entries in (W_in, both, W_out)]
    values = [losses[f"conn_{key}"].item() for key in keys]
    np.testing.assert_allclose(values, [*expected, sum(expected)], rtol=1e-12)


def test_the_size_of_all_weights_leaves_out_what_the_model_lacks():
    W = normal(4, 4).requires_grad_()
    loss = only(lambda_conn_all=1.0)
    loss.check_model(network(None, (W,), None))
    torch.testing.assert_close(loss(None, None, network(None, (W,), None)).total, W.square().sum().sqrt())
    loss.check_model(network(W.detach(), (W,), W.detach()))
    with pytest.raises(ValueError, match=r"lambda_conn_all must be 0, there is no matrix.*has none"):
        loss.check_model(network())
    with pytest.raises(ValueError, match=r"lambda_conn_all must be 0, there is no matrix.*is fixed"):
        loss.check_model(network(W.detach(), (W.detach(),)))


@pytest.mark.parametrize("steps", [1, 3])
def test_state_prediction_shifts_time(steps):
    rates = normal(3, 6, 4)
    losses = only(lambda_state_pred=1.0, state_pred_steps=steps)(with_rates(rates), None)
    r = rates.numpy()
    expected = np.mean([(r[:, t + steps] - r[:, t]) ** 2 for t in range(6 - steps)])
    np.testing.assert_allclose(losses["state_pred"].item(), expected, rtol=1e-12)


def test_state_prediction_of_trials_that_differ_but_stand_still_is_zero():
    still = normal(3, 1, 4).expand(3, 6, 4)
    assert StatePrediction()(with_rates(still), None).total == 0.0


def test_state_prediction_refuses_trials_that_are_too_short():
    rates = normal(3, 6, 4)
    assert torch.isfinite(StatePrediction(5)(with_rates(rates), None).total)
    with pytest.raises(ValueError, match="state_pred_steps must be < 6, the steps of a trial, got 6"):
        StatePrediction(6)(with_rates(rates), None)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "2", None])
def test_state_prediction_refuses_what_is_no_number_of_steps(value):
    with pytest.raises(ValueError, match=r"^state_pred_steps must be a whole number >= 1, got "):
        NN4NLoss(state_pred_steps=value)


def test_hebbian_drive_is_the_size_of_the_quadratic_form_at_each_moment():
    rates, W = normal(2, 3, 4), normal(4, 4)
    pairs = np.einsum("ij,bti,btj->bt", W.numpy(), rates.numpy(), rates.numpy())
    total = HebbianDrive()(with_rates(rates), None, network(recurrent_matrices=(W,))).total
    np.testing.assert_allclose(total.item(), np.abs(pairs).mean(), rtol=1e-12)


@pytest.mark.parametrize(
    ("shapes", "shown"), [((), "none"), (((4, 9), (9, 4)), r"\(4, 9\), \(9, 4\)"), (((4, 3),), r"\(4, 3\)")]
)
def test_hebbian_drive_refuses_models_without_one_square_matrix(shapes, shown):
    loss = only(lambda_hebbian=1.0)
    model = network(recurrent_matrices=tuple(normal(*shape) for shape in shapes))
    message = rf"^lambda_hebbian must be 0: .* one recurrent matrix \(4, 4\), this model has {shown}$"
    with pytest.raises(ValueError, match=message):
        loss.check_model(model)
    with pytest.raises(ValueError, match=message):
        loss(with_rates(normal(2, 3, 4)), None, model)
    with pytest.raises(ValueError, match="must be called with the model"):
        loss(with_rates(normal(2, 3, 4)), None)
    loss.check_model(network(recurrent_matrices=(normal(4, 4),)))


@pytest.mark.parametrize("reg", [0.0, 10.0, 2.5])
def test_entropy_is_that_of_the_rates_over_units_plus_their_energy(reg):
    rates = normal(2, 3, 4).abs()
    r = rates.numpy()
    p = r / (r.sum(-1, keepdims=True) + 1e-8)
    expected = -(p * np.log(p + 1e-8)).sum(-1).mean() + reg * (r**2).sum(-1).mean()
    losses = only(lambda_entropy=1.0, entropy_reg=reg)(with_rates(rates), None)
    np.testing.assert_allclose(losses["entropy"].item(), expected, rtol=1e-12)
    torch.testing.assert_close(RateEntropy(reg)(with_rates(-rates), None).total, losses.total)


def test_entropy_runs_from_one_active_unit_to_all_units_alike():
    one, all_alike = torch.eye(4, dtype=torch.float64)[None, :1], torch.ones(1, 1, 4, dtype=torch.float64)
    assert RateEntropy(0.0)(with_rates(one), None).total.item() == pytest.approx(0.0, abs=1e-7)
    assert RateEntropy(0.0)(with_rates(all_alike), None).total.item() == pytest.approx(np.log(4))
    assert only(lambda_entropy=1.0)(with_rates(one), None).total.item() == pytest.approx(10.0)


@pytest.mark.parametrize("value", [-1, float("nan"), "1", None])
def test_entropy_refuses_a_weight_of_the_energy_that_is_no_finite_number_of_at_least_zero(value):
    with pytest.raises(ValueError, match=r"^entropy_reg must be a finite number >= 0, got "):
        NN4NLoss(entropy_reg=value)


def choice_trials(mask: torch.Tensor | None = None):
    targets = functional.one_hot(torch.tensor([[0, 2, 1], [1, 1, 0]]), 3).to(torch.float64)
    return SimpleNamespace(targets=targets, mask=torch.ones_like(targets) if mask is None else mask)


def test_cross_entropy_is_that_of_torch_for_one_hot_targets():
    logits, trials = normal(2, 3, 3), choice_trials()
    expected = functional.cross_entropy(logits.flatten(0, 1), trials.targets.argmax(-1).flatten())
    losses = only(lambda_cross_entropy=1.0)(SimpleNamespace(outputs=logits), trials)
    torch.testing.assert_close(losses["cross_entropy"], expected)
    probabilities = SimpleNamespace(outputs=logits.softmax(-1))
    without = only(lambda_cross_entropy=1.0, apply_softmax=False)(probabilities, trials)
    torch.testing.assert_close(without.total, expected)


def test_cross_entropy_leaves_out_masked_steps_but_counts_them_in_the_mean():
    logits, mask = normal(2, 3, 3), torch.ones(2, 3, 3, dtype=torch.float64)
    mask[:, :2] = 0
    trials = choice_trials(mask)
    masked = MaskedCrossEntropy()(SimpleNamespace(outputs=logits), trials).total
    last = functional.cross_entropy(logits[:, 2], trials.targets[:, 2].argmax(-1))
    torch.testing.assert_close(masked, last / 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("apply_softmax", [True, False])
def test_cross_entropy_is_bounded_by_the_smallest_probability(apply_softmax, dtype):
    trials = SimpleNamespace(targets=torch.tensor([[[0.0, 1.0]]], dtype=dtype), mask=torch.ones(1, 1, 2))
    wrong = [[[1e4, -1e4]]] if apply_softmax else [[[1.0, 0.0]]]
    outputs = torch.tensor(wrong, dtype=dtype, requires_grad=True)
    total = MaskedCrossEntropy(apply_softmax)(SimpleNamespace(outputs=outputs), trials).total
    total.backward()
    assert total.item() == pytest.approx(-np.log(1e-12))
    assert (outputs.grad == 0).all()


def test_cross_entropy_with_a_softmax_refuses_a_single_output():
    with pytest.raises(ValueError, match="needs 2 or more outputs, this model has 1"):
        only(lambda_cross_entropy=1.0).check_model(network(output_dim=1))
    only(lambda_cross_entropy=1.0, apply_softmax=False).check_model(network(output_dim=1))
    only(lambda_cross_entropy=1.0).check_model(network(output_dim=2))


def test_options_of_the_wrong_kind_are_refused():
    with pytest.raises(ValueError, match="apply_softmax must be true or false, got 1"):
        NN4NLoss(apply_softmax=1)
    with pytest.raises(ValueError, match="conn_metric must be one of fro, l1, got 'l2'"):
        NN4NLoss(conn_metric="l2")
    with pytest.raises(ValueError, match="metric must be one of l1, l2, got 'fro'"):
        MeanRateLevel("fro")
    with pytest.raises(ValueError, match="metric must be one of sd, cv, mean_ad, max_ad, got 'var'"):
        MeanRateSpread("var")


RATE_TERMS = {
    "fr_l1": MeanRateLevel("l1"),
    "fr_l2": MeanRateLevel("l2"),
    "fr_sd": MeanRateSpread("sd"),
    "fr_cv": MeanRateSpread("cv"),
    "fr_mean_ad": MeanRateSpread("mean_ad"),
    "fr_max_ad": MeanRateSpread("max_ad"),
    "state_pred": StatePrediction(2),
    "hebbian": HebbianDrive(),
    "entropy": RateEntropy(),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_units", [1, 6])
@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.3, -0.3])
@pytest.mark.parametrize("key", RATE_TERMS)
def test_silent_and_uniform_networks_have_finite_values_and_gradients(key, rate, n_units, dtype):
    rates = torch.full((3, 5, n_units), rate, dtype=dtype, requires_grad=True)
    model = network(recurrent_matrices=(torch.ones(n_units, n_units, dtype=dtype),))
    total = RATE_TERMS[key](with_rates(rates), None, model).total
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(rates.grad).all()
    if rate == 0.0:
        assert total == 0.0
        assert (rates.grad == 0).all()


@pytest.mark.parametrize("key", RATE_TERMS)
def test_gradients_of_rate_terms_agree_with_finite_differences(key):
    rates, W = normal(2, 4, 3).requires_grad_(), normal(3, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda r, W: RATE_TERMS[key](with_rates(r), None, network(recurrent_matrices=(W,))).total, (rates, W)
    )


@pytest.mark.parametrize("apply_softmax", [True, False])
def test_gradients_of_the_cross_entropy_agree_with_finite_differences(apply_softmax):
    outputs, trials = normal(2, 3, 3).sigmoid().requires_grad_(), choice_trials(normal(2, 3, 3).abs())
    term = MaskedCrossEntropy(apply_softmax)
    assert torch.autograd.gradcheck(lambda y: term(SimpleNamespace(outputs=y), trials).total, outputs)


def test_largest_deviation_counts_below_the_mean_too():
    rates = torch.tensor([0.0, 3.0, 3.0]).expand(3, 5, 3)
    assert MeanRateSpread("max_ad")(with_rates(rates), None).total.item() == pytest.approx(2.0)


def test_variation_stays_positive_and_finite_for_signed_rates():
    negative = torch.tensor([-3.0, -1.0]).expand(3, 5, 2)
    total = MeanRateSpread("cv")(with_rates(negative), None).total
    assert total.item() == pytest.approx(np.sqrt(2) / 2)
    centred = torch.tensor([-1.0, 1.0]).expand(3, 5, 2)
    assert torch.isfinite(MeanRateSpread("cv")(with_rates(centred), None).total)
