"""Sweeps that are continued: after failures, kills and Ctrl-C, with further jobs, longer, by the same line."""

import json
import signal
import sys
import time

import pandas as pd
import pytest

from tests.sweeps.conftest import LINE, statuses

RESUME = ["train", "-m", "resume=sweep", "trust=true"]


def results(place):
    return pd.read_csv(place / "sweep" / "results.csv")


def without_times(table):
    return table.drop(
        columns=[name for name in table if "seconds" in name or name in ("path", "trials_per_second")]
    )


def test_what_did_not_finish_is_run_again_and_what_did_is_kept(place, run):
    assert run(*LINE, "seed=0,1", "++task.mood=fine,refuses").code == 1
    kept = {path: path.stat().st_mtime_ns for path in (place / "sweep" / "0").rglob("*") if path.is_file()}
    assert statuses(place / "sweep") == {0: "finished", 1: "failed", 2: "finished", 3: "failed"}
    moody = place / "moody.py"
    moody.write_text(moody.read_text().replace('if mood == "refuses"', 'if mood == "refuses everything"'))
    sys.modules.pop("moody")
    result = run(*RESUME)
    assert result.code == 0, result.err
    assert "2 of 4 jobs are finished, 2 to run in" in result.err
    assert "[2/2] job 3 (seed=1 task.mood=refuses): test_accuracy" in result.err
    assert set(statuses(place / "sweep").values()) == {"finished"}
    after = {path: path.stat().st_mtime_ns for path in (place / "sweep" / "0").rglob("*") if path.is_file()}
    assert after == kept
    assert results(place).status.tolist() == ["finished"] * 4


@pytest.mark.slow
def test_a_killed_sweep_ends_as_if_nothing_had_happened(place, run, elsewhere):
    assert run(*LINE, "seed=0,1,2", "trainer.n_steps=40").code == 0
    whole = results(place)
    (place / "sweep").rename(place / "whole")
    process = elsewhere(*LINE, "seed=0,1,2", "trainer.n_steps=40", "++task.mood=slow")
    waited = time.monotonic() + 60
    while not (place / "sweep" / "1" / "checkpoints" / "last.pt").exists() and time.monotonic() < waited:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert statuses(place / "sweep") == {0: "finished", 1: "running"}
    result = run(*RESUME)
    assert result.code == 0, result.err
    assert "1 of 3 jobs are finished, 2 to run" in result.err
    moods = without_times(results(place)).drop(columns="task.mood")
    pd.testing.assert_frame_equal(moods, without_times(whole), check_like=True)


@pytest.mark.slow
def test_ctrl_c_names_the_line_that_continues(place, elsewhere, run):
    process = elsewhere(*LINE, "seed=0,1,2", "trainer.n_steps=200", "++task.mood=slow")
    waited = time.monotonic() + 60
    while not (place / "sweep" / "0" / "checkpoints" / "last.pt").exists() and time.monotonic() < waited:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    last = (place / "told.txt").read_text().splitlines()[-1]
    assert last == f"rnnexp train: interrupted; continue with: rnnexp train -m resume={place / 'sweep'}"
    assert statuses(place / "sweep") == {0: "interrupted"}
    assert len(results(place)) == 1
    listed = run(*RESUME, "--dry-run").out.splitlines()
    assert [line.partition(": ")[2] for line in listed] == [
        "seed=0: goes on",
        "seed=1: begins",
        "seed=2: begins",
    ]


def test_jobs_are_added_and_all_become_longer(place, run):
    assert run(*LINE, "seed=0,1").code == 0
    result = run(*RESUME, "seed=range(3)")
    assert result.code == 0, result.err
    assert "2 of 3 jobs are finished, 1 to run" in result.err
    assert results(place).seed.tolist() == [0, 1, 2]
    assert run(*RESUME, "trainer.n_steps=8").code == 0
    assert results(place).steps.tolist() == [8, 8, 8]
    result = run(*RESUME, "seed=1")
    assert result.code == 1
    assert "has all jobs of" in result.err


def test_jobs_that_were_not_begun_have_what_the_sweep_was_composed_to(place, run):
    task = place / "conf" / "task" / "mine.yaml"
    task.parent.mkdir(parents=True)
    task.write_text("_target_: moody.Moody\nmood: fine\nT: 300.0\n")
    line = [word.replace("task._target_=moody.Moody", "task=mine") for word in LINE]
    assert run(*line, "seed=0,1").code == 0
    for name in (
        "run.json",
        "config.json",
        "summary.json",
        "metrics.csv",
        "checkpoints/last.pt",
        "checkpoints/best.pt",
    ):
        (place / "sweep" / "1" / name).unlink()
    task.write_text("_target_: moody.Moody\nmood: fine\nT: 400.0\n")
    assert run(*RESUME).code == 0
    for job in (0, 1):
        assert (
            json.loads((place / "sweep" / str(job) / "config.json").read_text())["config"]["task"]["T"]
            == 300.0
        )
    result = run(*RESUME, "seed=0,1,2")
    assert result.code == 0
    assert "(task.T: 300.0 became 400.0): jobs that are there go on as they were" in result.err
    assert json.loads((place / "sweep" / "2" / "config.json").read_text())["config"]["task"]["T"] == 400.0


