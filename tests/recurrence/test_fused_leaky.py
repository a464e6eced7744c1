"""The compiled recurrence of the leaky networks against the reference: values, gradients, trainings, speed."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from rnnexp.constraints.weight_rule import WeightRule, WeightRules
from rnnexp.latent_steps import Leaky
from rnnexp.latent_steps.activations import ACTIVATIONS
from rnnexp.latent_steps.leaky_rate import LeakyRate
from rnnexp.models import RNN
from rnnexp.observation import Affine, Linear
from rnnexp.recurrence.fused.selection import choose_backend
from rnnexp.recurrence.noise import Noise
from rnnexp.recurrence.rollout import rollout

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
KINDS = ["relu", "tanh", "softplus"]  # slope from the rates, smooth, slope from the states
REST = sorted(set(ACTIVATIONS) - set(KINDS))
ALL = pytest.mark.parametrize(
    "activation", [*KINDS, *(pytest.param(a, marks=pytest.mark.slow) for a in REST)]
)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
TAUS = {
    "shared": lambda m: 40.0,
    "equal to dt": lambda m: 10.0,
    "per unit": lambda m: [20.0 + 5 * unit for unit in range(m)],
    "trained": lambda m: {"min": 20.0, "max": 80.0},
}
SIGN_RULES = ["absolute", "rectified", "projected"]


def dale_rules(latent_dim, input_dim, sign_rule):
    """Signs by Dale's law, and a mask in every matrix."""
    signs = torch.ones(latent_dim)
    signs[1::3] = -1
    masks = [torch.ones(latent_dim, input_dim), 1 - torch.eye(latent_dim), torch.ones(2, latent_dim)]
    masks[0][::2] = 0
    masks[2][0, ::3] = 0
    rules = [WeightRule(masks[0]), *(WeightRule(mask, signs, sign_rule) for mask in masks[1:])]
    return WeightRules(input=rules[0] if input_dim else None, recurrent=rules[1], output=rules[2])


def build(
    latent_dim,
    input_dim,
    dtype=torch.float64,
    seed=0,
    sign_rule=None,
    tau="shared",
    affine=True,
    scale=1.0,
    kind=Leaky,
    **options,
):
    """A network with two outputs whose states stay of the order of 1."""
    rules = WeightRules() if sign_rule is None else dale_rules(latent_dim, input_dim, sign_rule)
    if kind is LeakyRate:
        options.pop("post_noise", None)
    step = kind(latent_dim, input_dim, dt=10.0, tau=TAUS[tau](latent_dim), rules=rules, **options)
    observation = (Affine if affine else Linear)(latent_dim, 2, rule=rules.output)
    model = RNN(step, observation).to(dtype)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, scale / latent_dim**0.5)
    return model


def results(backend, model, inputs, n_steps, noise, weights, initial=None):
    """Latents, rates, outputs, and the gradients of a weighted sum of them by parameters, start and inputs."""
    model.backend = backend
    trajectory = model.run(inputs, initial, n_steps, noise)
    states = (trajectory.latents, trajectory.rates, trajectory.outputs)
    total = sum(
        (state * weight).sum() for state, weight in zip(states, weights, strict=True) if weight is not None
    )
    leaves = [p for p in model.parameters() if p.requires_grad]
    leaves += [x for x in (initial, inputs) if x is not None and x.requires_grad]
    gradients = torch.autograd.grad(total, leaves, allow_unused=True)
    zeros = (torch.zeros_like(leaf) for leaf in leaves)
    pairs = zip(gradients, zeros, strict=True)
    return [*(state.detach() for state in states), *(zero if g is None else g for g, zero in pairs)]


def assert_same(dtype, *arguments, **named):
    expected, actual = (results(backend, *arguments, **named) for backend in ("reference", "fused"))
    for one, other in zip(expected, actual, strict=True):
        assert other.shape == one.shape
        assert other.dtype == one.dtype
        # a small gradient is the rest of terms of order 1 that cancel
        assert (other - one).norm() <= TOLERANCE[dtype] * max(one.norm(), 0.1)


def fixed_noise(model, n_trials, n_steps, seed=0):
    """Noise drawn before the run, which passes no gradient to what scaled it."""
    noise = model.draw_noise(n_trials, n_steps, torch.Generator().manual_seed(seed))
    return Noise(**{name: None if x is None else x.detach() for name, x in vars(noise).items()})


