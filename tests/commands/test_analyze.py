"""`rnnexp analyze` on tiny trainings and on networks whose dynamics are known."""

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.cli import main
from rnnexp.commands.analyze import run as analyze
from rnnexp.errors import UserError
from rnnexp.saved.model import load_model
from rnnexp.training.checkpoint import load_checkpoint, save_checkpoint
from rnnexp.training.run import train

VECTORS = Path(__file__).parents[1] / "vectors" / "dsr"
SCYFI = {
    "A": np.array([0.8377689, 0.96461297]),
    "W": np.array([[0, -0.64375], [0.52505308, 0]]),
    "h": np.array([0.37298253, -0.97931491]),
}  # two cycles of order 16, one of them stable
QUICK = ("n_steps=300", "n_transient=100", "max_order=2", "max_candidates=500", "plots=false")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained(folder, tiny_config):
    """Return a run directory of a tiny training with some overrides."""

    def train_(name, *overrides):
        if not (folder / name).exists():
            train(tiny_config("task=perceptual_discrim", *overrides), folder / name, [])
        return folder / name

    return train_


@pytest.fixture
def known(trained, tmp_path):
    """Return a checkpoint whose latent step has given weights."""

    def make(weights, *overrides):
        size = len(weights["A"])
        origin = trained(
            f"known_{size}_{'_'.join(overrides)}", f"latent_dim={size}", "trainer.n_steps=1", *overrides
        )
        record = load_checkpoint(origin)
        state = record["model"]
        for name, weight in weights.items():
            key = next(k for k in (f"latent_step.{name}", f"latent_step.{name}_raw", name) if k in state)
            assert state[key].shape == weight.shape
            state[key] = torch.as_tensor(weight, dtype=torch.float64)
        path = tmp_path / "known.pt"
        config = record.pop("config")
        save_checkpoint(path, config, {k: v for k, v in record.items() if not k.startswith("format")})
        return path

    return make


@pytest.fixture
def run(compose_config, tmp_path):
    """Analyse a checkpoint; returns the directory of the results and the summary."""

    def run_(checkpoint, *overrides, **settings):
        config = compose_config(f"checkpoint={checkpoint}", *overrides, command="analyze")
        analyze({**config, **settings}, tmp_path / "out", [])
        return tmp_path / "out", json.loads((tmp_path / "out" / "summary.json").read_text())

    return run_


TWO_UNITS = ("latent_step=PLRNN", "latent_step.mean_centering=false")


def test_all_files_of_a_trained_network(trained, run):
    origin = trained("run", "trainer.save_every=2")
    directory, summary = run(origin, *QUICK, plots=True)
    assert {path.name for path in directory.iterdir()} >= {
        "run.json", "summary.json", "analysis.npz", "fixed_points.csv", "cycles.csv", "regions.csv",
        "transitions.csv", "lyapunov.csv", "weight_spectra.csv", "training.csv", "slow_points.csv",
        "input_effects.csv", "selectivity.csv", "decoding.csv",
    }  # fmt: skip
    assert {path.stem for path in (directory / "plots").iterdir()} == {
        "attractor", "transitions", "lyapunov", "fixed_point_eigenvalues", "spectrum_W", "spectrum_A_plus_W",
        "training_bifurcation", "slow_points", "input_effects", "selectivity", "decoding", "demixed",
    }  # fmt: skip
    record = json.loads((directory / "run.json").read_text())
    assert (record["status"], record["checkpoint"]) == ("finished", str(origin))
    assert len(pd.read_csv(directory / "training.csv")) == 3
    assert summary["complete_up_to_order"] == 2
    exponents = pd.read_csv(directory / "lyapunov.csv")
    assert list(exponents["per_time"]) == pytest.approx(list(exponents["per_step"] / 20))
    assert summary["lyapunov"] == pytest.approx(exponents["per_time"][0])
    with np.load(directory / "analysis.npz", allow_pickle=False) as arrays:
        assert arrays["states"].shape == (300, 8)
        assert arrays["outputs"].shape == (300, 2)
        assert len(arrays["fixed_points"]) == summary["fixed_points"]
    assert len(pd.read_csv(directory / "fixed_points.csv")) == summary["fixed_points"]


def test_more_exponents_than_states_are_refused(known, run, tmp_path):
    with pytest.raises(
        UserError, match=r"^n_exponents: 3: the network has 2 states, must be from 1 to 2, or null"
    ):
        run(known(SCYFI, *TWO_UNITS), *QUICK, "n_exponents=3")
    assert not (tmp_path / "out").exists()


