"""What `rnnexp analyze` finds of a network on trials of its task."""

import numpy as np
import pandas as pd
import pytest
import torch

import rnnexp
from rnnexp.cli import main
from rnnexp.plots.slow_points import PointsPanel, input_effects, trials_among_points
from rnnexp.saved.trial_analysis import analyze_trials

SMALL = [
    "trainer.n_steps=2",
    "trainer.plots=false",
    "trainer.n_validation_trials=8",
    "trainer.n_test_trials=8",
]
MANTE = ["task=mante", "task.T=600", "task.dt=20", "task.stim_on=100", "task.stim_dur=300", "latent_dim=6"]


@pytest.mark.parametrize("latent_step", ["CTRNN", "FR_RNN_dale", "GRU", "LSTM", "ALRNN", "clipped_shPLRNN"])
def test_slow_points_are_where_a_step_moves_little_and_effects_are_those_of_inputs(latent_step):
    parts = rnnexp.build([*MANTE, f"latent_step={latent_step}", "device.dtype=float64", "seed=1"])
    found = analyze_trials(parts.model, parts.task, None, 32, 1e-3, 0)
    assert set(found.conditions) == {"context color", "context motion"}
    assert found.slow_modes.keys() == {name for name, points in found.slow_points.items() if len(points)}
    step = parts.model.latent_step.step
    for name, mode in found.slow_modes.items():
        points = found.slow_points[name]
        inputs = torch.tensor(found.conditions[name].inputs, dtype=torch.float64).expand(len(points), -1)
        states = torch.from_numpy(points.states)
        by_input = torch.func.vmap(torch.func.jacrev(lambda s, z: step(z[None], s[None])[0]))
        with torch.no_grad():
            np.testing.assert_allclose((step(states, inputs) - states).norm(dim=1), points.speeds, atol=1e-12)
            exact = np.einsum("ps,psk->pk", mode.selection, by_input(inputs, states).numpy())
        np.testing.assert_allclose(mode.input_effects, exact, atol=1e-7 * np.abs(exact).max() + 1e-9)
    if latent_step in (
        "CTRNN",
        "FR_RNN_dale",
        "GRU",
    ):  # states of the others are still on their way to far points
        assert len(found.slow_modes) == 2


def test_trials_belong_to_their_context(tmp_path):
    run = rnnexp.train([*MANTE, *SMALL, f"hydra.run.dir={tmp_path / 'run'}"])
    analysis = run.analyze(n_steps=20, max_order=1)
    found, trials = analysis.trials, run.sample(256)
    for index, name in enumerate(("context color", "context motion")):
        contexts = trials.conditions["context"].numpy()
        np.testing.assert_array_equal(found.members[name], np.flatnonzero(contexts == index))
    np.testing.assert_array_equal(found.labels, trials.conditions["choice"])
    assert analysis.summary["trial_fixed_points"] == sum(p.is_fixed.sum() for p in found.slow_points.values())
    given = run.analyze(n_steps=20, max_order=1, input=[0.0, 0.0, 0.5, 0.0]).trials
    assert given.conditions["given input"].inputs == (0.0, 0.0, 0.5, 0.0)
    assert len(given.members["given input"]) == 256


def test_tables_hold_what_was_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = rnnexp.train([*MANTE, *SMALL, "hydra.run.dir=run"])
    assert (
        main(["analyze", "checkpoint=run", "n_steps=20", "max_order=1", "plots=false", "hydra.run.dir=out"])
        == 0
    )
    found = run.analyze(n_steps=20, max_order=1).trials
    points = pd.read_csv("out/slow_points.csv")
    expected = np.concatenate([p.states for p in found.slow_points.values()])
    np.testing.assert_allclose(points.filter(regex="^z_").to_numpy(), expected)
    assert set(points.kind) <= {"fixed", "slow"}
    effects = pd.read_csv("out/input_effects.csv")
    assert [c for c in effects if c.startswith("effect_")] == [
        "effect_color", "effect_motion", "effect_context_color", "effect_context_motion",
    ]  # fmt: skip
    decoding = pd.read_csv("out/decoding.csv")
    np.testing.assert_allclose(decoding.accuracy, np.diag(found.decoding))
    assert decoding.time.iloc[-1] == 29 * 20
    parts = pd.read_csv("out/demixed.csv")
    assert list(dict.fromkeys(parts.part)) == ["time", "choice", "context", "choice x context"]
    assert parts[parts.component == 0].share_of_variance.sum() == pytest.approx(1)
    shares = pd.read_csv("out/selectivity.csv")
    np.testing.assert_allclose(shares.largest_share, found.selectivity.max(axis=0))
    with np.load("out/analysis.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["trial_states"], found.states)
        assert "selection_vectors_context_color" in arrays


def test_a_time_series_has_no_trials(tmp_path):
    small = [f"task.n_{split}=2000" for split in ("training", "validation", "test")]
    short = [*SMALL, "latent_dim=4", "latent_step.num_relus=2"]
    run = rnnexp.train(["task=lorenz63", *small, *short, f"hydra.run.dir={tmp_path / 'run'}"])
    analysis = run.analyze(n_steps=20, max_order=1)
    assert analysis.trials is None
    assert "trial_fixed_points" not in analysis.summary


def test_pictures_refuse_what_does_not_fit():
    panel = PointsPanel("none", np.arange(2), np.zeros((0, 3)), np.zeros(0, bool), np.zeros(0, bool))
    figure = trials_among_points(np.random.default_rng(0).random((2, 5, 3)), [panel])
    assert figure.axes[0].get_title(loc="left") == "none: 0 fixed, 0 slow points"
    lost = trials_among_points(np.full((2, 5, 3), np.nan), [panel])
    assert "no trial with finite states" in [text.get_text() for text in lost.axes[0].texts]
    with pytest.raises(ValueError, match="one panel at least"):
        trials_among_points(np.zeros((2, 5, 3)), [])
    with pytest.raises(ValueError, match=r"labels must be \(2,\)"):
        trials_among_points(np.zeros((2, 5, 3)), [panel], np.zeros(3))
    with pytest.raises(ValueError, match="effects must hold"):
        input_effects({}, {}, [])
