"""Reaches to a goal that is shown from the first step on."""

from collections.abc import Sequence

import torch

from rnnexp.tasks.base import Trials
from rnnexp.tasks.reaching.base import CentreOut, Conditions


class SimpleReaches(CentreOut):
    """Move from a start to a goal, both anywhere in the workspace, and stay there.

    Inputs: position (m) and velocity (m/s, always 0) of the goal. Source: feedbax 0.1.2, SimpleReaches.

    Args:
        workspace: ((x_min, y_min), (x_max, y_max)), m.
        dt: time step, ms, > 0.
        T: duration of a trial, ms; feedbax counts the initial state too, n_steps = T / dt + 1.
        eval_n_directions: directions of validation and test, >= 1.
        eval_reach_length: length of their reaches, m, > 0.
        eval_grid_n: they start from n x n points, >= 1.
        success_radius: m, > 0.
        success_hold: ms, >= 0.
        speed_threshold: share of the peak speed above which the effector moves, in [0, 1].

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        workspace: Sequence[Sequence[float]] = ((-1.0, -1.0), (1.0, 1.0)),
        dt: float = 50.0,
        T: float = 4950.0,
        eval_n_directions: int = 7,
        eval_reach_length: float = 0.5,
        eval_grid_n: int = 1,
        success_radius: float = 0.05,
        success_hold: float = 500.0,
        speed_threshold: float = 0.05,
    ) -> None:
        super().__init__(
            ("goal x", "goal y", "goal vx", "goal vy"), workspace, dt, T, eval_n_directions, eval_reach_length,
            eval_grid_n, success_radius, success_hold, speed_threshold,
        )  # fmt: skip

    def make_trials(
        self, conditions: Conditions, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Trials:
        """Build the trials with the given starts and goals."""
        del generator
        goal = torch.stack((conditions["goal_x"], conditions["goal_y"]), 1)
        targets = goal[:, None].expand(-1, self.n_steps, -1).contiguous()
        inputs = torch.cat((targets, torch.zeros_like(targets)), 2)
        return self._trials(conditions, inputs, targets, torch.zeros_like(targets[..., 0]), dtype)
