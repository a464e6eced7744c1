"""The model: initial state, free runs, and the weights it names."""

import pytest
import torch

from rnnexp.latent_steps import ALRNN
from rnnexp.models import RNN
from rnnexp.observation import Affine


def model(initial_state="learned"):
    net = RNN(ALRNN(6, 2, num_relus=3), Affine(6, 2), initial_state)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.3)
    return net


def test_every_trial_starts_at_the_learned_state():
    net, inputs = model(), torch.randn(3, 5, 2)
    trajectory = net.run(inputs)
    assert torch.equal(trajectory.initial, net.z0.expand(3, -1))
    assert torch.allclose(trajectory.latents[:, 0], net.latent_step.step(net.z0.expand(3, -1), inputs[:, 0]))


def test_a_given_initial_state_and_the_last_latents_continue_a_run():
    net, inputs = model(), torch.randn(3, 8, 2)
    whole = net.run(inputs)
    first = net.run(inputs[:, :5])
    second = net.run(inputs[:, 5:], initial=first.latents[:, -1])
    assert torch.allclose(torch.cat([first.latents, second.latents], 1), whole.latents, atol=1e-6)


def test_free_run_needs_no_inputs():
    trajectory = model().run(None, n_steps=7)
    assert trajectory.outputs.shape == (1, 7, 2)
    silent = model().run(torch.zeros(1, 7, 2))
    assert silent.outputs.shape == (1, 7, 2)


def test_zero_initial_state_is_not_trained():
    net = RNN(ALRNN(6, 2, num_relus=3), Affine(6, 2), "zero")
    assert not net.z0.requires_grad
    assert RNN(ALRNN(6, 2, num_relus=3), Affine(6, 2), "learned").z0.requires_grad


def test_unknown_initial_state_is_refused():
    with pytest.raises(
        ValueError, match="initial_state must be one of auto, learned, zero, data, got 'random'"
    ):
        model("random")


def test_weights_carry_the_names_of_the_equations():
    assert set(model().weights()) == {"A", "W", "h", "C", "B", "b", "z0"}
