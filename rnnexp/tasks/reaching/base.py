"""What all tasks of movements share: workspace, fixed sets of centre-out reaches, how well a movement is done.

Letters: B trials, T time steps, K inputs. Positions are m, velocities m/s, times ms, angles degrees counter-clockwise
from +x. Row t of inputs acts in step t, row t of targets is where the effector should be after it. Source: feedbax
0.1.2, whose n_steps states are T = n_steps - 1 steps here.
"""

import copy
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from rnnexp.numbers import fraction, integer_at_least, listed, non_negative, number, positive
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.tasks.base import Reach, Task, Trials

Conditions = dict[str, Tensor]
Split = Literal["training", "validation", "test"]


class ReachingTask(Task):
    """Trials in which the effector of a plant is to be somewhere; validation and test have fixed sets of trials.

    A subclass defines `sample_conditions`, `make_trials` and `fixed_conditions`.

    Args:
        input_labels: names of the inputs.
        workspace: ((x_min, y_min), (x_max, y_max)), m.
        dt: time step, ms, > 0.
        T: duration of a trial, ms.
        success_radius: how close to its goal the effector must come for a success, m, > 0.
        success_hold: for how long, ms, >= 0.
        speed_threshold: share of the peak speed above which the effector moves, in [0, 1].

    Raises:
        ValueError: an argument is out of its range.
    """

    kind = "reaching"
    condition = "direction"

    def __init__(
        self,
        input_labels: Sequence[str],
        workspace: Sequence[Sequence[float]],
        dt: float,
        T: float,
        success_radius: float,
        success_hold: float,
        speed_threshold: float,
    ) -> None:
        super().__init__(
            input_dim=len(input_labels), output_dim=2, dt=dt, T=T, input_labels=input_labels,
            output_labels=("command 1", "command 2"),
        )  # fmt: skip
        self.workspace = _workspace(workspace)
        self.success_radius = positive("success_radius", success_radius, "m")
        self.success_hold = non_negative("success_hold", success_hold, "ms")
        if self.success_hold > self.T:
            raise ValueError(f"success_hold must be <= T = {self.T:g} ms, got {success_hold!r}")
        self.speed_threshold = fraction("speed_threshold", speed_threshold)
        self.split: Split = "training"

    def for_split(self, split: str) -> Task:
        """Return the task whose `sample` gives random trials, "training", or a fixed set, the others."""
        task = copy.copy(self)
        task.split = split
        return task

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
    ) -> Trials:
        """Return trials as `Task.sample` does; of a fixed set the first ones, at most all of them."""
        if self.split == "training":
            return super().sample(batch_size, generator, dtype, batch)
        integer_at_least("batch_size", batch_size, 1)
        conditions = self.fixed_conditions(self.split)
        return self.make_trials({key: v[:batch_size] for key, v in conditions.items()}, generator, dtype)

    def fixed_conditions(self, split: Split) -> Conditions:
        """Return the conditions of all validation or test trials."""
        raise NotImplementedError(f"{type(self).__name__} must define fixed_conditions")

    @property
    def positions(self) -> list[tuple[float, float]]:
        """Where the effector will be asked to be: a grid over the workspace, and all of the fixed sets."""
        grid = grid_points(self.workspace, 5, with_borders=True)
        fixed = [self.fixed_conditions(split) for split in ("validation", "test")]
        of_sets = [
            torch.stack((found[f"{what}_x"], found[f"{what}_y"]), 1)
            for found in fixed
            for what in ("start", "goal")
        ]
        return [tuple(row) for row in torch.cat((grid, *of_sets)).unique(dim=0).tolist()]

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Nothing: outputs are commands, see `trial_metrics`."""
        del outputs, trials
        return {}

    def trial_metrics(self, trajectory: Trajectory, trials: Trials) -> dict[str, Tensor]:
        """Say how each movement was done.

        Returns:
            Values (B,), nan where there is none:
            endpoint_error: distance from the goal after the last step, m;
            peak_speed: largest speed, m/s, from the go signal on, as all that follow;
            movement_time: from the first to the last step above the speed threshold, ms;
            straightness: length of the path / distance of its ends, 1 is straight;
            lateral_error: where the path is farthest from the straight line from start to goal, how far it is to the
            left of that, m, negative to the right; none where start and goal are the same;
            success: 1 if the effector was near the goal for long enough, else 0;
            reaction_time: from the go signal to the first step above the speed threshold, ms; only where there is one.
        """
        pos, vel = trajectory.effector_pos.detach(), trajectory.effector_vel.detach()
        errors = (pos - trials.targets).norm(dim=-1)
        go = self.go_step(trials)
        from_go = torch.arange(pos.shape[1], device=pos.device) >= go[:, None]
        speed = vel.norm(dim=-1) * from_go
        peak = speed.max(1).values
        moves = (speed > self.speed_threshold * peak[:, None]) & from_go
        has_moved = moves.any(1)
        first = moves.int().argmax(1)
        last = pos.shape[1] - 1 - moves.flip(1).int().argmax(1)
        none = torch.full_like(peak, math.nan)
        start = trajectory.movement.start["effector_pos"]
        before = torch.cat((start[:, None], pos), 1)
        origin = before[torch.arange(len(before)), go]
        path = (pos - before[:, :-1]).norm(dim=-1).mul(from_go).sum(1)
        distance = (pos[:, -1] - origin).norm(dim=-1)
        way = trials.targets[:, -1] - origin
        length = way.norm(dim=-1)
        offset = pos - origin[:, None]
        aside = (way[:, :1] * offset[..., 1] - way[:, 1:] * offset[..., 0]) / length.clamp(min=1e-9)[:, None]
        aside = aside * from_go
        farthest = aside.gather(1, aside.abs().argmax(1, keepdim=True))[:, 0]
        n_hold = max(1, math.ceil(self.success_hold / self.dt - 1e-9))
        near = ((errors <= self.success_radius) & from_go).to(pos.dtype)
        values = {
            "endpoint_error": errors[:, -1],
            "peak_speed": peak,
            "movement_time": torch.where(has_moved, (last - first + 1) * self.dt, none),
            "straightness": torch.where(distance > 1e-9, path / distance.clamp(min=1e-9), none),
            "lateral_error": torch.where(length > 1e-9, farthest, none),
            "success": (near.unfold(1, n_hold, 1).mean(2) == 1).any(1).to(pos.dtype),
        }
        if "go" in trials.conditions:
            values["reaction_time"] = torch.where(has_moved, (first - go + 1) * self.dt, none)
        return values

    def go_step(self, trials: Trials) -> Tensor:
        """Return the step (B,) from which on the effector may move, by the condition "go"; 0 without one."""
        if "go" not in trials.conditions:
            return torch.zeros(trials.n_trials, dtype=torch.long, device=trials.inputs.device)
        return (trials.conditions["go"] / self.dt).round().long().clamp(max=trials.n_steps - 1)

    def events(self, trials: Trials) -> dict[str, Tensor]:
        """Return when the go signal comes, (B,) ms; the start of the trial without one."""
        return {"go": self.go_step(trials) * self.dt}

    def _random_points(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n points uniformly from the workspace, (n, 2) float64."""
        low, high = torch.tensor(self.workspace, dtype=torch.float64)
        return low + (high - low) * torch.rand(n, 2, generator=generator, dtype=torch.float64)

    def _trials(
        self, conditions: Conditions, inputs: Tensor, targets: Tensor, hold: Tensor, dtype: torch.dtype
    ) -> Trials:
        """Return trials that start at rest at the condition "start"; all given tensors have B rows and T columns."""
        start = torch.stack((conditions["start_x"], conditions["start_y"]), 1).to(dtype)
        targets = targets.to(dtype)
        reach = Reach(start, torch.zeros_like(start), torch.zeros_like(targets), hold.to(dtype))
        return Trials(inputs.to(dtype), targets, torch.ones_like(targets), conditions, reach=reach)


