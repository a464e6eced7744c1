"""The same sweep one after the other, in processes, by submitit and by Ray: the same results, the same failures."""

import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from rnnexp.sweeps.standing import is_alive
from tests.sweeps.conftest import LINE, statuses

LONG = os.environ.get("RNNEXP_FAULTS") == "long"
HERE = {
    "basic": [],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit": ["hydra/launcher=submitit_local"],
    "ray": ["hydra/launcher=ray"],
}


def line(*words):
    """Run a command line in a process of its own, as engines take hold of the one that they run in."""
    return subprocess.run(
        [sys.executable, "-m", "rnnexp.cli", *words], capture_output=True, text=True, timeout=400
    )


def where(name, request):
    """The words of a launcher; Ray joins a cluster that is running."""
    address = [f"hydra.launcher.address={request.getfixturevalue('cluster')}"] if name == "ray" else []
    return [*HERE[name], *address]


def needs(name):
    if name != "basic" and importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="session")
def cluster():
    """A Ray cluster of this machine, started as on a lab server; it is found by address=auto."""
    pytest.importorskip("ray", reason="ray is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--port=0", "--num-cpus=2",
         "--include-dashboard=false", "--object-store-memory=100000000", f"--ray-client-server-port={port}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "RAY_DISABLE_DOCKER_CPU_WARNING": "1"},
    )  # fmt: skip
    too_long = threading.Timer(90, process.kill)
    too_long.start()
    told = []
    for line in process.stdout:
        told.append(line)
        if "block forever" in line:
            break
    else:
        pytest.skip(f"a Ray cluster cannot be started on this machine: {''.join(told)[-500:]}")
    too_long.cancel()
    threading.Thread(target=process.stdout.read, daemon=True).start()
    yield "auto"
    process.terminate()
    process.wait(timeout=30)


