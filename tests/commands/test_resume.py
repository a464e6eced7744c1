"""Interrupted, stopped and extended trainings, as `rnnexp train resume=RUN_DIR` continues them."""

import contextlib
import json
import math
import os
import random
import signal

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.config.resuming import load_run
from rnnexp.errors import UserError
from rnnexp.training import run as train_module
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run import train

CONSTANT = {"_target_": "rnnexp.training.schedules.Constant"}
DROPPING = '''
import torch
from rnnexp.latent_steps import LatentStep


class Dropping(LatentStep):
    """z' = tanh(W dropout(z) + s)."""

    def __init__(self, latent_dim, input_dim):
        super().__init__(latent_dim, input_dim)
        self.W = torch.nn.Parameter(torch.randn(latent_dim, latent_dim) / latent_dim**0.5)
        self.dropout = torch.nn.Dropout(0.5)

    def step(self, z, s):
        return torch.tanh(self.dropout(z) @ self.W.T + s.sum(1, keepdim=True))
'''


def last(directory):
    return load_checkpoint(directory / "checkpoints" / "last.pt")


def written(directory, name):
    return json.loads((directory / name).read_text())


def rows(directory):
    return pd.read_csv(directory / "metrics.csv").drop(columns="seconds")


def stopped_in_the_test(config, directory, monkeypatch, signal_number=signal.SIGTERM):
    """Train, and let a signal arrive while the best checkpoint is tested."""

    def interrupted(*arguments):
        os.kill(os.getpid(), signal_number)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_test", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(config, directory, [])


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_last_update_is_recorded_too(tmp_path, tiny_config, monkeypatch, signal_number):
    stopped_in_the_test(tiny_config(), tmp_path, monkeypatch, signal_number)
    assert written(tmp_path, "run.json")["status"] == "interrupted"
    assert f"resume={tmp_path}" in written(tmp_path, "run.json")["exit_reason"]


def test_a_training_that_a_cutoff_ended_is_not_trained_further(tmp_path, tiny_config, monkeypatch):
    config = tiny_config("trainer.loss_cutoff=1e9")
    train(config, tmp_path / "whole", [])
    stopped_in_the_test(config, tmp_path / "parts", monkeypatch)
    train(config, tmp_path / "parts", [], resume_from=last(tmp_path / "parts"))
    assert rows(tmp_path / "whole").equals(rows(tmp_path / "parts"))
    reasons = [written(tmp_path / name, "run.json")["exit_reason"] for name in ("whole", "parts")]
    assert reasons[0] == reasons[1]
    assert "reached loss_cutoff" in reasons[0]


def test_a_signal_in_the_evaluation_that_ends_the_training_stops_it(tmp_path, tiny_config, monkeypatch):
    @contextlib.contextmanager
    def asked_at_once():
        yield lambda: True

    config = tiny_config("trainer.loss_cutoff=1e9", "trainer.eval_every=1")
    with monkeypatch.context() as patch:
        patch.setattr("rnnexp.training.trainer.stop_requests", asked_at_once)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path, [])
    assert written(tmp_path, "run.json")["status"] == "interrupted"


def test_a_second_resume_knows_the_changes_of_the_first(tmp_path, tiny_config):
    config = tiny_config()
    train(config, tmp_path, [])
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(json.dumps(config))
    longer = {**config, "trainer": {**config["trainer"], "n_steps": 8}}
    train(longer, tmp_path, [], resume_from=last(tmp_path))
    assert load_run(tmp_path)["trainer"]["n_steps"] == 8
    assert load_run(tmp_path)["task"] == config["task"]


def test_the_reason_names_the_updates_that_were_made(tmp_path, tiny_config):
    train(tiny_config("trainer.n_steps=8"), tmp_path, [])
    train(tiny_config("trainer.n_steps=6"), tmp_path, [], resume_from=last(tmp_path))
    assert written(tmp_path, "run.json")["exit_reason"] == "all 8 steps done"


def test_the_best_of_another_metric_is_sought_anew(tmp_path, tiny_config):
    train(tiny_config("trainer.n_steps=4"), tmp_path, [])
    record = last(tmp_path)
    record["state"]["best_value"] = 100.0  # no accuracy is as large
    train(tiny_config("trainer.n_steps=8", "trainer.best_metric=accuracy"), tmp_path, [], resume_from=record)
    table = rows(tmp_path)
    later = table[(table.split == "validation") & (table.step > 4)]
    state = last(tmp_path)["state"]
    assert state["best_value"] == later.accuracy.max()
    assert state["best_step"] == later.step[later.accuracy.idxmax()]


