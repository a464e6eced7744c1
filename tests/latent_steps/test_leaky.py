"""Leaky networks: Jacobian, time constants, biases, trainable weights, and what is refused."""

import math

import pytest
import torch

from rnnexp.constraints.weight_rule import WeightRule, WeightRules
from rnnexp.latent_steps import Leaky
from rnnexp.latent_steps.activations import ACTIVATIONS
from rnnexp.recurrence.rollout import rollout

M, K = 6, 2


def leaky(dtype=torch.float64, **options):
    step = Leaky(**{"latent_dim": M, "input_dim": K, "dt": 10.0, "tau": 40.0, **options}).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.normal_(generator=generator)
    return step


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_jacobian_is_that_of_autograd(name):
    signs = torch.tensor([1.0, 1, 1, 1, -1, -1])
    rules = WeightRules(recurrent=WeightRule(1 - torch.eye(M), signs, "absolute"))
    step = leaky(activation=name, tau={"min": 20.0, "max": 80.0}, rules=rules)
    z = 10 * torch.randn(7, M, dtype=torch.float64)
    torch.testing.assert_close(step.jacobian(z), super(Leaky, step).jacobian(z), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_is_the_derivative_of_the_activation(name):
    z = torch.linspace(-30, 30, 2001, dtype=torch.float64).add(1e-3).requires_grad_()
    f = ACTIVATIONS[name]
    (automatic,) = torch.autograd.grad(f.function(z).sum(), z)
    torch.testing.assert_close(f.slope(z.detach()), automatic, rtol=1e-9, atol=1e-10)


def test_bounded_activations_stop_at_twenty():
    z = torch.tensor([-5.0, 0.5, 19.0, 25.0])
    assert ACTIVATIONS["clipped_relu"].function(z).tolist() == [0, 0.5, 19, 20]
    assert ACTIVATIONS["clipped_softplus"].function(z)[-1] == 20
    assert ACTIVATIONS["retanh"].function(z).tolist() == [0, *torch.tanh(z[1:]).tolist()]


def test_rollout_iterates_the_step():
    step = leaky(tau=[20.0, 30, 40, 50, 60, 70])
    initial, inputs = torch.randn(3, M, dtype=torch.float64), torch.randn(3, 5, K, dtype=torch.float64)
    z, expected = initial, []
    for t in range(5):
        alpha = 10 / torch.tensor([20.0, 30, 40, 50, 60, 70], dtype=torch.float64)
        drive = torch.relu(z) @ step.W_rec.T + inputs[:, t] @ step.W_in.T + step.b_rec
        z = (1 - alpha) * z + alpha * drive
        expected.append(z)
        torch.testing.assert_close(step.step(expected[t - 1] if t else initial, inputs[:, t]), z)
    torch.testing.assert_close(rollout(step, initial, inputs, 5), torch.stack(expected, 1))


def test_a_changed_step_of_a_subclass_is_what_a_rollout_iterates():
    class Doubled(Leaky):
        def step(self, z, s):
            return 2 * super().step(z, s)

    step = Doubled(M, K, dt=10.0)
    initial, inputs = torch.ones(1, M), torch.randn(1, 3, K)
    z = initial
    for t in range(3):
        z = step.step(z, inputs[:, t])
    assert torch.allclose(rollout(step, initial, inputs, 3)[:, -1], z)


def test_only_the_sum_of_both_biases_matters():
    both = leaky(input_bias=True)
    one = leaky()
    one.load_state_dict({k: v for k, v in both.state_dict().items() if k != "b_in"})
    with torch.no_grad():
        one.b_rec += both.b_in
    z, s = torch.randn(4, M, dtype=torch.float64), torch.randn(4, K, dtype=torch.float64)
    torch.testing.assert_close(both.step(z, s), one.step(z, s))


def test_without_inputs_there_are_no_input_weights():
    step = leaky(input_dim=0, input_bias=True)
    assert step.input_matrix is None
    assert set(step.weights()) == {"W_rec", "b_rec", "tau"}
    assert step.step(torch.zeros(1, M, dtype=torch.float64), None).shape == (1, M)


def test_trained_time_constants_stay_between_their_bounds():
    step = leaky(torch.float32, tau={"min": 20.0, "max": 100.0})
    with torch.no_grad():
        step.time_constants.tau_raw.copy_(torch.tensor([-1e4, -2, 0, 0, 2, 1e4]))
    tau = step.weights()["tau"]
    assert tau.min() >= 20
    assert tau.max() <= 100
    assert tau[2] == 60
    z = torch.randn(3, M)
    step.step(z, torch.randn(3, K)).sum().backward()
    assert (step.time_constants.tau_raw.grad[1:5] != 0).all()


def test_a_tau_of_null_is_the_given_default():
    assert leaky(tau=None, default_tau=50.0).alpha == 0.2
    assert leaky(tau=None).alpha == 0.1
    assert leaky(tau=25.0, default_tau=50.0).alpha == 0.4


@pytest.mark.parametrize("name", ["W_in", "W_rec", "b_rec", "b_in"])
def test_fixed_weights_are_saved_but_not_trained(name):
    step = leaky(input_bias=True, **{f"learnable_{name}": False})
    trained = {key.removesuffix("_raw") for key, p in step.named_parameters() if p.requires_grad}
    assert trained == {"W_in", "W_rec", "b_rec", "b_in"} - {name}
    assert {key.removesuffix("_raw") for key in step.state_dict()} >= {name}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dt": 0}, "dt must be > 0 ms, got 0"),
        ({"dt": math.nan}, "dt must be > 0 ms, got nan"),
        ({"tau": 5.0}, "tau must be a finite number of ms >= dt, which is 10 ms, got 5.0"),
        ({"tau": math.inf}, "tau must be a finite number of ms >= dt, which is 10 ms, got inf"),
        ({"tau": [20.0, 30.0]}, "tau must hold one number for each of the 6 units, got 2"),
        ({"tau": {"min": 20.0}}, "tau must have the keys min and max when it is trained, got min"),
        ({"tau": {"min": 50.0, "max": 50.0}}, "tau.min must be < tau.max, got 50 and 50 ms"),
        ({"activation": "reul"}, "activation must be one of relu, tanh, .*, got 'reul'"),
        ({"pre_noise": -1}, "pre_noise must be a finite number >= 0, got -1"),
        ({"post_noise": math.nan}, "post_noise must be a finite number >= 0, got nan"),
        ({"pre_noise_scale": "sqrt"}, "pre_noise_scale must be one of sqrt_2alpha, .*, got 'sqrt'"),
        ({"initial_state": "zero"}, "initial_state must be one of learned, fixed, random, got 'zero'"),
        ({"initial_sd": -1}, "initial_sd must be a finite number >= 0, got -1"),
        ({"initial_mean": math.inf}, "initial_mean must be a finite number, got inf"),
        ({"auto_initializer": "task"}, "auto_initializer must be one of psychrnn, nn4n, .*, got 'task'"),
        ({"latent_dim": 0}, "latent_dim must be a whole number >= 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Leaky(**{"latent_dim": M, "input_dim": K, "dt": 10.0, "tau": 40.0, **options})
