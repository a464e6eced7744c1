"""Staying where one is."""

from collections.abc import Sequence

import torch

from rnnexp.numbers import integer_at_least
from rnnexp.tasks.base import Trials
from rnnexp.tasks.reaching.base import Conditions, ReachingTask, Split, grid_points, reach_conditions


class Stabilization(ReachingTask):
    """Start at rest anywhere in the workspace and stay, against noise and perturbations.

    Inputs: position (m) and velocity (m/s, 0) of the goal, which is the start. Validation has the points of a grid with
    the borders of the workspace, test those halfway between them. Source: feedbax, Stabilization, as repaired in
    2024-08.

    Args:
        workspace, dt, T: as of SimpleReaches.
        eval_grid_n: the grid has n x n points, >= 2.
        success_radius, success_hold, speed_threshold: as of SimpleReaches.

    Raises:
        ValueError: an argument is out of its range.
    """

    condition = None

    def __init__(
        self,
        workspace: Sequence[Sequence[float]] = ((-1.0, -1.0), (1.0, 1.0)),
        dt: float = 50.0,
        T: float = 4950.0,
        eval_grid_n: int = 3,
        success_radius: float = 0.05,
        success_hold: float = 500.0,
        speed_threshold: float = 0.05,
    ) -> None:
        super().__init__(
            ("goal x", "goal y", "goal vx", "goal vy"), workspace, dt, T, success_radius, success_hold,
            speed_threshold,
        )  # fmt: skip
        self.eval_grid_n = integer_at_least("eval_grid_n", eval_grid_n, 2)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> Conditions:
        """Draw the points uniformly from the workspace."""
        return self._conditions(self._random_points(batch_size, generator))

    def fixed_conditions(self, split: Split) -> Conditions:
        """Return the points of the grid, or those between them."""
        points = grid_points(self.workspace, self.eval_grid_n, with_borders=True)
        if split == "test":
            square = points.view(self.eval_grid_n, self.eval_grid_n, 2)
            points = (square[1:, 1:] + square[:-1, :-1]).flatten(0, 1) / 2
        return self._conditions(points)

    @staticmethod
    def _conditions(points: torch.Tensor) -> Conditions:
        conditions = reach_conditions(points, points)
        del conditions["direction"]
        return conditions

    def make_trials(
        self, conditions: Conditions, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Trials:
        """Build the trials at the given points."""
        del generator
        goal = torch.stack((conditions["goal_x"], conditions["goal_y"]), 1)
        targets = goal[:, None].expand(-1, self.n_steps, -1).contiguous()
        inputs = torch.cat((targets, torch.zeros_like(targets)), 2)
        return self._trials(conditions, inputs, targets, torch.ones_like(targets[..., 0]), dtype)
