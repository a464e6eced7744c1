"""How long a free run counts as a prediction."""

import numpy as np
import pytest

from rnnexp.analysis.prediction_horizon import prediction_horizon


def test_it_ends_where_the_error_first_exceeds_the_threshold():
    true = np.zeros((6, 2))
    generated = np.array([[0, 0], [0.4, 0], [0.6, 0], [0.9, 0], [0, 0], [9, 9.0]])
    # errors sqrt(e^2 / 2): 0, 0.28, 0.42, 0.64, 0, 9
    assert prediction_horizon(true, generated, np.ones(2)) == 3
    assert prediction_horizon(true, generated, np.ones(2), threshold=0.3) == 2
    assert prediction_horizon(true, generated, np.ones(2), threshold=1.0) == 5
    assert prediction_horizon(true, generated, np.ones(2), threshold=10.0) == 6


def test_errors_count_in_standard_deviations():
    rng = np.random.default_rng(0)
    true, noise = rng.normal(size=(50, 3)), 0.2 * rng.normal(size=(50, 3))
    scale = np.array([1.0, 100.0, 0.01])
    plain = prediction_horizon(true, true + noise, np.ones(3), 0.25)
    assert 0 < plain < 50
    assert prediction_horizon(scale * true, scale * (true + noise), scale, 0.25) == plain


def test_missing_values_do_not_count_and_values_that_are_not_finite_end_it():
    true, generated = np.zeros((5, 2)), np.zeros((5, 2))
    true[1, 0], generated[1, 0] = np.nan, 7.0
    true[2] = np.nan
    assert prediction_horizon(true, generated, np.ones(2)) == 5
    for value in (np.nan, np.inf, 1e300):
        generated[3, 1] = value
        assert prediction_horizon(true, generated, np.ones(2)) == 3


def test_shapes_that_do_not_agree_are_refused():
    with pytest.raises(
        ValueError, match=r"must be \(T, N\) and sd \(N,\), got \(4, 2\), \(3, 2\) and \(2,\)"
    ):
        prediction_horizon(np.zeros((4, 2)), np.zeros((3, 2)), np.ones(2))
