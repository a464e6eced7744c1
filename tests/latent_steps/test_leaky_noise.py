"""The noise of leaky networks: its size, where it goes, and that a seed fixes it."""

import math

import pytest
import torch

from rnnexp.latent_steps import ALRNN, Leaky
from rnnexp.models import RNN
from rnnexp.observation import Linear

M, K, B, T = 5, 2, 4, 30


def network(dtype=torch.float64, **options):
    step = Leaky(**{"latent_dim": M, "input_dim": K, "dt": 10.0, "tau": 40.0, **options})
    model = RNN(step, Linear(M, 3)).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    return model


def stream(seed=1):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("scale", "factor"),
    [("sqrt_2alpha", math.sqrt(0.5)), ("sqrt_alpha", 0.5), ("alpha", 0.25), ("unscaled", 1.0)],
)
def test_noise_of_the_states_has_the_size_of_its_scale(scale, factor):
    step = Leaky(M, K, dt=10.0, tau=40.0, pre_noise=0.3, pre_noise_scale=scale)
    noise = step.draw_noise(200, 100, stream())
    assert noise.increments.std().item() == pytest.approx(0.3 * factor, rel=0.01)
    assert noise.rates is None


def test_noise_of_a_unit_scales_with_its_own_time_constant():
    tau = [10.0, 20.0, 40.0, 80.0, 160.0]
    step = Leaky(M, K, dt=10.0, tau=tau, pre_noise=1.0)
    sd = step.draw_noise(200, 100, stream()).increments.std((0, 1))
    assert sd.tolist() == pytest.approx([math.sqrt(20 / t) for t in tau], rel=0.03)


def test_noise_of_the_rates_reaches_outputs_and_recurrence_but_not_the_state_itself():
    """Against the equations step by step, with the noise where they have it."""
    model = network(pre_noise=0.2, post_noise=0.4, pre_noise_scale="alpha", activation="tanh")
    step, inputs = model.latent_step, torch.randn(B, T, K, dtype=torch.float64)
    eps, xi = torch.randn(2, B, T, M, dtype=torch.float64).unbind(0)
    trajectory = model.run(inputs, noise=step.fold_noise(eps, xi))
    z, a = model.z0.expand(B, -1), 0.25
    r = torch.tanh(z)
    for t in range(T):
        z = (
            (1 - a) * z
            + a * (r @ step.W_rec.T + inputs[:, t] @ step.W_in.T + step.b_rec)
            + a * 0.2 * eps[:, t]
        )
        r = torch.tanh(z) + 0.4 * xi[:, t]
        torch.testing.assert_close(trajectory.latents[:, t], z)
        torch.testing.assert_close(trajectory.rates[:, t], r)
        torch.testing.assert_close(trajectory.outputs[:, t], r @ model.observation.B.T)


def test_gradients_pass_through_the_noise():
    model = network(pre_noise=0.2, post_noise=0.4, tau={"min": 20.0, "max": 80.0}, activation="tanh")
    inputs = torch.randn(B, T, K, dtype=torch.float64)
    W_rec, tau = model.latent_step.W_rec_raw, model.latent_step.time_constants.tau_raw

    def loss():
        return model.run(inputs, noise=stream()).outputs.square().mean()

    gradients = torch.autograd.grad(loss(), [W_rec, tau])
    for parameter, gradient in zip((W_rec, tau), gradients, strict=True):
        flat = parameter.data.view(-1)
        flat[1] += 1e-6
        above = loss()
        flat[1] -= 2e-6
        below = loss()
        flat[1] += 1e-6
        assert gradient.view(-1)[1].item() == pytest.approx(((above - below) / 2e-6).item(), rel=1e-5)


def test_the_same_stream_gives_the_same_noise_and_none_gives_none():
    model = network(pre_noise=0.2, post_noise=0.1, initial_state="random")
    inputs = torch.randn(B, T, K, dtype=torch.float64)
    first, again, other = (model.run(inputs, noise=stream(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.outputs, again.outputs)
    assert not torch.equal(first.outputs, other.outputs)
    silent = model.run(inputs)
    assert torch.equal(silent.outputs, model.run(inputs).outputs)
    assert torch.equal(silent.rates, torch.relu(silent.latents))


def test_every_trial_has_its_own_noise_and_random_start():
    model = network(pre_noise=0.2, initial_state="random", initial_sd=0.5)
    trajectory = model.run(torch.zeros(500, 3, K, dtype=torch.float64), noise=stream())
    assert trajectory.initial.std(0).tolist() == pytest.approx([0.5] * M, rel=0.1)
    assert (trajectory.latents.std(0) > 0).all()
    silent = model.run(torch.zeros(5, 3, K, dtype=torch.float64))
    assert torch.equal(silent.initial, model.z0.expand(5, -1))


def test_a_given_start_stays_exact_under_noise():
    model = network(initial_state="random", pre_noise=0.2)
    initial = torch.randn(B, M, dtype=torch.float64)
    assert torch.equal(
        model.run(torch.zeros(B, 2, K, dtype=torch.float64), initial, noise=stream()).initial, initial
    )


def test_one_time_step_and_a_free_run_have_noise_too():
    model = network(pre_noise=0.2, post_noise=0.3)
    assert model.run(torch.zeros(B, 1, K, dtype=torch.float64), noise=stream()).outputs.shape == (B, 1, 3)
    free = model.run(None, n_steps=7, noise=stream())
    assert free.latents.shape == (1, 7, M)
    assert not torch.equal(free.latents, model.run(None, n_steps=7).latents)


def test_a_network_without_noise_leaves_the_stream_untouched():
    generator = stream()
    before = generator.get_state()
    for model in (network(), RNN(ALRNN(M, K), Linear(M, 3)).double()):
        model.run(torch.zeros(B, 3, K, dtype=torch.float64), noise=generator)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("mode", "options", "is_trained", "mean", "sd"),
    [
        ("auto", {}, True, 0.1, 0.01),
        ("auto", {"initial_state": "fixed", "initial_mean": 0.3, "initial_sd": 0.0}, False, 0.3, 0.0),
        ("auto", {"initial_state": "random", "initial_mean": 0.2}, False, 0.2, 0.0),
        ("learned", {"initial_state": "random", "initial_mean": 0.2}, True, 0.2, 0.01),
        ("zero", {}, False, 0.0, 0.0),
    ],
)
def test_initial_state_follows_the_latent_step_or_the_top_of_the_configuration(
    mode, options, is_trained, mean, sd
):
    step = Leaky(400, K, dt=10.0, **options)
    model = RNN(step, Linear(400, 3), mode)
    model.initialize(step.auto_initializer, stream())
    assert model.z0.requires_grad == is_trained
    assert model.z0.mean().item() == pytest.approx(mean, abs=1e-2 * sd * 20 + 1e-6)
    assert model.z0.std().item() == pytest.approx(sd, rel=0.1, abs=1e-6)
