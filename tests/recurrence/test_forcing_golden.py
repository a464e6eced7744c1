"""Forced trajectories, losses and gradients of the published reconstruction codes; both backends, both precisions."""

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch

from rnnexp.latent_steps import ALRNN, PLRNN, ShPLRNN
from rnnexp.losses.output import MaskedMeanSquaredError
from rnnexp.models import RNN
from rnnexp.observation import Identity, Linear
from rnnexp.recurrence.forcing import AdaptiveForcing, GeneralizedForcing, SparseForcing
from rnnexp.recurrence.forcing.jacobian_norms import jacobian_norm
from rnnexp.tasks.base import Trials

FILE = np.load(Path(__file__).parents[1] / "vectors" / "dsr" / "teacher_forcing_small.npz")
TAU, ALPHA = int(FILE["tau"]), float(FILE["alpha"])
CLOSE = {
    torch.float64: {"rtol": 1e-9, "atol": 1e-10},
    torch.float32: {"rtol": 2e-4, "atol": 2e-5},
}
RUNS = pytest.mark.parametrize(
    ("dtype", "backend"),
    [(dtype, backend) for dtype in CLOSE for backend in ("reference", "fused")],
)


def tensor(name, dtype):
    return torch.tensor(FILE[name], dtype=dtype)


def set_parameters(module, dtype, **values):
    module.to(dtype)
    with torch.no_grad():
        for name, value in values.items():
            getattr(module, name).copy_(torch.tensor(value, dtype=dtype))


def trials(dtype, inputs=None):
    x, y = tensor("x", dtype), tensor("y", dtype)
    inputs = x.new_empty(*x.shape[:2], 0) if inputs is None else inputs
    return Trials(inputs, y, torch.ones_like(y), {}, signal=x)


def run(model, batch, dtype):
    """The loss, the predicted states, and the model with its gradients."""
    model = model.to(dtype)
    trajectory = model(batch)
    loss = MaskedMeanSquaredError()(trajectory, batch).total
    loss.backward()
    return loss, trajectory.latents


def assert_close(actual, name, dtype, expected=None):
    expected = tensor(name, dtype) if expected is None else torch.tensor(expected, dtype=dtype)
    torch.testing.assert_close(actual.detach(), expected, **CLOSE[dtype], msg=lambda text: f"{name}: {text}")


FORCINGS = {
    "stf": lambda: SparseForcing(TAU),
    "gtf_partial": lambda: GeneralizedForcing(ALPHA),
    "gtf_sparse": lambda: GeneralizedForcing(ALPHA, interval=TAU),
}


@RUNS
@pytest.mark.parametrize("tag", FORCINGS)
def test_an_almost_linear_network_is_forced_as_in_its_paper(tag, dtype, backend):
    step = ALRNN(6, 0, num_relus=int(FILE["num_relus"]))
    set_parameters(step, dtype, A=FILE["alrnn_A"], W_raw=FILE["alrnn_W"], h=FILE["alrnn_h"])
    model = RNN(step, Identity(6, 3), "data", backend, FORCINGS[tag]())
    set_parameters(model.data_start, dtype, L=FILE["alrnn_B"].T[3:])
    loss, latents = run(model, trials(dtype), dtype)
    assert_close(loss, f"alrnn_{tag}_loss", dtype)
    assert_close(latents, f"alrnn_{tag}_Z", dtype)
    for parameter, name in ((step.A, "A"), (step.W_raw, "W"), (step.h, "h")):
        assert_close(parameter.grad, f"alrnn_{tag}_grad_{name}", dtype)
    assert_close(model.data_start.L.grad, "grad_B", dtype, FILE[f"alrnn_{tag}_grad_B"].T[3:])


def plrnn(dtype):
    step = PLRNN(6, 0)
    AW = FILE["plrnn_AW"]
    set_parameters(step, dtype, A=np.diag(AW), W_raw=AW - np.diag(np.diag(AW)), h=FILE["plrnn_h"])
    return step


def assert_gradient_of_joined_matrix(step, name, dtype):
    """The source holds A on the diagonal of the matrix whose other entries are W."""
    joined = torch.diag(step.A.grad) + step.W_raw.grad * step.off_diagonal
    assert_close(joined, name, dtype)


@RUNS
def test_a_centred_network_is_forced_as_in_its_paper(dtype, backend):
    step = plrnn(dtype)
    model = RNN(step, Identity(6, 3), "data", backend, SparseForcing(TAU, through="identity"))
    set_parameters(model.data_start, dtype, L=FILE["plrnn_L"])
    loss, latents = run(model, trials(dtype), dtype)
    assert_close(loss, "plrnn_stf_loss", dtype)
    assert_close(latents, "plrnn_stf_Z", dtype)
    assert_gradient_of_joined_matrix(step, "plrnn_stf_grad_AW", dtype)
    assert_close(step.h.grad, "plrnn_stf_grad_h", dtype)
    assert_close(model.data_start.L.grad, "plrnn_stf_grad_L", dtype)


