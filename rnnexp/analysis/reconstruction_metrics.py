"""The measures of dynamical-systems reconstruction: long-term statistics of a free run, and short-term predictions.

The first two groups have files of their own and are named here, so that one import finds all of them.
Letters: T samples, N observed dimensions, S starts, n steps.
"""

import math

import numpy as np

from rnnexp.analysis.power_spectra import (
    power_spectrum_correlation,
    smoothed_spectrum,
    spectral_distance,
    spectral_distance_per_dimension,
)
from rnnexp.analysis.state_space_divergence import (
    Variant,
    binned_divergence,
    gmm_divergence,
    gmm_divergence_at,
)
from rnnexp.numbers import is_number, is_whole, plain

__all__ = [
    "Variant", "binned_divergence", "free_run_diverged", "free_run_failed", "gmm_divergence", "gmm_divergence_at",
    "mean_absolute_scaled_error", "power_spectrum_correlation", "prediction_error", "smoothed_spectrum",
    "spectral_distance", "spectral_distance_per_dimension",
]  # fmt: skip


def prediction_error(true: np.ndarray, predicted: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
    """Return the mean squared error of predictions 1 to n steps ahead, PE_1 .. PE_n.

    Args:
        true: (T, N), nan where an observation is missing; such entries do not count.
        predicted: (S, n, N), row j of a start s is the prediction of true[s + j + 1].
        starts: (S,), integers in [0, T - 1], the samples that the predictions start from; None is 0 .. S - 1.

    Returns:
        (n,), the mean over the starts whose target exists and over dimensions; nan for a step without any target, and
        where a prediction is not finite.

    Raises:
        ValueError: shapes do not agree or a start lies outside the series.

    Source: Brenner et al. 2022, appendix; AL-RNN code.
    """
    true, predicted = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if true.ndim != 2 or predicted.ndim != 3 or predicted.shape[2] != true.shape[1]:
        raise ValueError(
            f"true must be (T, N) and predicted (S, n, N), got shapes {true.shape} and {predicted.shape}"
        )
    starts = np.arange(len(predicted)) if starts is None else np.asarray(starts)
    if starts.shape != predicted.shape[:1] or ((starts < 0) | (starts >= len(true))).any():
        raise ValueError(f"starts must be ({len(predicted)},), each from 0 to {len(true) - 1}")
    errors = np.full(predicted.shape[1], math.nan)
    for step in range(predicted.shape[1]):
        inside = starts + step + 1 < len(true)
        difference = predicted[inside, step] - true[starts[inside] + step + 1]
        there = ~np.isnan(true[starts[inside] + step + 1])
        if there.any():
            mean = np.square(difference[there]).mean()
            errors[step] = mean if math.isfinite(mean) else math.nan
    return errors


def mean_absolute_scaled_error(true: np.ndarray, generated: np.ndarray, n_steps: int = 10) -> float:
    """Return MASE: the mean absolute error of the first steps over that of "no change" on the whole true series.

    Args:
        true: (T, N), T >= 2, the same instants as the generated run.
        generated: (T', N).
        n_steps: steps that count, from 1 to the length of the shorter series.

    Returns:
        The mean over dimensions; nan if a dimension of the true series never changes.

    Raises:
        ValueError: shapes or n_steps are not allowed.

    Source: DynaMix code; Hyndman & Koehler 2006.
    """
    true, generated = np.asarray(true, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if true.ndim != 2 or generated.ndim != 2 or true.shape[1] != generated.shape[1]:
        raise ValueError(
            f"both series must be (T, N) with the same N, got shapes {true.shape} and {generated.shape}"
        )
    longest = min(len(true), len(generated))
    if not is_whole(n_steps, 1) or plain(n_steps) > longest or len(true) < 2:
        raise ValueError(f"n_steps must be from 1 to {longest} and T >= 2, got {n_steps!r} and {len(true)}")
    n_steps = int(n_steps)
    scale = np.abs(np.diff(true, axis=0)).mean(axis=0)
    if not (scale > 0).all():
        return math.nan
    return float((np.abs(generated[:n_steps] - true[:n_steps]).mean(axis=0) / scale).mean())


def free_run_diverged(generated: np.ndarray, limit: float = math.inf) -> bool:
    """Whether a free run (T, N) is not finite or beyond a limit, the largest |value| that is allowed, > 0."""
    if not is_number(limit) or plain(limit) <= 0:
        raise ValueError(f"limit must be a number > 0, got {limit!r}")
    size = np.abs(generated).max()  # nan is the largest of all
    return not (math.isfinite(size) and size <= limit)


def free_run_failed(generated: np.ndarray, limit: float = math.inf) -> bool:
    """Whether a free run (T, N) diverged, or stands still in all dimensions.

    Args:
        generated: (T, N), T >= 1.
        limit: see `free_run_diverged`.
    """
    generated = np.asarray(generated)
    if free_run_diverged(generated, limit):
        return True
    size = np.abs(generated).max()
    return all(np.ptp(series) <= 1e-6 * size for series in generated.T)
