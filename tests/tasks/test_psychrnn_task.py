"""A task written for PsychRNN runs unchanged: same trials, repeatable, with its own accuracy."""

import random

import numpy as np
import pytest
import torch

from rnnexp.errors import UserError
from rnnexp.tasks import PsychRNNTask as Task
from rnnexp.tasks import SimplePD


class PortedPD(Task):
    """Perceptual discrimination at fixed times, in the way of PsychRNN."""

    condition = "direction"

    def __init__(self, dt, tau, T, N_batch, stim_noise=0.1):
        super().__init__(2, 2, dt, tau, T, N_batch)
        self.stim_noise = stim_noise

    def generate_trial_params(self, batch, trial):
        params = {}
        params["coherence"] = np.random.exponential(scale=1 / 5)
        params["direction"] = np.random.choice([0, 1])
        params["stim_noise"] = self.stim_noise
        params["onset_time"] = self.T / 4.0
        params["stim_duration"] = self.T / 2.0
        params["label"] = random.choice(["left", "right"])
        params["reward"] = random.random()
        params["drift"] = np.random.randn(2)
        params["catch"] = bool(np.random.rand() < 0.5)
        params["trial"] = trial
        params["batch"] = batch
        return params

    def trial_function(self, time, params):
        x_t = np.sqrt(2 * self.alpha * params["stim_noise"] ** 2) * np.random.randn(self.N_in)
        y_t = np.zeros(self.N_out)
        mask_t = np.ones(self.N_out)
        stop = params["onset_time"] + params["stim_duration"]
        if params["onset_time"] < time < stop:
            x_t[params["direction"]] += 1 + params["coherence"]
            x_t[(params["direction"] + 1) % 2] += 1
        if time > stop + 20:
            y_t[params["direction"]] = 1.0
        if time < stop:
            mask_t = np.zeros(self.N_out)
        return x_t, y_t, mask_t


class Echo(Task):
    """One number per trial and step, made by the functions that are handed in."""

    def __init__(self, params=lambda batch, trial: {}, step=None, N_in=1, N_out=1, **times):
        super().__init__(N_in, N_out, **{"dt": 10, "tau": 100, "T": 50, **times})
        self._params_of, self._step = params, step or (lambda time, params: (time, 0, 1))

    def generate_trial_params(self, batch, trial):
        return self._params_of(batch, trial)

    def trial_function(self, time, params):
        return self._step(time, params)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dt", [10, 15])
def test_a_ported_task_gives_the_trials_of_the_vectorised_one(dt):
    ported = PortedPD(dt=dt, tau=100, T=2000, N_batch=128, stim_noise=0.0)
    trials = ported.sample(12, seeded(0), torch.float64)
    names = ("coherence", "direction", "onset_time", "stim_duration")
    own = SimplePD(dt=dt, stim_noise=0.0).make_trials(
        {name: trials.conditions[name] for name in names}, seeded(1), torch.float64
    )
    torch.testing.assert_close(trials.inputs, own.inputs, rtol=0, atol=1e-12)
    assert torch.equal(trials.targets, own.targets)
    assert torch.equal(trials.mask, own.mask)
    assert trials.conditions["direction"].unique().tolist() == [0, 1]


def test_attributes_are_those_of_psychrnn_with_their_types():
    task = PortedPD(dt=15, tau=100, T=2000, N_batch=32)
    assert (task.N_in, task.N_out, task.N_steps, task.N_batch) == (2, 2, 134, 32)
    assert (task.input_dim, task.output_dim, task.n_steps) == (2, 2, 134)
    assert (task.dt, task.tau, task.T, task.alpha) == (15, 100, 2000, 0.15)
    assert isinstance(task.T, int)
    assert Echo().N_batch is None


def test_the_same_seed_gives_the_same_trials_whatever_the_global_generators_did():
    task = PortedPD(10, 100, 500, 8)
    first = task.sample(5, seeded(3))
    np.random.seed(99)
    random.seed(99)
    again, other = task.sample(5, seeded(3)), task.sample(5, seeded(4))
    assert torch.equal(first.inputs, again.inputs)
    assert all(torch.equal(first.conditions[name], again.conditions[name]) for name in first.conditions)
    assert not torch.equal(first.conditions["coherence"], other.conditions["coherence"])
    assert not torch.equal(first.inputs, other.inputs)


def test_sampling_leaves_the_global_generators_as_they_were():
    def fails(time, params):
        raise ZeroDivisionError

    np.random.seed(7)
    random.seed(7)
    expected = (np.random.rand(), random.random())
    np.random.seed(7)
    random.seed(7)
    PortedPD(10, 100, 100, 8).sample(3, seeded(0))
    with pytest.raises(ZeroDivisionError):
        Echo(step=fails).sample(3, seeded(0))
    assert (np.random.rand(), random.random()) == expected


def test_trials_and_noise_of_one_batch_differ():
    inputs = PortedPD(10, 100, 500, 8).sample(4, seeded(0)).inputs[:, 0]
    assert len(inputs.unique()) == inputs.numel()


def test_the_same_conditions_get_new_noise_from_another_generator():
    task = PortedPD(10, 100, 500, 8)
    conditions = task.sample_conditions(3, seeded(0))
    one, two = (task.make_trials(conditions, seeded(seed)) for seed in (1, 2))
    assert not torch.equal(one.inputs, two.inputs)
    assert torch.equal(one.targets, two.targets)


