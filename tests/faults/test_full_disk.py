"""A disk that is full, a directory that cannot be written or goes away: one sentence, and nothing is lost."""

import json
import os
import shutil
import subprocess

import pytest

LONG = os.environ.get("RNNEXP_FAULTS") == "long"

RUN = ["task=simple_pd", "task.T=200", "task.dt=20", "latent_dim=4", "latent_step.num_relus=2", "trainer.n_steps=40",
       "trainer.eval_every=2", "trainer.batch_size=4", "trainer.n_validation_trials=4", "trainer.n_test_trials=4",
       "trainer.plots=false", "trainer.save_every=2"]  # fmt: skip


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for the start of a training and little more; needs root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    (disk / "ballast").write_bytes(b"\0" * 8_000_000)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture(scope="module")
def trained(processes, tmp_path_factory):
    """A run that was not disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert processes.run(["train", *RUN, f"hydra.run.dir={folder}"]).code == 0
    return folder


@pytest.fixture(scope="module")
def whole(trained, results):
    """What it gave."""
    return results(trained)


def fill(disk, left):
    """Leave so many bytes on a disk."""
    free = shutil.disk_usage(disk).free
    (disk / "filling").write_bytes(b"\0" * max(0, free - left))


@pytest.mark.parametrize("left", [0, 4096, 20480, 65536] if LONG else [0, 20480])
def test_a_disk_that_runs_full_is_told_and_the_run_goes_on_once_there_is_room(
    processes, results, whole, small_disk, tmp_path, said_in_sentences, left
):
    run = small_disk / "run"
    go, reached = tmp_path / "go", tmp_path / "reached"
    started = processes.start(
        ["train", *RUN, f"hydra.run.dir={run}"],
        at="rnnexp.training.trainer:Trainer._add_gradients", call=9,
        do=[["touch", str(reached)], ["await", str(go)]],
    )  # fmt: skip
    wait_for(reached)
    before = {path: path.read_bytes() for path in run.rglob("step_*.pt")}
    fill(small_disk, left)
    go.touch()
    ended = processes.wait(started)
    said_in_sentences(ended)
    assert "No space left on device" in ended.err
    assert len(before) == 4
    assert {path: path.read_bytes() for path in before} == before
    refused = processes.run(["train", f"resume={run}"])
    said_in_sentences(refused)
    assert "MB left, a run needs 50 MB" in refused.err
    (small_disk / "filling").unlink()
    (small_disk / "ballast").unlink()
    ended = processes.run(["train", f"resume={run}"])
    assert ended.code == 0, ended.err
    assert {name for name, value in results(run).items() if whole.get(name) != value} == set()


def wait_for(path):
    subprocess.run(["timeout", "60", "sh", "-c", f"until [ -e '{path}' ]; do sleep 0.01; done"], check=True)


@pytest.mark.parametrize("n_bytes", [0, 100, 3000, 9000])
def test_files_that_may_not_grow_are_told(processes, results, whole, tmp_path, said_in_sentences, n_bytes):
    run = tmp_path / "run"
    limited = processes.run(["train", *RUN, f"hydra.run.dir={run}"], file_size=n_bytes)
    said_in_sentences(limited)
    again = processes.run(["train", f"resume={run}"])
    if again.code and "was stopped before its configuration was written" in again.err:
        shutil.rmtree(run)
        again = processes.run(["train", *RUN, f"hydra.run.dir={run}"])
    assert again.code == 0, again.err
    assert {name for name, value in results(run).items() if whole.get(name) != value} == set()


@pytest.mark.parametrize("command", ["eval", "simulate", "analyze", "export", "collect", "plot"])
def test_other_commands_tell_a_disk_that_is_full(processes, trained, tmp_path, said_in_sentences, command):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    words = {
        "simulate": [f"checkpoint={run}", "n_steps=5000", f"out={tmp_path}/out.npz"],
        "export": [f"checkpoint={run}", f"out={tmp_path}/out.npz"],
        "collect": [str(tmp_path)],
        "plot": [str(run)],
    }.get(command, [f"checkpoint={run}", f"hydra.run.dir={tmp_path}/out"])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    ended = processes.run([command, *words], file_size=100)
    assert "Traceback" not in ended.err
    if command == "plot":  # pictures that cannot be drawn are warnings
        assert ended.code == 0
        assert "was not drawn: a file: cannot be read or written: File too large" in ended.err
    else:
        said_in_sentences(ended, command)
    assert not (tmp_path / "out.npz").exists()
    assert {path: path.read_bytes() for path in before} == before


@pytest.fixture
def closed_folder(tmp_path):
    """A folder that nothing can be written into: a disk that can only be read, or one without the permission."""
    folder = tmp_path / "closed"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        return
    line = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("line", [["hydra.run.dir="], ["-m", "seed=1,2", "hydra.sweep.dir="]])
def test_a_directory_that_cannot_be_written_is_told(processes, closed_folder, said_in_sentences, line):
    ended = processes.run(["train", *RUN, *line[:-1], f"{line[-1]}{closed_folder / 'new'}"])
    said_in_sentences(ended)
    assert "Read-only file system" in ended.err or "Permission denied" in ended.err
    assert list(closed_folder.iterdir()) == []


@pytest.mark.parametrize("what", ["run", "checkpoints"] if LONG else ["checkpoints"])
@pytest.mark.parametrize(
    "place", ["rnnexp.training.trainer:Trainer._add_gradients", "rnnexp.training.run:_test"]
)
def test_a_directory_that_goes_away_is_told(processes, tmp_path, said_in_sentences, place, what):
    run, other = tmp_path / "run", tmp_path / "other"
    folder = run if what == "run" else run / "checkpoints"
    words = ["train", *RUN, f"hydra.run.dir={run}"]
    ended = processes.run(words, at=place, call=0, do=[["remove", str(folder)]])
    assert "Traceback" not in ended.err
    if ended.code:
        said_in_sentences(ended)
    else:
        assert json.loads((run / "run.json").read_text())["status"] == "finished"
    assert processes.run(["train", *RUN, f"hydra.run.dir={other}"]).code == 0
