"""Pictures of free runs on usual and odd data: what they show, and that they can be written."""

import numpy as np
import pytest

from rnnexp.plots import style
from rnnexp.plots.attractor import attractor
from rnnexp.plots.lyapunov import lyapunov_spectrum
from rnnexp.plots.training_bifurcation import training_bifurcation
from rnnexp.plots.transitions import transition_graph


def orbit(n_dimensions, n_states=300):
    times = np.linspace(0, 30, n_states)
    return np.stack([np.sin((k + 1) * times + k) for k in range(n_dimensions)], axis=1)


def texts(figure):
    legends = [legend for legend in (*figure.legends, *(axes.get_legend() for axes in figure.axes)) if legend]
    shown = [text.get_text() for legend in legends for text in legend.get_texts()]
    for axes in figure.axes:
        shown += [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()]
        shown += [text.get_text() for text in axes.texts]
    return shown


def is_written(figure, tmp_path):
    return style.save(figure, tmp_path / "picture.png").stat().st_size > 1000


@pytest.mark.parametrize("n_dimensions", [1, 2, 3, 7])
def test_attractors_of_any_dimension(tmp_path, n_dimensions):
    states = orbit(n_dimensions)
    names = [f"x{i}" for i in range(n_dimensions)]
    middle = states.mean(axis=0)
    points = np.stack((middle, middle, middle + 50 * (states[5] - middle)))
    figure = attractor(
        states, names, points, ["saddle", "stable", "unstable"], [states[:4]], np.arange(300) % 9
    )
    shown = texts(figure)
    assert "1 of 3 fixed points outside the view" in shown
    assert {"saddle fixed point", "stable fixed point", "stable cycle", "region 0 (11 %)"} <= set(shown)
    assert "3 others (33 %)" in shown
    if n_dimensions == 1:
        assert "x0 at step t + 1" in shown
    assert is_written(figure, tmp_path)


def test_many_regions_become_a_mosaic(tmp_path):
    figure = attractor(orbit(2), ["x", "y"], symbols=np.arange(300) % 100)
    assert "100 linear regions, colours repeat" in texts(figure)
    assert is_written(figure, tmp_path)


def test_principal_components_tell_their_share(tmp_path):
    states = np.zeros((50, 5))
    states[:, 3] = np.arange(50)
    assert "PC1 (100 %)" in texts(attractor(states, list("abcde")))


def test_an_attractor_that_is_one_point_can_be_drawn(tmp_path):
    states = np.full((20, 4), 0.3)
    figure = attractor(states, list("abcd"), states[:1], ["stable"])
    assert not any("outside" in text for text in texts(figure))
    assert is_written(figure, tmp_path)


@pytest.mark.parametrize("n_regions", [1, 2, 12, 60])
def test_transition_graphs_of_any_size(tmp_path, n_regions):
    rng = np.random.default_rng(0)
    matrix = rng.dirichlet(np.ones(n_regions), size=n_regions)
    shares = np.sort(rng.dirichlet(np.ones(n_regions)))[::-1]
    figure = transition_graph(matrix, shares)
    shown = " ".join(texts(figure))
    expected = {1: "one linear region", 2: "2 linear regions", 12: "10 of 12 regions", 60: "40 of 60 regions"}
    assert expected[n_regions] in shown
    assert ("30 most probable of 90" in shown) == (n_regions == 12)
    assert ("regions hold 50 %" in shown) == (n_regions == 60)  # which are too many for a graph
    assert is_written(figure, tmp_path)


@pytest.mark.parametrize("values", [[0.9], [0.9, 0.0, -14.5], [-1.0, -np.inf], [np.nan, np.nan], [0.0, 0.0]])
def test_spectra_of_any_kind(tmp_path, values):
    figure = lyapunov_spectrum(np.array(values), "1/ms", 2.06)
    shown = texts(figure)
    assert "Lyapunov exponent (1/ms)" in shown
    if np.isfinite(values[0]):
        assert any(f"largest {values[0]:.3g} 1/ms" in text for text in shown)
    assert is_written(figure, tmp_path)


def test_leading_exponents_are_enlarged_beside_strong_contraction():
    assert len(lyapunov_spectrum(np.array([0.9, 0.0, -14.5]), "1/ms").axes) == 2
    assert len(lyapunov_spectrum(np.array([0.9, 0.1, -1.0]), "1/ms").axes) == 1


def test_the_course_of_a_training(tmp_path):
    figure = training_bifurcation(
        [10, 20, 30], [np.array([0.1]), np.array([0.2, 0.4]), np.empty(0)],
        [np.array([0.1, 9.0]), np.empty(0), np.array([0.3])], [["stable", "saddle"], [], ["saddle"]],
        [-0.1, 0.2, np.nan], "x", "1/ms",
    )  # fmt: skip
    shown = texts(figure)
    assert {"x", "updates", "largest exponent\n(1/ms)", "1 of 3 free runs diverge (crosses)"} <= set(shown)
    assert "(1 outside the view)" in shown
    assert is_written(figure, tmp_path)


def test_a_training_that_only_diverges_can_be_drawn(tmp_path):
    nothing = [np.empty(0)] * 2
    assert is_written(
        training_bifurcation([1, 2], nothing, nothing, [[], []], [np.nan] * 2, "x", "1/s"), tmp_path
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: attractor(np.ones((5, 2)), ["x"]), r"states must be finite \(T, D\) with T >= 2 and D names"),
        (lambda: attractor(np.full((5, 1), np.nan), ["x"]), "states must be finite"),
        (lambda: attractor(np.ones((5, 1)), ["x"], np.ones((2, 1)), ["stable"]), r"fixed_points must be \(1, 1\)"),
        (lambda: attractor(np.ones((5, 1)), ["x"], np.ones((1, 1)), ["odd"]), "stabilities must be of stable, saddle"),
        (lambda: attractor(np.ones((5, 1)), ["x"], symbols=np.ones(3)), r"symbols must be \(5,\), got shape \(3,\)"),
        (lambda: transition_graph(np.ones((2, 2)), np.ones(3)), r"matrix must be \(R, R\) and shares \(R,\)"),
        (lambda: lyapunov_spectrum(np.ones(0), "1/s"), r"exponents must be \(Q,\), Q >= 1"),
        (lambda: training_bifurcation([], [], [], [], [], "x", "1/s"), r"each checkpoint, got lengths \[0\]"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()
