"""A folder with a task that can go wrong in all the ways in which jobs of a sweep go wrong."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from rnnexp.cli import main

TASKS = '''
import os
import random
import signal
import time

import numpy as np
import torch
from rnnexp.tasks.cognitive.simple_pd import SimplePD


class Moody(SimplePD):
    """Trains well, or draws from the global generators, or goes wrong: by itself, by a signal, once or always."""

    def __init__(self, mood: str = "fine", dt: float = 20.0, T: float = 300.0) -> None:
        super().__init__(dt=dt, T=T)
        if mood == "refuses":
            raise ValueError("mood must be better")
        self.mood = mood

    def sample(self, *arguments, **settings):
        trials = super().sample(*arguments, **settings)
        if self.mood == "global":
            trials.inputs.add_(torch.randn(()) + np.random.randn() + random.random())
        if settings.get("batch") == 2:
            if self.mood == "raises":
                raise RuntimeError("no trials today")
            if self.mood == "diverges":
                trials.targets[:] = float("inf")
            if self.mood == "killed" or (self.mood == "killed once" and not os.path.exists("killed")):
                open("killed", "w").close()
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGKILL)
        if self.mood == "slow":
            time.sleep(0.05)
        return trials
'''
LINE = [
    "train", "-m", "task._target_=moody.Moody", "latent_dim=5", "latent_step.num_relus=2", "trainer.n_steps=6",
    "trainer.eval_every=2", "trainer.batch_size=4", "trainer.n_validation_trials=8", "trainer.n_test_trials=8",
    "trainer.plots=false", "hydra.sweep.dir=sweep",
]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working directory, with moody.py in it."""
    (tmp_path / "moody.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(
        tmp_path
    )  # before folders of other tests that lines in this process have added
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    yield tmp_path
    sys.modules.pop("moody", None)


@pytest.fixture
def run(capsys):
    """Run words of a command line in this process; returns exit code, stdout and stderr."""

    def run_(*words):
        capsys.readouterr()
        code = main(list(words))
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return run_


@pytest.fixture
def elsewhere(tmp_path):
    """Begin a command line in a process of its own, which tells what it has to tell in told.txt."""
    started = []

    def begin(*words):
        with (tmp_path / "told.txt").open("w") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "rnnexp.cli", *words], stdout=told, stderr=subprocess.STDOUT
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def statuses(sweep):
    """How the jobs of a sweep stand, by their run.json."""
    found = {}
    for path in sorted(sweep.glob("*/run.json"), key=lambda path: int(path.parent.name)):
        found[int(path.parent.name)] = json.loads(path.read_text())["status"]
    return found