class CentreOut(ReachingTask):
    """A task with one reach from a start to a goal; its fixed sets are reaches from the points of a grid outwards.

    Args:
        eval_n_directions: directions from each point, >= 1; the first is +x, in the test set turned by half a step.
        eval_reach_length: m, > 0.
        eval_grid_n: the grid has so many points along x and along y, inside the workspace, >= 1.

    Further arguments: see `ReachingTask`.
    """

    def __init__(
        self,
        input_labels: Sequence[str],
        workspace: Sequence[Sequence[float]],
        dt: float,
        T: float,
        eval_n_directions: int,
        eval_reach_length: float,
        eval_grid_n: int,
        success_radius: float,
        success_hold: float,
        speed_threshold: float,
    ) -> None:
        super().__init__(input_labels, workspace, dt, T, success_radius, success_hold, speed_threshold)
        self.eval_n_directions = integer_at_least("eval_n_directions", eval_n_directions, 1)
        self.eval_reach_length = positive("eval_reach_length", eval_reach_length, "m")
        self.eval_grid_n = integer_at_least("eval_grid_n", eval_grid_n, 1)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> Conditions:
        """Draw start and goal independently and uniformly from the workspace."""
        return reach_conditions(
            self._random_points(batch_size, generator), self._random_points(batch_size, generator)
        )

    def metric_groups(self, trials: Trials) -> dict[str, Tensor]:
        """Return the trials of each direction of a fixed set, direction_0 to direction_<n - 1>; none in training."""
        if self.split == "training":
            return {}
        turn = 0.5 if self.split == "test" else 0.0
        share = trials.conditions["direction"] * (self.eval_n_directions / 360) - turn
        found = share.round().long() % self.eval_n_directions
        return {f"direction_{k}": found == k for k in range(self.eval_n_directions)}

    def fixed_conditions(self, split: Split) -> Conditions:
        """Return centre-out reaches, those of a centre together."""
        turn = 0.5 if split == "test" else 0.0
        angles = (torch.arange(self.eval_n_directions, dtype=torch.float64) + turn) * (
            360 / self.eval_n_directions
        )
        centres = grid_points(self.workspace, self.eval_grid_n, with_borders=False)
        radians = torch.deg2rad(angles)
        offsets = self.eval_reach_length * torch.stack((radians.cos(), radians.sin()), 1)
        start = centres.repeat_interleave(len(offsets), 0)
        conditions = reach_conditions(start, (centres[:, None] + offsets).flatten(0, 1))
        conditions["direction"] = angles.repeat(len(centres))
        return conditions


