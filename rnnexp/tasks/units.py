"""In which units the network of a task sees its data: as measured, or standardised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Scale:
    """Mean and standard deviation by which values are standardised.

    Args:
        mean, sd: (N,) float64, finite; sd > 0.
    """

    mean: np.ndarray
    sd: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return (values - mean) / sd, values (..., N)."""
        return (values - self.mean) / self.sd

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Return values * sd + mean, values (..., N)."""
        return values * self.sd + self.mean

    def repeated(self, count: int) -> "Scale":
        """Return the scale of so many copies of the N dimensions, side by side."""
        return Scale(np.tile(self.mean, count), np.tile(self.sd, count))


def no_scale(n_dimensions: int) -> Scale:
    """Return the scale that changes nothing."""
    return Scale(np.zeros(n_dimensions), np.ones(n_dimensions))


def given_scale(name: str, given: Mapping[str, Any], labels: Sequence[str]) -> Scale:
    """Return the scale that a mapping holds: mean and sd, each a list with one number for every dimension.

    Args:
        name: of the argument, for messages.
        given: {"mean": [...], "sd": [...]}.
        labels: N names of the dimensions.

    Raises:
        ValueError: it holds something else.
    """
    if set(given) != {"mean", "sd"}:
        raise ValueError(f"{name} must be true, false or {{mean: [...], sd: [...]}}, got {dict(given)!r}")
    mean, sd = (_numbers(f"{name}.{part}", given[part], labels) for part in ("mean", "sd"))
    if not (sd > 0).all():
        raise ValueError(f"{name}.sd must hold numbers > 0, got {sd.tolist()}")
    return Scale(mean, sd)


def _numbers(name: str, given: Sequence[float] | np.ndarray, labels: Sequence[str]) -> np.ndarray:
    try:
        numbers = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.shape != (len(labels),):
        columns = f" ({', '.join(labels)})" if labels else ""
        raise ValueError(
            f"{name} must be {len(labels)} numbers, as many as the series has dimensions{columns}, got {given!r}"
        )
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite numbers, got {given!r}")
    return numbers


@dataclass(frozen=True, eq=False)
class DataUnits:
    """From the units of the data to those that the network sees, and back.

    Args:
        outputs: of observations and outputs, (..., O).
        inputs: of inputs, (..., K).
    """

    outputs: Scale
    inputs: Scale
