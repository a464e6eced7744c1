"""Reaches to a goal that must be remembered until a signal ends."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnexp.numbers import integer_at_least, is_number, listed
from rnnexp.tasks.base import Trials
from rnnexp.tasks.reaching.base import CentreOut, Conditions, Split


class DelayedReaches(CentreOut):
    """Stay at the start while the hold signal is on, then move to the goal that was shown for a while before.

    Epochs follow each other, the movement is the rest of the trial; their durations are drawn for every trial. Inputs:
    position (m) and velocity (0) of the goal while it is shown, else 0; hold and target signal, 0 or 1. Target: the
    start in the hold epochs, the goal in the others. Source: feedbax 0.1.2, DelayedReaches.

    Args:
        workspace, dt, T: as of SimpleReaches.
        epochs: [shortest, longest) duration of each epoch before the movement, ms, whole steps uniformly.
        target_on_epochs: epochs in which the goal is shown, from 0; the movement is the one after the last of `epochs`.
        hold_epochs: epochs in which the hold signal is on.
        eval_seed: fixes the durations of validation and test, integer >= 0.
        eval_n_directions, eval_reach_length, eval_grid_n, success_radius, success_hold, speed_threshold: as of
            SimpleReaches.

    Raises:
        ValueError: an argument is out of its range, or the epochs do not fit into T.
    """

    def __init__(
        self,
        workspace: Sequence[Sequence[float]] = ((-1.0, -1.0), (1.0, 1.0)),
        dt: float = 50.0,
        T: float = 4950.0,
        epochs: Sequence[Sequence[float]] = ((250.0, 750.0), (500.0, 1000.0), (500.0, 1250.0)),
        target_on_epochs: Sequence[int] = (1,),
        hold_epochs: Sequence[int] = (0, 1, 2),
        eval_seed: int = 5555,
        eval_n_directions: int = 7,
        eval_reach_length: float = 0.5,
        eval_grid_n: int = 1,
        success_radius: float = 0.05,
        success_hold: float = 500.0,
        speed_threshold: float = 0.05,
    ) -> None:
        super().__init__(
            ("goal x", "goal y", "goal vx", "goal vy", "hold", "target on"), workspace, dt, T, eval_n_directions,
            eval_reach_length, eval_grid_n, success_radius, success_hold, speed_threshold,
        )  # fmt: skip
        self.epochs = [_epoch(epoch, self.dt) for epoch in listed(epochs) or ()]
        if not self.epochs:
            raise ValueError(f"epochs must hold at least one [shortest, longest) duration, got {epochs!r}")
        longest = sum(high - 1 for _, high in self.epochs)
        if longest >= self.n_steps:
            raise ValueError(
                f"epochs: the longest take {longest * self.dt:g} ms together, must leave time for the movement in "
                f"T = {self.T:g} ms"
            )
        self.target_on_epochs, self.hold_epochs = (
            [_index(name, index, len(self.epochs)) for index in listed(given) or ()]
            for name, given in (("target_on_epochs", target_on_epochs), ("hold_epochs", hold_epochs))
        )
        if not self.target_on_epochs:
            raise ValueError("target_on_epochs must hold at least one epoch: the goal is never shown")
        self.eval_seed = integer_at_least("eval_seed", eval_seed, 0)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> Conditions:
        """Draw start, goal and the durations of the epochs."""
        conditions = super().sample_conditions(batch_size, generator)
        return conditions | self._draw_onsets(batch_size, generator)

    def fixed_conditions(self, split: Split) -> Conditions:
        """Return centre-out reaches with durations that eval_seed fixes."""
        conditions = super().fixed_conditions(split)
        generator = torch.Generator().manual_seed(self.eval_seed + (split == "test"))
        return conditions | self._draw_onsets(len(conditions["start_x"]), generator)

    def _draw_onsets(self, n_trials: int, generator: torch.Generator) -> Conditions:
        """Draw when each epoch but the first begins, ms: epoch_1, epoch_2, ..., and go for the movement."""
        lengths = [torch.randint(low, high, (n_trials,), generator=generator) for low, high in self.epochs]
        onsets = torch.stack(lengths, 1).cumsum(1).double() * self.dt
        names = [*(f"epoch_{index + 1}" for index in range(len(self.epochs) - 1)), "go"]
        return dict(zip(names, onsets.unbind(1), strict=True))

    def epoch_of_step(self, conditions: Conditions) -> Tensor:
        """Return the number of the epoch (B, T) that each step belongs to, from 0."""
        names = [*(f"epoch_{index + 1}" for index in range(len(self.epochs) - 1)), "go"]
        onsets = torch.stack([(conditions[name] / self.dt).round().long() for name in names], 1)
        return (torch.arange(self.n_steps) >= onsets[:, :, None]).sum(1)

    def make_trials(
        self, conditions: Conditions, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Trials:
        """Build the trials with the given starts, goals and onsets of epochs."""
        del generator
        epoch = self.epoch_of_step(conditions)[..., None]
        start, goal = (
            torch.stack((conditions[f"{what}_x"], conditions[f"{what}_y"]), 1)[:, None].expand(
                -1, self.n_steps, -1
            )
            for what in ("start", "goal")
        )
        is_shown, hold = (
            torch.isin(epoch, torch.tensor(given, dtype=torch.long)).to(goal)
            for given in (self.target_on_epochs, self.hold_epochs)
        )
        inputs = torch.cat((goal * is_shown, torch.zeros_like(goal), hold, is_shown), 2)
        targets = torch.where(hold > 0, start, goal)
        return self._trials(conditions, inputs, targets, hold[..., 0], dtype)


def _epoch(epoch: Sequence[float], dt: float) -> tuple[int, int]:
    """Return the shortest and one more than the longest number of steps."""
    values = listed(epoch)
    if values is None or len(values) != 2 or not all(is_number(v) and v >= 0 for v in values):
        raise ValueError(f"epochs: {epoch!r}: must be [shortest, longest), two durations >= 0 in ms")
    low, high = (round(value / dt) for value in values)
    if low >= high:
        raise ValueError(
            f"epochs: {epoch!r}: the longest must be at least one time step of {dt:g} ms above the shortest"
        )
    return low, high


def _index(name: str, value: int, n_epochs: int) -> int:
    if integer_at_least(name, value, 0) > n_epochs:
        raise ValueError(f"{name}: {value}: must be from 0 to {n_epochs}, the movement")
    return value
