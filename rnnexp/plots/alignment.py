"""Trials aligned to an event that is at another time in each of them.

Letters: B trials, T time steps.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Alignment:
    """An event to which trials are aligned.

    Attributes:
        name: of the event, such as "decision".
        steps: (B,), the step of it in each trial.
    """

    name: str
    steps: np.ndarray

    def of(self, rows: np.ndarray) -> "Alignment":
        """Return the alignment of some of the trials."""
        return Alignment(self.name, self.steps[rows])

    def apply(self, values: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Shift trials such that the event is at time 0.

        Args:
            values: (B, T, ...), finite.
            dt: length of a step.

        Returns:
            (B, L, ...), nan where a trial has no step, and times (L,), from where half of the trials have begun to
            where half of them have ended.
        """
        n_trials, n_steps = values.shape[:2]
        before, after = int(np.median(self.steps)), int(np.median(n_steps - self.steps))
        lags = np.arange(-before, max(after, 1 - before))
        places = self.steps[:, None] + lags
        is_there = (places >= 0) & (places < n_steps)
        shifted = values[np.arange(n_trials)[:, None], places.clip(0, n_steps - 1)].astype(float)
        shifted[~is_there] = np.nan
        return shifted, lags * dt


def mean_and_sd(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd over trials (B, L, ...) of what is there, nan where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / count)
    return mean, spread
