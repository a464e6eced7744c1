"""How much the power spectra of a free run differ from those of the data.

Letters: T samples, N observed dimensions, F = T // 2 + 1 frequencies.
"""

import math

import numpy as np
from scipy.fft import rfft

from rnnexp.numbers import integer_at_least, non_negative

CONSTANT = 1e-6  # a run that varies by less than this share of the sd of the data stands still


def spectral_distance(true: np.ndarray, generated: np.ndarray, smoothing: float = 20.0) -> float:
    """Return D_H, the Hellinger distance of smoothed power spectra, averaged over the dimensions.

    It depends on T: longer series have finer frequency bins under the same smoothing.

    Args:
        true: (T, N).
        generated: (T, N), as long as the true series.
        smoothing: sd of the Gaussian along the frequencies, in frequency bins, >= 0; 0 does not smooth.

    Returns:
        The distance in [0, 1]: 1.0 in a dimension of the generated run that is constant or not finite; nan where the
        true data are.

    Raises:
        ValueError: shapes or the smoothing are not allowed.

    Source: Mikhaeil et al. 2022, appendix; Hess et al. 2023, appendix.
    """
    return float(spectral_distance_per_dimension(true, generated, smoothing).mean())


def spectral_distance_per_dimension(
    true: np.ndarray, generated: np.ndarray, smoothing: float = 20.0
) -> np.ndarray:
    """Return the Hellinger distance (N,) of every dimension; see `spectral_distance`."""
    smoothing = non_negative("smoothing", smoothing)
    true, generated = _check_pair(true, generated)
    true, generated = np.ascontiguousarray(true.T), np.ascontiguousarray(generated.T)  # faster to go through
    with np.errstate(invalid="ignore", over="ignore"):
        spread = true.std(axis=1)
        is_known = np.isfinite(spread) & (true.max(axis=1) > true.min(axis=1))
        varies = generated.max(axis=1) - generated.min(axis=1) > CONSTANT * spread
        varies &= np.isfinite(generated).all(axis=1)
    distances = np.where(is_known, 1.0, np.nan)
    for dimension in np.flatnonzero(is_known & varies):
        p = smoothed_spectrum(true[dimension], smoothing)
        q = smoothed_spectrum(generated[dimension], smoothing)
        distances[dimension] = math.sqrt(max(0.0, 1 - np.sqrt(p * q).sum()))
    return distances


def smoothed_spectrum(series: np.ndarray, smoothing: float = 20.0) -> np.ndarray:
    """Return the power spectrum (F,) of a standardised series, smoothed by a Gaussian and normalised to sum 1.

    Args:
        series: (T,), finite and not constant.
        smoothing: sd of the Gaussian, cut off at 4 sd, in frequency bins, >= 0.
    """
    centred = np.asarray(series, dtype=np.float64) - np.mean(series, dtype=np.float64)
    power = np.abs(rfft(centred / np.abs(centred).max())) ** 2
    if smoothing > 0:
        from scipy.ndimage import gaussian_filter1d  # takes long to import

        power = gaussian_filter1d(power, smoothing)
    return power / power.sum()


def power_spectrum_correlation(
    true: np.ndarray, generated: np.ndarray, smoothing: int = 20, cutoff: int = 20_000
) -> np.ndarray:
    """Return PSC (N,), |Pearson correlation| of smoothed spectra in decibel; an older measure than `spectral_distance`.

    The entry at frequency zero counts, as in the published code, although only rounding errors are left there once
    the mean is removed.

    Args:
        true: (T, N), T >= 4.
        generated: (T, N).
        smoothing: sd of the Gaussian along the frequencies, which is 10 sd + 1 wide, in frequency bins, >= 1.
        cutoff: number of lowest frequencies that count, >= 2.

    Returns:
        The correlations in [0, 1]; nan in a dimension where a series is constant or not finite.

    Raises:
        ValueError: an argument is not allowed.

    Source: Brenner et al. 2022, appendix (dendPLRNN code).
    """
    true, generated = _check_pair(true, generated)
    smoothing = non_negative("smoothing", smoothing)
    if int(smoothing) != smoothing or smoothing < 1:
        raise ValueError(f"smoothing must be an integer >= 1, got {smoothing:g}")
    cutoff = integer_at_least("cutoff", cutoff, 2)
    if len(true) < 4:
        raise ValueError(f"T must be >= 4, got {len(true)}")
    correlations = np.full(true.shape[1], np.nan)
    for dimension, pair in enumerate(zip(true.T, generated.T, strict=True)):
        if all(np.isfinite(series).all() and series.max() > series.min() for series in pair):
            p, q = (_decibel_spectrum(series, int(smoothing))[:cutoff] for series in pair)
            correlations[dimension] = abs(np.corrcoef(p, q)[0, 1])
    return correlations


def _decibel_spectrum(series: np.ndarray, smoothing: int) -> np.ndarray:
    series = np.ascontiguousarray(series)
    standardised = (series - series.mean()) / series.std()
    magnitude = np.abs(np.fft.rfft(standardised[: len(series) // 2 * 2])) * 2
    decibel = 20 * np.log10(np.maximum(magnitude, np.finfo(float).tiny))
    lags = np.arange(-5 * smoothing, 5 * smoothing + 1)
    kernel = np.exp(-0.5 * (lags / smoothing) ** 2)
    padded = np.convolve(decibel, kernel / kernel.sum())
    return padded[5 * smoothing : len(padded) - 5 * smoothing]


def _check_pair(true: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    true, generated = (np.asarray(series, dtype=np.float64) for series in (true, generated))
    if true.ndim != 2 or true.shape != generated.shape or not len(true):
        raise ValueError(
            f"both series must be (T, N) with the same T >= 1 and N, got shapes {true.shape} and {generated.shape}"
        )
    return true, generated
