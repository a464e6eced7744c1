"""Loss and metrics of a model on given trials."""

import math

import numpy as np
import pytest
import torch

from rnnexp.analysis.lyapunov import lyapunov_spectrum_along
from rnnexp.latent_steps import ALRNN, GRU, LSTM, PLRNN
from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.observation import Affine, Identity
from rnnexp.tasks.cognitive.perceptual_discrim import PerceptualDiscrim
from rnnexp.training.evaluation import FreeRuns, evaluate


class WithMetrics(PerceptualDiscrim):
    """Metrics as a number, a tensor of another dtype and nan."""

    def metrics(self, outputs, trials):
        n_trials = len(outputs)
        return {
            "number": float(n_trials),
            "whole": torch.tensor(n_trials),
            "double": torch.tensor(1 / 3, dtype=torch.float64),
            "undefined": math.nan,
        }


@pytest.fixture
def model(compose_config):
    from rnnexp.building.parts import build_model
    from rnnexp.building.tasks import build_task

    config = compose_config("task=perceptual_discrim", "task.T=300", "task.dt=20", "latent_dim=8")
    return build_model(config, build_task(config))


def per_trial(trajectory, trials):
    return (trials.mask * (trajectory.outputs - trials.targets)).square().mean((1, 2))


@pytest.mark.parametrize("batch_size", [1, 7, 30, 64])
def test_values_do_not_depend_on_the_batch_size(model, batch_size):
    task = PerceptualDiscrim(T=300, dt=20)
    trials = task.sample(30, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = per_trial(model(trials), trials).double().mean().item()
        accuracy = task.metrics(model(trials).outputs, trials)["accuracy"].item()
    losses, metrics = evaluate(model, task, CompositeLoss({"mine": per_trial}, [2.0]), trials, batch_size)
    assert list(losses) == ["loss", "mine"]
    assert losses["mine"] == losses["loss"] == pytest.approx(2 * expected, rel=1e-6)
    assert metrics == {"accuracy": pytest.approx(accuracy, abs=1e-7)}
    assert all(type(value) is float for value in [*losses.values(), *metrics.values()])


def test_metrics_of_a_user_are_averaged_over_trials_whatever_number_they_are(model):
    task = WithMetrics(T=300, dt=20)
    trials = task.sample(10, torch.Generator().manual_seed(0))
    metrics = evaluate(model, task, CompositeLoss([per_trial]), trials, 4)[1]
    assert metrics["number"] == metrics["whole"] == pytest.approx((4 * 4 + 4 * 4 + 2 * 2) / 10)
    assert metrics["double"] == pytest.approx(1 / 3, abs=1e-15)
    assert math.isnan(metrics["undefined"])


def test_dropout_rests_in_an_evaluation_and_goes_on_after_it():
    class Dropping(ALRNN):
        def __init__(self):
            super().__init__(4, 2)
            self.dropout = torch.nn.Dropout(0.5)
            self.modes = []

        def step(self, z, s):
            self.modes.append(self.dropout.training)
            return super().step(self.dropout(z), s)

    task, step = WithMetrics(T=300, dt=20), Dropping()
    model = RNN(step, Affine(4, 2), backend="reference").train()
    evaluate(model, task, CompositeLoss([per_trial]), task.sample(4, torch.Generator()), 4)
    assert set(step.modes) == {False}
    assert step.dropout.training


def test_metrics_of_free_runs_are_plain_numbers(model):
    class WithRuns(WithMetrics):
        def run_metrics(self, run):
            return {"numpy": np.float64(0.5), "tensor": torch.tensor(0.25)}

    task = WithRuns(T=300, dt=20)
    trials = task.sample(4, torch.Generator().manual_seed(0))
    metrics = evaluate(model, task, CompositeLoss([per_trial]), trials, 4)[1]
    assert (metrics["numpy"], metrics["tensor"]) == (0.5, 0.25)
    assert all(type(metrics[name]) is float for name in ("numpy", "tensor"))


def reconstruction(A, dtype=torch.float64):
    """A model of two dimensions whose state is multiplied by A at every step."""
    step = ALRNN(2, 1, num_relus=0)
    with torch.no_grad():
        step.A.copy_(torch.tensor(A))
    return RNN(step, Identity(2, 2), "data").to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_exponents_of_a_linear_model_are_its_factors(dtype):
    runs = FreeRuns(reconstruction([0.5, -1.01], dtype))
    largest = runs.lyapunov_exponents(torch.ones(2, dtype=torch.float64), None, 3, 400, 1)
    assert largest == pytest.approx([math.log(1.01)], abs=1e-6)
    both = runs.lyapunov_exponents(torch.ones(2, dtype=torch.float64), None, 3, 400, 2)
    assert both == pytest.approx([math.log(1.01), math.log(0.5)], abs=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_the_exponents_of_a_diverging_run_are_undefined(count):
    runs = FreeRuns(reconstruction([0.5, 1e9]))
    exponents = runs.lyapunov_exponents(torch.ones(2, dtype=torch.float64), None, 3, 100, count)
    assert len(exponents) == count
    assert all(map(math.isnan, exponents))


def test_free_runs_start_from_the_observation_and_get_the_inputs():
    model = reconstruction([0.5, 0.5])
    torch.nn.init.ones_(model.latent_step.C)
    start, inputs = torch.tensor([[1.0, 2.0]]), torch.tensor([[[0.0], [1.0]]])
    expected = torch.tensor([[[0.5, 1.0], [1.25, 1.5]]], dtype=torch.float64)
    outputs = FreeRuns(model)(start, inputs, 2)
    torch.testing.assert_close(outputs, expected)
    assert not outputs.requires_grad


def driven(kind):
    torch.manual_seed(0)
    step = {
        "GRU": lambda: GRU(3, 2),
        "LSTM": lambda: LSTM(3, 2),
        "clamped": lambda: ALRNN(3, 2, num_relus=1, clip_range=0.5),
        "PLRNN": lambda: PLRNN(3, 2),
    }[kind]().double()
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.normal_(0, 0.8)
        if kind == "clamped":  # by the inputs, now and then
            step.W_raw.mul_(0.2)
            step.A.fill_(0.7)
            step.h.zero_()
    return RNN(step, Identity(3, 2), "data").double()


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "clamped", "PLRNN"])
def test_exponents_of_a_driven_network_see_its_inputs(kind):
    model = driven(kind)
    inputs = torch.from_numpy(np.random.default_rng(0).standard_normal((60, 2)))
    start = torch.zeros(2, dtype=torch.float64)
    exponents = FreeRuns(model).lyapunov_exponents(start, inputs, 10, 50, 2)
    z, jacobians = model.start_from(start[None]).detach(), []
    for s in inputs[:, None]:
        derivative = torch.func.jacrev(lambda state, given=s: model.latent_step.step(state[None], given)[0])
        jacobians.append(derivative(z[0]).detach().numpy())
        z = model.latent_step.step(z, s).detach()
    counted = iter(jacobians[11:])
    expected = lyapunov_spectrum_along(
        lambda states: np.stack([next(counted) for _ in states]), np.zeros((49, z.shape[1])), n_exponents=2
    )
    assert exponents == pytest.approx(expected.tolist(), abs=1e-9)
