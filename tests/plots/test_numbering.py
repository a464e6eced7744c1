"""Units, inputs and outputs count from 0 in every picture, as in files and in lesion.units."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from rnnexp.plots.latents import latents_over_time
from rnnexp.plots.weights import weight_matrices
from rnnexp.saved import analysis_pictures


def texts(figure):
    return {text.get_text() for axes in figure.get_axes() for text in axes.texts}


def test_traces_of_latents_are_named_by_the_numbers_of_their_units():
    latents = np.zeros((1, 20, 4))
    latents[0, :, 0] = np.linspace(0, 1, 20)
    latents[0, :, 3] = np.linspace(0, -2, 20)
    assert {"unit 0", "unit 3"} <= texts(latents_over_time(latents, dt=1.0, n_traces=2))


def test_rows_columns_and_entries_of_weights_stand_at_their_numbers():
    figure = weight_matrices({"W": np.eye(3), "h": np.array([-1.0, 2.0, 3.0])})
    (image,) = [axes.images[0] for axes in figure.get_axes() if axes.images]
    assert tuple(image.get_extent()) == (-0.5, 2.5, 2.5, -0.5)
    (points,) = [axes.lines[-1] for axes in figure.get_axes() if axes.get_title(loc="left") == "h"]
    assert list(points.get_xdata()) == [0, 1, 2]


def test_states_of_an_attractor_are_named_from_z0(monkeypatch):
    path = np.random.default_rng(0).normal(size=(50, 2))
    run = SimpleNamespace(states=path, path=path)
    findings = SimpleNamespace(run=run, regions=None, fixed_points=[], longer_cycles=[])
    named = []
    monkeypatch.setattr(analysis_pictures, "attractor", lambda states, names, *rest: named.extend(names))
    monkeypatch.setattr(analysis_pictures, "save", lambda figure, path: None)
    dynamics, task = SimpleNamespace(state_dim=2, system=None), SimpleNamespace(kind="cognitive")
    analysis_pictures._draw_attractor(findings, dynamics, task, Path())
    assert named == ["z0", "z1"]
