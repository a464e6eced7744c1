"""Tasks of movements: trials, fixed sets, and the measures of a movement on paths that were made by hand."""

import math

import pytest
import torch
from torch import Tensor

from rnnexp.recurrence.trajectory import Movement, Trajectory
from rnnexp.tasks import DelayedReaches, RandomReaches, SimpleReaches, Stabilization, Task, Trials

TASKS = [SimpleReaches, DelayedReaches, Stabilization, RandomReaches]


def along(path: Tensor, start: Tensor, dt: float) -> Trajectory:
    """A trajectory whose effector follows path (B, T, 2)."""
    vel = torch.diff(path, dim=1, prepend=start[:, None]) / dt
    movement = Movement(
        {"effector_pos": path, "effector_vel": vel}, {"effector_pos": start}, path, None, path
    )
    return Trajectory(path, path, path, start, movement)


@pytest.mark.parametrize("kind", TASKS)
def test_trials_are_as_drawn_and_fixed_sets_are_fixed(kind: type[Task]) -> None:
    task = kind(workspace=((0.0, -1.0), (2.0, 0.5)))
    trials = task.sample(50, torch.Generator().manual_seed(3))
    again = task.sample(50, torch.Generator().manual_seed(3))
    assert torch.equal(trials.inputs, again.inputs)
    assert trials.inputs.shape == (50, task.n_steps, task.input_dim)
    assert trials.targets.shape == (50, task.n_steps, 2)
    for points in (trials.targets, trials.reach.start_pos):
        assert ((points >= torch.tensor([0.0, -1.0])) & (points <= torch.tensor([2.0, 0.5]))).all()
    assert not torch.equal(trials.targets[0], trials.targets[1])
    some = trials[torch.tensor([4, 7])]
    assert torch.equal(some.reach.start_pos, trials.reach.start_pos[[4, 7]])
    assert trials.to("cpu").reach.hold.shape == (50, task.n_steps)
    sets = {}
    for split in ("validation", "test"):
        shown = task.for_split(split)
        whole = shown.sample(10_000, torch.Generator().manual_seed(1))
        assert torch.equal(whole.inputs, shown.sample(10_000, torch.Generator().manual_seed(2)).inputs)
        assert torch.equal(shown.sample(3, torch.Generator()).targets, whole.targets[:3])
        groups = shown.metric_groups(whole)
        assert not groups or torch.stack(list(groups.values())).sum(0).eq(1).all()
        sets[split] = whole
    assert sets["validation"].targets.shape != sets["test"].targets.shape or not torch.equal(
        sets["validation"].targets, sets["test"].targets
    )


def test_test_directions_lie_between_those_of_validation() -> None:
    task = SimpleReaches(eval_n_directions=4, eval_grid_n=2)
    found = [task.for_split(split).fixed_conditions(split)["direction"] for split in ("validation", "test")]
    assert found[0][:4].tolist() == [0, 90, 180, 270]
    assert found[1][:4].tolist() == [45, 135, 225, 315]
    trials = task.for_split("test").sample(16, torch.Generator())
    assert [
        group.nonzero()[:, 0].tolist() for group in task.for_split("test").metric_groups(trials).values()
    ] == [[k, k + 4, k + 8, k + 12] for k in range(4)]


def test_measures_of_a_movement() -> None:
    task = SimpleReaches(dt=100.0, T=1000.0, success_radius=0.1, success_hold=300.0, speed_threshold=0.1)
    start = torch.zeros(3, 2, dtype=torch.float64)
    zeros = torch.zeros(3, dtype=torch.float64)
    conditions = {
        "start_x": zeros, "start_y": zeros, "goal_x": torch.ones_like(zeros), "goal_y": zeros, "direction": zeros
    }  # fmt: skip
    trials = task.make_trials(conditions, torch.Generator(), torch.float64)
    path = torch.zeros(3, 10, 2, dtype=torch.float64)
    path[0, :, 0] = torch.tensor([0.0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1])  # straight, steps 1 to 4
    path[1, :, 0] = torch.tensor([0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1])  # by a detour to the right
    path[1, 2:6, 1] = -0.5
    values = task.trial_metrics(along(path, start, 0.1), trials)  # the third does not move
    expected = {
        "endpoint_error": [0, 0, 1],
        "peak_speed": [2.5, math.sqrt(0.5) / 0.1, 0],
        "movement_time": [400, 500, math.nan],
        "straightness": [1, math.sqrt(2), math.nan],
        "lateral_error": [0, -0.5, 0],
        "success": [1, 1, 0],
    }
    assert values.keys() == expected.keys()
    for name, numbers in expected.items():
        torch.testing.assert_close(values[name], torch.tensor(numbers).double(), equal_nan=True)


def test_what_comes_before_the_go_signal_does_not_count() -> None:
    task = DelayedReaches(
        dt=100.0, T=1000.0, epochs=((100, 200), (200, 300), (100, 200)), success_hold=0.0, success_radius=0.3
    )
    zeros = torch.zeros(1, dtype=torch.float64)
    conditions = {
        "start_x": zeros, "start_y": zeros, "goal_x": zeros, "goal_y": zeros + 1, "direction": zeros + 90,
        "epoch_1": zeros + 100, "epoch_2": zeros + 300, "go": zeros + 400,
    }  # fmt: skip
    trials = task.make_trials(conditions, torch.Generator(), torch.float64)
    assert trials.reach.hold[0].tolist() == [1] * 4 + [0] * 6
    assert trials.inputs[0, :, 5].tolist() == [0, 1, 1] + [0] * 7
    assert task.events(trials)["go"].tolist() == [400]
    path = torch.zeros(1, 10, 2, dtype=torch.float64)
    path[0, 1, 1] = 3  # a jerk in the hold period
    path[0, 6:, 1] = 0.5
    path[0, 8:, 1] = 0.8
    values = task.trial_metrics(along(path, torch.zeros(1, 2, dtype=torch.float64), 0.1), trials)
    assert values["peak_speed"].item() == pytest.approx(5)
    assert values["reaction_time"].item() == 300  # it moves in the third step from the signal on
    assert values["movement_time"].item() == 300
    assert values["success"].item() == 1


def test_via_points_follow_each_other() -> None:
    task = RandomReaches(dt=100.0, T=1000.0, n_points=3)
    trials = task.sample(4, torch.Generator().manual_seed(0), torch.float64)
    changes = trials.targets.diff(dim=1).abs().sum(2) > 0
    assert changes[0].nonzero()[:, 0].tolist() == [3, 6]
    for index, step in enumerate((0, 4)):
        assert torch.equal(trials.targets[:, step, 0], trials.conditions[f"via_{index}_x"])
    assert torch.equal(trials.targets[:, -1, 1], trials.conditions["goal_y"])
    assert task.go_step(trials).tolist() == [7] * 4
    assert isinstance(trials, Trials)