@pytest.mark.parametrize("stop_after", [2, 3])
def test_modules_of_a_user_draw_the_same_numbers_again(tmp_path, tiny_config, monkeypatch, stop_after):
    (tmp_path / "dropping.py").write_text(DROPPING)
    monkeypatch.syspath_prepend(tmp_path)

    def config(*overrides):
        config = tiny_config("trainer.clip=none", *overrides)
        return {**config, "scheduler": CONSTANT, "latent_step": {"_target_": "dropping.Dropping"}}

    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        train(config(), tmp_path / name, [])
    assert rows(tmp_path / "one").equals(rows(tmp_path / "two"))
    train(config(f"trainer.n_steps={stop_after}"), tmp_path / "parts", [])
    train(config(), tmp_path / "parts", [], resume_from=last(tmp_path / "parts"))
    whole, parts = (last(tmp_path / name)["model"] for name in ("one", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


DRAWING = """
import random
import numpy as np
import torch
from rnnexp.tasks import SimplePD


class Drawing(SimplePD):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.offset = float(np.random.rand())

    def make_trials(self, conditions, generator, dtype=torch.float32):
        trials = super().make_trials(conditions, generator, dtype)
        noise = np.random.standard_normal(trials.inputs.shape) + random.gauss(0, 1) + self.offset
        trials.inputs.add_(torch.from_numpy(noise).to(dtype) + torch.randn(trials.inputs.shape))
        return trials
"""


@pytest.mark.parametrize("stop_after", [2, 3])
def test_a_task_that_draws_from_the_global_generators_repeats(tmp_path, tiny_config, monkeypatch, stop_after):
    """Of numpy, Python and torch, as ported tasks do: in the training, in the validation, after a resume, in eval."""
    (tmp_path / "drawing.py").write_text(DRAWING)
    monkeypatch.syspath_prepend(tmp_path)

    def config(*overrides):
        config = tiny_config("task=simple_pd", *overrides)
        return {**config, "scheduler": CONSTANT, "task": {"_target_": "drawing.Drawing", "T": 300, "dt": 20}}

    for seed, name in enumerate(("one", "two")):
        np.random.seed(seed)
        random.seed(seed)
        torch.manual_seed(seed)
        train(config(), tmp_path / name, [])
    assert rows(tmp_path / "one").equals(rows(tmp_path / "two"))
    train(config("trainer.eval_every=1"), tmp_path / "watched", [])
    seen = rows(tmp_path / "watched").query("split == 'validation' and step in [2, 4, 6]")["loss"]
    assert list(seen) == list(rows(tmp_path / "one").query("split == 'validation' and step > 0")["loss"])
    np.random.seed(5)
    train(config(f"trainer.n_steps={stop_after}"), tmp_path / "parts", [])
    np.random.seed(6)
    train(config(), tmp_path / "parts", [], resume_from=last(tmp_path / "parts"))
    whole, parts = (last(tmp_path / name)["model"] for name in ("one", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    tested = [written(tmp_path / name, "summary.json")["test_loss"] for name in ("one", "parts")]
    assert tested[0] == tested[1]


def test_a_checkpoint_without_the_state_of_modules_can_be_resumed(tmp_path, tiny_config):
    train(tiny_config(), tmp_path, [])
    record = last(tmp_path)
    del record["modules"]
    train(tiny_config("trainer.n_steps=8"), tmp_path, [], resume_from=record)
    assert last(tmp_path)["state"]["step"] == 8


def test_two_processes_do_not_write_into_one_run(tmp_path, tiny_config, monkeypatch):
    seen = []

    def meanwhile(*arguments):
        with pytest.raises(UserError, match=r"another process is working in this directory") as refused:
            train(tiny_config("trainer.n_steps=8"), tmp_path, [], resume_from=last(tmp_path))
        seen.append(refused)
        return original(*arguments)

    original = train_module._test
    monkeypatch.setattr(train_module, "_test", meanwhile)
    train(tiny_config(), tmp_path, [])
    assert len(seen) == 1
    assert written(tmp_path, "run.json")["status"] == "finished"
    monkeypatch.undo()
    train(tiny_config("trainer.n_steps=8"), tmp_path, [], resume_from=last(tmp_path))


def test_patience_counts_what_is_no_number(tmp_path, tiny_config, monkeypatch):
    from rnnexp.training import trainer as trainer_module

    def undefined(*arguments):
        losses, metrics = trainer_module_evaluate(*arguments)
        return losses, {**metrics, "undefined": math.nan}

    trainer_module_evaluate = trainer_module.evaluate
    monkeypatch.setattr(trainer_module, "evaluate", undefined)
    monkeypatch.setattr(train_module, "evaluate", undefined)
    train(
        tiny_config("trainer.n_steps=20", "trainer.patience=2", "trainer.best_metric=undefined"), tmp_path, []
    )
    state = last(tmp_path)["state"]
    assert (state["step"], state["best_step"]) == (4, 4)
    assert written(tmp_path, "run.json")["exit_reason"] == "no better validation undefined in 2 evaluations"
