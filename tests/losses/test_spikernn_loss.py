"""SpikeRNNLoss against spikeRNN: values and gradients, per trial, without error."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rnnexp.losses import ErrorNorm, SpikeRNNLoss

VECTORS = Path(__file__).parents[1] / "vectors" / "spikernn_rate"
GOLDEN = np.load(VECTORS / "fr_rnn_dale_forward.npz", allow_pickle=False)
CASES = ["dale_taus", "clipped_single_tau", "softplus_som", "nodale", "noise_given"]


def golden(case: str, name: str) -> np.ndarray:
    return GOLDEN[f"{case}__{name}"]


def one_trial(case: str, outputs: torch.Tensor):
    """Trajectory and trials of one golden trial; output i of the peer belongs to time i + 1."""
    targets = torch.from_numpy(golden(case, "target")).to(outputs.dtype).view(1, -1, 1)
    trials = SimpleNamespace(targets=targets, mask=torch.ones_like(targets))
    return SimpleNamespace(outputs=outputs.view(1, -1, 1)), trials


def loss_of(case: str) -> SpikeRNNLoss:
    norm = str(golden(case, "loss_fn"))
    return SpikeRNNLoss(**{"lambda_l1": 0.0, "lambda_l2": 0.0, f"lambda_{norm}": 1.0})


def test_both_norms_occur_in_the_golden_cases():
    assert {str(golden(case, "loss_fn")) for case in CASES} == {"l1", "l2"}


@pytest.mark.parametrize("case", CASES)
def test_losses_match_spikernn(case):
    for suffix, tolerance in (("", {"rtol": 1e-5, "atol": 1e-5}), ("_f64", {"rtol": 0, "atol": 1e-10})):
        outputs = torch.from_numpy(golden(case, f"o{suffix}"))
        losses = loss_of(case)(*one_trial(case, outputs))
        assert list(losses) == [str(golden(case, "loss_fn"))]
        np.testing.assert_allclose(losses.total.item(), golden(case, f"loss{suffix}"), **tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_the_readout_match_spikernn(case, dtype):
    rates = torch.from_numpy(golden(case, "r")).to(dtype)
    w_out = torch.from_numpy(golden(case, "w_out")).to(dtype).requires_grad_()
    b_out = torch.from_numpy(golden(case, "b_out")).to(dtype).requires_grad_()
    outputs = (w_out @ rates[:, 1:]).flatten() + b_out
    loss_of(case)(*one_trial(case, outputs)).total.backward()
    for name, parameter in (("grad_w_out", w_out), ("grad_b_out", b_out)):
        expected = golden(case, name)
        atol = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(parameter.grad, expected, rtol=1e-3, atol=atol, err_msg=name)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def masked_batch():
    outputs, targets = normal(3, 5, 2).requires_grad_(), normal(3, 5, 2).roll(1, 0)
    mask = normal(3, 5, 2).abs() * (normal(3, 5, 2).flip(1) > 0)
    return outputs, SimpleNamespace(targets=targets, mask=mask)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_norm_is_taken_per_trial_and_then_averaged(norm):
    outputs, trials = masked_batch()
    losses = ErrorNorm(norm)(SimpleNamespace(outputs=outputs), trials)
    error = (trials.mask * (outputs - trials.targets)).detach().numpy().reshape(3, -1)
    per_trial = np.abs(error).sum(1) if norm == "l1" else np.sqrt((error**2).sum(1))
    np.testing.assert_allclose(losses.total.item(), per_trial.mean(), rtol=1e-12)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_gradients_agree_with_finite_differences(norm):
    outputs, trials = masked_batch()
    assert torch.autograd.gradcheck(
        lambda y: ErrorNorm(norm)(SimpleNamespace(outputs=y), trials).total, outputs
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_a_trial_without_error_has_value_and_gradient_zero(norm, dtype):
    outputs = torch.zeros(2, 4, 1, dtype=dtype, requires_grad=True)
    targets = torch.zeros(2, 4, 1, dtype=dtype)
    targets[1] = 1.0
    trials = SimpleNamespace(targets=targets, mask=torch.ones_like(targets))
    losses = ErrorNorm(norm)(SimpleNamespace(outputs=outputs), trials)
    losses.total.backward()
    assert losses.total.item() == (2.0 if norm == "l1" else 1.0)
    assert (outputs.grad[0] == 0).all()
    assert torch.isfinite(outputs.grad[1]).all()
    assert (outputs.grad[1] < 0).all()


def test_l1_and_l2_can_be_summed():
    outputs, trials = masked_batch()
    losses = SpikeRNNLoss(lambda_l1=0.5, lambda_l2=2.0)(SimpleNamespace(outputs=outputs), trials)
    assert list(losses) == ["l1", "l2"]
    torch.testing.assert_close(losses.total, 0.5 * losses.raw["l1"] + 2.0 * losses.raw["l2"])


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm must be one of l1, l2, got 'rmse'"):
        ErrorNorm("rmse")