def test_cycles_of_a_known_network_are_found(known, run):
    directory, summary = run(known(SCYFI, *TWO_UNITS), "max_order=16", "n_steps=4000", "plots=false")
    cycles = pd.read_csv(directory / "cycles.csv")
    assert (summary["cycles"], summary["stable_cycles"], set(cycles["order"])) == (2, 1, {16})
    stable = cycles[cycles["stability"] == "stable"]
    with np.load(directory / "analysis.npz") as arrays:
        places = np.unique(np.round(arrays["states"], 6), axis=0)
        assert len(places) == 16
        assert places == pytest.approx(np.unique(np.round(stable[["z_0", "z_1"]], 6), axis=0), abs=1e-5)
        assert arrays["cycle_orders"].tolist() == [16, 16]
        assert arrays["cycle_states"].shape == (32, 2)
    assert set(stable["region"]) <= {"r00", "r01", "r10", "r11"}
    assert summary["lyapunov_per_step"] == pytest.approx(np.log(stable["max_modulus"].iloc[0]) / 16, abs=2e-3)


def test_the_published_lorenz_network(known, run):
    with np.load(VECTORS / "alrnn_lorenz_m20_p2.npz") as arrays:
        golden = dict(arrays)
    path = known({name: golden[name] for name in ("A", "W", "h", "z0")}, "latent_step.num_relus=2")
    directory, summary = run(
        path, "start=z0", "n_transient=5000", "n_steps=30000", "max_order=1", "interval=10", "plots=false"
    )
    assert (summary["fixed_points"], summary["stable_fixed_points"], summary["complete_up_to_order"]) == (
        4,
        0,
        1,
    )
    points = pd.read_csv(directory / "fixed_points.csv")
    for z, bits, modulus in zip(golden["fp_z"], golden["fp_bits"], golden["fp_max_abs_eig"], strict=True):
        (row,) = points[points["region"] == "r" + "".join(map(str, bits))].to_dict("records")
        assert [row[f"z_{i}"] for i in range(20)] == pytest.approx(z, abs=1e-8)
        assert row["max_modulus"] == pytest.approx(modulus, abs=1e-8)
    assert summary["lyapunov_per_step"] == pytest.approx(golden["lyapunov_spectrum_per_step"][0], abs=3e-3)
    assert summary["kaplan_yorke_dimension"] == pytest.approx(2.46, abs=0.15)
    regions = pd.read_csv(directory / "regions.csv")
    assert set(regions["region"]) == {"r" + "".join(map(str, code)) for code in golden["region_codes_f64"]}
    assert list(regions["visits"]) == sorted(regions["visits"], reverse=True)
    assert regions["share"].sum() == pytest.approx(1)
    transitions = pd.read_csv(directory / "transitions.csv")
    assert transitions.groupby("source")["probability"].sum().to_numpy() == pytest.approx(np.ones(3))
    assert transitions["count"].sum() == 29_999
    with np.load(directory / "analysis.npz") as arrays:
        assert arrays["transition_matrix"].shape == (3, 3)
        assert len(arrays["symbols"]) == 30_000


def test_a_diverging_free_run_is_told(known, run, caplog):
    weights = {"A": np.array([1.5, 0.5]), "W": np.zeros((2, 2)), "h": np.ones(2), "z0": np.ones(2)}
    with caplog.at_level(logging.INFO):
        directory, summary = run(known(weights, *TWO_UNITS), *QUICK, plots=True)
    assert "the free run diverges after" in caplog.text
    assert summary["diverged"] == 1
    assert 40 < summary["diverged_after"] < 50  # 3 * 1.5^n > 1e8
    assert summary["lyapunov"] is None
    assert summary["fixed_points"] == 1  # at z = (-2, 2)
    assert pd.read_csv(directory / "fixed_points.csv")[["z_0", "z_1"]].to_numpy() == pytest.approx(
        np.array([[-2, 2]])
    )
    assert (directory / "regions.csv").read_text() == "symbol,region,visits,share\n"
    assert {path.stem for path in (directory / "plots").iterdir()} == {
        "fixed_point_eigenvalues", "spectrum_W", "spectrum_A_plus_W", "slow_points", "input_effects", "selectivity",
        "decoding", "demixed",
    }  # fmt: skip


