"""How often sparse teacher forcing should act: the time after which a series has forgotten itself.

Letters: T samples, N observed dimensions.
"""

import math
from collections.abc import Callable

import numpy as np

from rnnexp.numbers import integer_at_least, is_whole, plain


def forcing_interval(data: np.ndarray, max_lag: int = 100, n_bins: int = 64) -> int:
    """Return the interval tau of sparse teacher forcing that the data suggest, in steps.

    The smaller one of two medians over the dimensions: of the decorrelation time, and of the first minimum of the
    delayed mutual information. A dimension in which a criterion is not met below max_lag counts as max_lag.

    Args:
        data: (T, N), evenly sampled, nan where missing; at least one dimension varies.
        max_lag: lags from 0 to max_lag - 1 are searched, from 3 to T.
        n_bins: bins per axis of the mutual information, >= 2.

    Returns:
        tau, from 1 to max_lag.

    Raises:
        ValueError: an argument is not allowed.

    Source: Brenner et al. 2022 (dendPLRNN code).
    """
    data = np.asarray(data, dtype=np.float64)
    if data.ndim != 2:
        raise ValueError(f"data must be (T, N), got shape {data.shape}")
    if not is_whole(max_lag, 3) or plain(max_lag) > len(data):
        raise ValueError(f"max_lag must be from 3 to the length of the series, {len(data)}, got {max_lag}")
    max_lag, n_bins = int(max_lag), integer_at_least("n_bins", n_bins, 2)
    if np.isinf(data).any():
        raise ValueError("data must be finite, or nan where missing")
    varying = [
        series for series in data.T if np.nanmax(series, initial=-np.inf) > np.nanmin(series, initial=np.inf)
    ]
    if not varying:
        raise ValueError("data must vary in at least one dimension")
    by_correlation = [decorrelation_time(series, max_lag) for series in varying]
    by_information = [mutual_information_minimum(series, max_lag, n_bins) for series in varying]
    return max(1, int(min(np.median(by_correlation), np.median(by_information))))


def decorrelation_time(series: np.ndarray, max_lag: int = 100) -> int:
    """Return the first lag at which the autocorrelation is at most 1/e or has a local minimum, else max_lag.

    Args:
        series: (T,), not constant, nan where missing.
        max_lag: lags from 0 to max_lag - 1 are searched.
    """
    known = ~np.isnan(series)
    centred = np.where(known, series - series[known].mean(), 0.0)
    power = (centred**2).sum()
    n_samples = len(centred)

    def autocorrelation(lag: int) -> float:
        return float(centred[: n_samples - lag] @ centred[lag:] / power)

    return _first_lag(autocorrelation, max_lag, threshold=math.exp(-1))


def mutual_information_minimum(series: np.ndarray, max_lag: int = 100, n_bins: int = 64) -> int:
    """Return the lag of the first local minimum of the delayed mutual information, else max_lag.

    Args:
        series: (T,), not constant, nan where missing.
        max_lag: lags from 0 to max_lag - 1 are searched.
        n_bins: bins per axis of the histograms, each over the range of its values.
    """

    def information(lag: int) -> float:
        earlier, later = series[: len(series) - lag], series[lag:]
        known = ~(np.isnan(earlier) | np.isnan(later))
        return _mutual_information(earlier[known], later[known], n_bins)

    return _first_lag(information, max_lag, threshold=-math.inf)


def _first_lag(curve: Callable[[int], float], max_lag: int, threshold: float) -> int:
    """Return the first lag whose value is at most the threshold, or smaller than both of its neighbours."""
    before, value = math.inf, curve(0)
    for lag in range(max_lag - 1):
        if value <= threshold:
            return lag
        after = curve(lag + 1)
        if lag > 0 and value < before and value < after:
            return lag
        before, value = value, after
    return max_lag - 1 if value <= threshold else max_lag


def _mutual_information(x: np.ndarray, y: np.ndarray, n_bins: int) -> float:
    """Return S(x) + S(y) - S(x, y) in nats of histograms; 0 if there is no pair of values or no variation."""
    if not len(x) or x.min() == x.max() or y.min() == y.max():
        return 0.0
    joint = np.bincount(_bin_numbers(x, n_bins) * n_bins + _bin_numbers(y, n_bins), minlength=n_bins**2)
    joint = joint.reshape(n_bins, n_bins) / len(x)
    return _entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0)) - _entropy(joint)


def _bin_numbers(values: np.ndarray, n_bins: int) -> np.ndarray:
    low, high = values.min(), values.max()
    return np.minimum(((values - low) * (n_bins / (high - low))).astype(np.int64), n_bins - 1)


def _entropy(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    return float(-(positive @ np.log(positive)))