@pytest.mark.parametrize(
    ("words", "sentence", "code"),
    [
        (
            ["train", "resume=sweep"],
            "resume: sweep: is a sweep, which goes on with -m: rnnexp train -m resume=sweep",
            2,
        ),
        (["train", "-m", "resume=sweep"], "task._target_: moody.Moody: is not a class of rnnexp", 1),
        (
            [*RESUME, "hydra.sweep.dir=x"],
            "hydra.sweep.dir=x: a sweep goes on where it is; only hydra/launcher may",
            1,
        ),
        ([*RESUME, "trainer.n_stps=3"], "trainer.n_stps=3: unknown key, did you mean trainer.n_steps?", 1),
        ([*RESUME, "trainer.n_steps=0"], "trainer.n_steps: 0: must be an integer >= 1", 1),
        ([*RESUME, "seeed=3"], "seeed: 3: unknown key, did you mean seed?", 1),
        ([*RESUME, "-cn", "other"], "resume: a sweep goes on with its own configuration", 2),
    ],
)
def test_what_cannot_be_is_explained_and_changes_nothing(place, run, words, sentence, code):
    assert run(*LINE, "seed=0").code == 0
    before = {path: path.read_bytes() for path in (place / "sweep").rglob("*") if path.is_file()}
    result = run(*words)
    assert result.code == code
    assert result.err.startswith(f"rnnexp train: {sentence}")
    assert {path: path.read_bytes() for path in (place / "sweep").rglob("*") if path.is_file()} == before


def test_the_same_line_may_be_queued_again(place, run):
    line = [*LINE, "seed=0,1", "resume=auto"]
    assert run(*line).code == 0
    assert "2 of 2 jobs are finished, 0 to run" in run(*line).err
    assert "2 of 3 jobs are finished, 1 to run" in run(*line[:-2], "seed=0,1,2", "resume=auto").err
    result = run(*line[:-2], "seed=5", "resume=auto")
    assert (result.code, "holds the sweep of another line, with seed=0" in result.err) == (1, True)
    single = [word.replace("hydra.sweep.dir", "hydra.run.dir") for word in LINE if word != "-m"]
    single = [word.replace("=sweep", "=run") for word in single]
    assert run(*single, "resume=auto").code == 0
    assert run(*single, "resume=auto").err.endswith("run: is finished\n")
    assert run(*single, "trainer.n_steps=9", "resume=auto").code == 0
    assert json.loads((place / "run" / "summary.json").read_text())["steps"] == 9
    result = run(*single, "latent_dim=6", "resume=auto")
    assert "resume=auto: run: is a run with latent_dim=5, this line has 6" in result.err
    result = run(*[word for word in single if "run.dir" not in word], "resume=auto")
    assert "resume=auto: needs a directory that stays the same: hydra.run.dir=DIR" in result.err


def test_a_file_of_a_sweep_runs_no_code(place, run):
    """Classes from elsewhere in sweep.json need trust=true, however they are written."""
    line = [word for word in LINE if not word.startswith("task.")]
    assert run(*line, "seed=0,1").code == 0
    path = place / "sweep" / "sweep.json"
    for change, sentence in (
        (lambda job, sweep: job["config"]["task"].update(_target_="os.system"), "is not a class of rnnexp"),
        (lambda job, sweep: job["config"].update(task="${oc.create:'{_target_: os.system}'}"), ""),
        (lambda job, sweep: job.update(directory="../elsewhere"), "a job outside of its sweep"),
        (
            lambda job, sweep: sweep["overrides"].append("+hydra.callbacks.x._target_=os.system"),
            "which may run code",
        ),
        (
            lambda job, sweep: sweep["overrides"].append("hydra.launcher._target_=os.system"),
            "which may run code",
        ),
        (
            lambda job, sweep: sweep["overrides"].append("hydra.launcher.slurm_setup=[ls]"),
            "which may run code",
        ),
    ):
        text = path.read_text()
        (place / "sweep" / "1" / "run.json").unlink(missing_ok=True)
        sweep = json.loads(text)
        change(sweep["jobs"][1], sweep)
        sweep.pop("sha256", None)
        path.write_text(json.dumps(sweep))
        result = run("train", "-m", "resume=sweep")
        assert result.code == 1, result
        assert sentence in result.err
        path.write_text(text)


def test_two_processes_are_not_at_the_same_sweep(place, run):
    from filelock import FileLock

    assert run(*LINE, "seed=0").code == 0
    with FileLock(place / "sweep" / ".lock"):
        result = run(*RESUME)
    assert (result.code, "another process is running this sweep" in result.err) == (1, True)


def test_a_sweep_without_its_list_goes_on_by_its_line(place, run):
    """As those of earlier versions are; a directory that is in the way is left alone."""
    line = [word for word in LINE if not word.startswith("task.")]
    assert run(*line, "seed=0,1").code == 0
    (place / "sweep" / "sweep.json").unlink()
    (place / "sweep" / "2").mkdir()
    result = run("train", "-m", "resume=sweep", "seed=0,1,2")
    assert result.code == 0, result.err
    assert "2 of 3 jobs are finished, 1 to run" in result.err
    assert {path.parent.name for path in (place / "sweep").glob("*/run.json")} == {"0", "1", "3"}


def test_a_sweep_goes_on_by_another_launcher(place, run):
    line = [*LINE, "seed=0", "hydra/launcher=joblib", "hydra.launcher.n_jobs=1"]
    assert run(*line).code == 0
    result = run(*RESUME, "seed=0,1", "hydra/launcher=basic")
    assert result.code == 0, result.err
    assert statuses(place / "sweep") == {0: "finished", 1: "finished"}