def reach_conditions(start: Tensor, goal: Tensor) -> Conditions:
    """Return the conditions of reaches from start to goal, both (B, 2): their x and y, and the direction, [0, 360)."""
    dx, dy = (goal - start).unbind(1)
    return {
        "start_x": start[:, 0], "start_y": start[:, 1], "goal_x": goal[:, 0], "goal_y": goal[:, 1],
        "direction": torch.rad2deg(torch.atan2(dy, dx)) % 360,
    }  # fmt: skip


def grid_points(workspace: Sequence[Sequence[float]], n: int, with_borders: bool) -> Tensor:
    """Return the n x n points of a grid over a workspace, (n^2, 2) float64, x changes first; n = 1 is the centre."""
    axes = []
    for low, high in zip(*workspace, strict=True):
        if with_borders:
            axes.append(torch.linspace(low, high, n, dtype=torch.float64))
        else:
            axes.append(torch.linspace(low, high, n + 2, dtype=torch.float64)[1:-1])
    y, x = torch.meshgrid(axes[1], axes[0], indexing="ij")
    return torch.stack((x.flatten(), y.flatten()), 1)


def _workspace(workspace: Sequence[Sequence[float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    rows = listed(workspace)
    if rows is None or len(rows) != 2 or any(len(listed(row) or ()) != 2 for row in rows):
        raise ValueError(f"workspace must be two points, [[x_min, y_min], [x_max, y_max]], got {workspace!r}")
    low, high = ((number("workspace", row[0]), number("workspace", row[1])) for row in map(listed, rows))
    if not (low[0] < high[0] and low[1] < high[1]):
        raise ValueError(f"workspace: {workspace!r}: the first point must be left of and below the second")
    return low, high