def test_a_constant_input_moves_the_fixed_points(known, run, tmp_path):
    weights = {
        "A": np.array([0.5, 0.25]),
        "W": np.zeros((2, 2)),
        "h": np.ones(2),
        "C": np.array([[1.0, 0], [0, 3]]),
    }
    path = known(weights, *TWO_UNITS)
    directory, _ = run(path, *QUICK, input=[0.5, -1.0])
    (point,) = pd.read_csv(directory / "fixed_points.csv").to_dict("records")
    assert [point["z_0"], point["z_1"]] == pytest.approx([1.5 / 0.5, -2 / 0.75])
    with np.load(directory / "analysis.npz") as arrays:
        assert arrays["states"][-1] == pytest.approx([1.5 / 0.5, -2 / 0.75])


def test_clamped_networks_are_analysed_with_their_clamp(known, run):
    weights = {"A": np.array([1.5, 0.5]), "W": np.zeros((2, 2)), "h": np.array([0.5, 1.0]), "z0": np.ones(2)}
    path = known(weights, *TWO_UNITS, "latent_step.clip_range=3.0")
    directory, summary = run(path, *QUICK)
    assert (summary["fixed_points"], summary["stable_fixed_points"], summary["diverged"]) == (3, 2, 0)
    assert set(pd.read_csv(directory / "fixed_points.csv")["region"]) == {"r1110", "r01-0", "r0100"}


@pytest.mark.parametrize("clipped", ["true", "false"])
def test_shallow_networks_have_regions_and_fixed_points(known, run, clipped):
    """z' = 0.5 z - 2 relu(z + 1) + 1 falls below -1 and comes back; clipped, the hidden unit is bounded."""
    weights = {
        "A": np.array([0.5]), "W1": np.array([[-2.0]]), "W2": np.array([[1.0]]), "h1": np.array([1.0]),
        "h2": np.array([1.0]), "z0": np.array([-0.3]),
    }  # fmt: skip
    path = known(weights, "latent_step=shPLRNN", "latent_step.hidden_dim=1", f"latent_step.clipped={clipped}")
    directory, summary = run(path, *QUICK)
    z = np.load(directory / "analysis.npz")["states"][:, 0]
    hidden = np.maximum(z + 1, 0) - (np.maximum(z, 0) if clipped == "true" else 0)
    assert z[1:] == pytest.approx((0.5 * z - 2 * hidden + 1)[:-1])
    assert summary["fixed_points"] == 1
    (point,) = pd.read_csv(directory / "fixed_points.csv").to_dict("records")
    assert point["z_0"] == pytest.approx(-0.4)
    visited = {(value > -1, clipped == "true" and value > 0) for value in z}
    assert summary["regions"] == len(visited) > 1


def test_leaky_rectified_networks_have_regions(trained, run):
    directory, summary = run(trained("CTRNN", "latent_step=CTRNN", "latent_dim=4"), *QUICK)
    assert summary["regions"] >= 1
    assert len(pd.read_csv(directory / "regions.csv")["region"][0]) == 5


@pytest.mark.parametrize("latent_step", ["GRU", "LSTM", "FR_RNN_dale"])
def test_smooth_networks_have_fixed_points_and_exponents(trained, run, caplog, latent_step):
    with caplog.at_level(logging.INFO):
        directory, summary = run(
            trained(latent_step, f"latent_step={latent_step}", "latent_dim=4"), *QUICK, input=0.3
        )
    assert "is not piecewise linear: no regions, transitions and cycles" in caplog.text
    assert summary["regions"] is None
    assert summary["fixed_points"] >= 1
    assert np.isfinite(summary["lyapunov"])
    points = pd.read_csv(directory / "fixed_points.csv")
    assert points["region"].isna().all()
    with np.load(directory / "analysis.npz") as arrays:
        assert summary["stable_fixed_points"] >= 1
        assert min(np.abs(arrays["fixed_points"] - arrays["states"][-1]).max(1)) < 1e-6


