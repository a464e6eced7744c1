"""SIGINT and SIGTERM, once and twice, at any time: a sentence, and a run that goes on as if nothing had happened."""

import json
import os
import signal

import pytest

RUN = ["task=simple_pd", "task.T=200", "task.dt=20", "latent_dim=4", "latent_step.num_relus=2", "trainer.n_steps=6",
       "trainer.eval_every=2", "trainer.batch_size=4", "trainer.n_validation_trials=4", "trainer.n_test_trials=4",
       "trainer.plots=false"]  # fmt: skip
IS_LONG = os.environ.get("RNNEXP_FAULTS") == "long"
PLACES = {
    "before the first update": ("rnnexp.training.trainer:Trainer.evaluate", 0),
    "in an update": ("rnnexp.training.trainer:Trainer._add_gradients", 2),
    "in a validation": ("rnnexp.training.trainer:Trainer.evaluate", 2),
    "in a checkpoint": ("rnnexp.training.state:save_checkpoint", 3),
    "in the test": ("rnnexp.training.run:_test", 0),
    "in the summary": ("rnnexp.training.run_directory:RunDirectory.write_summary", 0),
}
SIGNALS = {
    "SIGINT": [signal.SIGINT], "SIGTERM": [signal.SIGTERM], "SIGINT twice": [signal.SIGINT] * 2,
    "SIGTERM twice": [signal.SIGTERM] * 2, "both": [signal.SIGTERM, signal.SIGINT],
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(processes, results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert processes.run(["train", *RUN, f"hydra.run.dir={folder}"]).code == 0
    return results(folder)


PAIRS = [(place, numbers) for place in PLACES for numbers in SIGNALS]
CHOSEN = PAIRS if IS_LONG else PAIRS[::5]  # each place, each signal


@pytest.mark.parametrize(("place", "numbers"), CHOSEN)
def test_a_stopped_training_says_how_it_goes_on(processes, results, whole, tmp_path, place, numbers):
    run = tmp_path / "run"
    where, call = PLACES[place]
    signals = [["signal", number] for number in SIGNALS[numbers]]
    ended = processes.run(["train", *RUN, f"hydra.run.dir={run}"], at=where, call=call, do=signals)
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    (told,) = [line for line in ended.err.splitlines() if line.startswith("rnnexp train: ")]
    assert f"rnnexp train resume={run}" in told
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert processes.run(["train", f"resume={run}"]).code == 0
    assert {name for name, value in results(run).items() if whole.get(name) != value} == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_stopped_keeps_its_finished_jobs(processes, tmp_path, number):
    sweep = tmp_path / "sweep"
    words = ["train", "-m", *RUN, "seed=1,2,3", f"hydra.sweep.dir={sweep}"]
    ended = processes.run(words, at="rnnexp.training.run:_test", call=1, do=[["signal", number]])
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    status = [json.loads((sweep / job / "run.json").read_text())["status"] for job in "01"]
    assert status == ["finished", "interrupted"]
    assert not (sweep / "2" / "run.json").exists()


@pytest.mark.parametrize("command", ["eval", "analyze"])
def test_a_stopped_analysis_says_so(processes, tmp_path, command):
    run = tmp_path / "run"
    assert processes.run(["train", *RUN, f"hydra.run.dir={run}"]).code == 0
    place = {"eval": "rnnexp.commands.eval:_evaluate", "analyze": "rnnexp.saved.analysis:find"}[command]
    words = [command, f"checkpoint={run}", f"hydra.run.dir={tmp_path / 'out'}"]
    ended = processes.run(words, at=place, do=[["signal", signal.SIGINT]])
    assert ended.code == 130
    assert ended.err.splitlines()[-1] == f"rnnexp {command}: interrupted"
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "interrupted"
