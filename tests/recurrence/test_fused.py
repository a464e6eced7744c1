"""The compiled recurrences against the reference rollout: values, gradients, trainings, non-finite numbers, speed."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from rnnexp.latent_steps import ALRNN, PLRNN, ShPLRNN
from rnnexp.models import RNN
from rnnexp.observation import Linear
from rnnexp.recurrence.rollout import reference_rollout, rollout

VECTORS = Path(__file__).parents[1] / "vectors" / "dsr"
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
VARIANTS = {
    "ALRNN": lambda m, k: ALRNN(m, k, num_relus=m // 2),
    "ALRNN P=0": lambda m, k: ALRNN(m, k, num_relus=0),
    "ALRNN P=M": lambda m, k: ALRNN(m, k, num_relus=m),
    "ALRNN off-diagonal": lambda m, k: ALRNN(m, k, num_relus=(m + 1) // 2, off_diagonal_W=True),
    "ALRNN clamped": lambda m, k: ALRNN(m, k, num_relus=m // 2, clip_range=0.4),
    "PLRNN": lambda m, k: PLRNN(m, k),
    "PLRNN not centred": lambda m, k: PLRNN(m, k, mean_centering=False),
    "PLRNN clamped": lambda m, k: PLRNN(m, k, clip_range=0.4),
    "shPLRNN": lambda m, k: ShPLRNN(m, k, hidden_dim=2 * m + 1),
    "shPLRNN L=1": lambda m, k: ShPLRNN(m, k, hidden_dim=1),
    "clipped shPLRNN": lambda m, k: ShPLRNN(m, k, hidden_dim=m + 3, clipped=True),
    "clipped shPLRNN clamped": lambda m, k: ShPLRNN(m, k, hidden_dim=m + 3, clipped=True, clip_range=0.4),
}


def build(variant, latent_dim, input_dim, dtype=torch.float64, seed=0):
    """A latent step whose states stay of the order of 1."""
    step = VARIANTS[variant](latent_dim, input_dim).to(dtype)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in step.named_parameters():
            parameter.normal_(0, 0.3 if name.startswith("h") else 0.5 / parameter.shape[-1] ** 0.5)
        step.A.clamp_(-0.8, 0.8)
    return step


def results(backend, step, initial, inputs, n_steps, weight):
    """Latents, and the gradients of a weighted sum of them by all parameters, the initial state and the inputs."""
    leaves = [p for p in step.parameters() if p.requires_grad]
    leaves += [x for x in (initial, inputs) if x is not None and x.requires_grad]
    start = initial if initial.ndim == 2 else initial.expand(len(weight), -1)
    latents = rollout(step, start, inputs, n_steps, backend)
    grads = torch.autograd.grad((latents * weight).sum(), leaves, allow_unused=True)
    return [latents.detach(), *grads]


def assert_same(step, initial, inputs, n_steps, weight):
    tolerance = TOLERANCE[initial.dtype]
    pairs = zip(
        results("reference", step, initial, inputs, n_steps, weight),
        results("fused", step, initial, inputs, n_steps, weight),
        strict=True,
    )
    for expected, actual in pairs:
        assert (expected is None) == (actual is None)
        if expected is not None:
            assert actual.shape == expected.shape
            assert actual.dtype == expected.dtype
            # a small gradient is the rest of terms of order 1 that cancel
            assert (actual - expected).norm() <= tolerance * max(expected.norm(), 0.1)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    variant=st.sampled_from(sorted(VARIANTS)),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    n_trials=st.sampled_from([1, 2, 15, 16, 17, 33, 40]),
    n_steps=st.sampled_from([1, 2, 11, 12, 13, 30]),
    latent_dim=st.integers(1, 9),
    input_dim=st.integers(0, 3),
    shared_start=st.booleans(),
    free=st.booleans(),
    seed=st.integers(0, 100),
)
def test_values_and_gradients_are_those_of_the_reference(
    variant, dtype, n_trials, n_steps, latent_dim, input_dim, shared_start, free, seed
):
    step = build(variant, latent_dim, input_dim, dtype, seed)
    initial = torch.randn(*([] if shared_start else [n_trials]), latent_dim, dtype=dtype, requires_grad=True)
    inputs = (
        None if free else torch.randn(n_trials, n_steps, input_dim, dtype=dtype, requires_grad=input_dim > 0)
    )
    weight = torch.randn(n_trials, n_steps, latent_dim, dtype=dtype)
    assert_same(step, initial, inputs, n_steps, weight)


@pytest.mark.parametrize("variant", ["ALRNN", "PLRNN clamped", "shPLRNN", "clipped shPLRNN"])
def test_a_network_of_usual_size_is_the_same_too(variant):
    step = build(variant, 50, 2)
    initial = torch.zeros(50, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(70, 60, 2, dtype=torch.float64)
    assert_same(step, initial, inputs, 60, torch.randn(70, 60, 50, dtype=torch.float64))


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_gradients_are_those_of_finite_differences(variant):
    step = build(variant, 3, 2, seed=5)
    initial = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    tensors = (initial, inputs, *step.parameters())
    assert torch.autograd.gradcheck(lambda *_: step.fused_rollout(initial, inputs, 4), tensors)


@pytest.mark.parametrize("variant", ["ALRNN", "shPLRNN"])
def test_strided_tensors_give_the_same(variant):
    step = build(variant, 6, 2)
    matrix = step.W_raw if variant == "ALRNN" else step.W1
    matrix.data = matrix.data.T.contiguous().T
    inputs = torch.randn(9, 20, 2, dtype=torch.float64).transpose(0, 1)  # (B, T, K) = (20, 9, 2)
    initial = torch.randn(6, 20, dtype=torch.float64).T.requires_grad_()
    assert not inputs.is_contiguous()
    assert not initial.is_contiguous()
    assert_same(step, initial, inputs, 9, torch.ones((), dtype=torch.float64).expand(20, 9, 6))


@pytest.mark.parametrize("variant", ["ALRNN", "shPLRNN"])
def test_inputs_are_left_out_without_an_input_matrix(variant):
    step = build(variant, 4, 0)
    initial, inputs = torch.randn(2, 4, dtype=torch.float64), torch.randn(2, 5, 3, dtype=torch.float64)
    fused = rollout(step, initial, inputs, 5, "fused")
    torch.testing.assert_close(fused, reference_rollout(step, initial, inputs, 5))


@pytest.mark.parametrize("variant", ["ALRNN", "clipped shPLRNN"])
def test_frozen_parameters_get_no_gradient(variant):
    step = build(variant, 4, 2)
    step.A.requires_grad_(False)
    step.C.requires_grad_(False)
    initial, inputs = torch.zeros(3, 4, dtype=torch.float64), torch.randn(3, 5, 2, dtype=torch.float64)
    step.fused_rollout(initial, inputs, 5).sum().backward()
    assert step.A.grad is None
    assert step.C.grad is None
    assert step.h.grad is not None if variant == "ALRNN" else step.h1.grad is not None


@pytest.mark.parametrize("variant", ["ALRNN clamped", "clipped shPLRNN clamped"])
def test_a_state_exactly_at_the_clamp_passes_its_gradient_as_in_torch(variant):
    step = build(variant, 2, 0)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.zero_()
        step.A.fill_(1)
    initial = torch.tensor(
        [[0.4, 0.5]], dtype=torch.float64, requires_grad=True
    )  # at the limit, and beyond it
    weight = torch.ones(1, 3, 2, dtype=torch.float64)
    expected = results("reference", step, initial, None, 3, weight)
    actual = results("fused", step, initial, None, 3, weight)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(actual[-1], torch.tensor([[3.0, 0.0]], dtype=torch.float64))


def golden(case, g, dtype=torch.float64):
    """The latent step of one golden case."""
    n, k = g["C"].shape
    if case.startswith("plrnn"):
        clip_range = 0.75 if "clip" in case else None
        step = PLRNN(n, k, mean_centering="nomc" not in case, clip_range=clip_range)
    elif case.startswith("alrnn"):
        step = ALRNN(n, k, num_relus=int(g["num_relus"]), off_diagonal_W="offdiag" in case)
    else:
        step = ShPLRNN(n, k, hidden_dim=len(g["h2"]), clipped=case.startswith("clipped"))
    with torch.no_grad():
        for name, parameter in step.to(dtype).named_parameters():
            parameter.copy_(torch.from_numpy(g["W_full" if name == "W_raw" else name]))
    return step


CASES = ["plrnn_mc", "plrnn_nomc", "alrnn_full", "alrnn_offdiag", "shplrnn", "clipped_shplrnn"]
CASES = [(case, inputs) for case in CASES for inputs in ("noinput", "C")] + [("plrnn_mc_clip0.75", "noinput")]


@pytest.mark.parametrize("size", ["small", "wide"])
@pytest.mark.parametrize(("case", "inputs"), CASES)
def test_trajectory_is_the_published_one(size, case, inputs):
    g = np.load(VECTORS / f"forward_{size}.npz")
    expected = torch.from_numpy(g[f"{case}_{inputs}"])
    s = torch.from_numpy(g["s"]) if inputs == "C" else None
    latents = rollout(golden(case, g), torch.from_numpy(g["z0"]), s, expected.shape[1], "fused")
    torch.testing.assert_close(latents, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("variant", ["ALRNN", "PLRNN", "shPLRNN", "clipped shPLRNN"])
def test_a_training_is_the_same_step_by_step(variant):
    def train(backend):
        model = RNN(build(variant, 8, 2), Linear(8, 2).double(), backend=backend).double()
        torch.manual_seed(1)
        torch.nn.init.normal_(model.observation.B, 0, 0.3)
        inputs, targets = torch.randn(20, 25, 2).double(), torch.randn(20, 25, 2).double()
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        losses = []
        for _ in range(50):
            optimizer.zero_grad()
            loss = functional.mse_loss(model.run(inputs).outputs, targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses, [p.detach().clone() for p in model.parameters()]

    (reference_losses, reference), (fused_losses, fused) = train("reference"), train("fused")
    assert reference_losses[-1] < 0.99 * reference_losses[0]
    np.testing.assert_allclose(fused_losses, reference_losses, rtol=1e-9)
    torch.testing.assert_close(fused, reference, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.parametrize("where", ["initial", "inputs", "weight"])
def test_nan_spreads_as_in_the_reference(variant, where):
    step = build(variant, 5, 2, torch.float32)
    initial, inputs = torch.randn(20, 5), torch.randn(20, 14, 2)
    if where == "initial":
        initial[3, 2] = torch.nan
    elif where == "inputs":
        inputs[17, 6, 1] = torch.nan
    else:
        step.A.data[4] = torch.nan
    initial.requires_grad_()
    inputs.requires_grad_()
    weight = torch.randn(20, 14, 5)
    expected = results("reference", step, initial, inputs, 14, weight)
    actual = results("fused", step, initial, inputs, 14, weight)
    assert expected[0].isnan().any()
    for one, other in zip(expected, actual, strict=True):
        assert torch.equal(one.isnan(), other.isnan())


@pytest.mark.parametrize("variant", ["ALRNN", "PLRNN", "shPLRNN"])
def test_a_diverging_network_shows_non_finite_states_and_gradients(variant):
    step = build(variant, 5, 0, torch.float32)
    step.A.data.fill_(3.0)
    initial = torch.full((2, 5), 0.5, requires_grad=True)
    weight = torch.ones(2, 300, 5)
    expected = results("reference", step, initial, None, 300, weight)
    actual = results("fused", step, initial, None, 300, weight)
    assert not actual[0][:, -1].isfinite().any()
    for one, other in zip(expected, actual, strict=True):
        assert one.isfinite().all() == other.isfinite().all()


def test_threads_share_the_trials_and_change_no_bit(assert_threads_change_no_bit):
    step = build("shPLRNN", 6, 2)
    initial = torch.randn(6, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(75, 30, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(75, 30, 6, dtype=torch.float64)
    assert_threads_change_no_bit(lambda: results("fused", step, initial, inputs, 30, weight))


@pytest.mark.parametrize("variant", ["ALRNN", "shPLRNN"])
def test_backward_leaves_the_gradient_that_it_is_given(variant):
    step = build(variant, 4, 0)
    latents = step.fused_rollout(torch.randn(3, 4, dtype=torch.float64), None, 6)
    given_, kept = torch.randn_like(latents), latents.detach().clone()
    copy = given_.clone()
    latents.backward(given_)
    assert torch.equal(given_, copy)
    assert torch.equal(latents, kept)


@pytest.mark.parametrize("variant", ["ALRNN", "shPLRNN"])
def test_second_derivatives_are_refused(variant):
    step = build(variant, 4, 0)
    initial = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(
        step.fused_rollout(initial, None, 6).square().sum(), initial, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_nothing_is_kept_for_the_backward_pass_without_gradients():
    step = build("ALRNN", 4, 0)
    with torch.no_grad():
        latents = step.fused_rollout(torch.randn(3, 4, dtype=torch.float64), None, 6)
    assert latents.grad_fn is None


@pytest.mark.parametrize("variant", ["ALRNN", "shPLRNN"])
def test_tensors_that_do_not_fit_are_refused(variant):
    step = build(variant, 4, 2)
    initial, inputs = torch.zeros(3, 4).double(), torch.zeros(3, 5, 2).double()
    with pytest.raises(ValueError, match=r"inputs must have the shape \(3, 5, 2\), got \(3, 5, 1\)"):
        step.fused_rollout(initial, inputs[..., :1], 5)
    with pytest.raises(ValueError, match=r"inputs must have the shape \(3, 5, 2\), got \(2, 5, 2\)"):
        step.fused_rollout(initial, inputs[:2], 5)
    with pytest.raises(ValueError, match=r"initial must have the shape \(3, 4\), got \(3, 5\)"):
        step.fused_rollout(torch.zeros(3, 5).double(), inputs, 5)
    with pytest.raises(
        ValueError, match=r"inputs must be torch.float64 on cpu as initial is, got torch.float32"
    ):
        step.fused_rollout(initial, inputs.float(), 5)


def test_fused_is_at_least_twice_as_fast_as_the_reference():
    step = build("ALRNN", 30, 2, torch.float32)
    initial, inputs = torch.zeros(64, 30), torch.randn(64, 100, 2)
    seconds = {"reference": [], "fused": []}
    for _ in range(6):
        for backend, measured in seconds.items():
            begin = time.thread_time()  # of this thread: other processes do not count
            rollout(step, initial, inputs, 100, backend).sum().backward()
            measured.append(time.thread_time() - begin)
    assert min(seconds["fused"]) < 0.5 * min(seconds["reference"])
