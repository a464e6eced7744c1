"""The measures of reconstruction against published values and against slower ways to compute them."""

import math
from pathlib import Path

import numpy as np
import pytest

from rnnexp.analysis import state_space_divergence
from rnnexp.analysis.reconstruction_metrics import (
    binned_divergence,
    free_run_failed,
    gmm_divergence,
    gmm_divergence_at,
    mean_absolute_scaled_error,
    power_spectrum_correlation,
    prediction_error,
    smoothed_spectrum,
    spectral_distance,
    spectral_distance_per_dimension,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "dsr"
GOLDEN_BINS = {"minmax": "dstsp_bin_minmax", "two_sd": "dstsp_bin_2sd", "padded": "dstsp_bin_padded_minmax"}


@pytest.fixture(params=["metrics_2d", "metrics_3d"])
def golden(request):
    with np.load(VECTORS / f"{request.param}.npz") as arrays:
        return dict(arrays)


def gaussian(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("variant", GOLDEN_BINS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binned_divergence_is_the_published_one(golden, variant, dtype):
    true, generated = golden["x_true"].astype(dtype), golden["x_gen"].astype(dtype)
    value = binned_divergence(true, generated, int(golden["n_bins"]), variant)
    assert value == pytest.approx(float(golden[GOLDEN_BINS[variant]]), rel=1e-6)


def test_spectral_distance_is_the_published_one(golden):
    true, generated, smoothing = golden["x_true"], golden["x_gen"], float(golden["smoothing"])
    assert spectral_distance(true, generated, smoothing) == pytest.approx(float(golden["dh"]), abs=1e-12)
    distances = spectral_distance_per_dimension(true, generated, smoothing)
    assert distances == pytest.approx(golden["dh_per_dim"], abs=1e-12)
    spectrum = smoothed_spectrum(true[:, 0], smoothing)
    assert spectrum == pytest.approx(golden["spectrum_true_dim0"], abs=1e-15)


def test_power_spectrum_correlation_is_the_published_one(golden):
    values = power_spectrum_correlation(golden["x_true"], golden["x_gen"], int(golden["smoothing"]))
    assert values == pytest.approx(golden["psc_db_per_dim"], abs=1e-9)


@pytest.mark.parametrize("variance", ["1", "0.1"])
def test_gmm_divergence_at_given_samples_is_the_published_one(golden, variance):
    n_centres = int(golden[f"gmm_s2_{variance}_T"])
    samples = golden[f"gmm_s2_{variance}_samples"]
    centres = golden["x_true"][:n_centres], golden["x_gen"][:n_centres]
    value = gmm_divergence_at(samples, *centres, float(variance))
    assert value == pytest.approx(float(golden[f"gmm_s2_{variance}_kl"]), abs=1e-6)


def test_mean_absolute_scaled_error_is_the_published_one(golden):
    value = mean_absolute_scaled_error(golden["x_true"], golden["x_gen"], 10)
    assert value == pytest.approx(float(golden["mase10"]), abs=1e-6)


def dense_divergence(true, generated, n_bins):
    """The padded variant with every bin allocated."""
    sd = true.std(0, ddof=1)
    edges = [
        np.linspace(a, b, n_bins + 1)
        for a, b in zip(true.min(0) - 0.1 * sd, true.max(0) + 0.1 * sd, strict=True)
    ]
    p, q = (np.histogramdd(points, edges)[0] + 1e-5 for points in (true, generated))
    p, q = p / p.sum(), q / q.sum()
    return (p * np.log(p / q)).sum()


@pytest.mark.parametrize(("n_dimensions", "n_bins"), [(1, 30), (2, 9), (3, 8), (5, 6)])
def test_bins_without_points_count_as_if_all_were_allocated(monkeypatch, n_dimensions, n_bins):
    true, generated = gaussian((500, n_dimensions)), 1.2 * gaussian((300, n_dimensions), 1)
    expected = pytest.approx(dense_divergence(true, generated, n_bins), rel=1e-10)
    assert binned_divergence(true, generated, n_bins) == expected
    monkeypatch.setattr(state_space_divergence, "MOST_DENSE_BINS", 1)
    assert binned_divergence(true, generated, n_bins) == expected
    monkeypatch.setattr(state_space_divergence, "MOST_CODES", n_bins * 300)
    assert binned_divergence(true, generated, n_bins) == expected


def test_many_dimensions_need_no_memory_for_empty_bins():
    true, generated = gaussian((2000, 30)), gaussian((2000, 30), 1)
    assert math.isfinite(binned_divergence(true, generated, 30))  # 30^30 bins
    assert binned_divergence(true, true, 30) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("variant", GOLDEN_BINS)
def test_points_out_of_range_or_not_finite_are_left_out(variant):
    true, generated = gaussian((400, 2)), gaussian((300, 2), 1)
    stray = np.array([[1e9, 0], [np.nan, 0], [0, np.inf]])
    value = binned_divergence(true, generated, 10, variant)
    assert binned_divergence(true, np.concatenate((stray, generated)), 10, variant) == value
    assert math.isnan(binned_divergence(true, stray, 10, variant))


def test_a_true_dimension_that_stands_still_has_no_bins():
    true = gaussian((100, 2))
    true[:, 1] = 3.0
    assert math.isnan(binned_divergence(true, gaussian((100, 2), 1)))


def test_gmm_divergence_of_two_single_gaussians_is_known():
    centres = np.zeros((1, 2)), np.array([[0.3, 0.4]])
    exact = 0.25 / (2 * 0.5)
    assert gmm_divergence(*centres, variance=0.5, n_samples=200_000) == pytest.approx(exact, abs=5e-3)
    assert gmm_divergence(*centres, variance=0.5, symmetric=True, n_samples=200_000) == pytest.approx(
        exact, abs=5e-3
    )


def test_more_bins_than_numbers_are_refused():
    data = gaussian((20, 250))
    with pytest.raises(ValueError, match=r"^n_bins: 30: 30\^250 bins of 250 dimensions are too many"):
        binned_divergence(data, data)


def test_gmm_divergence_takes_both_directions_if_asked():
    true, generated = gaussian((50, 6)), 2 * gaussian((80, 6), 1)
    rng = np.random.default_rng(3)
    forth = gmm_divergence(true, generated, 0.3, rng=rng)
    back = gmm_divergence(generated, true, 0.3, rng=rng)
    assert gmm_divergence(true, generated, 0.3, rng=3, symmetric=True) == pytest.approx((forth + back) / 2)
    assert abs(forth - back) > 0.1


def test_gmm_divergence_survives_far_centres_and_reads_the_first_rows_only():
    true = gaussian((50, 3))
    far = true + 1e3
    assert gmm_divergence(true, far, 1.0) == pytest.approx(1.5e6, rel=1e-2)
    blown_up = np.concatenate((true, np.full((1, 3), np.nan)))
    assert math.isnan(gmm_divergence(true, blown_up))
    assert gmm_divergence(true, blown_up, max_centres=50) == pytest.approx(0, abs=1e-12)


def test_gmm_densities_far_from_zero_lose_no_digits():
    true, generated = gaussian((40, 2)), gaussian((40, 2), 1)
    here = gmm_divergence_at(true[:9], true, generated, 1e-2)
    assert gmm_divergence_at(true[:9] + 1e6, true + 1e6, generated + 1e6, 1e-2) == pytest.approx(
        here, rel=1e-5
    )


def test_spectral_distance_is_the_hellinger_distance_of_raw_spectra_without_smoothing():
    true, generated = gaussian((101, 1)), gaussian((101, 1), 1)
    p, q = (np.abs(np.fft.rfft(x[:, 0] - x.mean())) ** 2 for x in (true, generated))
    expected = np.linalg.norm(np.sqrt(p / p.sum()) - np.sqrt(q / q.sum())) / math.sqrt(2)
    assert spectral_distance(true, generated, 0) == pytest.approx(expected, abs=1e-12)
    assert spectral_distance(true, 5 + 3 * true, 20) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("bad", [0.7, np.nan, np.inf])
def test_a_run_that_stands_still_or_diverges_is_as_far_as_can_be(bad):
    true, generated = gaussian((100, 2)), gaussian((100, 2), 1)
    generated[:, 1] = bad
    distances = spectral_distance_per_dimension(true, generated)
    assert (distances[1], distances[0] < 1) == (1.0, True)
    assert spectral_distance(true, np.full_like(true, bad)) == 1.0
    assert np.isnan(power_spectrum_correlation(true, generated)[1])


def test_spectra_of_true_data_that_stand_still_are_undefined():
    true = np.ones((100, 1))
    assert math.isnan(spectral_distance(true, gaussian((100, 1))))


def test_prediction_error_is_the_mean_over_starts_and_dimensions():
    true = gaussian((30, 2))
    true[7, 1] = np.nan
    predicted = gaussian((30, 4, 2), 1)
    for starts in (None, np.random.default_rng(2).permutation(30)):
        errors = prediction_error(true, predicted, starts)
        place = np.arange(30) if starts is None else starts
        for n in range(4):
            squares = [
                (predicted[i, n] - true[place[i] + n + 1]) ** 2 for i in range(30) if place[i] + n + 1 < 30
            ]
            assert errors[n] == pytest.approx(np.nanmean(squares), rel=1e-12)


def test_prediction_error_without_targets_or_of_a_diverged_run_is_nan():
    true, predicted = np.zeros((3, 1)), np.zeros((3, 4, 1))
    predicted[:, 1] = np.inf
    assert np.array_equal(prediction_error(true, predicted), [0, np.nan, np.nan, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("run", "failed"),
    [
        (gaussian((50, 2)), False),
        (np.full((50, 2), 0.1), True),
        (np.stack((np.zeros(50), np.arange(50)), 1), False),
        (np.where(np.arange(100).reshape(50, 2) == 60, np.nan, 1.0), True),
        (1e9 * gaussian((50, 2)), True),
    ],
)
def test_free_runs_fail_by_divergence_or_standstill(run, failed):
    assert free_run_failed(run, limit=1e6) is failed


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: binned_divergence(x, x[:, :1]), r"same N, got shapes \(9, 2\) and \(9, 1\)"),
        (lambda x: binned_divergence(x, x, 1), "n_bins must be a whole number >= 2, got 1"),
        (lambda x: binned_divergence(x, x, 5, "julia"), "variant must be one of padded, minmax, two_sd, got 'julia'"),
        (lambda x: binned_divergence(x, x[:0]), "at least one row"),
        (lambda x: gmm_divergence(x, x, 0.0), "variance must be > 0, got 0.0"),
        (lambda x: gmm_divergence(x, x, n_samples=0), "n_samples must be a whole number >= 1, got 0"),
        (lambda x: spectral_distance(x, x[:5]), r"same T >= 1 and N, got shapes \(9, 2\) and \(5, 2\)"),
        (lambda x: spectral_distance(x, x, -1), "smoothing must be >= 0, got -1"),
        (lambda x: power_spectrum_correlation(x, x, 1.5), "smoothing must be an integer >= 1, got 1.5"),
        (lambda x: power_spectrum_correlation(x, x, 2, 1), "cutoff must be a whole number >= 2, got 1"),
        (lambda x: prediction_error(x, x), r"predicted \(S, n, N\), got shapes \(9, 2\) and \(9, 2\)"),
        (lambda x: prediction_error(x, x[:1, None], np.array([9])), r"starts must be \(1,\), each from 0 to 8"),
        (lambda x: mean_absolute_scaled_error(x, x, 10), "n_steps must be from 1 to 9 and T >= 2, got 10 and 9"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call(gaussian((9, 2)))
