"""Runs of recorded series that were moved, mailed, or whose data are gone or have changed."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch

from rnnexp.cli import main
from rnnexp.commands import simulate
from rnnexp.errors import UserError
from rnnexp.saved.model import load_model
from rnnexp.training.checkpoint import load_checkpoint, save_checkpoint

LINE = [
    "task=timeseries", "task.path=data/driven.csv", "task.observed=[x,y]", "task.input_columns=[u]",
    "task.standardize_inputs=true", "task.dt=0.5", "task.time_unit=s", "task.sequence_length=20",
    "task.free_run_steps=50", "task.lyapunov_steps=0", "latent_step=shPLRNN", "latent_step.hidden_dim=6",
    "latent_dim=4", "trainer.n_steps=4", "trainer.eval_every=2", "trainer.batch_size=4",
    "trainer.n_validation_trials=4", "trainer.n_test_trials=4", "trainer.plots=false",
]  # fmt: skip
MEAN, SD = np.array([10.0, -3.0]), np.array([4.0, 0.5])


def driven(n_rows, seed=0, columns=("u", "x", "y")):
    rng = np.random.default_rng(seed)
    t = np.arange(n_rows) * 0.1
    table = {
        "u": 5 + 2 * np.sin(0.3 * t),
        "x": MEAN[0] + SD[0] * (np.sin(t) + 0.1 * rng.standard_normal(n_rows)),
        "y": MEAN[1] + SD[1] * (np.cos(1.3 * t) + 0.1 * rng.standard_normal(n_rows)),
    }
    lines = [",".join(columns)] + [
        ",".join(map(str, row)) for row in zip(*(table[c] for c in columns), strict=True)
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A working directory with data, in which a run was trained."""
    folder = tmp_path / "lab"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "driven.csv").write_text(driven(400))
    monkeypatch.chdir(folder)
    assert main(["train", *LINE, "hydra.run.dir=run"]) == 0
    return folder


