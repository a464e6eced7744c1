"""Loggers: what they pass on is what stands in metrics.csv and summary.json, and they never stop a training."""

import json
import sys

import pandas as pd
import pytest

from rnnexp.cli import main
from rnnexp.training.watchers import Watcher, Watchers

LINE = ["train", "task=perceptual_discrim", "latent_dim=5", "latent_step.num_relus=2", "trainer.n_steps=6",
        "trainer.eval_every=2", "trainer.batch_size=8", "trainer.n_validation_trials=8", "trainer.n_test_trials=8",
        "hydra.run.dir=run"]  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def validation(here):
    table = pd.read_csv(here / "run" / "metrics.csv")
    return table[table.split == "validation"]


def test_tensorboard_has_rows_pictures_and_settings_also_of_a_training_that_goes_on(here):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main([*LINE, "logger=tensorboard"]) == 0
    assert main(["train", "resume=run", "trainer.n_steps=8"]) == 0
    events = EventAccumulator(str(here / "run" / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    losses = {event.step: event.value for event in events.Scalars("validation/loss")}
    rows = validation(here)
    assert list(losses) == rows.step.tolist() == [0, 2, 4, 6, 8]
    assert list(losses.values()) == pytest.approx(rows.loss.tolist(), rel=1e-6)
    assert "trials" in events.Tags()["images"]
    final = json.loads((here / "run" / "summary.json").read_text())["test_loss"]
    assert events.Scalars("final/test_loss")[-1].value == pytest.approx(final, rel=1e-6)


def test_mlflow_has_rows_settings_and_pictures_in_one_run_of_a_training_that_goes_on(here):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    from mlflow import MlflowClient

    assert main([*LINE, "logger=mlflow"]) == 0
    assert main(["train", "resume=run", "trainer.n_steps=8"]) == 0
    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("rnnexp")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["latent_dim"] == "5"
    history = client.get_metric_history(found.info.run_id, "validation/loss")
    assert sorted(metric.step for metric in history) == [0, 2, 4, 6, 8]
    assert "trials.png" in {
        item.path.split("/")[-1] for item in client.list_artifacts(found.info.run_id, "plots")
    }
    final = json.loads((here / "run" / "summary.json").read_text())["test_loss"]
    assert found.data.metrics["final/test_loss"] == pytest.approx(final)


def test_wandb_writes_without_a_network(here):
    pytest.importorskip("wandb", reason="wandb is not installed")
    assert main([*LINE, "logger=wandb", "trainer.plots=false"]) == 0
    assert list((here / "run" / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_logger_that_is_missing_is_told_before_the_training(here, name, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    assert main([*LINE, f"logger={name}"]) == 1
    told = f"rnnexp train: logger={name}: {name} is not installed: pip install 'rnnexp[{name}]'"
    assert told in capsys.readouterr().err
    assert not (here / "run" / "metrics.csv").exists()


def test_packages_of_loggers_are_imported_only_when_chosen(here):
    import subprocess

    code = (
        "import sys; from rnnexp.cli import main; main(sys.argv[1:]); print([m for m in ('tensorboard', 'mlflow', "
        "'wandb', 'optuna', 'ray', 'submitit', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *LINE, "trainer.plots=false"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


class Broken(Watcher):
    def __init__(self, where):
        self.where = where
        self.called = []

    def __getattribute__(self, name):
        method = object.__getattribute__(self, name)
        if name in ("begin", "row", "reason_to_stop", "summary", "pictures", "end"):
            self.called.append(name)
            if name == self.where:
                raise OSError("the server is gone")
        return method


@pytest.mark.parametrize("where", ["begin", "row", "reason_to_stop", "summary", "pictures", "end"])
def test_a_logger_that_breaks_is_told_of_once_and_left_out(where, caplog, tmp_path):
    broken, other = Broken(where), Broken("nowhere")
    watchers = Watchers([broken, other])
    for _ in range(2):
        watchers.begin(tmp_path, {}, 0)
        watchers.row({"step": 0, "split": "train"})
        assert watchers.reason_to_stop() is None
        watchers.summary({})
        watchers.pictures([])
        watchers.end("finished")
    assert [record.message for record in caplog.records] == [
        "Broken: OSError: the server is gone; the training goes on without it"
    ]
    assert broken.called.count(where) == 1
    assert len(other.called) == 12
