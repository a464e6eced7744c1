"""Pictures of one network: weights by type, rates, choices and outputs, on good and on degenerate data."""

import numpy as np
import pytest
from PIL import Image

from rnnexp.plots.alignment import Alignment
from rnnexp.plots.ei_weights import ei_weights
from rnnexp.plots.latents import latent_components
from rnnexp.plots.outputs import outputs_by_condition
from rnnexp.plots.psychometric import fit_logistic, psychometric_curve, wilson_interval
from rnnexp.plots.rates import unit_rates
from rnnexp.plots.style import save

RNG = np.random.default_rng(0)


def texts(figure):
    """All that is written in a figure."""
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        found += [axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")]
        legend = axes.get_legend()
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return [text for text in found if text]


def drawn(figure, tmp_path):
    return np.asarray(Image.open(save(figure, tmp_path / "figure.png")).convert("L"))


def dale(signs):
    return np.abs(RNG.normal(size=(len(signs), len(signs)))) * signs


def test_excitatory_columns_come_first_and_a_line_divides_the_types(tmp_path):
    signs = np.array([1, -1, 1, 1, -1])
    weights = dale(signs)
    figure = ei_weights(weights, signs)
    matrix = figure.axes[0]
    image = np.asarray(matrix.images[0].get_array())
    assert np.array_equal(image, weights[np.ix_([0, 2, 3, 1, 4], [0, 2, 3, 1, 4])])
    assert (image[:, :3] >= 0).all()
    assert (image[:, 3:] <= 0).all()
    assert [line.get_ydata()[0] for line in matrix.lines if line.get_ydata()[0] == line.get_ydata()[1]] == [3]
    assert [label.get_text() for label in matrix.get_xticklabels()] == ["3 E", "2 I"]
    assert len(matrix.child_axes) == 2
    drawn(figure, tmp_path)


def test_connections_are_counted_by_pairing():
    signs = np.array([1, 1, -1])
    weights = np.array([[0.5, 0, -1], [0.5, 0.5, 0], [2, 0, -1]])
    written = " ".join(texts(ei_weights(weights, signs)))
    assert "E to E: 3 of 4, mean 0.5" in written
    assert "E to I: 1 of 2, mean 2" in written
    assert "I to E: 1 of 2, mean 1" in written
    assert "I to I: 1 of 1" in written


@pytest.mark.parametrize(
    ("weights", "signs"),
    [
        (np.ones((4, 4)), np.ones(4)),
        (-np.ones((4, 4)), -np.ones(4)),
        (np.zeros((4, 4)), np.array([1, 1, 1, -1])),
        (np.full((4, 4), np.nan), np.array([1, -1, 1, -1])),
        (np.array([[3.0]]), np.array([1])),
    ],
)
def test_networks_of_one_type_or_without_weights_are_drawn(tmp_path, weights, signs):
    drawn(ei_weights(weights, signs), tmp_path)


@pytest.mark.parametrize(
    ("weights", "signs"),
    [(np.ones((3, 2)), np.ones(3)), (np.ones((2, 2)), np.array([1, 0])), (np.ones((0, 0)), np.ones(0))],
)
def test_units_without_a_type_are_refused(weights, signs):
    with pytest.raises(ValueError, match="signs"):
        ei_weights(weights, signs)


def test_rates_are_sorted_by_type_and_mean(tmp_path):
    signs = np.array([1, -1, 1, -1])
    rates = np.ones((6, 10, 4)) * np.array([1.0, 3.0, 2.0, 4.0])
    figure = unit_rates(rates, dt=10, signs=signs)
    heat, profile = figure.axes[:2]
    assert np.asarray(heat.images[0].get_array())[:, 0].tolist() == [2, 1, 4, 3]
    assert profile.collections[1].get_offsets()[:, 0].tolist() == [2, 1, 4, 3]
    assert {"2 excitatory", "2 inhibitory", "unit, by type and mean rate"} <= set(texts(figure))
    drawn(figure, tmp_path)


@pytest.mark.parametrize(
    "rates",
    [
        RNG.normal(size=(1, 1, 1)),
        np.zeros((3, 5, 4)),
        -np.ones((3, 5, 4)),
        np.full((2, 5, 4), np.nan),
        RNG.normal(size=(3, 20, 200)),
    ],
)
def test_rates_of_any_size_are_drawn(tmp_path, rates):
    figure = unit_rates(rates, dt=10)
    assert "unit, sorted by mean rate" in texts(figure)
    drawn(figure, tmp_path)


def test_rates_that_are_not_finite_are_counted():
    rates = np.ones((2, 5, 4))
    rates[0, 0, 1] = np.inf
    assert "1 of 4 units not finite" in texts(unit_rates(rates, dt=10))


def choices(bias=0.1, slope=12.0, n=4000, levels=(-0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4)):
    coherence = RNG.choice(levels, n)
    choice = RNG.random(n) < 1 / (1 + np.exp(-slope * (coherence - bias)))
    return coherence, choice, choice == (coherence > 0)


def test_the_points_are_the_shares_of_each_coherence(tmp_path):
    coherence, choice, correct = choices()
    figure = psychometric_curve(coherence, choice, correct, choice_name="right")
    left, right = figure.axes
    for axes, values in ((left, choice), (right, correct)):
        (points,) = [line for line in axes.lines if line.get_marker() == "o"]
        for x, share in zip(*points.get_data(), strict=True):
            assert share == pytest.approx(values[np.isclose(coherence, x)].mean())
        assert len(points.get_xdata()) == 7
    assert {"P(right)", "accuracy", "signed coherence"} <= set(texts(figure))
    drawn(figure, tmp_path)


def test_the_fit_finds_bias_and_slope():
    coherence, choice, _ = choices(bias=0.07, slope=15.0, n=20000)
    curve = fit_logistic(coherence, choice)
    assert curve.bias == pytest.approx(0.07, abs=0.01)
    assert curve.slope == pytest.approx(15.0, rel=0.08)


@pytest.mark.parametrize(
    ("coherence", "choice"),
    [
        ([-1, -1, 1, 1], [0, 0, 1, 1]),
        ([-1, -1, 1, 1], [1, 1, 0, 0]),
        ([-1, 1], [1, 1]),
        ([0.5, 0.5], [0, 1]),
    ],
)
def test_choices_that_determine_no_curve_have_no_fit(tmp_path, coherence, choice):
    coherence, choice = np.array(coherence, dtype=float), np.array(choice)
    assert fit_logistic(coherence, choice) is None
    drawn(psychometric_curve(coherence, choice, choice), tmp_path)


def test_many_coherences_are_binned_without_mixing_sides():
    coherence = RNG.normal(size=3000)
    figure = psychometric_curve(coherence, coherence > 0, np.ones(3000))
    (points,) = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert points.get_ydata().tolist() == [0.0] * 6 + [1.0] * 6


def test_trials_without_a_choice_are_left_out_and_counted(tmp_path):
    coherence, choice, correct = choices(n=100)
    choice = choice.astype(float)
    choice[:10] = np.nan
    figure = psychometric_curve(coherence, choice, correct)
    assert any("of 90 trials; bars: 95 % interval, 10 without a choice" in text for text in texts(figure))
    figure = psychometric_curve(coherence, np.full(100, np.nan), correct)
    assert "no trial with a choice" in texts(figure)
    drawn(figure, tmp_path)


def test_the_interval_is_that_of_wilson():
    low, high = wilson_interval(np.array([0, 8, 10]), np.array([10, 10, 10]))
    assert low == pytest.approx([0.0, 0.4902, 0.7225], abs=1e-4)  # 8 of 10: Brown, Cai & DasGupta's formula
    assert high == pytest.approx([0.2775, 0.9433, 1.0], abs=1e-4)


def test_outputs_are_averaged_by_condition(tmp_path):
    labels = np.repeat([0, 1], 5)
    outputs = np.zeros((10, 20, 2))
    outputs[:5, :, 0] = np.arange(5)[:, None]
    outputs[5:, :, 1] = 3.0
    figure = outputs_by_condition(outputs, labels, 10, ["left", "right"], "side")
    left, right = figure.axes
    assert [line.get_ydata()[0] for line in left.lines[1:]] == [2.0, 0.0]
    assert [line.get_ydata()[0] for line in right.lines[1:]] == [0.0, 3.0]
    band = left.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((2 - np.sqrt(2), 2 + np.sqrt(2)))
    assert {"output: left", "output: right", "time (ms)", "0 (n = 5)", "1 (n = 5)"} <= set(texts(figure))
    drawn(figure, tmp_path)


def test_trials_are_aligned_to_an_event(tmp_path):
    steps = np.array([3, 5, 7, 5])
    outputs = np.zeros((4, 20, 1))
    for trial, step in zip(outputs, steps, strict=True):
        trial[step:] = 1.0  # what starts at the event is smeared where trials are averaged from their start
    events = [Alignment("stimulus", steps), Alignment("decision", steps + 1)]
    figure = outputs_by_condition(outputs, None, 10.0, ["y"], alignments=events)
    first, second = figure.axes
    assert (first.get_xlabel(), second.get_xlabel()) == ("time from stimulus (ms)", "time from decision (ms)")
    line = first.lines[-1]
    assert line.get_xdata()[0] == -50
    np.testing.assert_array_equal(line.get_ydata(), line.get_xdata() >= 0)
    drawn(figure, tmp_path)
    latents = np.repeat(outputs, 3, axis=2) * [1.0, 2.0, 3.0]
    panels = latent_components(latents, None, 10.0, alignment=events[0]).axes
    assert "time from stimulus (ms)" in [axes.get_xlabel() for axes in panels]
    (score,) = [axes.lines[0] for axes in panels if axes.get_ylabel().startswith("PC1")]
    jump = np.flatnonzero(np.abs(np.diff(score.get_ydata())) > 1e-9)
    assert score.get_xdata()[jump + 1].tolist() == [0.0]


@pytest.mark.parametrize("shape", [(1, 1, 1), (40, 20, 4), (3, 20, 9)])
def test_outputs_of_any_number_are_drawn(tmp_path, shape):
    names = [f"output {i}" for i in range(shape[2])]
    for labels in (None, RNG.normal(size=shape[0]), (np.arange(shape[0]) % 3).astype(str)):
        figure = outputs_by_condition(RNG.normal(size=shape), labels, 10, names)
        assert len([axes for axes in figure.axes if axes.get_title(loc="left")]) == min(shape[2], 6)
        drawn(figure, tmp_path)


def test_diverged_outputs_are_left_out_and_said(tmp_path):
    outputs = np.zeros((4, 5, 1))
    outputs[0, 2] = np.nan
    figure = outputs_by_condition(outputs, np.arange(4) % 2, 10, ["y"])
    assert figure.get_suptitle() == "1 of 4 trials not finite"
    drawn(figure, tmp_path)
    drawn(outputs_by_condition(np.full((4, 5, 1), np.inf), None, 10, ["y"]), tmp_path)


def test_names_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="output_labels must name 2 outputs, got 1"):
        outputs_by_condition(np.zeros((1, 1, 2)), None, 10, ["y"])
    with pytest.raises(ValueError, match="labels must be"):
        outputs_by_condition(np.zeros((3, 1, 1)), np.zeros(2), 10, ["y"])


def test_conditions_are_called_by_their_names():
    outputs = np.zeros((4, 5, 1))
    names = {0: "f1 > f2", 1: "f1 < f2"}
    figure = outputs_by_condition(outputs, np.array([1, 0, 0, 1]), 1.0, ["y"], "choice", names)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "f1 > f2 (n = 2)",
        "f1 < f2 (n = 2)",
    ]
    figure = outputs_by_condition(outputs, np.array([1, 0, 0, 3]), 1.0, ["y"], "choice", names)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "f1 > f2 (n = 2)",
        "f1 < f2 (n = 1)",
        "3 (n = 1)",
    ]


def test_the_name_of_a_colour_bar_stands_above_it():
    figure = unit_rates(RNG.random((3, 4, 5)), dt=1.0)
    _, profile, bar = figure.axes
    assert bar.get_title(loc="left") == "mean rate r"
    assert bar.get_ylabel() == profile.get_ylabel() == ""
