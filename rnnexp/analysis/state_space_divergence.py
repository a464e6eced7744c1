"""How much the invariant measure of a free run differs from that of the data: Kullback-Leibler divergences D_stsp.

Letters: T samples, N observed dimensions, K bins per dimension.
"""

import math
from typing import Literal, get_args

import numpy as np

from rnnexp.numbers import integer_at_least, positive

Variant = Literal["padded", "minmax", "two_sd"]

LAPLACE = 1e-5  # added to the count of every bin
MOST_DENSE_BINS = 2**22  # more are never allocated, only those that hold a point
MOST_CODES = 2**62  # bins that an int64 can number
BLOCK_ENTRIES = 2**20  # of the matrix of samples times centres that is held at once


def binned_divergence(
    true: np.ndarray, generated: np.ndarray, n_bins: int = 30, variant: Variant = "padded"
) -> float:
    """Return KL(true || generated) of histograms over the state space, natural logarithm.

    The range of the bins comes from the true data, points outside it are left out, and a Laplace term of 1e-5 is
    added to all K^N bins. "padded": [min - 0.1 sd, max + 0.1 sd] of every dimension. "minmax": [min, max] without the
    lowest bin and the maximum itself. "two_sd": [-2 sd, 2 sd] without the lowest bin. sd has ddof 1; the last two
    choose bins in float32, as the codes that they reproduce.

    Args:
        true: (T, N), finite rows count.
        generated: (T', N); rows that are not finite count as out of range.
        n_bins: K >= 2.
        variant: "padded" as the Julia code of GTF and AL-RNN, "minmax" as the Python code of AL-RNN and DynaMix,
            "two_sd" as that of the dendPLRNN.

    Returns:
        The divergence, >= 0 up to rounding; nan if no true or no generated point is in range, or if a dimension of
        the true data does not vary.

    Raises:
        ValueError: shapes, n_bins or variant are not allowed.

    Source: Koppe et al. 2019, eq. 8; Brenner et al. 2022, appendix; Hess et al. 2023, appendix.
    """
    true, generated = _pair(true, generated)
    n_bins = integer_at_least("n_bins", n_bins, 2)
    check_number_of_bins(n_bins, true.shape[1])
    dtype = np.float64 if variant == "padded" else np.float32
    true, generated = true.T.astype(dtype, order="C"), generated.T.astype(dtype, order="C")
    low, high = _bin_range(true, variant)
    if not (high > low).all():
        return math.nan
    true_bins, generated_bins = (
        _bins(points, low, high, n_bins, variant == "padded") for points in (true, generated)
    )
    n_true, n_generated = true_bins.shape[1], generated_bins.shape[1]
    if not n_true or not n_generated:
        return math.nan
    p, q = _counts(true_bins, generated_bins, n_bins)
    # Bins without any point add p log(p/q) too, but with equal counts only the totals are left, which stand outside.
    laplace_total = LAPLACE * float(n_bins) ** len(true)
    p_total, q_total = n_true + laplace_total, n_generated + laplace_total
    ratio = np.log((p + LAPLACE) / (q + LAPLACE))
    return float(((p + LAPLACE) / p_total) @ ratio + math.log(q_total / p_total))


def check_number_of_bins(n_bins: int, n_dimensions: int) -> None:
    """Raise ValueError if the number of all bins, K^N, cannot be held."""
    if n_dimensions * math.log(n_bins) > 700:
        raise ValueError(
            f"n_bins: {n_bins}: {n_bins}^{n_dimensions} bins of {n_dimensions} dimensions are too many; must be less, "
            "or the divergence that of Gaussians (gmm)"
        )


def gmm_divergence(
    true: np.ndarray,
    generated: np.ndarray,
    variance: float = 1.0,
    n_samples: int = 1000,
    rng: np.random.Generator | int = 0,
    max_centres: int = 10_000,
    symmetric: bool = False,
) -> float:
    """Return a Monte-Carlo estimate of KL(true || generated) of Gaussian mixtures centred on the samples.

    For data of many dimensions, where bins are empty. All components have the same weight and the covariance
    variance * I.

    Args:
        true: (T, N).
        generated: (T', N).
        variance: of every component in every dimension (not its sd), > 0.
        n_samples: points drawn from the true mixture, >= 1.
        rng: a generator, or the seed of one.
        max_centres: the first rows of each series that are used as centres, >= 1.
        symmetric: the mean of both directions, as the dendPLRNN code.

    Returns:
        The estimate; nan if a centre is not finite.

    Raises:
        ValueError: shapes or numbers are not allowed.

    Source: Brenner et al. 2022, appendix; Hess et al. 2023, appendix.
    """
    true, generated = _pair(true, generated)
    n_samples = integer_at_least("n_samples", n_samples, 1)
    max_centres = integer_at_least("max_centres", max_centres, 1)
    variance = positive("variance", variance)
    rng = np.random.default_rng(rng)
    true, generated = true[:max_centres], generated[:max_centres]
    if not np.isfinite(true).all() or not np.isfinite(generated).all():
        return math.nan
    forth = gmm_divergence_at(_mixture_samples(true, variance, n_samples, rng), true, generated, variance)
    if not symmetric:
        return forth
    back = gmm_divergence_at(_mixture_samples(generated, variance, n_samples, rng), generated, true, variance)
    return (forth + back) / 2


