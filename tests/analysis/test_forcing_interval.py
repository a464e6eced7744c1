"""The interval of sparse forcing that a series suggests."""

import numpy as np
import pytest

from rnnexp.analysis.forcing_interval import (
    decorrelation_time,
    forcing_interval,
    mutual_information_minimum,
)


def autoregressive(decay, n_samples=60_000, seed=0):
    noise = np.random.default_rng(seed).standard_normal(n_samples)
    series = np.empty(n_samples)
    value = 0.0
    for t in range(n_samples):
        value = decay * value + noise[t]
        series[t] = value
    return series


@pytest.mark.parametrize("decay", [0.7, 0.9])
def test_decaying_correlations_reach_their_limit_after_the_time_constant(decay):
    assert decorrelation_time(autoregressive(decay)) == np.ceil(-1 / np.log(decay))


def test_a_slow_oscillation_decorrelates_before_a_quarter_of_its_period():
    series = np.sin(2 * np.pi * np.arange(20_000) / 80)
    assert decorrelation_time(series) == np.ceil(80 * np.arccos(np.exp(-1)) / (2 * np.pi))


def test_a_minimum_of_the_correlation_comes_before_the_limit():
    """A slow trend keeps the correlation above 1/e, the fast oscillation makes the minimum at half its period."""
    t = np.arange(50_000)
    series = np.sin(2 * np.pi * t / 5000) + 0.5 * np.sin(2 * np.pi * t / 20)
    assert decorrelation_time(series) == 10


def test_mutual_information_of_a_noisy_oscillation_is_least_at_a_quarter_of_its_period():
    t = np.arange(40_000)
    series = np.sin(2 * np.pi * t / 40) + 0.05 * np.random.default_rng(0).standard_normal(len(t))
    assert mutual_information_minimum(series, n_bins=16) == pytest.approx(10, abs=1)


def test_series_that_never_decide_take_the_largest_lag():
    ramp = np.arange(500.0)
    assert decorrelation_time(ramp, 20) == 20
    assert mutual_information_minimum(ramp, 20) == 20
    assert forcing_interval(ramp[:, None], 20) == 20


def test_the_interval_is_the_smaller_of_two_medians():
    data = np.stack([autoregressive(decay, seed=i) for i, decay in enumerate((0.5, 0.9, 0.95))], axis=1)
    medians = [
        np.median([criterion(series) for series in data.T])
        for criterion in (decorrelation_time, mutual_information_minimum)
    ]
    assert forcing_interval(data) == int(min(medians))


def test_constant_dimensions_and_missing_samples_do_not_count():
    series = autoregressive(0.9)
    gappy = series.copy()
    gappy[np.random.default_rng(1).random(len(gappy)) < 0.05] = np.nan
    data = np.stack((series, np.ones_like(series), np.full_like(series, np.nan)), axis=1)
    assert forcing_interval(data) == forcing_interval(series[:, None])
    assert decorrelation_time(gappy) == pytest.approx(decorrelation_time(series), abs=1)


@pytest.mark.parametrize(
    ("data", "options", "text"),
    [
        (np.ones(50), {}, r"data must be \(T, N\), got shape \(50,\)"),
        (np.ones((50, 2)), {"max_lag": 20}, "data must vary in at least one dimension"),
        (np.eye(50), {}, "max_lag must be from 3 to the length of the series, 50, got 100"),
        (np.eye(50), {"max_lag": 10, "n_bins": 1}, "n_bins must be a whole number >= 2, got 1"),
        (np.array([[0.0], [np.inf], [1.0]]), {"max_lag": 3}, "data must be finite, or nan where missing"),
    ],
)
def test_wrong_data_are_one_sentence(data, options, text):
    with pytest.raises(ValueError, match=text):
        forcing_interval(data, **options)
