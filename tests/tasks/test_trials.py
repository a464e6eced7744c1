"""Trials select, move and check their shapes; the base class counts steps and checks its arguments."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnexp.tasks import PerceptualDiscrim, Task, Trials
from rnnexp.tasks.base import count_steps


class OneOutput(Task):
    """One input, one output, the target is the input."""

    def sample_conditions(self, batch_size, generator):
        return {"level": torch.rand(batch_size, generator=generator, dtype=torch.float64)}

    def make_trials(self, conditions, generator, dtype=torch.float32):
        inputs = conditions["level"].to(dtype)[:, None, None].expand(-1, self.n_steps, 1)
        return Trials(inputs, inputs, torch.ones_like(inputs), conditions)


def one_output(**arguments) -> OneOutput:
    return OneOutput(**{"input_dim": 1, "output_dim": 1, "dt": 10, "T": 50, **arguments})


def test_trials_are_selected_with_their_conditions():
    trials = PerceptualDiscrim().sample(6, torch.Generator().manual_seed(0))
    part = trials[1:4]
    assert (part.n_trials, part.n_steps) == (3, 200)
    assert torch.equal(part.inputs, trials.inputs[1:4])
    assert torch.equal(part.mask, trials.mask[1:4])
    assert torch.equal(part.conditions["coherence"], trials.conditions["coherence"][1:4])
    rightward = trials.conditions["direction"] == 1
    assert torch.equal(trials[rightward].targets, trials.targets[rightward])


def test_one_trial_is_not_selected_by_a_bare_number():
    trials = PerceptualDiscrim().sample(2, torch.Generator())
    with pytest.raises(TypeError, match=r"a slice or a tensor, got 1; use trials\[i : i \+ 1\]"):
        trials[1]


def test_trials_move_with_all_they_hold():
    moved = PerceptualDiscrim().sample(2, torch.Generator()).to("meta")
    tensors = [moved.inputs, moved.targets, moved.mask, *moved.conditions.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_trials_of_wrong_shapes_are_refused():
    inputs, targets = torch.zeros(2, 5, 3), torch.zeros(2, 5, 1)
    with pytest.raises(ValueError, match=r"inputs must be \(B, T, K\).*got \(2, 5, 3\), \(2, 4, 1\)"):
        Trials(inputs, targets[:, :4], targets[:, :4], {})
    with pytest.raises(ValueError, match=r"got \(2, 5, 3\), \(2, 5, 1\) and \(2, 5\)"):
        Trials(inputs, targets, targets[:, :, 0], {})
    with pytest.raises(ValueError, match=r"condition choice must be \(2,\), got \(3,\)"):
        Trials(inputs, targets, targets, {"choice": torch.zeros(3)})


@pytest.mark.parametrize(
    ("T", "dt", "steps"), [(2000, 10, 200), (2000, 15, 134), (0.6, 0.2, 3), (0.7, 0.1, 7), (1, 0.3, 4)]
)
def test_steps_are_counted_up_without_a_rounding_error(T, dt, steps):
    assert count_steps(T, dt) == steps


@given(n=st.integers(1, 20000), dt=st.floats(1e-3, 100))
def test_a_whole_number_of_steps_is_that_number(n, dt):
    assert count_steps(n * dt, dt) == n
    assert count_steps((n - 0.5) * dt, dt) == n


def test_time_steps_start_at_zero_and_are_dt_apart():
    assert one_output(dt=20, T=50).times.tolist() == [0.0, 20.0, 40.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dt": -1}, "dt must be > 0 ms, got -1"),
        ({"dt": 1e-320}, "T / dt must be a number of steps that can be held"),
        ({"dt": math.nan}, "dt must be > 0 ms, got nan"),
        ({"dt": True}, "dt must be > 0 ms, got True"),
        ({"dt": "10"}, "dt must be > 0 ms, got '10'"),
        ({"T": 0}, "T must be > 0 ms, got 0"),
        ({"T": math.inf}, "T must be > 0 ms, got inf"),
        ({"T": 5}, "T must be >= dt = 10 ms, got 5"),
        ({"tau": 0.0}, "tau must be > 0 ms, got 0.0"),
        ({"input_dim": -1}, "input_dim must be a whole number >= 0, got -1"),
        ({"output_dim": 1.5}, "output_dim must be a whole number >= 1, got 1.5"),
        ({"input_labels": ["a", "b"]}, r"input_labels must be 1 names, got \['a', 'b'\]"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(arguments, message):
    with pytest.raises(ValueError, match=message):
        one_output(**arguments)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="batch_size must be a whole number >= 1, got 0"):
        one_output().sample(0, torch.Generator())


def test_labels_alpha_and_metrics_without_more_being_said():
    task = one_output()
    assert (task.input_labels, task.output_labels) == (["input 0"], ["output 0"])
    assert task.alpha is None
    assert one_output(tau=40).alpha == 0.25
    trials = task.sample(3, torch.Generator())
    assert task.metrics(trials.targets, trials) == {}  # one output has no choice to make
