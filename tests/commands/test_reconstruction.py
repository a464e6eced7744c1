"""Trainings on time series, from configuration to run directory: every forcing, resume, eval, simulate, refusals."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.commands import simulate
from rnnexp.commands.eval import run as evaluate
from rnnexp.errors import UserError
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run import train
from rnnexp.training.trouble import TrainingDivergedError

TINY = [
    "task=lorenz63", "latent_dim=5", "trainer.n_steps=6", "trainer.eval_every=2", "trainer.batch_size=4",
    "trainer.n_validation_trials=4", "trainer.n_test_trials=4", "trainer.plots=false", "task.n_training=600",
    "task.n_validation=200", "task.n_test=200", "task.sequence_length=20", "task.free_run_steps=50",
    "task.lyapunov_steps=40", "forcing.tau=5",
]  # fmt: skip
FORCINGS = {
    "stf": [],
    "auto": ["forcing.tau=auto"],
    "gtf": ["forcing=gtf", "forcing.anneal=linear", "forcing.final_alpha=0.0", "~forcing.tau"],
    "agtf": ["forcing=agtf", "~forcing.tau", "latent_step=clipped_shPLRNN"],
    "inverse": ["forcing=inverse", "observation=affine"],
    "none": ["forcing=none", "~forcing.tau"],
}


@pytest.fixture
def config(compose_config):
    def compose(*overrides):
        dropped = {o[1:] for o in overrides if o.startswith("~")}
        base = [o for o in TINY if o.partition("=")[0] not in dropped]
        return compose_config(*base, *(o for o in overrides if not o.startswith("~")))

    return compose


@pytest.fixture
def trained(config, tmp_path):
    train(config(), tmp_path / "run", [])
    return tmp_path / "run"


@pytest.mark.parametrize("name", FORCINGS)
def test_every_forcing_trains_and_says_how_its_free_runs_were_judged(config, tmp_path, name):
    train(config(*FORCINGS[name]), tmp_path / "run", [])
    rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert list(rows.split) == ["validation", *3 * ["train", "validation"], "test"]
    judged = rows[rows.split != "train"]
    assert {"d_stsp", "d_h", "pe_20", "failed", "lyapunov"} <= set(rows.columns)
    assert set(judged.d_stsp_variant) == {"binned 30 padded"}
    assert set(judged.d_h_smoothing) == {20.0}
    assert list(judged.free_run_steps) == [50, 50, 50, 50, 200]
    assert ("forcing_alpha" in rows) == (name in ("gtf", "agtf"))
    if name == "gtf":
        assert list(rows.forcing_alpha.dropna()) == pytest.approx([0.1, 0.05, 0.0])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert math.isfinite(summary["test_loss"])


@pytest.mark.parametrize("latent_step", ["PLRNN", "shPLRNN", "clipped_shPLRNN", "LSTM", "GRU"])
def test_networks_whose_rates_are_states_are_forced(config, tmp_path, latent_step):
    train(config(f"latent_step={latent_step}"), tmp_path / "run", [])
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


@pytest.mark.parametrize("latent_step", ["Basic", "CTRNN", "FR_RNN_dale"])
def test_other_networks_run_without_forcing(config, tmp_path, latent_step):
    with pytest.raises(
        UserError, match=r"forcing: data can force .*those of Leaky are not: choose forcing=none"
    ):
        train(config(f"latent_step={latent_step}", "task.dt=5"), tmp_path / "forced", [])
    free = config(f"latent_step={latent_step}", "task.dt=5", "forcing=none", "~forcing.tau")
    train(free, tmp_path / "free", [])


@pytest.mark.parametrize("name", ["stf", "agtf"])
def test_a_resumed_training_is_the_uninterrupted_one(config, tmp_path, name):
    whole, half = config(*FORCINGS[name]), config(*FORCINGS[name], "trainer.n_steps=4")
    half["scheduler"] = whole["scheduler"] = {"_target_": "rnnexp.training.schedules.Constant"}
    train(whole, tmp_path / "whole", [])
    train(half, tmp_path / "half", [])
    record = load_checkpoint(tmp_path / "half" / "checkpoints" / "last.pt")
    train(whole, tmp_path / "half", [], resume_from=record)
    one, other = (load_checkpoint(tmp_path / run / "checkpoints" / "last.pt") for run in ("whole", "half"))
    for key, value in one["model"].items():
        assert torch.equal(value, other["model"][key]), key


def test_a_series_with_inputs_in_float64(config, tmp_path):
    train(config("task=duffing", "device.dtype=float64"), tmp_path / "run", [])
    weights = np.load(tmp_path / "run" / "weights.npz")
    assert weights["C"].shape == (5, 2)
    assert weights["A"].dtype == np.float64


@pytest.mark.parametrize(("latent_dim", "is_tight"), [(3, True), (4, False)])
def test_fixed_inputs_into_units_that_are_read_out_are_warned_of(
    config, tmp_path, caplog, latent_dim, is_tight
):
    fixed = config(
        "task=duffing", "latent_step.learnable_C=false", f"latent_dim={latent_dim}", "latent_step.num_relus=1"
    )
    train(fixed, tmp_path / "run", [])
    assert (
        "latent_dim >= 4, the outputs and the inputs, gives each its own, it is 3" in caplog.text
    ) == is_tight


def test_a_file_of_the_user(compose_config, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "mine.npy", rng.standard_normal((400, 2)).cumsum(0))
    base = [o for o in TINY if not o.startswith(("task=", "task.n_"))]
    config = compose_config("task=timeseries", f"task.path={tmp_path / 'mine.npy'}", *base)
    train(config, tmp_path / "run", [])
    assert (tmp_path / "run" / "checkpoints" / "best.pt").exists()


def test_eval_repeats_the_test_of_the_training(trained, compose_config, tmp_path):
    command = compose_config(f"checkpoint={trained}", "n_trials=4", "plots=false", command="eval")
    evaluate(command, tmp_path / "eval", [])
    ours, theirs = (json.loads((p / "summary.json").read_text()) for p in (tmp_path / "eval", trained))
    for name in ("test_d_stsp", "test_d_h", "test_pe_20", "test_lyapunov"):
        assert ours[name] == theirs[name]


def test_a_spectrum_of_exponents_has_no_more_than_the_network_has_states(config, tmp_path):
    train(config("task.lyapunov_exponents=5"), tmp_path / "run", [])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    spectrum = [summary[f"test_lyapunov{end}"] for end in ("", "_2", "_3", "_4", "_5")]
    assert spectrum == sorted(spectrum, reverse=True)
    assert "test_lyapunov_6" not in summary
    with pytest.raises(
        UserError, match=r"^task.lyapunov_exponents: 6: the network has 5 states, must be from 1 to 5"
    ):
        train(config("task.lyapunov_exponents=6"), tmp_path / "other", [])


def test_exponents_may_be_taken_in_the_test_alone(config, tmp_path):
    train(config("task.lyapunov_steps=0", "task.test_lyapunov_steps=30"), tmp_path / "run", [])
    rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert rows[rows.split == "validation"].lyapunov.isna().all()
    assert rows[rows.split == "test"].lyapunov.notna().all()


def test_a_series_whose_interval_cannot_be_estimated_is_one_sentence(compose_config, tmp_path):
    np.save(tmp_path / "short.npy", np.random.default_rng(0).standard_normal((40, 2)))
    short = compose_config(
        "task=timeseries", f"task.path={tmp_path}/short.npy", "task.sequence_length=1", "task.validation=19",
        "task.test=19", "forcing.tau=auto", "latent_dim=4",
    )  # fmt: skip
    with pytest.raises(UserError, match=r"^forcing.tau: auto: "):
        train(short, tmp_path / "run", [])


def test_forcing_that_never_acts_leaves_every_rollout_open(config, tmp_path, caplog):
    with caplog.at_level("INFO"):
        train(config("latent_step=LSTM", "forcing.tau=null"), tmp_path / "run", [])
    assert "rollout: fused" in caplog.text


def test_a_diverging_training_with_adaptive_forcing_says_so(config, tmp_path):
    wild = config(*FORCINGS["agtf"], "optimizer=sgd", "optimizer.lr=1e38", "forcing.update_every=1")
    with pytest.raises(TrainingDivergedError, match="the last good checkpoint is kept"):
        train(wild, tmp_path / "run", [])


def simulated(compose_config, trained, tmp_path, *overrides):
    out = tmp_path / "out.npz"
    command = [f"checkpoint={trained}", f"out={out}", "n_steps=30", "overwrite=true", *overrides]
    simulate.run(compose_config(*command, command="simulate"))
    return dict(np.load(out))


def test_simulate_starts_from_observations_or_the_first_of_the_test(trained, compose_config, tmp_path):
    x = np.array([[0.5, -0.2, 0.1], [1.0, 0.0, 0.0]])
    np.save(tmp_path / "x.npy", x)
    given = simulated(compose_config, trained, tmp_path, f"start={tmp_path / 'x.npy'}")
    assert given["outputs"].shape == (2, 30, 3)
    scaling = load_checkpoint(trained)["task"]["scaling"]["outputs"]
    seen = (x - scaling["mean"]) / scaling["sd"]
    assert given["initial"][:, :3] == pytest.approx(seen)
    assert given["units"] == "data"
    np.save(tmp_path / "seen.npy", seen)
    same = simulated(
        compose_config, trained, tmp_path, f"start={tmp_path / 'seen.npy'}", "units=standardized"
    )
    assert same["units"] == "standardized"
    assert same["latents"] == pytest.approx(given["latents"])
    assert given["outputs"] == pytest.approx(same["outputs"] * scaling["sd"] + scaling["mean"], rel=1e-5)
    own = simulated(compose_config, trained, tmp_path)
    assert own["outputs"].shape == (1, 30, 3)
    L = np.load(trained / "weights.npz")["L"]
    assert own["initial"][:, 3:] == pytest.approx(own["initial"][:, :3] @ L.T, abs=1e-6)


def test_initial_states_and_observations_exclude_each_other(trained, compose_config, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 5)))
    with pytest.raises(UserError, match=r"^initial, start: both say where the runs begin"):
        simulated(compose_config, trained, tmp_path, f"start={tmp_path}/x.npy", f"initial={tmp_path}/x.npy")


def test_a_start_of_a_wrong_shape_is_refused(trained, compose_config, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 4)))
    with pytest.raises(
        UserError, match=r"start: .*must have the shape \(trials, 3\) or \(3,\), got \(2, 4\)"
    ):
        simulated(compose_config, trained, tmp_path, f"start={tmp_path / 'x.npy'}")


def test_a_cognitive_task_has_no_data_to_force_with(tiny_config, tmp_path):
    with pytest.raises(UserError, match="forcing: needs the data of a time series; choose forcing=none"):
        train(tiny_config("forcing=stf"), tmp_path / "run", [])
    with pytest.raises(UserError, match="initial_state: data: needs a time series as the task"):
        train(tiny_config("initial_state=data"), tmp_path / "other", [])


def test_a_diverging_free_run_breaks_no_training(config, tmp_path):
    """Forced at every step, the network predicts finite values; free, it explodes."""
    growing = [
        "initializer=task",
        "initializer.decay=[1.0,1.0]",
        "initializer.coupling=5",
        "optimizer.lr=1e-9",
    ]
    unstable = config(*growing, "latent_dim=3", "~forcing.tau", "forcing.tau=1", "task.free_run_steps=400")
    train(unstable, tmp_path / "run", [])
    rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
    first = rows.iloc[0]
    assert (first.failed, first.d_h) == (1.0, 1.0)
    assert "nan" in (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1]
