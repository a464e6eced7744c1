"""Pictures of a free run beside the data, for good runs and for those that diverge, rest or miss values."""

import numpy as np
import pytest
from mpl_toolkits.mplot3d.axes3d import Axes3D
from PIL import Image

from rnnexp.analysis.power_spectra import smoothed_spectrum, spectral_distance_per_dimension
from rnnexp.plots.overlay import overlay
from rnnexp.plots.power_spectra import power_spectra
from rnnexp.plots.series_pair import steps_before_departure
from rnnexp.plots.state_space import state_space
from rnnexp.plots.style import save
from rnnexp.plots.value_histograms import value_histograms

CLOCK = (0.5, "ms")


def series(n_steps=400, n_dimensions=3, speed=0.1, seed=0):
    """A smooth motion on a torus."""
    phases = np.arange(n_steps)[:, None] * speed * (1 + np.arange(n_dimensions) / 3)
    return np.sin(phases + np.random.default_rng(seed).uniform(0, 6, n_dimensions)) * (
        1 + np.arange(n_dimensions)
    )


def names_of(values):
    return [f"x{n} (mV)" for n in range(values.shape[1])]


def texts(figure):
    found = [figure.get_suptitle()]
    for axes in figure.axes:
        found += [axes.get_xlabel(), axes.get_ylabel(), axes.get_title(), axes.get_title(loc="left")]
        found += [text.get_text() for text in axes.texts]
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return found


def draw(figure, tmp_path):
    """Draw a figure to a file and return its array of pixels."""
    return np.asarray(Image.open(save(figure, tmp_path / "figure.png", dpi=50)).convert("L"))


def all_pictures(data, generated):
    names = names_of(data)
    return [
        state_space(data, generated, names, *CLOCK),
        overlay(data, generated, names, *CLOCK, horizon=3),
        power_spectra(data, generated, names, *CLOCK),
        value_histograms(data, generated, names, *CLOCK),
    ]


BAD_RUNS = {
    "never finite": lambda run: np.full_like(run, np.nan),
    "diverges": lambda run: run * np.exp(np.arange(len(run)) / 20)[:, None],
    "infinite": lambda run: np.where(np.arange(len(run))[:, None] < 50, run, np.inf),
    "rests": lambda run: np.ones_like(run),
}


@pytest.mark.parametrize(
    ("kind", "n_dimensions"),
    [("good", 3), ("never finite", 3), ("diverges", 4), ("infinite", 1), ("rests", 2)],
)
def test_every_run_can_be_drawn(tmp_path, kind, n_dimensions):
    data, run = series(120, n_dimensions), series(120, n_dimensions, seed=1)
    run = BAD_RUNS[kind](run) if kind in BAD_RUNS else run
    for figure in all_pictures(data, run):
        assert draw(figure, tmp_path).min() < 100
        is_lost = kind not in ("good", "rests")
        assert ("free run diverged after" in figure.get_suptitle()) == is_lost


@pytest.mark.parametrize(("n_dimensions", "share"), [(1, 0.05), (3, 1.0)])
def test_data_with_missing_values_can_be_drawn(tmp_path, n_dimensions, share):
    data = series(80, n_dimensions)
    data[np.random.default_rng(0).random(data.shape) < share] = np.nan
    data[5:9] = np.nan
    for figure in all_pictures(data, series(80, n_dimensions, seed=1)):
        draw(figure, tmp_path)


@pytest.mark.parametrize(("n_steps", "n_dimensions"), [(1, 1), (2, 5)])
def test_the_shortest_series_can_be_drawn(tmp_path, n_steps, n_dimensions):
    data = series(n_steps, n_dimensions)
    for figure in all_pictures(data, data):
        draw(figure, tmp_path)


def test_a_run_leaves_the_data_where_it_is_ten_times_as_far_out():
    data = np.array([[0.0, 5.0], [2.0, 5.0]])  # middle 1 and 5, reach 1 and, for want of an extent, 5
    near = np.array([[10.9, 5.0], [-8.9, 54.0]])
    assert steps_before_departure(data, near) == 2
    assert steps_before_departure(data, np.array([[1.0, 5.0], [11.1, 5.0]])) == 1
    assert steps_before_departure(data, np.array([[1.0, np.nan], [1.0, 5.0]])) == 0


def test_the_departure_is_told_in_the_units_of_time():
    data = series()
    run = data.copy()
    run[100:] = 1e9
    for figure in all_pictures(data, run):
        assert figure.get_suptitle().partition(";")[0] == "free run diverged after 50 ms"


