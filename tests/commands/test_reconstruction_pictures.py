"""The pictures of reconstruction: which run they show, against which data, and which files are left."""

import numpy as np
import pytest
import torch

from rnnexp.commands.eval import run as evaluate
from rnnexp.latent_steps import ALRNN, LSTM
from rnnexp.models import RNN
from rnnexp.observation import Affine, Identity
from rnnexp.plots.album import Album
from rnnexp.saved.reconstruction_pictures import draw_reconstruction
from rnnexp.tasks.time_series import Recording, Recordings, TimeSeries
from rnnexp.training.run import train

FILES = {"state_space.png", "overlay.png", "power_spectra.png", "histograms.png"}
ROTATION = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])


def recording(n_steps, n_inputs=0, seed=0):
    """Samples of x' = R x + s, s small."""
    rng = np.random.default_rng(seed)
    inputs = 0.1 * rng.normal(size=(n_steps, n_inputs))
    x = [rng.normal(size=2)]
    for s in inputs[:-1]:
        x.append(ROTATION @ x[-1] + s.sum())
    return Recording(np.array(x), inputs)


def task_of(*test, n_inputs=0, standardize=False):
    parts = ([recording(80, n_inputs, seed)] for seed in (1, 2))
    recordings = Recordings(*parts, list(test), ("x", "y"), tuple("ab"[:n_inputs]), "ms")
    return TimeSeries(recordings, dt=2.0, sequence_length=10, standardize=standardize).for_split("test")


def exact_model(n_inputs=0, growth=1.0):
    """A linear network that has the law of the recordings."""
    step = ALRNN(2, n_inputs, num_relus=0).double()
    with torch.no_grad():
        step.W_raw.copy_(torch.from_numpy(growth * ROTATION))
        if n_inputs:
            step.C.fill_(1.0)
    return RNN(step, Identity(2, 2), "data").double()


@pytest.mark.parametrize("n_inputs", [0, 2])
def test_an_exact_model_reproduces_the_data_at_the_same_times(tmp_path, n_inputs):
    data = recording(100, n_inputs)
    states = draw_reconstruction(exact_model(n_inputs), task_of(data, n_inputs=n_inputs), Album(tmp_path))
    first = int(0.2 * 99)  # of the rows 1 .. 99, after the beginning
    np.testing.assert_allclose(states.numpy(), data.observations[first:], atol=1e-9)
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_the_longest_stretch_is_shown_from_its_first_complete_row(tmp_path):
    long, short = recording(90), recording(40, seed=3)
    long.observations[:4, 1] = np.nan
    long.observations[50] = np.nan
    states = draw_reconstruction(exact_model(), task_of(short, long), Album(tmp_path))
    rows = 4 + int(0.2 * 85) + np.arange(len(states))
    known = rows != 50
    np.testing.assert_allclose(states.numpy()[known], long.observations[rows[known]], atol=1e-9)


def test_pictures_are_in_the_units_of_the_data(tmp_path, monkeypatch):
    data = recording(100)
    shifted = Recording(50.0 + 10.0 * data.observations, data.inputs)
    drawn = {}
    monkeypatch.setattr(
        "rnnexp.saved.reconstruction_pictures.overlay",
        lambda true, run, names, dt, unit, horizon: drawn.update(
            true=true, run=run, names=names, clock=(dt, unit)
        ),
    )
    draw_reconstruction(exact_model(), task_of(shifted, standardize=True), Album(tmp_path))
    np.testing.assert_allclose(drawn["true"], shifted.observations[1:])
    assert (list(drawn["names"]), drawn["clock"]) == (["x", "y"], (2.0, "ms"))


def test_a_diverging_run_is_drawn_up_to_where_it_left(tmp_path):
    data = recording(100)
    states = draw_reconstruction(exact_model(growth=1.2), task_of(data), Album(tmp_path))
    reach = np.ptp(data.observations, axis=0).max() / 2
    assert 5 < len(states) < 60
    assert states.abs().max() < 11 * reach
    np.testing.assert_array_equal(states[0].numpy(), data.observations[0])
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_a_run_that_is_never_finite_is_drawn_too(tmp_path):
    model = exact_model(growth=float("inf"))
    states = draw_reconstruction(model, task_of(recording(100)), Album(tmp_path))
    assert len(states) == 1
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_a_network_that_starts_elsewhere_has_no_horizon(tmp_path, monkeypatch):
    horizons = []
    monkeypatch.setattr(
        "rnnexp.saved.reconstruction_pictures.overlay", lambda *given: horizons.append(given[-1])
    )
    draw_reconstruction(RNN(LSTM(3, 0), Affine(3, 2)), task_of(recording(60)), Album(tmp_path))
    draw_reconstruction(exact_model(), task_of(recording(60)), Album(tmp_path))
    assert horizons == [None, 59]


def test_training_and_evaluation_leave_pictures_of_the_free_run(tmp_path, compose_config):
    np.save(tmp_path / "series.npy", recording(600).observations)
    config = compose_config(
        "task=timeseries", f"task.path={tmp_path / 'series.npy'}", "task.sequence_length=10",
        "task.smoothing=2", "task.pe_steps=[3]", "latent_dim=3", "forcing.tau=5", "loss.lambda_mar=0.01",
        "trainer.n_steps=4", "trainer.eval_every=2", "trainer.n_validation_trials=4", "trainer.n_test_trials=4",
        "trainer.plots=all",
    )  # fmt: skip
    train(config, tmp_path / "run", [])
    network = {"weights.png", "spectrum.png", "eigenvalues.png"}
    plots = {path.name for path in (tmp_path / "run" / "plots").iterdir()}
    assert plots >= {"loss_history.png", "d_stsp.png", "d_h.png", "pe_3.png", "failed.png"} | FILES | network
    assert not plots & {"trials.png", "outputs.png", "latents.png", "components.png", "rates.png"}

    checkpoint = tmp_path / "run" / "checkpoints" / "best.pt"
    config = compose_config(f"checkpoint={checkpoint}", "n_trials=4", command="eval")
    evaluate({**config, "task": {}, "plots": "all"}, tmp_path / "eval", [])
    assert {path.name for path in (tmp_path / "eval" / "plots").iterdir()} == FILES | network
