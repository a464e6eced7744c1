"""Learning-rate schedules: a factor on the learning rate as a function of training progress in [0, 1].

A schedule of progress, not of steps, needs no length of its own, and a longer training stretches it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from rnnexp.numbers import fraction, is_fraction, listed, positive_fraction


class Schedule(ABC):
    """A factor on the learning rate.

    Args:
        warmup: share of the training, in [0, 1), over which the factor first rises linearly from 0.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, warmup: float = 0.0) -> None:
        if not is_fraction(warmup) or warmup == 1:
            raise ValueError(f"warmup must be a number in [0, 1), got {warmup!r}")
        self.warmup = float(warmup)

    @abstractmethod
    def decay(self, progress: float) -> float:
        """Return the factor after warm-up at a progress in [0, 1]."""

    def factor(self, step: int, n_steps: int) -> float:
        """Return the factor for update number `step` (from 0) of `n_steps`."""
        progress = step / max(n_steps, 1)
        if progress < self.warmup:
            return (step + 1) / (self.warmup * n_steps + 1)
        return self.decay(min((progress - self.warmup) / (1 - self.warmup), 1.0))


class Constant(Schedule):
    """The learning rate stays as it is."""

    def decay(self, progress: float) -> float:
        """Return 1."""
        del progress
        return 1.0


class Cosine(Schedule):
    """Half a cosine from 1 to final_factor (Loshchilov & Hutter 2017, without restarts).

    Args:
        final_factor: in [0, 1], the factor at the end.
        warmup: share of the training, in [0, 1).
    """

    def __init__(self, final_factor: float = 0.0, warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.final_factor = fraction("final_factor", final_factor)

    def decay(self, progress: float) -> float:
        """Return the factor at a progress in [0, 1]."""
        return self.final_factor + (1 - self.final_factor) * (1 + math.cos(math.pi * progress)) / 2


class Linear(Schedule):
    """A straight line from 1 to final_factor.

    Args:
        final_factor: in [0, 1], the factor at the end.
        warmup: share of the training, in [0, 1).
    """

    def __init__(self, final_factor: float = 0.0, warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.final_factor = fraction("final_factor", final_factor)

    def decay(self, progress: float) -> float:
        """Return the factor at a progress in [0, 1]."""
        return 1 + (self.final_factor - 1) * progress


class Exponential(Schedule):
    """final_factor ** progress, as in the reconstruction papers (start and end learning rate).

    Args:
        final_factor: in (0, 1], the factor at the end.
        warmup: share of the training, in [0, 1).
    """

    def __init__(self, final_factor: float = 0.01, warmup: float = 0.0) -> None:
        super().__init__(warmup)
        self.final_factor = positive_fraction("final_factor", final_factor)

    def decay(self, progress: float) -> float:
        """Return the factor at a progress in [0, 1]."""
        return self.final_factor**progress


class Step(Schedule):
    """The factor is multiplied by gamma at every milestone.

    Args:
        milestones: shares of the training, rising, each in (0, 1).
        gamma: in (0, 1].
        warmup: share of the training, in [0, 1).
    """

    def __init__(
        self, milestones: Sequence[float] = (0.5, 0.75), gamma: float = 0.1, warmup: float = 0.0
    ) -> None:
        super().__init__(warmup)
        given = listed(milestones)
        is_inside = given is not None and all(is_fraction(m) and 0 < m < 1 for m in given)
        if not is_inside or given != sorted(set(given)):
            raise ValueError(f"milestones must be rising numbers in (0, 1), got {given or milestones}")
        self.milestones = tuple(given)
        self.gamma = positive_fraction("gamma", gamma)

    def decay(self, progress: float) -> float:
        """Return the factor at a progress in [0, 1]."""
        return self.gamma ** sum(progress >= milestone for milestone in self.milestones)