def results(place):
    table = pd.read_csv(place / "sweep" / "results.csv")
    return table.drop(
        columns=[n for n in table if "seconds" in n or n in ("path", "trials_per_second", "host")]
    )


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_many_jobs_have_the_same_results_everywhere(place, request):
    tables, n_jobs = {}, 16 if LONG else 4
    for name in HERE if LONG else ("basic", "joblib", "submitit"):
        if name != "basic" and importlib.util.find_spec(name) is None:
            continue
        result = line(
            *LINE,
            f"seed=range({4 if LONG else 1})",
            "latent_dim=4,5",
            "optimizer.lr=1e-3,1e-2",
            *where(name, request),
        )
        assert result.returncode == 0, result.stderr
        assert f"{n_jobs} of {n_jobs} jobs finished" in result.stderr
        tables[name] = results(place)
        (place / "sweep").rename(place / name)
    assert len(tables) >= 3
    for name, table in tables.items():
        assert table.status.tolist() == ["finished"] * n_jobs
        pd.testing.assert_frame_equal(table, tables["basic"], obj=name)
    needs("ray")


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("name", ["joblib", "submitit", "ray"] if LONG else ["joblib"])
def test_of_twelve_jobs_one_diverges_one_refuses_and_one_is_killed(place, request, name):
    needs(name)
    moods = {3: "diverges", 5: "refuses", 7: "killed"}
    lines = [f"- {{seed: {seed}, ++task.mood: {moods.get(seed, 'fine')}}}\n" for seed in range(12)]
    (place / "jobs.yaml").write_text("".join(lines))
    result = line(*LINE, "jobs=jobs.yaml", *where(name, request))
    assert result.returncode == 1
    told = [line for line in result.stderr.splitlines() if line.startswith("rnnexp train: job ")]
    assert [line.split("):")[0] for line in told] == [
        "rnnexp train: job 3 (seed=3 task.mood=diverges",
        "rnnexp train: job 5 (seed=5 task.mood=refuses",
        "rnnexp train: job 7 (seed=7 task.mood=killed",
    ], result.stderr
    assert "became nan" in told[0]
    assert "mood must be better" in told[1]
    assert "its process was killed" in told[2]
    assert f"run the others again with: rnnexp train -m resume={place / 'sweep'}" in result.stderr
    stand = statuses(place / "sweep")
    assert [number for number, status in stand.items() if status == "finished"] == [
        0,
        1,
        2,
        4,
        6,
        8,
        9,
        10,
        11,
    ]
    assert {number: stand[number] for number in (3, 5, 7)} == {3: "failed", 5: "failed", 7: "failed"}
    table = pd.read_csv(place / "sweep" / "results.csv")
    assert (table.status == "finished").sum() == 9


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="make faults")
def test_a_job_whose_worker_is_killed_once_goes_on(place):
    result = line(*LINE, "seed=0,1", "++task.mood=killed once", *HERE["joblib"])
    assert result.returncode == 0, result.stderr
    assert statuses(place / "sweep") == {0: "finished", 1: "finished"}


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("name", ["joblib", "ray"] if LONG else ["joblib"])
def test_when_the_process_of_the_sweep_is_killed_the_rest_goes_on_later(place, elsewhere, request, name):
    needs(name)
    process = elsewhere(
        *LINE, "seed=range(5)", "trainer.n_steps=16", "++task.mood=slow", *where(name, request)
    )
    waited = time.monotonic() + 90
    while not (place / "sweep" / "1" / "checkpoints" / "last.pt").exists() and time.monotonic() < waited:
        time.sleep(0.05)
    process.kill()
    process.wait()
    waited = time.monotonic() + 60
    while any(map(is_alive, (place / "sweep").glob("[0-9]*"))) and time.monotonic() < waited:
        time.sleep(0.1)  # workers that outlive the sweep end the jobs that they are at
    assert list(statuses(place / "sweep").values()).count("finished") < 5
    result = line("train", "-m", "resume=sweep", "trust=true")
    assert result.returncode == 0, result.stderr
    assert statuses(place / "sweep") == dict.fromkeys(range(5), "finished")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=0"], "hydra.launcher: n_jobs must be a whole number >= 1"),
        (["hydra/launcher=joblib", "hydra.launcher.njobs=2"], "hydra.launcher.njobs: 2: unknown key, did you mean "
         "hydra.launcher.n_jobs?"),
        (["hydra/launcher=submitit_slurm"], 'hydra/launcher=submitit_slurm: Could not detect "srun"'),
        (["hydra/launcher=submitit_local", "+hydra.launcher.mem=3"], "hydra.launcher: mem must be one of name,"),
        (["hydra/launcher=submitit_local", "hydra.launcher.n_jobs=many"], "hydra.launcher: n_jobs must be"),
    ],
)  # fmt: skip
def test_a_launcher_that_cannot_work_is_told_before_anything_is_made(place, run, words, sentence):
    result = run(*LINE, "seed=0,1", *words)
    assert result.code == 1
    assert result.err.startswith(f"rnnexp train: {sentence}"), result.err
    assert not (place / "sweep").exists()


def test_an_engine_that_is_missing_is_told_how_to_get(place, run, monkeypatch):
    for package, extra in (("joblib", "joblib"), ("submitit", "slurm"), ("ray", "ray")):
        monkeypatch.setitem(sys.modules, package, None)
        option = "submitit_local" if package == "submitit" else package
        result = run(*LINE, "seed=0,1", f"hydra/launcher={option}")
        told = f"rnnexp train: hydra/launcher={option}: {package} is not installed: pip install 'rnnexp[{extra}]'\n"
        assert result.err == told


def test_an_address_where_nothing_listens_is_told_at_once(place, run):
    pytest.importorskip("ray", reason="ray is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    result = run(*LINE, "seed=0,1", "hydra/launcher=ray", f"hydra.launcher.address={address}")
    assert result.err.startswith(
        f"rnnexp train: hydra/launcher=ray: address={address}: nothing answers there"
    )
    assert not (place / "sweep").exists()


def test_numbers_of_ray_are_checked_without_ray(place, run):
    result = run(*LINE, "seed=0,1", "hydra/launcher=ray", "hydra.launcher.num_gpus=-1")
    assert result.err.startswith("rnnexp train: hydra.launcher: num_gpus must be")