@RUNS
def test_inverse_forcing_sends_gradients_through_the_pseudo_inverse(dtype, backend):
    step, observation = plrnn(dtype), Linear(6, 3)
    set_parameters(observation, dtype, B_raw=FILE["inv_B"])
    model = RNN(step, observation, "data", backend, SparseForcing(TAU, through="inverse"))
    loss, latents = run(model, trials(dtype), dtype)
    assert_close(loss, "inv_loss", dtype)
    assert_close(latents, "inv_Z", dtype)
    assert_gradient_of_joined_matrix(step, "inv_grad_AW", dtype)
    assert_close(step.h.grad, "inv_grad_h", dtype)
    assert_close(observation.B_raw.grad, "inv_grad_B", dtype)


def shallow(dtype, clipped, input_dim=0, W1="sh_W1"):
    step = ShPLRNN(3, input_dim, hidden_dim=8, clipped=clipped)
    values = {name: FILE[f"sh_{name}"] for name in ("A", "W2", "h1", "h2")}
    set_parameters(step, dtype, **values, W1=FILE[W1], **({"C": FILE["sh_C"]} if input_dim else {}))
    return step


@RUNS
@pytest.mark.parametrize(("tag", "clipped", "input_dim"), [("sh", False, 2), ("clsh", True, 0)])
def test_a_shallow_network_is_forced_as_in_its_paper(tag, clipped, input_dim, dtype, backend):
    step = shallow(dtype, clipped, input_dim)
    model = RNN(step, Identity(3, 3), "data", backend, GeneralizedForcing(float(FILE["gtf_alpha"])))
    inputs = tensor("sh_s", dtype) if input_dim else None
    loss, latents = run(model, trials(dtype, inputs), dtype)
    assert_close(loss, f"{tag}_gtf_loss", dtype)
    assert_close(latents, f"{tag}_gtf_Z", dtype)
    for name in ("A", "W1", "W2", "h1", "h2", *(["C"] if input_dim else [])):
        assert_close(getattr(step, name).grad, f"{tag}_gtf_grad_{name}", dtype)


METHODS = ["batch_maximum", "product_upper_bound", "arithmetic_mean", "jacobian_upper_bound"]


@pytest.mark.parametrize("method", METHODS)
def test_adaptive_forcing_estimates_alpha_as_in_its_paper(method):
    step = shallow(torch.float64, clipped=True, W1="agtf_W1")
    x = tensor("x", torch.float64)
    assert_close(jacobian_norm(step, x[:, 1:], method), f"agtf_norm_{method}", torch.float64)
    forcing = AdaptiveForcing(method, alpha=0.0).double()
    forcing.update(step, Identity(3, 3), x, step=0, n_steps=10)
    assert_close(forcing.alpha, f"agtf_alpha_{method}", torch.float64)


@pytest.mark.parametrize(
    ("A", "W", "expected"),
    [
        ([0.5, 0.5], [[0, 0], [1, 0]], (1 + 2**0.5) / 2),  # one eigenvector
        ([0.0, 0.5], [[0, 0], [0, 0]], 0.5),
        ([0.0, 0.0], [[0, 0], [1, 0]], 1.0),
        ([0.0, 0.0], [[0, 0], [0, 0]], 0.0),
    ],
)
def test_the_matrix_logarithm_estimate_of_matrices_that_have_no_logarithm_or_too_few_eigenvectors(
    A, W, expected
):
    step = ALRNN(2, 0, num_relus=0)
    set_parameters(step, torch.float64, A=np.array(A), W_raw=np.array(W, dtype=float), h=np.zeros(2))
    states = torch.zeros(3, 4, 2, dtype=torch.float64)
    assert jacobian_norm(step, states, "explog_approx").item() == pytest.approx(expected, abs=1e-7)


def test_the_matrix_logarithm_estimate_is_that_of_scipy():
    step = shallow(torch.float64, clipped=True, W1="agtf_W1")
    x = tensor("x", torch.float64)[:, 1:]
    norms = []
    for sequence in x:
        logs = [scipy.linalg.logm(J) for J in step.jacobian(sequence).detach().numpy()]
        norms.append(np.linalg.norm(scipy.linalg.expm(np.mean(logs, axis=0)), 2))
    assert jacobian_norm(step, x, "explog_approx").item() == pytest.approx(max(norms), rel=1e-9)