def gmm_divergence_at(samples: np.ndarray, true: np.ndarray, generated: np.ndarray, variance: float) -> float:
    """Return the mean of log p - log q over given samples of the true mixture p; see `gmm_divergence`.

    Args:
        samples: (S, N), drawn from p.
        true: (T, N), the centres of p.
        generated: (T', N), the centres of q.
        variance: of every component in every dimension, > 0.

    Returns:
        The mean; nan if a centre is not finite.

    Raises:
        ValueError: shapes or the variance are not allowed.
    """
    true, generated = _pair(true, generated)
    samples, _ = _pair(samples, true)
    variance = positive("variance", variance)
    return float((_log_density(samples, true, variance) - _log_density(samples, generated, variance)).mean())


def _pair(true: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both series as float64 (T, N)."""
    true, generated = (np.asarray(series, dtype=np.float64) for series in (true, generated))
    if true.ndim != 2 or generated.ndim != 2 or true.shape[1] != generated.shape[1]:
        raise ValueError(
            f"both series must be (T, N) with the same N, got shapes {true.shape} and {generated.shape}"
        )
    if not len(true) or not len(generated):
        raise ValueError("both series must have at least one row")
    return true, generated


def _bin_range(true: np.ndarray, variant: Variant) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends (N, 1) of the bins of true data (N, T); nan without a finite sample."""
    if variant not in get_args(Variant):
        raise ValueError(f"variant must be one of {', '.join(get_args(Variant))}, got {variant!r}")
    is_known = np.isfinite(true).all(axis=0)
    known = true if is_known.all() else true[:, is_known]
    if known.shape[1] < 2:
        nothing = np.full((len(true), 1), np.nan)
        return nothing, nothing
    sd = known.std(axis=1, ddof=1, keepdims=True)
    if variant == "two_sd":
        return -2 * sd, 2 * sd
    margin = 0.1 * sd if variant == "padded" else 0.0
    return known.min(axis=1, keepdims=True) - margin, known.max(axis=1, keepdims=True) + margin


def _bins(points: np.ndarray, low: np.ndarray, high: np.ndarray, n_bins: int, is_closed: bool) -> np.ndarray:
    """Return the bins (N, n), 0 to K - 1, of those of the points (N, T) that count."""
    place = points - low
    place *= n_bins
    place /= high - low
    counts = (place >= 0) & (place <= n_bins) if is_closed else (place >= 1) & (place < n_bins)
    counts = counts.all(axis=0)
    kept = (place if counts.all() else place[:, counts]).astype(np.int64)
    return np.minimum(kept, n_bins - 1, out=kept)


def _counts(true_bins: np.ndarray, generated_bins: np.ndarray, n_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how many points of each series are in every bin that holds any, and possibly in empty ones."""
    first, *others = np.concatenate((true_bins, generated_bins), axis=1)
    codes, n_codes = first, n_bins
    for bins in others:
        if n_codes * n_bins > MOST_CODES:
            codes, n_codes = _renumbered(codes)
        codes = codes * n_bins + bins
        n_codes *= n_bins
    if n_codes > MOST_DENSE_BINS:
        codes, n_codes = _renumbered(codes)
    n_true = true_bins.shape[1]
    return np.bincount(codes[:n_true], minlength=n_codes), np.bincount(codes[n_true:], minlength=n_codes)


def _renumbered(codes: np.ndarray) -> tuple[np.ndarray, int]:
    values, codes = np.unique(codes, return_inverse=True)
    return codes, len(values)


def _mixture_samples(
    centres: np.ndarray, variance: float, n_samples: int, rng: np.random.Generator
) -> np.ndarray:
    rows = centres[rng.integers(len(centres), size=n_samples)]
    return rows + math.sqrt(variance) * rng.standard_normal(rows.shape)


def _log_density(samples: np.ndarray, centres: np.ndarray, variance: float) -> np.ndarray:
    """Return the log density of an equal-weight mixture at the samples, (S,), without the constant of all of them."""
    middle = centres.mean(axis=0)  # near the points, so that the expanded square loses no digits
    samples, centres = samples - middle, centres - middle
    squares = (centres**2).sum(axis=1)
    block = max(1, BLOCK_ENTRIES // len(centres))
    densities = np.empty(len(samples))
    for start in range(0, len(samples), block):
        rows = samples[start : start + block]
        exponents = 2 * rows @ centres.T - squares - (rows**2).sum(axis=1)[:, None]
        exponents /= 2 * variance
        largest = exponents.max(axis=1)
        exponents -= largest[:, None]
        densities[start : start + block] = largest + np.log(np.exp(exponents, out=exponents).sum(axis=1))
    return densities - math.log(len(centres))
