"""The compiled recurrence of LSTM and GRU against the reference: values, gradients, non-finite numbers, speed."""

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnexp.latent_steps import GRU, LSTM
from rnnexp.recurrence.fused.selection import choose_backend
from rnnexp.recurrence.rollout import rollout

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
VARIANTS = {
    "LSTM": lambda m, k: LSTM(m, k),
    "LSTM tanh": lambda m, k: LSTM(m, k, cell_activation="tanh"),
    "GRU": lambda m, k: GRU(m, k),
}
ALL = pytest.mark.parametrize("variant", sorted(VARIANTS))


def build(variant, latent_dim, input_dim, dtype=torch.float64, seed=0):
    step = VARIANTS[variant](latent_dim, input_dim).to(dtype)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.normal_(0, 1.5 / latent_dim**0.5)
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
    expected, actual = (
        results(backend, step, initial, inputs, n_steps, weight) for backend in ("reference", "fused")
    )
    for one, other in zip(expected, actual, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert other.shape == one.shape
            assert other.dtype == one.dtype
            # a small gradient is the rest of terms of order 1 that cancel
            assert (other - one).norm() <= TOLERANCE[initial.dtype] * max(one.norm(), 0.1)


@settings(derandomize=True, deadline=None, max_examples=120)
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
    n_states = step.state_dim
    initial = torch.randn(*([] if shared_start else [n_trials]), n_states, dtype=dtype, requires_grad=True)
    inputs = (
        None if free else torch.randn(n_trials, n_steps, input_dim, dtype=dtype, requires_grad=input_dim > 0)
    )
    assert_same(step, initial, inputs, n_steps, torch.randn(n_trials, n_steps, n_states, dtype=dtype))


@ALL
def test_a_network_of_usual_size_is_the_same_too(variant):
    step = build(variant, 50, 2)
    initial = torch.zeros(step.state_dim, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(70, 60, 2, dtype=torch.float64)
    assert_same(step, initial, inputs, 60, torch.randn(70, 60, step.state_dim, dtype=torch.float64))


@ALL
def test_gradients_are_those_of_finite_differences(variant):
    step = build(variant, 3, 2, seed=5)
    initial = torch.randn(2, step.state_dim, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    tensors = (initial, inputs, *step.parameters())
    assert torch.autograd.gradcheck(lambda *_: step.fused_rollout(initial, inputs, 4), tensors)


@ALL
def test_strided_tensors_give_the_same(variant):
    step = build(variant, 6, 2)
    inputs = torch.randn(9, 20, 2, dtype=torch.float64).transpose(0, 1)  # (B, T, K) = (20, 9, 2)
    initial = torch.randn(step.state_dim, 20, dtype=torch.float64).T.requires_grad_()
    weight = torch.ones((), dtype=torch.float64).expand(20, 9, step.state_dim)
    assert_same(step, initial, inputs, 9, weight)


@ALL
def test_inputs_are_left_out_without_an_input_matrix(variant):
    step = build(variant, 4, 0)
    initial = torch.randn(2, step.state_dim, dtype=torch.float64)
    inputs = torch.randn(2, 5, 3, dtype=torch.float64)
    expected = rollout(step, initial, None, 5, "reference")
    assert torch.equal(rollout(step, initial, inputs, 5, "reference"), expected)
    torch.testing.assert_close(rollout(step, initial, inputs, 5, "fused"), expected)


@ALL
def test_frozen_parameters_get_no_gradient(variant):
    step = build(variant, 4, 2)
    frozen, free = (step.weight_hh, step.bias_ih) if variant == "GRU" else (step.W_c, step.b_c)
    frozen.requires_grad_(False)
    initial = torch.zeros(3, step.state_dim, dtype=torch.float64)
    step.fused_rollout(initial, torch.randn(3, 5, 2, dtype=torch.float64), 5).sum().backward()
    assert frozen.grad is None
    assert free.grad is not None


@ALL
@pytest.mark.parametrize("where", ["initial", "inputs", "weight"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nan_spreads_as_in_the_reference(variant, where, dtype):
    step = build(variant, 5, 2, dtype)
    initial = torch.randn(20, step.state_dim, dtype=dtype)
    inputs = torch.randn(20, 14, 2, dtype=dtype)
    if where == "initial":
        initial[3, 2] = torch.nan
    elif where == "inputs":
        inputs[17, 6, 1] = torch.nan
    else:
        next(step.parameters()).data[1] = torch.nan
    initial.requires_grad_()
    inputs.requires_grad_()
    weight = torch.randn(20, 14, step.state_dim, dtype=dtype)
    expected = results("reference", step, initial, inputs, 14, weight)
    actual = results("fused", step, initial, inputs, 14, weight)
    assert expected[0].isnan().any()
    for one, other in zip(expected, actual, strict=True):
        assert torch.equal(one.isnan(), other.isnan())


@ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_gates_stay_finite_and_exact(variant, dtype):
    step = build(variant, 5, 2, dtype)
    initial = torch.randn(4, step.state_dim, dtype=dtype, requires_grad=True)
    inputs = torch.tensor([1e3, -1e3], dtype=dtype).expand(4, 20, 2).clone().requires_grad_()
    weight = torch.randn(4, 20, step.state_dim, dtype=dtype)
    expected = results("reference", step, initial, inputs, 20, weight)
    actual = results("fused", step, initial, inputs, 20, weight)
    for one, other in zip(expected, actual, strict=True):
        assert other.isfinite().all()
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


@ALL
def test_threads_share_the_trials_and_change_no_bit(variant, assert_threads_change_no_bit):
    step = build(variant, 6, 2)
    initial = torch.randn(step.state_dim, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(75, 30, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(75, 30, step.state_dim, dtype=torch.float64)
    assert_threads_change_no_bit(lambda: results("fused", step, initial, inputs, 30, weight))


@ALL
def test_backward_leaves_what_it_is_given(variant):
    step = build(variant, 4, 0)
    latents = step.fused_rollout(torch.randn(3, step.state_dim, dtype=torch.float64), None, 6)
    gradient, kept = torch.randn_like(latents), latents.detach().clone()
    copy = gradient.clone()
    latents.backward(gradient)
    assert torch.equal(gradient, copy)
    assert torch.equal(latents, kept)


def test_second_derivatives_are_refused():
    step = build("LSTM", 4, 0)
    initial = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(
        step.fused_rollout(initial, None, 6).square().sum(), initial, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


@ALL
def test_tensors_that_do_not_fit_are_refused(variant):
    step = build(variant, 4, 2)
    n_states = step.state_dim
    initial, inputs = torch.zeros(3, n_states).double(), torch.zeros(3, 5, 2).double()
    with pytest.raises(ValueError, match=r"inputs must have the shape \(3, 5, 2\), got \(3, 5, 1\)"):
        step.fused_rollout(initial, inputs[..., :1], 5)
    with pytest.raises(ValueError, match=r"inputs must have the shape \(3, 5, 2\), got \(2, 5, 2\)"):
        step.fused_rollout(initial, inputs[:2], 5)
    with pytest.raises(ValueError, match=rf"initial must have the shape \(3, {n_states}\), got \(3, 5\)"):
        step.fused_rollout(torch.zeros(3, 5).double(), inputs, 5)
    with pytest.raises(ValueError, match=r"must be torch.float64 on cpu as initial is, got torch.float32"):
        step.fused_rollout(initial, inputs.float(), 5)


@ALL
def test_both_are_fused_on_the_cpu_alone(variant):
    step = VARIANTS[variant](3, 1)
    assert choose_backend(step, torch.device("cpu"), torch.float32)[0] == "fused"
    assert choose_backend(step, torch.device("cuda"), torch.float32)[0] == "reference"


@ALL
def test_fused_is_at_least_twice_as_fast_as_the_reference(variant):
    step = build(variant, 20, 2, torch.float32)
    initial, inputs = torch.zeros(16, step.state_dim), torch.randn(16, 100, 2)
    seconds = {"reference": [], "fused": []}
    for _ in range(6):
        for backend, measured in seconds.items():
            begin = time.thread_time()  # of this thread: other processes do not count
            rollout(step, initial, inputs, 100, backend).sum().backward()
            measured.append(time.thread_time() - begin)
    assert min(seconds["fused"]) < 0.5 * min(seconds["reference"])