@pytest.mark.parametrize(("n_dimensions", "is_space"), [(1, False), (2, False), (3, True), (7, True)])
def test_data_and_run_share_one_view_of_the_state_space(n_dimensions, is_space):
    data, run = series(n_dimensions=n_dimensions), series(n_dimensions=n_dimensions, seed=1)
    left, right = state_space(data, run, names_of(data), *CLOCK).axes
    assert isinstance(left, Axes3D) == is_space
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == right.get_ylim()
    if is_space:
        assert left.get_zlim() == right.get_zlim()
    assert left.get_xlim()[0] < (data[:, 0].min() if n_dimensions < 4 else np.inf)


def test_the_state_space_is_drawn_up_to_where_the_run_left():
    data = series(n_dimensions=2)
    run = data.copy()
    run[100:] = np.inf
    figure = state_space(data, run, names_of(data), *CLOCK)
    drawn = [np.array(axes.collections[0].get_segments()) for axes in figure.axes]
    assert [len(segments) for segments in drawn] == [399, 99]
    np.testing.assert_array_equal(drawn[1][:, 0], data[:99])


def test_many_dimensions_become_the_principal_components_of_the_data():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(500, 4)) * [3.0, 1.0, 0.1, 2.0]
    figure = state_space(data, data, names_of(data), *CLOCK)
    variances = np.sort(np.linalg.eigvalsh(np.cov(data.T)))[::-1]
    shares = ", ".join(f"{100 * v / variances.sum():.0f}" for v in variances[:3])
    assert figure.get_suptitle() == f"principal components of the data: {shares} %"
    extent = np.ptp(figure.axes[0].get_xlim())
    assert extent == pytest.approx(1.04 * np.ptp(data[:, 0]), rel=0.01)
    assert {"PC1", "PC2", "PC3"} <= set(texts(figure))


def test_one_dimension_is_drawn_against_itself_some_steps_before():
    data = np.cos(np.arange(4000) * 0.01)[
        :, None
    ]  # its autocorrelation falls to 1/e after arccos(1/e) / 0.01 steps
    figure = state_space(data, data, ["x"], *CLOCK)
    lag = int(figure.axes[0].get_xlabel().split()[0])
    assert lag == pytest.approx(np.arccos(1 / np.e) / 0.01, rel=0.05)
    points = np.array(figure.axes[0].collections[0].get_segments())[:, 0]
    np.testing.assert_array_equal(points, np.concatenate((data[:-lag], data[lag:]), axis=1)[:-1])


def test_maps_are_drawn_as_points():
    data = np.random.default_rng(0).normal(size=(300, 2))
    left, _ = state_space(data, data, names_of(data), *CLOCK).axes
    assert len(left.collections[0].get_offsets()) == 300


def test_a_run_that_comes_to_rest_ends_in_a_dot():
    data = series(n_dimensions=2)
    left, right = state_space(data, np.ones((400, 2)), names_of(data), *CLOCK).axes
    assert not left.lines
    assert right.lines[0].get_xydata().tolist() == [[1.0, 1.0]]


def test_the_overlay_shows_both_from_the_start_and_the_horizon():
    data, run = series(200, 2), series(200, 2, seed=1)
    figure = overlay(data, run, names_of(data), *CLOCK, horizon=30)
    for axes, true, generated in zip(figure.axes, data.T, run.T, strict=True):
        np.testing.assert_array_equal(
            axes.lines[0].get_xydata(), np.stack((0.5 * np.arange(1, 201), true), axis=1)
        )
        np.testing.assert_array_equal(axes.lines[1].get_ydata(), generated)
        assert axes.lines[2].get_xdata()[0] == 15.0
        low, high = axes.get_ylim()
        assert low < true.min() < true.max() < high
    assert {"time (ms)", "x0 (mV)", "x1 (mV)", "data", "free run", "prediction horizon 15 ms"} <= set(
        texts(figure)
    )


def test_a_horizon_beyond_the_overlay_and_none_are_told():
    data = series(200, 1)
    beyond = overlay(data, data, names_of(data), *CLOCK, horizon=200)
    assert "prediction horizon > 100 ms" in texts(beyond)
    assert len(beyond.axes[0].lines) == 2
    assert not any("horizon" in text for text in texts(overlay(data, data, names_of(data), *CLOCK)))


def test_only_the_first_six_dimensions_have_a_panel():
    data = series(n_dimensions=9)
    for figure in all_pictures(data, data)[1:]:
        assert len(figure.axes) == 6
        assert figure.get_suptitle().rpartition("; ")[2] == "first 6 of 9 dimensions"


