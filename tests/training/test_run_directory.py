"""The run directory: claimed once, never overwritten."""

import json
import os
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from subprocess import run as run_program

import pytest

from rnnexp.errors import UserError
from rnnexp.training import run_directory
from rnnexp.training.run_directory import RunDirectory, git_commit


def test_run_json_tells_what_ran_and_how_it_ended(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.start(4, ["task=x"])
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "running"
    assert record["end"] is None
    run.finish("finished", "all 10 steps done")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["status"], record["exit_reason"]) == ("finished", "all 10 steps done")
    assert (record["seed"], record["overrides"]) == (4, ["task=x"])
    assert {"torch", "numpy", "rnnexp"} <= set(record["versions"])
    assert {"command", "host", "python", "start", "end", "git_commit"} <= set(record)
    assert record["working_directory"] == os.getcwd()


def test_what_a_start_left_that_was_killed_at_once_is_taken_over(tmp_path):
    (tmp_path / "run.json").touch()
    run = RunDirectory(tmp_path)
    run.start(seed=1, overrides=[])
    run.finish("finished", "done")
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "finished"


def test_a_directory_that_holds_a_run_is_refused_and_untouched(tmp_path):
    RunDirectory(tmp_path).start(0, [])
    before = (tmp_path / "run.json").read_text()
    with pytest.raises(UserError, match="already holds a run; runs are never overwritten"):
        RunDirectory(tmp_path)
    assert (tmp_path / "run.json").read_text() == before


def test_of_many_at_the_same_instant_one_gets_the_directory(tmp_path):
    held = []  # a directory whose process has ended is free again as long as it is empty

    def claim(_):
        try:
            held.append(RunDirectory(tmp_path / "same"))
        except UserError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(claim, range(64))) == 1


def test_resume_keeps_the_earlier_record(tmp_path):
    first = RunDirectory(tmp_path)
    first.start(0, ["a"])
    first.finish("interrupted", "stopped")
    second = RunDirectory(tmp_path, resume=True)
    second.start(0, [])
    second.finish("finished", "done")
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["status"] == "finished"
    assert [r["status"] for r in record["resumed_from"]] == ["interrupted"]


def test_a_path_that_cannot_be_created_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"hydra.run.dir=.*/file/run: cannot be written: Not a directory"):
        RunDirectory(tmp_path / "file" / "run")


def test_a_full_disk_is_noticed_before_training(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(run_directory.shutil, "disk_usage", lambda path: usage(10, 10, 10_000_000))
    with pytest.raises(UserError, match="the disk has 10 MB left, a run needs 50 MB"):
        RunDirectory(tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_full_disk_leaves_the_record_of_a_run_that_shall_go_on(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path)
    run.start(0, [])
    run.finish("interrupted", "stopped by the user")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(run_directory.shutil, "disk_usage", lambda path: usage(10, 10, 10_000_000))
    with pytest.raises(UserError, match="the disk has 10 MB left"):
        RunDirectory(tmp_path, resume=True)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "interrupted"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (KeyboardInterrupt(), "interrupted", "stopped by the user"),
        (UserError("loss: 3: must be a text"), "failed", "loss: 3: must be a text"),
    ],
)
def test_the_record_tells_a_stop_from_a_failure(tmp_path, error, status, reason):
    run = RunDirectory(tmp_path)
    run.start(0, [])
    run.fail(error)
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["status"], record["exit_reason"]) == (status, reason)


def test_summary_holds_null_for_what_is_not_finite(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_summary({"loss": float("nan"), "steps": 3})
    assert json.loads((tmp_path / "summary.json").read_text()) == {"loss": None, "steps": 3}


def test_the_commit_is_that_of_the_checkout_that_holds_the_folder(tmp_path):
    def git(*arguments):
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return run_program(command, check=True, capture_output=True, text=True).stdout.strip()

    code, environment = tmp_path / "code", tmp_path / "environment"
    for folder in (code, environment):
        folder.mkdir()
        (folder / "a.py").write_text("1")
    git("init")
    assert git_commit(code) is None
    git("add", "code")
    git("commit", "-m", "first")
    assert git_commit(code) == git("rev-parse", "HEAD")
    assert git_commit(environment) is None
    (code / "a.py").write_text("2")
    assert git_commit(code) == git("rev-parse", "HEAD") + "+dirty"
    assert git_commit(tmp_path / "nowhere") is None


def test_a_record_that_cannot_be_written_leaves_the_old_one_and_no_rest(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path)
    run.start(0, [])

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_directory.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        run.finish("finished", "done")
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "running"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "run.json"]