@pytest.fixture
def mailed(lab, tmp_path, monkeypatch):
    """The checkpoint of that run alone, elsewhere; run and data are gone."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(lab / "run" / "checkpoints" / "best.pt", folder / "mailed.pt")
    shutil.rmtree(lab / "data")
    shutil.rmtree(lab / "run")
    monkeypatch.chdir(folder)
    return folder


def test_a_run_says_where_its_data_are_and_what_is_in_them(lab):
    (file,) = json.loads((lab / "run" / "run.json").read_text())["files"]
    assert file["key"] == "task.path"
    assert file["absolute"] == str(lab / "data" / "driven.csv")
    assert file["relative"] == "../data/driven.csv"
    assert len(file["sha256"]) == 64
    for name in ("best", "last"):
        assert load_checkpoint(lab / "run" / "checkpoints" / f"{name}.pt")["files"] == [file]


def test_a_mailed_checkpoint_is_simulated_in_the_units_of_the_data(mailed, capsys):
    line = ["simulate", "checkpoint=mailed.pt", "n_steps=200", "out=free.npz"]
    assert main(line) == 0
    assert "2 outputs in the units of the data" in capsys.readouterr().out
    free = np.load("free.npz")
    assert free["units"] == "data"
    assert main([*line[:-1], "out=seen.npz", "units=standardized"]) == 0
    assert "2 outputs in standardised units" in capsys.readouterr().out
    seen = np.load("seen.npz")
    scale = load_checkpoint("mailed.pt")["task"]["scaling"]
    assert scale["outputs"]["mean"] == pytest.approx(MEAN, abs=1)
    assert free["latents"].tobytes() == seen["latents"].tobytes()
    expected = seen["outputs"] * scale["outputs"]["sd"] + scale["outputs"]["mean"]
    assert free["outputs"] == pytest.approx(expected, rel=1e-5)


def test_inputs_of_simulate_are_in_the_units_of_the_data_too(mailed):
    inputs = np.random.default_rng(0).normal(5, 2, (3, 30, 1))
    scale = load_checkpoint("mailed.pt")["task"]["scaling"]["inputs"]
    np.save("u.npy", inputs)
    np.save("seen.npy", (inputs - scale["mean"]) / scale["sd"])
    assert main(["simulate", "checkpoint=mailed.pt", "inputs=u.npy", "out=a.npz"]) == 0
    assert (
        main(["simulate", "checkpoint=mailed.pt", "inputs=seen.npy", "out=b.npz", "units=standardized"]) == 0
    )
    a, b = np.load("a.npz"), np.load("b.npz")
    assert a["latents"].tobytes() == b["latents"].tobytes()
    assert a["inputs"] == pytest.approx(inputs, rel=1e-5)
    assert b["inputs"] == pytest.approx((inputs - scale["mean"]) / scale["sd"], rel=1e-5)


def test_a_mailed_checkpoint_is_analysed_and_exported(mailed, capsys):
    line = ["analyze", "checkpoint=mailed.pt", "n_transient=50", "n_steps=100", "max_order=2"]
    assert main([*line, "input=5", "hydra.run.dir=out"]) == 0
    assert main([*line, "plots=false", "units=standardized", "hydra.run.dir=seen"]) == 0
    assert main(["export", "checkpoint=mailed.pt", "out=weights.npz"]) == 0
    run = json.loads((mailed / "out" / "run.json").read_text())
    assert run["units"] == "data"
    assert run["checkpoint"] == str(mailed / "mailed.pt")
    assert run["checkpoint_relative"] == "../mailed.pt"
    assert (mailed / "out" / "plots" / "attractor.png").exists()
    assert set(np.load("weights.npz")) >= {"A", "W1", "W2"}
    scale = load_checkpoint("mailed.pt")["task"]["scaling"]["outputs"]
    assert np.load("weights.npz")["output_mean"].tolist() == scale["mean"]
    start = load_checkpoint("mailed.pt")["task"]["starts"][0].numpy()
    direct = load_model({"checkpoint": "mailed.pt", "trust": False, "device": json_device()})
    for name, expected in (("out", start * scale["sd"] + scale["mean"]), ("seen", start)):
        arrays = np.load(mailed / name / "analysis.npz")
        assert arrays["units"] == {"out": "data", "seen": "standardized"}[name]
        assert len(arrays["outputs"]) == 100
        observed = direct.model.observation(torch.from_numpy(arrays["states"])).numpy(force=True)
        undone = observed * scale["sd"] + scale["mean"] if name == "out" else observed
        assert arrays["outputs"] == pytest.approx(undone)
        assert arrays["outputs"].shape[1] == len(expected)


def json_device():
    return {"name": "cpu", "dtype": "float64", "threads": 1}


def test_new_data_are_evaluated_whole_and_scaled_as_in_the_training(mailed):
    (mailed / "new.csv").write_text(driven(90, seed=1))
    line = ["eval", "checkpoint=mailed.pt", "task.path=new.csv", "n_trials=8", "plots=false"]
    assert main([*line, "hydra.run.dir=out"]) == 0
    summary = json.loads((mailed / "out" / "summary.json").read_text())
    assert np.isfinite(summary["test_loss"])
    (file,) = json.loads((mailed / "out" / "run.json").read_text())["files"]
    assert (file["key"], file["absolute"]) == ("task.path", str(mailed / "new.csv"))
    command = {"checkpoint": "mailed.pt", "trust": False, "device": json_device()}
    task = load_model(command, {"path": "new.csv"}, needs_data=True).task
    assert [len(r) for r in task.recordings.test] == [90]
    raw = np.loadtxt("new.csv", delimiter=",", skiprows=1)
    assert task.in_data_units(task.series("test")[0].observations) == pytest.approx(raw[:, 1:])
    trained = load_checkpoint("mailed.pt")["task"]["scaling"]
    assert task.data_units.outputs.mean.tolist() == trained["outputs"]["mean"]
    assert task.data_units.inputs.sd.tolist() == trained["inputs"]["sd"]


def test_data_with_other_columns_are_refused(mailed, caplog):
    command = {"checkpoint": "mailed.pt", "trust": False, "device": json_device()}
    (mailed / "new.csv").write_text(driven(90))
    with pytest.raises(
        UserError, match="the data have the columns y, x: must be those of the training in their order, x, y"
    ):
        load_model(command, {"path": "new.csv", "observed": ["y", "x"]}, needs_data=True)
    with pytest.raises(
        UserError, match=r"standardize.mean must be 1 numbers, as many as .* dimensions \(x\)"
    ):
        load_model(command, {"path": "new.csv", "observed": ["x"]}, needs_data=True)
    (mailed / "renamed.csv").write_text(driven(90).replace("u,x,y", "u,a,b"))
    with caplog.at_level(logging.WARNING):
        load_model(command, {"path": "renamed.csv", "observed": ["a", "b"]}, needs_data=True)
    assert "the data have the columns a, b, those of the training were x, y" in caplog.text


def test_eval_without_the_data_says_where_they_were(mailed, lab, capsys):
    assert main(["eval", "checkpoint=mailed.pt", "plots=false"]) == 1
    message = capsys.readouterr().err
    assert (
        f"task.path: data/driven.csv: the file is gone: it is not in {mailed}, not at {lab}/data/driven.csv"
        in message
    )


def test_without_the_data_the_curves_and_the_weights_are_drawn(lab, caplog):
    shutil.rmtree(lab / "data")
    assert main(["plot", "run"]) == 0
    drawn = {path.name for path in (lab / "run" / "plots").iterdir()}
    assert {"loss_history.png", "d_h.png", "weights.png"} <= drawn
    assert "overlay.png" not in drawn
    assert "drawn without the data" in caplog.text


def test_changed_data_are_drawn_with_the_scaling_of_the_training(lab, monkeypatch):
    from rnnexp.saved import pictures

    drawn = []
    monkeypatch.setattr(pictures, "draw_free_run", lambda model, task, album: drawn.append(task.data_units))
    assert main(["plot", str(lab / "run")]) == 0
    path = next((lab / "data").iterdir())
    path.write_text(driven(400, seed=1))
    assert main(["plot", str(lab / "run")]) == 0
    first, second = drawn
    assert np.array_equal(first.outputs.mean, second.outputs.mean)
    assert np.array_equal(first.outputs.sd, second.outputs.sd)


def test_a_moved_project_is_evaluated_and_continued_from_elsewhere(lab, tmp_path, monkeypatch, capsys):
    assert main(["eval", "checkpoint=run", "n_trials=8", "plots=false", "hydra.run.dir=before"]) == 0
    moved = tmp_path / "moved"
    lab.rename(moved)
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "checkpoint=moved/run", "n_trials=8", "plots=false", "hydra.run.dir=after"]) == 0
    before, after = (path / "summary.json" for path in (moved / "before", tmp_path / "after"))
    assert before.read_bytes() == after.read_bytes()
    assert main(["train", "resume=moved/run", "trainer.n_steps=6"]) == 0
    run = json.loads((moved / "run" / "run.json").read_text())
    assert run["status"] == "finished"
    assert run["files"][0]["absolute"] == str(moved / "data" / "driven.csv")
    assert "has changed" not in capsys.readouterr().err


def test_a_run_continued_elsewhere_is_the_same_to_the_last_bit(lab, tmp_path, monkeypatch):
    shutil.copytree(lab / "run", lab / "same")
    assert main(["train", "resume=same", "trainer.n_steps=6"]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["train", f"resume={lab / 'run'}", "trainer.n_steps=6"]) == 0
    there, here = (
        load_checkpoint(lab / name / "checkpoints" / "last.pt")["model"] for name in ("run", "same")
    )
    assert all(torch.equal(there[name], here[name]) for name in here)


def test_changed_data_are_warned_of(lab, capsys):
    (lab / "data" / "driven.csv").write_text(driven(400, seed=7))
    assert main(["eval", "checkpoint=run", "n_trials=8", "plots=false"]) == 0
    assert "task.path: data/driven.csv has changed since the run began" in capsys.readouterr().err
    assert main(["train", "resume=run", "trainer.n_steps=6"]) == 0
    assert "task.path: data/driven.csv has changed since the run began" in capsys.readouterr().err


def test_the_unchanged_data_are_preferred(lab, tmp_path, monkeypatch, capsys):
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    (other / "data" / "driven.csv").write_text(driven(400, seed=7))
    monkeypatch.chdir(other)
    assert main(["eval", f"checkpoint={lab / 'run'}", "n_trials=8", "plots=false"]) == 0
    assert "has changed" not in capsys.readouterr().err


def test_files_of_inputs_go_with_those_of_the_series(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, n_rows in (("old", 300), ("new", 80)):
        np.save(f"{name}.npy", rng.standard_normal((n_rows, 2)))
        np.save(f"{name}_u.npy", rng.standard_normal((n_rows, 1)))
    line = [w for w in LINE if not w.startswith(("task.path", "task.observed", "task.input_columns"))]
    assert main(["train", *line, "task.path=old.npy", "task.inputs_path=old_u.npy", "hydra.run.dir=run"]) == 0
    for name in ("old.npy", "old_u.npy"):
        (tmp_path / name).unlink()
    command = {"checkpoint": "run", "trust": False, "device": json_device()}
    with pytest.raises(UserError, match=r"task.inputs_path: old_u.npy: belongs to the data of the training"):
        load_model(command, {"path": "new.npy"}, needs_data=True)
    task = load_model(command, {"path": "new.npy", "inputs_path": "new_u.npy"}, needs_data=True).task
    assert [len(r) for r in task.recordings.test] == [80]


def test_a_checkpoint_of_an_earlier_version_needs_its_data(lab, compose_config, tmp_path):
    record = load_checkpoint(lab / "run")
    content = {name: record[name] for name in ("model", "optimizer", "state")}
    save_checkpoint(tmp_path / "old.pt", record["config"], content)
    out = tmp_path / "free.npz"
    simulate.run(
        compose_config(f"checkpoint={tmp_path}/old.pt", "n_steps=10", f"out={out}", command="simulate")
    )
    assert np.load(out)["outputs"].shape == (1, 10, 2)
    (lab / "data" / "driven.csv").unlink()
    with pytest.raises(UserError, match=r"task: data/driven.csv: no such file"):
        load_model({"checkpoint": tmp_path / "old.pt", "trust": False, "device": json_device()})


@pytest.mark.parametrize(
    "change",
    [
        {"task": {"dt": 1.0}},
        {"task": 3},
        {"task": {"scaling": {}}},
        {"files": "data.csv"},
        {"files": [{"key": 1, "absolute": "a", "relative": "b", "sha256": "c"}]},
    ],
)
def test_what_a_checkpoint_cannot_keep_of_its_task_is_refused(lab, change):
    record = load_checkpoint(lab / "run")
    content = {name: record[name] for name in ("model", "optimizer", "state", "task", "files")}
    for name, value in change.items():
        is_part = isinstance(value, dict)
        content[name] = (
            {**content[name], **value} if is_part and len(value) == 1 and "scaling" in value else value
        )
    save_checkpoint(lab / "forged.pt", record["config"], content)
    with pytest.raises(UserError, match="is damaged"):
        load_model({"checkpoint": "forged.pt", "trust": False, "device": json_device()}, needs_data=True)


def test_a_task_that_standardises_nothing_has_no_other_units(tiny_config, tmp_path, compose_config):
    from rnnexp.training.run import train

    train(tiny_config(), tmp_path / "run", [])
    command = compose_config(
        f"checkpoint={tmp_path}/run",
        "n_steps=5",
        f"out={tmp_path}/o.npz",
        "units=standardized",
        command="simulate",
    )
    with pytest.raises(UserError, match="units: standardized: the task DelayedDiscrim standardises nothing"):
        simulate.run(command)