def test_a_latent_step_of_the_users_own(trained, run, tmp_path, monkeypatch):
    (tmp_path / "own_lab.py").write_text(
        "import torch\nfrom rnnexp.latent_steps import ALRNN\n"
        "class Mine(ALRNN):\n    def step(self, z, s):\n        return torch.tanh(super().step(z, s))\n"
        "    def jacobian(self, z):\n        return super(ALRNN, self).jacobian(z)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    record = load_checkpoint(trained("own"))
    record["config"]["latent_step"]["_target_"] = "own_lab.Mine"
    path = tmp_path / "own.pt"
    save_checkpoint(
        path, record.pop("config"), {k: v for k, v in record.items() if not k.startswith("format")}
    )
    with pytest.raises(UserError, match=r"own_lab.Mine: .*trust=true"):
        run(path, *QUICK)
    _, summary = run(path, *QUICK, trust=True)
    assert (summary["regions"], summary["diverged"]) == (None, 0)
    assert summary["fixed_points"] >= 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"input": [1.0]},
            r"input: \[1.0\]: must be one number, or a list of 2, as many as the network has inputs",
        ),
        (
            {"start": "data"},
            "start: data: this network starts from a state of its own, z0; must be auto or z0",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(trained, run, tmp_path, settings, text):
    with pytest.raises(UserError, match=text):
        run(trained("run", "trainer.save_every=2"), *QUICK, **settings)
    assert not (tmp_path / "out").exists()


def test_a_missing_checkpoint_is_one_sentence(run, tmp_path):
    with pytest.raises(UserError, match=r"checkpoint=nothing\.pt: no such file"):
        run("nothing.pt", *QUICK)
    assert not (tmp_path / "out").exists()


def test_results_repeat(known, run, tmp_path):
    path = known(SCYFI, *TWO_UNITS)
    options = ("max_order=9", "max_candidates=300", "n_steps=200", "plots=false")
    directory, first = run(path, *options)
    directory.rename(tmp_path / "first")
    _, second = run(path, *options)
    assert first == second
    for name in ("fixed_points.csv", "cycles.csv", "lyapunov.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_the_command_line_runs_one_and_many(trained, tmp_path, capsys):
    origin = trained("run", "trainer.save_every=2")
    line = ["analyze", f"checkpoint={origin}", *QUICK, "n_checkpoints=0"]
    assert main([*line, f"hydra.run.dir={tmp_path / 'one'}"]) == 0
    assert "fixed_points" in capsys.readouterr().out
    assert not (tmp_path / "one" / "training.csv").exists()
    assert main([*line, f"hydra.run.dir={tmp_path / 'one'}"]) == 1
    assert "holds a run already" in capsys.readouterr().err
    assert main([*line, "-m", "input=0,1", f"hydra.sweep.dir={tmp_path / 'many'}"]) == 0
    with (tmp_path / "many" / "results.csv").open() as file:
        assert [row["input"] for row in csv.DictReader(file)] == ["0", "1"]


def test_a_reconstruction_starts_from_the_first_test_sample(compose_config, folder, run, tmp_path):
    origin = folder / "reconstruction"
    config = compose_config(
        "experiment=shplrnn_lorenz63", "latent_dim=4", "trainer.n_steps=2", "trainer.batch_size=4",
        "trainer.eval_every=2", "trainer.n_validation_trials=4", "trainer.n_test_trials=4", "trainer.plots=false",
        "task.n_training=1000", "task.n_validation=300", "task.n_test=300", "task.free_run_steps=50",
    )  # fmt: skip
    train(config, origin, [])
    directory, summary = run(origin, *QUICK, "n_transient=0", plots=True)
    with np.load(directory / "analysis.npz") as arrays, np.load(origin / "weights.npz") as weights:
        task = load_model({**config, "checkpoint": origin, "trust": False}, needs_data=True).task
        first = task.recordings.test[0].observations[0]
        expected = np.concatenate((first, weights["L"].astype(float) @ first))
        assert arrays["states"][0] == pytest.approx(expected, abs=1e-6)
        assert arrays["outputs"][0] == pytest.approx(task.in_data_units(first), abs=1e-5)
        assert arrays["units"] == "data"
    assert "y_x" in pd.read_csv(directory / "fixed_points.csv").columns
    assert summary["lyapunov"] == pytest.approx(summary["lyapunov_per_step"] / 0.01)
    assert (directory / "plots" / "attractor.png").exists()
    with pytest.raises(UserError, match="start: z0: "):
        run(origin, *QUICK, start="z0")


def test_the_shortest_run_is_analysed(trained, run):
    _, summary = run(trained("run", "trainer.save_every=2"), *QUICK, "n_steps=1", "n_transient=0", plots=True)
    assert (summary["steps"], summary["regions"]) == (1, 1)
