"""A network at constant input as a map on arrays: the same map as the network's own."""

import numpy as np
import pytest
import torch

from rnnexp.errors import UserError
from rnnexp.latent_steps import ALRNN, GRU, LSTM, PLRNN, LatentStep, Leaky, ShPLRNN
from rnnexp.models import RNN
from rnnexp.observation import Affine
from rnnexp.saved.dynamics import dynamics_of

STEPS = {
    "PLRNN": (lambda k: PLRNN(5, k), True),
    "PLRNN_uncentred": (lambda k: PLRNN(5, k, mean_centering=False), True),
    "PLRNN_clamped": (lambda k: PLRNN(5, k, clip_range=0.5), True),
    "ALRNN": (lambda k: ALRNN(5, k, num_relus=2), True),
    "ALRNN_linear": (lambda k: ALRNN(5, k, num_relus=0), True),
    "shPLRNN": (lambda k: ShPLRNN(5, k, hidden_dim=7), True),
    "clipped": (lambda k: ShPLRNN(5, k, hidden_dim=7, clipped=True), True),
    "leaky_relu": (lambda k: Leaky(5, k, dt=10.0, tau=30.0, input_bias=True), True),
    "leaky_identity": (lambda k: Leaky(5, k, dt=10.0, activation="identity"), True),
    "leaky_tanh": (lambda k: Leaky(5, k, dt=10.0, activation="tanh"), False),
    "LSTM": (lambda k: LSTM(5, k), False),
    "GRU": (lambda k: GRU(5, k), False),
}


def build(name, n_inputs):
    torch.manual_seed(1)
    make, is_linear = STEPS[name]
    model = RNN(make(n_inputs), Affine(5, 2)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model, is_linear


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("n_inputs", [0, 2])
def test_steps_orbits_jacobians_and_outputs_are_those_of_the_network(name, n_inputs):
    model, is_linear = build(name, n_inputs)
    inputs = torch.tensor([0.7, -0.4], dtype=torch.float64) if n_inputs else None
    dynamics = dynamics_of(model, inputs)
    assert (dynamics.system is not None) == is_linear
    states = torch.randn(6, dynamics.state_dim, dtype=torch.float64)
    given = None if inputs is None else inputs.expand(6, -1)
    step = model.latent_step.step
    assert dynamics.step(states.numpy()) == pytest.approx(step(states, given).detach().numpy(), abs=1e-12)
    row = None if inputs is None else inputs[None]
    exact = torch.func.vmap(torch.func.jacrev(lambda z: step(z[None], row)[0]))(states).detach().numpy()
    assert dynamics.jacobian(states.numpy()) == pytest.approx(exact, abs=1e-10)
    trials = None if inputs is None else inputs.expand(1, 20, -1)
    with torch.no_grad():
        trajectory = model.run(trials, states[:1], 20)
    orbit = dynamics.orbit(states[0].numpy(), 20)
    assert orbit == pytest.approx(trajectory.latents[0].numpy(), abs=1e-9)
    assert dynamics.outputs(orbit) == pytest.approx(trajectory.outputs[0].numpy(), abs=1e-9)


def test_a_step_of_its_own_is_taken_for_smooth():
    class Bent(ALRNN):
        def step(self, z, s):
            return torch.tanh(super().step(z, s))

    class Renamed(ALRNN):
        """The map of its base."""

    for kind, is_linear in ((Bent, False), (Renamed, True)):
        model = RNN(kind(4, 0, num_relus=2), Affine(4, 1)).double()
        assert (dynamics_of(model, None).system is not None) == is_linear
    bent = RNN(Bent(4, 0), Affine(4, 1)).double()
    z = torch.rand(3, 4, dtype=torch.float64)
    expected = bent.latent_step.step(z, None).detach().numpy()
    assert dynamics_of(bent, None).step(z.numpy()) == pytest.approx(expected)


def test_a_step_that_cannot_be_differentiated_is_one_sentence():
    class Leaping(LatentStep):
        def step(self, z, s):
            return z + 1 if z.sum().item() > 0 else z - 1

    dynamics = dynamics_of(RNN(Leaping(3, 0), Affine(3, 1)).double(), None)
    with pytest.raises(UserError, match="latent_step: Leaping: its Jacobian cannot be had by automatic"):
        dynamics.jacobian(np.ones((2, 3)))
