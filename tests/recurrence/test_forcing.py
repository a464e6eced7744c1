"""Teacher forcing: which states it changes and how strongly, what it refuses, and both backends alike."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnexp.errors import UserError
from rnnexp.latent_steps import ALRNN, GRU, LSTM, PLRNN, Leaky, ShPLRNN
from rnnexp.models import RNN
from rnnexp.observation import Affine, Identity, Linear
from rnnexp.recurrence.forced_states import ForcedStates
from rnnexp.recurrence.forcing import AdaptiveForcing, GeneralizedForcing, SparseForcing
from rnnexp.recurrence.fused.selection import choose_backend
from rnnexp.recurrence.rollout import rollout
from rnnexp.tasks.base import Trials

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
STEPS = {
    "ALRNN": lambda m, k: ALRNN(m, k, num_relus=m // 2),
    "PLRNN": lambda m, k: PLRNN(m, k),
    "PLRNN clamped": lambda m, k: PLRNN(m, k, mean_centering=False, clip_range=0.4),
    "shPLRNN": lambda m, k: ShPLRNN(m, k, hidden_dim=m + 2),
    "clipped shPLRNN": lambda m, k: ShPLRNN(m, k, hidden_dim=m + 2, clipped=True),
}


def small(step, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    step = step.to(dtype)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.normal_(0, 0.5 / max(1, parameter.shape[-1]) ** 0.5)
    return step


def series(n_trials, n_steps, n_dims, n_inputs=0, dtype=torch.float64):
    signal = torch.randn(n_trials, n_steps, n_dims, dtype=dtype)
    inputs = torch.randn(n_trials, n_steps, n_inputs, dtype=dtype)
    return Trials(inputs, torch.randn_like(signal), torch.ones_like(signal), {}, signal)


@settings(derandomize=True, deadline=None, max_examples=120)
@given(
    name=st.sampled_from(sorted(STEPS)),
    dtype=st.sampled_from(list(TOLERANCE)),
    n_trials=st.sampled_from([1, 2, 16, 17, 33]),
    n_steps=st.sampled_from([1, 2, 12, 13, 30]),
    latent_dim=st.integers(1, 7),
    input_dim=st.integers(0, 2),
    share_missing=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 50),
)
def test_forced_values_and_gradients_are_those_of_the_reference(
    name, dtype, n_trials, n_steps, latent_dim, input_dim, share_missing, seed
):
    step = small(STEPS[name](latent_dim, input_dim), dtype, seed)
    initial = torch.randn(n_trials, latent_dim, dtype=dtype, requires_grad=True)
    inputs = torch.randn(n_trials, n_steps, input_dim, dtype=dtype)
    states = torch.randn(n_trials, n_steps, max(1, latent_dim - seed % 3), dtype=dtype)
    states[torch.rand_like(states) < share_missing] = torch.nan
    strength = torch.rand(n_steps, dtype=dtype).mul(1.5).clamp(max=1)
    strength[torch.rand(n_steps) < 0.5] = 0
    weight = torch.randn(n_trials, n_steps, latent_dim, dtype=dtype)
    results = []
    for backend in ("reference", "fused"):
        leaves = [initial, states.requires_grad_(), *step.parameters()]
        latents = rollout(step, initial, inputs, n_steps, backend, forced=ForcedStates(states, strength))
        grads = torch.autograd.grad((latents * weight).sum(), leaves, materialize_grads=True)
        results.append([latents.detach(), *grads])
    for expected, actual in zip(*results, strict=True):
        # a small gradient is the rest of terms of order 1 that cancel
        assert (actual - expected).norm() <= TOLERANCE[dtype] * max(expected.norm(), 0.1)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_forced_gradients_are_those_of_finite_differences(name):
    step = small(STEPS[name](3, 1), seed=4)
    initial = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(2, 4, 1, dtype=torch.float64)
    states = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    strength = torch.tensor([0, 0.3, 0, 1], dtype=torch.float64)
    tensors = (initial, states, *step.parameters())
    assert torch.autograd.gradcheck(
        lambda *_: rollout(step, initial, inputs, 4, "fused", forced=ForcedStates(states, strength)), tensors
    )


def test_forced_states_of_a_wrong_shape_are_refused():
    step = small(ALRNN(3, 0))
    forced = ForcedStates(torch.zeros(2, 4, 5, dtype=torch.float64), torch.zeros(4, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"forced states must have the shape \(2, 4, 3\), got \(2, 4, 5\)"):
        rollout(step, torch.zeros(2, 3, dtype=torch.float64), None, 4, "fused", forced=forced)


def test_fully_forced_networks_start_every_step_from_the_data():
    step = small(ShPLRNN(3, 0, hidden_dim=5))
    model = RNN(step, Identity(3, 3), "data", forcing=GeneralizedForcing(1.0)).double()
    batch = series(4, 9, 3)
    expected = torch.stack([step.step(batch.signal[:, t], None) for t in range(9)], dim=1)
    torch.testing.assert_close(model(batch).latents, expected)


def test_sparse_forcing_acts_at_multiples_of_tau_on_the_observed_units_only():
    forced = SparseForcing(3)(small(ALRNN(5, 0)), Identity(5, 2), series(2, 8, 2).signal)
    assert forced.strength.tolist() == [0, 0, 0, 1, 0, 0, 1, 0]
    assert forced.states.shape == (2, 8, 2)


def test_partial_false_pulls_the_other_units_to_zero():
    forced = GeneralizedForcing(0.25, partial=False)(
        small(ALRNN(5, 0)), Identity(5, 2), series(2, 8, 2).signal
    )
    assert forced.strength.tolist() == [0, *7 * [0.25]]
    assert torch.equal(forced.states[:, :, 2:], torch.zeros(2, 8, 3, dtype=torch.float64))


def test_an_affine_observation_is_inverted():
    observation = Affine(5, 3).double()
    torch.nn.init.normal_(observation.B_raw)
    torch.nn.init.normal_(observation.b)
    signal = series(2, 6, 3).signal
    forced = SparseForcing(2)(small(PLRNN(5, 0)), observation, signal)
    torch.testing.assert_close(observation(forced.states), signal)
    assert forced.states.shape == (2, 6, 5)


def test_missing_data_leave_the_network_free():
    model = RNN(small(ALRNN(4, 0)), Identity(4, 2), "data", forcing=SparseForcing(2)).double()
    batch = series(3, 9, 2)
    free = RNN(model.latent_step, Identity(4, 2), "data").double()
    free.data_start = model.data_start
    missing = batch.signal.clone()
    missing[:, 1:] = torch.nan
    blind = Trials(batch.inputs, batch.targets, batch.mask, {}, missing)
    torch.testing.assert_close(model(blind).latents, free(batch).latents)


@pytest.mark.parametrize("backend", ["reference", "fused"])
@pytest.mark.parametrize("tau", [2, 3])
def test_an_incomplete_row_has_no_gradient_through_the_inverse_observation(backend, tau):
    """With tau 2 the row would force the network, with tau 3 it would not, and any number can stand in its place."""
    grads = []
    for value in (torch.nan, 0.7):
        observation = Affine(4, 2).double()
        torch.nn.init.orthogonal_(observation.B_raw)
        model = RNN(small(ALRNN(4, 0)), observation, "data", backend, SparseForcing(tau)).double()
        torch.manual_seed(1)
        batch = series(3, 9, 2)
        batch.signal[1, 4, 0] = value
        model(batch).outputs.square().sum().backward()
        grads.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    incomplete, complete = grads
    assert all(grad.isfinite().all() for grad in incomplete.values())
    for name, grad in incomplete.items():
        assert torch.equal(grad, complete[name]) == (tau == 3), name


def test_a_trial_that_starts_from_data_starts_there():
    model = RNN(small(ALRNN(5, 0)), Identity(5, 3), "data").double()
    x = torch.randn(4, 3, dtype=torch.float64)
    start = model.start_from(x)
    torch.testing.assert_close(start[:, :3], x)
    torch.testing.assert_close(start[:, 3:], x @ model.data_start.L.T)
    run = model.free_run(x, None, 7)
    torch.testing.assert_close(run.initial, start)
    torch.testing.assert_close(run.latents, rollout(model.latent_step, start, None, 7, "reference"))


def test_all_units_observed_need_no_learned_start():
    assert RNN(ALRNN(3, 0), Identity(3, 3), "data").data_start.L is None
    assert set(RNN(ALRNN(3, 0), Identity(3, 3), "data").weights()) == {"A", "W", "h"}


@pytest.mark.parametrize("step", [GRU(4, 0), LSTM(4, 0)], ids=["GRU", "LSTM"])
def test_gated_networks_are_forced_in_their_rates(step):
    model = RNN(small(step), Identity(4, 2), "data", forcing=GeneralizedForcing(1.0)).double()
    batch = series(2, 5, 2)
    latents = model(batch).latents
    z = latents[:, 2].clone()
    z[:, :2] = batch.signal[:, 3]
    torch.testing.assert_close(latents[:, 3], step.step(z, None))


def test_annealed_alpha_goes_from_its_first_to_its_final_value():
    for anneal, middle in (("linear", 0.5), ("exponential", 0.3)):
        forcing = GeneralizedForcing(0.9, 0.1, anneal)
        values = []
        for step in (0, 50, 100):
            forcing.update(None, None, None, step, 101)
            values.append(forcing.alpha.item())
        assert values == pytest.approx([0.9, middle, 0.1])


def test_adaptive_alpha_rises_at_once_and_falls_slowly():
    step = small(ShPLRNN(2, 0, hidden_dim=3, clipped=True))
    signal = series(2, 6, 2).signal
    forcing = AdaptiveForcing("batch_maximum", alpha=1.0, decay=0.9, update_every=2).double()
    with torch.no_grad():
        step.A.fill_(0.5)
        step.W1.zero_()  # J = A, so the estimate is 0
    for update, expected in ((0, 0.9), (1, 0.9), (2, 0.81)):
        forcing.update(step, Identity(2, 2), signal, update, 10)
        assert forcing.alpha.item() == pytest.approx(expected)
    with torch.no_grad():
        step.A.fill_(-20.0)
    forcing.update(step, Identity(2, 2), signal, 4, 10)
    assert forcing.alpha.item() == pytest.approx(0.95)


def test_a_tau_of_auto_is_settled_by_the_data():
    forcing = SparseForcing("auto")
    forcing.prepare(lambda: 7)
    strengths = forcing.strengths(16, torch.zeros(()))
    assert strengths.nonzero().flatten().tolist() == [0, 7, 14]


def test_a_tau_of_none_never_forces():
    assert SparseForcing(None)(ALRNN(3, 0), Identity(3, 3), series(1, 4, 3).signal) is None


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SparseForcing(0), "tau must be a whole number >= 1, got 0"),
        (lambda: SparseForcing(4, alpha=0.0), r"alpha must be a number in \(0, 1\], got 0.0"),
        (lambda: SparseForcing(4, through="sideways"), "through must be one of auto, identity, inverse"),
        (lambda: GeneralizedForcing(1.5), r"alpha must be a number in \[0, 1\], got 1.5"),
        (lambda: GeneralizedForcing(0.5, 0.1), "final_alpha must be given if and only if anneal"),
        (lambda: GeneralizedForcing(0.5, anneal="linear"), "final_alpha must be given if and only if anneal"),
        (lambda: GeneralizedForcing(0.5, 0.0, "exponential"), "needs alpha and final_alpha > 0"),
        (lambda: AdaptiveForcing("guess"), "method must be one of product_upper_bound"),
        (lambda: AdaptiveForcing(decay=2.0), r"decay must be a number in \[0, 1\], got 2.0"),
        (
            lambda: RNN(Leaky(4, 1, dt=10.0, tau=100.0), Identity(4, 2), forcing=SparseForcing()),
            "those of Leaky are not: choose forcing=none",
        ),
        (
            lambda: RNN(ALRNN(4, 1), Linear(4, 2), forcing=SparseForcing(through="identity")),
            "through=identity needs observation=identity",
        ),
        (
            lambda: RNN(ALRNN(4, 1), Identity(4, 2), forcing=SparseForcing(through="inverse")),
            "through=inverse needs observation=linear or affine",
        ),
        (
            lambda: RNN(GRU(4, 1), Identity(4, 2), forcing=AdaptiveForcing("jacobian_upper_bound")),
            "needs a latent step of the PLRNN family, not GRU",
        ),
    ],
)
def test_what_cannot_work_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_recurrence_without_forcing_leaves_it_to_the_reference():
    name, why = choose_backend(GRU(3, 1), torch.device("cpu"), torch.float32, is_forced=True)
    assert (name, why) == ("reference", "the compiled recurrence of GRU takes no forcing")
    with pytest.raises(UserError, match="takes no forcing; use auto or reference"):
        choose_backend(GRU(3, 1), torch.device("cpu"), torch.float32, "fused", is_forced=True)
