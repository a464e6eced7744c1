"""Reaches to one random goal after the other."""

from collections.abc import Sequence

import torch

from rnnexp.numbers import integer_at_least
from rnnexp.tasks.base import Trials
from rnnexp.tasks.reaching.base import Conditions, ReachingTask, Split, reach_conditions


class RandomReaches(ReachingTask):
    """Visit a sequence of via points; each is shown until the next one replaces it.

    Inputs: position (m) and velocity (m/s, 0) of the present via point, which is the target as well. All points are
    drawn independently and uniformly from the workspace.

    Args:
        workspace, dt, T: as of SimpleReaches; each via point has T / n_points.
        n_points: via points of a trial, >= 1.
        eval_n_trials: size of the validation and of the test set, >= 1.
        eval_seed: fixes them, integer >= 0.
        success_radius, success_hold, speed_threshold: as of SimpleReaches; they and the error judge the last point.

    Raises:
        ValueError: an argument is out of its range.
    """

    condition = None

    def __init__(
        self,
        workspace: Sequence[Sequence[float]] = ((-1.0, -1.0), (1.0, 1.0)),
        dt: float = 50.0,
        T: float = 6000.0,
        n_points: int = 3,
        eval_n_trials: int = 64,
        eval_seed: int = 5555,
        success_radius: float = 0.05,
        success_hold: float = 250.0,
        speed_threshold: float = 0.05,
    ) -> None:
        super().__init__(
            ("goal x", "goal y", "goal vx", "goal vy"), workspace, dt, T, success_radius, success_hold,
            speed_threshold,
        )  # fmt: skip
        self.n_points = integer_at_least("n_points", n_points, 1)
        if self.n_points > self.n_steps:
            raise ValueError(
                f"n_points must be at most the {self.n_steps} steps of a trial, got {n_points!r}"
            )
        self.eval_n_trials = integer_at_least("eval_n_trials", eval_n_trials, 1)
        self.eval_seed = integer_at_least("eval_seed", eval_seed, 0)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> Conditions:
        """Draw start and via points, via_0_x, via_0_y, ...; the last is the goal."""
        points = self._random_points(batch_size * (self.n_points + 1), generator)
        points = points.view(batch_size, self.n_points + 1, 2)
        conditions = reach_conditions(points[:, 0], points[:, -1])
        for index in range(self.n_points - 1):
            conditions |= {
                f"via_{index}_x": points[:, index + 1, 0],
                f"via_{index}_y": points[:, index + 1, 1],
            }
        return conditions

    def fixed_conditions(self, split: Split) -> Conditions:
        """Return trials that eval_seed fixes."""
        generator = torch.Generator().manual_seed(self.eval_seed + (split == "test"))
        return self.sample_conditions(self.eval_n_trials, generator)

    def go_step(self, trials: Trials) -> torch.Tensor:
        """Return the step (B,) in which the last via point appears."""
        first = -(-(self.n_points - 1) * self.n_steps // self.n_points)
        return torch.full((trials.n_trials,), first, device=trials.inputs.device)

    def make_trials(
        self, conditions: Conditions, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Trials:
        """Build the trials with the given points."""
        del generator
        names = [*(f"via_{index}" for index in range(self.n_points - 1)), "goal"]
        points = torch.stack([torch.stack((conditions[f"{n}_x"], conditions[f"{n}_y"]), 1) for n in names], 1)
        present = torch.arange(self.n_steps) * self.n_points // self.n_steps
        targets = points[:, present]
        inputs = torch.cat((targets, torch.zeros_like(targets)), 2)
        return self._trials(conditions, inputs, targets, torch.zeros_like(targets[..., 0]), dtype)