def draw_weights(dtype, n_trials, n_steps, latent_dim, used=(True, True, True)):
    widths = (latent_dim, latent_dim, 2)
    drawn = [torch.randn(n_trials, n_steps, width, dtype=dtype) for width in widths]
    return [weight if use else None for weight, use in zip(drawn, used, strict=True)]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    kind=st.sampled_from([Leaky, LeakyRate]),
    activation=st.sampled_from(KINDS),
    tau=st.sampled_from(sorted(TAUS)),
    sign_rule=st.sampled_from([None, *SIGN_RULES]),
    biases=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    sd=st.tuples(st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.2])),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    n_trials=st.sampled_from([1, 2, 15, 16, 17, 33, 40]),
    n_steps=st.sampled_from([1, 2, 19, 20, 21, 45]),
    latent_dim=st.integers(1, 9),
    input_dim=st.integers(0, 3),
    used=st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
    own_start=st.booleans(),
    seed=st.integers(0, 100),
)
def test_values_and_gradients_are_those_of_the_reference(
    kind,
    activation,
    tau,
    sign_rule,
    biases,
    sd,
    dtype,
    n_trials,
    n_steps,
    latent_dim,
    input_dim,
    used,
    own_start,
    seed,
):
    model = build(
        latent_dim, input_dim, dtype, seed, sign_rule, tau, biases[0], activation=activation,
        recurrent_bias=biases[1], input_bias=biases[2], pre_noise=sd[0], post_noise=sd[1], kind=kind,
    )  # fmt: skip
    inputs = torch.randn(n_trials, n_steps, input_dim, dtype=dtype, requires_grad=input_dim > 0)
    initial = torch.randn(n_trials, latent_dim, dtype=dtype, requires_grad=True) if own_start else None
    weights = draw_weights(dtype, n_trials, n_steps, latent_dim, used)
    noise = fixed_noise(model, n_trials, n_steps, seed)
    assert_same(dtype, model, inputs, n_steps, noise, weights, initial=initial)


@pytest.mark.thinned
@ALL
@pytest.mark.parametrize(
    ("kind", "dtype", "tau"),
    [
        (Leaky, torch.float32, "shared"),
        (Leaky, torch.float64, "trained"),
        (LeakyRate, torch.float64, "trained"),
    ],
)
def test_every_activation_gives_the_same_in_a_network_of_usual_size(activation, kind, dtype, tau):
    model = build(
        50, 2, dtype, 1, "absolute", tau, activation=activation, pre_noise=0.1, scale=0.3, kind=kind
    )
    inputs = torch.randn(40, 60, 2, dtype=dtype)
    weights = draw_weights(dtype, 40, 60, 50)
    assert_same(dtype, model, inputs, 60, fixed_noise(model, 40, 60), weights)


@DTYPES
def test_a_free_run_has_no_inputs(dtype):
    model = build(7, 2, dtype, activation="tanh")
    initial = torch.randn(5, 7, dtype=dtype, requires_grad=True)
    assert_same(dtype, model, None, 12, None, draw_weights(dtype, 5, 12, 7), initial=initial)


@pytest.mark.thinned
@ALL
@pytest.mark.parametrize(("kind", "tau"), [(Leaky, "per unit"), (Leaky, "trained"), (LeakyRate, "trained")])
def test_gradients_are_those_of_finite_differences(activation, kind, tau):
    model = build(3, 2, seed=5, activation=activation, tau=tau, kind=kind)
    initial, noise = torch.randn(2, 2, 4, 3, dtype=torch.float64).unbind(0)
    tensors = [
        initial[:, 0].clone().requires_grad_(),
        torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True),
        noise.clone().requires_grad_(),
        *(p for p in model.parameters() if p is not model.z0),
    ]

    def states(initial, inputs, increments, *_):
        return model.latent_step.fused_states(initial, inputs, 4, increments, model.observation.readout)

    assert torch.autograd.gradcheck(states, tensors)


