"""A user's own task, latent step and loss term, exactly as the guide shows them, from the command line."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from rnnexp.cli import main
from rnnexp.training.checkpoint import load_checkpoint

GUIDE = (Path(__file__).parents[1] / "docs" / "own_parts.md").read_text()
SHORT = [
    "trainer.n_steps=3", "trainer.eval_every=3", "trainer.batch_size=4", "trainer.n_validation_trials=4",
    "trainer.n_test_trials=4", "trainer.plots=false", "latent_dim=6", "hydra.run.dir=run",
]  # fmt: skip
SHORT_TASK = ["task.T=300", "task.dt=20"]

PSYCHRNN_TASK = """
import numpy as np
from psychrnn.tasks.task import Task


class SimplePD(Task):
    def __init__(self, dt, tau, T, N_batch):
        super(SimplePD, self).__init__(2, 2, dt, tau, T, N_batch)

    def generate_trial_params(self, batch, trial):
        params = dict()
        params["coherence"] = np.random.exponential(scale=1 / 5)
        params["direction"] = np.random.choice([0, 1])
        params["stim_noise"] = 0.1
        params["onset_time"] = self.T / 4.0
        params["stim_duration"] = self.T / 2.0
        return params

    def trial_function(self, time, params):
        stim_noise = params["stim_noise"]
        x_t = np.sqrt(2 * self.alpha * stim_noise * stim_noise) * np.random.randn(self.N_in)
        y_t = np.zeros(self.N_out)
        mask_t = np.ones(self.N_out)
        onset, stop = params["onset_time"], params["onset_time"] + params["stim_duration"]
        if onset < time < stop:
            x_t[params["direction"]] += 1 + params["coherence"]
            x_t[(params["direction"] + 1) % 2] += 1
        if time > stop + 20:
            y_t[params["direction"]] = 1.0
        if time < stop:
            mask_t = np.zeros(self.N_out)
        return x_t, y_t, mask_t
"""


def block(language, marker):
    """The guide's code block of a language that holds a marker."""
    blocks = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    (found,) = [text for text in blocks if marker in text]
    return found


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """An empty working directory with the package my_lab and a folder conf/, as a user would have."""
    (tmp_path / "my_lab").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in __import__("sys").modules if name.split(".")[0] == "my_lab"]:
        monkeypatch.delitem(__import__("sys").modules, name)
    return tmp_path


def add(lab, path, text):
    (lab / path).parent.mkdir(parents=True, exist_ok=True)
    (lab / path).write_text(text)


def finished(lab):
    return json.loads((lab / "run" / "run.json").read_text())["status"] == "finished"


def test_own_task_from_an_option_file_trains_and_is_evaluated(lab, capsys):
    add(lab, "my_lab/tasks.py", block("python", "class Sign"))
    add(lab, "conf/task/sign.yaml", block("yaml", "my_lab.tasks.Sign"))
    assert main(["train", "task=sign", "task.noise=0.1", *SHORT]) == 0
    assert finished(lab)
    assert main(["eval", "checkpoint=run", "n_trials=4", "plots=false"]) == 1
    assert "trust=true" in capsys.readouterr().err
    assert main(["eval", "checkpoint=run", "n_trials=4", "plots=false", "trust=true", "task.noise=2.0"]) == 0
    assert main(["eval", "checkpoint=run", "n_trials=4", "trust=true", "task.noize=2.0"]) == 1
    assert "task.noize: unknown key: did you mean task.noise?" in capsys.readouterr().err


def test_own_task_without_an_option_file(lab, capsys):
    add(lab, "my_lab/tasks.py", block("python", "class Sign"))
    line = re.search(r"rnnexp train (task\._target_=my_lab.*)", GUIDE)[1]
    assert main(["train", *line.split(), *SHORT]) == 0
    assert finished(lab)
    assert load_checkpoint(lab / "run")["config"]["task"] == {"_target_": "my_lab.tasks.Sign", "noise": 1.0}
    assert main(["train", "task=own", *SHORT]) == 1
    assert "task._target_: not given: must be the dotted path of a class" in capsys.readouterr().err


def test_own_task_in_psychrnn_style_needs_one_import_changed(lab):
    old, new = "from psychrnn.tasks.task import Task", "from rnnexp.tasks import PsychRNNTask as Task"
    assert new in GUIDE
    add(lab, "my_lab/tasks.py", PSYCHRNN_TASK.replace(old, new))
    add(
        lab,
        "conf/task/ported.yaml",
        "_target_: my_lab.tasks.SimplePD\ndt: 20\ntau: 100\nT: 400\nN_batch: 8\n",
    )
    assert main(["train", "task=ported", *SHORT]) == 0
    assert finished(lab)
    assert "accuracy" in pd.read_csv(lab / "run" / "metrics.csv")


def test_own_latent_step(lab):
    add(lab, "my_lab/steps.py", block("python", "class Vanilla"))
    add(lab, "conf/latent_step/vanilla.yaml", "_target_: my_lab.steps.Vanilla\n")
    assert main(["train", "latent_step=vanilla", *SHORT, *SHORT_TASK, "trainer.plots=true"]) == 0
    assert finished(lab)
    assert (lab / "run" / "plots" / "eigenvalues.png").exists()


def test_own_latent_step_without_an_option_file(lab):
    add(lab, "my_lab/steps.py", block("python", "class Vanilla"))
    assert main(["train", "latent_step._target_=my_lab.steps.Vanilla", *SHORT, *SHORT_TASK]) == 0
    assert finished(lab)


def test_own_loss_term(lab):
    add(lab, "my_lab/losses.py", block("python", "def slowness"))
    line = re.search(r"rnnexp train (\+loss\.terms\.slowness.*?=0\.1)", GUIDE, re.DOTALL)[1]
    overrides = line.replace("\\\n", " ").split()
    assert main(["train", *overrides, *SHORT, *SHORT_TASK]) == 0
    table = pd.read_csv(lab / "run" / "metrics.csv")
    assert (table.slowness > 0).all()
    assert (table.loss - table.mse - table.slowness).abs().max() < 1e-6