def test_spectra_are_those_of_the_metric_on_log_axes():
    data, run = series(500, 2), series(500, 2, speed=0.12)
    figure = power_spectra(data, run, names_of(data), *CLOCK, smoothing=5.0)
    distances = spectral_distance_per_dimension(data, run, 5.0)
    for axes, *pair, distance in zip(figure.axes, data.T, run.T, distances, strict=True):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        smooth, thin = axes.lines[:2], axes.lines[2:]  # those before a smoothing over many of the frequencies
        for lines, width in ((smooth, 5.0), (thin, 0.0)):
            for line, values in zip(lines, pair, strict=True):
                np.testing.assert_allclose(line.get_xdata(), np.fft.rfftfreq(500, 0.5)[1:])
                np.testing.assert_allclose(line.get_ydata(), smoothed_spectrum(values, width)[1:])
        assert f"$D_H$ {distance:.2g}" in [text.get_text() for text in axes.texts]
    assert "frequency (1/ms)" in texts(figure)


def test_a_run_without_a_spectrum_is_told():
    data = series(300, 2)
    run = data.copy()
    run[:, 1] = 0.3
    figure = power_spectra(data, run, names_of(data), *CLOCK)
    assert [len(axes.lines) for axes in figure.axes] == [4, 2]  # smoothed and before it
    (few,) = power_spectra(data[:, :1], data[:, :1], ["x"], *CLOCK, smoothing=1.0).axes
    assert len(few.lines) == 2
    assert {text.get_text() for text in figure.axes[1].texts} == {"$D_H$ 1", "free run: none"}


def test_missing_values_are_interpolated_in_the_spectrum():
    data = np.sin(np.arange(400) * 0.05)[:, None]
    gaps = data.copy()
    gaps[100:103] = np.nan
    lines = [power_spectra(x, data, ["x"], *CLOCK, 3.0).axes[0].lines[0].get_ydata() for x in (data, gaps)]
    np.testing.assert_allclose(lines[1][:20], lines[0][:20], rtol=0.02)


def test_histograms_are_shares_of_all_samples():
    data, run = series(400, 1), np.concatenate((series(300, 1, seed=1), np.full((100, 1), 5.0)))
    figure = value_histograms(data, run, ["x (mV)"], *CLOCK, n_bins=20)
    (axes,) = figure.axes
    edges = axes.patches[0].get_data().edges
    assert len(edges) == 21
    assert edges[0] < data.min() < data.max() < edges[-1]
    for patch, values in ((axes.patches[0], data), (axes.patches[2], run)):
        np.testing.assert_allclose(patch.get_data().values, np.histogram(values, edges)[0] / 400)
    assert {"x (mV)", "25 % outside", "share of samples"} <= {*texts(figure), figure.get_supylabel()}


def test_units_of_time_read_well():
    data = series(50, 1)
    for unit, time, frequency in (
        ("steps", "time (steps)", "frequency (1/step)"),
        ("time units", "time", "frequency (1/time unit)"),
        ("s", "time (s)", "frequency (1/s)"),
    ):
        assert time in texts(overlay(data, data, ["x"], 1.0, unit))
        assert frequency in texts(power_spectra(data, data, ["x"], 1.0, unit))


def test_arrays_that_do_not_fit_are_refused():
    data = series(50, 2)
    with pytest.raises(
        ValueError, match=r"must be \(T, N\) and \(S, N\) with T, N >= 1, got \(50, 2\) and \(50, 1\)"
    ):
        state_space(data, data[:, :1], names_of(data), *CLOCK)
    with pytest.raises(ValueError, match="names must be 2, one per dimension, got 1"):
        value_histograms(data, data, ["x"], *CLOCK)
    for draw_pair in (overlay, power_spectra):
        with pytest.raises(ValueError, match=r"generated must be \(50, 2\), as the data, got \(40, 2\)"):
            draw_pair(data, data[:40], names_of(data), *CLOCK)


def test_a_free_run_that_leaves_the_frame_of_the_data_is_told():
    data = series(200, 2)
    run = data.copy()
    run[50:60, 1] = 3.0 * np.abs(data).max()
    told = overlay(data, run, names_of(data), *CLOCK).get_suptitle()
    assert told == "free run outside the frame at 10 of 200 steps"
    assert "outside" not in overlay(data, data, names_of(data), *CLOCK).get_suptitle()