def test_numeric_parameters_become_conditions_and_others_are_left_out():
    conditions = PortedPD(10, 100, 100, 8).sample_conditions(6, seeded(0))
    assert {"coherence", "direction", "stim_noise", "reward", "catch", "trial"} <= set(conditions)
    assert not {"label", "drift"} & set(conditions)
    assert conditions["coherence"].dtype == torch.float64
    assert {conditions[name].dtype for name in ("direction", "catch", "trial")} == {torch.int64}
    assert conditions["trial"].tolist() == [0, 1, 2, 3, 4, 5]


def test_parameters_that_are_no_numbers_reach_the_trial_function_unchanged():
    seen = []
    task = Echo(
        params=lambda batch, trial: {"shape": np.random.rand(3), "name": f"trial {trial}", "yes": True},
        step=lambda time, params: (seen.append((time, *params.values())), (params["shape"][0], 0, 1))[1],
    )
    trials = task.sample(2, seeded(0))[1:]
    rebuilt = task.make_trials(trials.conditions, seeded(0))
    assert torch.equal(rebuilt.inputs, trials.inputs)
    assert (seen[-1][0], seen[-1][2], seen[-1][3]) == (40, "trial 1", True)
    assert seen[-1][3] is True


def test_edited_conditions_change_the_trials():
    task = PortedPD(10, 100, 500, 8, stim_noise=0.0)
    conditions = task.sample_conditions(4, seeded(0))
    conditions["direction"] = torch.tensor([0, 1, 0, 1])
    conditions["coherence"] = torch.full((4,), 0.75, dtype=torch.float64)
    trials = task.make_trials(conditions, seeded(0))
    assert trials.inputs[:, 20].tolist() == [[1.75, 1], [1, 1.75], [1.75, 1], [1, 1.75]]


def test_scalars_fill_all_channels_as_in_psychrnn():
    trials = Echo(step=lambda time, params: (time, [1, 2], 1), N_in=3, N_out=2).sample(1, seeded(0))
    assert trials.inputs[0, 2].tolist() == [20, 20, 20]
    assert trials.targets[0, 0].tolist() == [1, 2]
    assert (trials.mask == 1).all()


def test_an_own_accuracy_function_is_the_metric():
    class Regression(Echo):
        def accuracy_function(self, correct_output, test_output, output_mask):
            assert all(isinstance(array, np.ndarray) for array in (correct_output, test_output, output_mask))
            return np.mean(np.abs(correct_output - test_output) < 0.1)

    task = Regression()
    trials = task.sample(4, seeded(0))
    outputs = trials.targets.clone().requires_grad_()
    with torch.no_grad():
        outputs[:1] += 1
    metrics = task.metrics(outputs, trials)
    assert metrics["accuracy"].item() == 0.75
    assert metrics["accuracy"].shape == ()


def test_without_an_own_accuracy_function_it_is_that_of_a_choice():
    task = PortedPD(10, 100, 500, 8)
    trials = task.sample(4, seeded(0))
    assert task.metrics(trials.targets, trials)["accuracy"].item() == 1.0
    arrays = [tensor.numpy() for tensor in (trials.targets, trials.targets.flip(2), trials.mask)]
    assert task.accuracy_function(*arrays) == 0.0


def test_batch_number_reaches_the_method_when_drawn_and_when_built():
    task = Echo(params=lambda batch, trial: {"n": 10 * batch + trial, "hard": batch > 100})
    assert task.sample(2, seeded(0)).conditions["n"].tolist() == [10, 11]
    trials = task.sample(2, seeded(0), batch=200)
    assert trials.conditions["n"].tolist() == [2000, 2001]
    assert trials.conditions["hard"].tolist() == [1, 1]
    easy = Echo(params=lambda batch, trial: {"n": batch}, step=lambda t, params: ([params["n"]], [0], [1]))
    assert easy.sample(1, seeded(0), batch=7).inputs.unique().tolist() == [7.0]


def test_wrong_returns_of_the_methods_are_named():
    with pytest.raises(UserError, match="generate_trial_params of Echo must return a dict, got None"):
        Echo(params=lambda batch, trial: None).sample(1, seeded(0))
    with pytest.raises(
        UserError, match=r"trial_function of Echo must return x_t \(1,\), y_t \(1,\) and mask_t"
    ):
        Echo(step=lambda time, params: ([1, 2], 0, 1)).sample(1, seeded(0))
    with pytest.raises(UserError, match=r"trial_function of Echo must return .*: not enough values"):
        Echo(step=lambda time, params: (0, 1)).sample(1, seeded(0))


def test_a_class_without_the_two_methods_cannot_be_made():
    class Half(Task):
        def generate_trial_params(self, batch, trial):
            return {}

    with pytest.raises(TypeError, match="trial_function"):
        Half(1, 1, 10, 100, 1000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dt": 0}, "dt must be > 0 ms, got 0"),
        ({"tau": None}, "tau must be > 0 ms, got None"),
        ({"N_in": 0}, "N_in must be a whole number >= 1, got 0"),
        ({"N_out": 2.0}, "N_out must be a whole number >= 1, got 2.0"),
        ({"N_batch": 0}, "N_batch must be a whole number >= 1, got 0"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        Echo(**arguments)