def test_noise_passes_its_gradient_on_to_the_time_constants_that_scale_it():
    model = build(6, 2, tau="trained", pre_noise=0.5, post_noise=0.3, activation="softplus")
    inputs, weights = torch.randn(20, 30, 2).double(), draw_weights(torch.float64, 20, 30, 6)
    expected, actual = (
        results(backend, model, inputs, 30, torch.Generator().manual_seed(3), weights)
        for backend in ("reference", "fused")
    )
    for one, other in zip(expected, actual, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("sign_rule", SIGN_RULES)
def test_masked_entries_and_wrong_signs_get_the_gradient_of_the_reference(sign_rule):
    model = build(12, 2, sign_rule=sign_rule)
    inputs, weights = torch.randn(20, 30, 2).double(), draw_weights(torch.float64, 20, 30, 12)
    results("fused", model, inputs, 30, None, weights)
    (gradient,) = torch.autograd.grad(model.run(inputs).outputs.sum(), model.latent_step.W_rec_raw)
    assert (gradient.diagonal() == 0).all()
    assert_same(torch.float64, model, inputs, 30, None, weights)


def test_strided_tensors_give_the_same():
    model = build(6, 2)
    W = model.latent_step.W_rec_raw
    W.data = W.data.T.contiguous().T
    inputs = torch.randn(9, 20, 2, dtype=torch.float64).transpose(0, 1)  # (B, T, K) = (20, 9, 2)
    initial = torch.randn(6, 20, dtype=torch.float64).T.requires_grad_()
    assert not inputs.is_contiguous()
    assert not initial.is_contiguous()
    ones = torch.ones((), dtype=torch.float64)
    weights = [ones.expand(20, 9, 6), ones.expand(20, 9, 6), ones.expand(20, 9, 2)]
    assert_same(torch.float64, model, inputs, 9, None, weights, initial=initial)


@pytest.mark.parametrize("name", ["W_in_raw", "W_rec_raw", "b_rec", "time_constants.tau_raw"])
def test_frozen_parameters_get_no_gradient(name):
    model = build(5, 2, tau="trained")
    model.latent_step.get_parameter(name).requires_grad_(False)
    model.run(torch.randn(3, 8, 2).double()).outputs.sum().backward()
    without = {key for key, p in model.latent_step.named_parameters() if p.grad is None}
    assert without == {name}


@pytest.mark.parametrize("activation", KINDS)
@DTYPES
@pytest.mark.parametrize("where", ["initial", "inputs", "weight"])
def test_nan_spreads_as_in_the_reference(activation, dtype, where):
    model = build(5, 2, dtype, activation=activation)
    initial, inputs = torch.randn(20, 5, dtype=dtype), torch.randn(20, 14, 2, dtype=dtype)
    if where == "initial":
        initial[3, 2] = torch.nan
    elif where == "inputs":
        inputs[17, 6, 1] = torch.nan
    else:
        model.latent_step.W_rec_raw.data[4, 1] = torch.nan
    weights = draw_weights(dtype, 20, 14, 5)
    given_ = (inputs.requires_grad_(), 14, None, weights, initial.requires_grad_())
    expected, actual = (results(backend, model, *given_) for backend in ("reference", "fused"))
    assert expected[0].isnan().any()
    for one, other in zip(expected, actual, strict=True):
        assert torch.equal(one.isnan(), other.isnan())


def test_a_diverging_network_shows_non_finite_states_and_gradients():
    model = build(5, 0, torch.float32)
    model.latent_step.W_rec_raw.data.fill_(30.0)
    weights = draw_weights(torch.float32, 2, 200, 5)
    initial = torch.full((2, 5), 0.5, requires_grad=True)
    expected, actual = (
        results(backend, model, None, 200, None, weights, initial) for backend in ("reference", "fused")
    )
    assert not actual[0][:, -1].isfinite().any()
    for one, other in zip(expected, actual, strict=True):
        assert one.isfinite().all() == other.isfinite().all()


@pytest.mark.parametrize("options", [{}, {"tau": "trained", "pre_noise": 0.1, "sign_rule": "absolute"}])
@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_a_training_is_the_same_step_by_step(activation, options):
    def train(backend):
        model = build(8, 2, activation=activation, **options)
        model.backend = backend
        torch.manual_seed(1)
        inputs = torch.randn(20, 25, 2).double()
        targets = inputs.cumsum(1) / 5
        optimizer, noise, losses = (
            torch.optim.Adam(model.parameters(), 1e-2),
            torch.Generator().manual_seed(2),
            [],
        )
        for _ in range(50):
            optimizer.zero_grad()
            loss = functional.mse_loss(model.run(inputs, noise=noise).outputs, targets)
            loss.backward()
            optimizer.step()
            model.project()
            losses.append(loss.item())
        return losses, [p.detach().clone() for p in model.parameters()]

    (reference_losses, reference), (fused_losses, fused) = train("reference"), train("fused")
    assert reference_losses[-1] < 0.9 * reference_losses[0]
    np.testing.assert_allclose(fused_losses, reference_losses, rtol=1e-10)
    torch.testing.assert_close(fused, reference, rtol=1e-9, atol=1e-10)


def test_threads_share_the_trials_and_change_no_bit(assert_threads_change_no_bit):
    model = build(6, 2, tau="trained", activation="tanh")
    inputs = torch.randn(75, 30, 2, dtype=torch.float64, requires_grad=True)
    weights = draw_weights(torch.float64, 75, 30, 6)
    assert_threads_change_no_bit(lambda: results("fused", model, inputs, 30, None, weights))


def test_a_trial_does_not_depend_on_the_others_of_its_batch():
    model = build(11, 2, torch.float32)
    inputs = torch.randn(37, 15, 2)
    together = model.run(inputs)
    for trial in (0, 15, 16, 36):
        alone = model.run(inputs[trial : trial + 1])
        assert torch.equal(alone.outputs[0], together.outputs[trial])


def test_backward_leaves_the_gradients_that_it_is_given():
    model = build(4, 2)
    step = model.latent_step
    states = step.fused_states(
        torch.randn(3, 4).double(), torch.randn(3, 6, 2).double(), 6, None, model.observation.readout
    )
    kept = [state.detach().clone() for state in states]
    gradients = [torch.randn_like(state) for state in states]
    copies = [gradient.clone() for gradient in gradients]
    torch.autograd.backward(states, gradients)
    assert all(torch.equal(a, b) for a, b in zip(gradients, copies, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(states, kept, strict=True))


def test_second_derivatives_are_refused():
    model = build(4, 2)
    start = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    latents = rollout(model.latent_step, start, torch.randn(3, 6, 2).double(), 6, "fused")
    (gradient,) = torch.autograd.grad(latents.square().sum(), start, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_tensors_that_do_not_fit_are_refused():
    step, inputs = build(4, 2).latent_step, torch.zeros(3, 5, 2).double()
    initial = torch.zeros(3, 4).double()
    with pytest.raises(ValueError, match=r"inputs must have the shape \(3, 5, 2\), got \(3, 5, 1\)"):
        step.fused_states(initial, inputs[..., :1], 5)
    with pytest.raises(ValueError, match=r"initial must have the shape \(3, 4\), got \(3, 5\)"):
        step.fused_states(torch.zeros(3, 5).double(), inputs, 5)
    with pytest.raises(ValueError, match=r"increments must have the shape \(3, 5, 4\), got \(3, 4, 4\)"):
        step.fused_states(initial, inputs, 5, torch.zeros(3, 4, 4).double())
    with pytest.raises(ValueError, match=r"must be torch.float64 on cpu as initial is, got torch.float32"):
        step.fused_states(initial, inputs.float(), 5)


def test_leaky_networks_are_fused_on_the_cpu_alone():
    step = build(3, 1).latent_step
    assert choose_backend(step, torch.device("cpu"), torch.float32)[0] == "fused"
    assert choose_backend(step, torch.device("cuda"), torch.float32)[0] == "reference"
    assert choose_backend(step, torch.device("cpu"), torch.bfloat16)[0] == "reference"


@pytest.mark.parametrize(("latent_dim", "n_trials"), [(50, 64), (100, 16)])
def test_fused_is_at_least_twice_as_fast_as_the_reference(latent_dim, n_trials):
    model = build(latent_dim, 2, torch.float32)
    inputs = torch.randn(n_trials, 100, 2)
    seconds = {"reference": [], "fused": []}
    for _ in range(6):
        for backend, measured in seconds.items():
            model.backend = backend
            begin = time.thread_time()  # of this thread: other processes do not count
            model.run(inputs).outputs.sum().backward()
            measured.append(time.thread_time() - begin)
    assert min(seconds["fused"]) < 0.5 * min(seconds["reference"])
