"""Cutoffs and evaluation batches in whole trainings."""

import json

import pandas as pd
import pytest

from rnnexp.training.run import train


def ended(directory):
    """Steps and exit reason of a run."""
    summary, record = (json.loads((directory / name).read_text()) for name in ("summary.json", "run.json"))
    return summary["steps"], record["exit_reason"]


def test_a_loss_cutoff_stops_the_training(tmp_path, tiny_config):
    train(tiny_config("trainer.loss_cutoff=1e9"), tmp_path, [])
    steps, reason = ended(tmp_path)
    assert steps == 2
    assert reason.startswith("validation loss ")
    assert reason.endswith(" reached loss_cutoff 1e+09")


def test_a_cutoff_that_is_never_reached_lets_the_training_end(tmp_path, tiny_config):
    train(tiny_config("trainer.loss_cutoff=0", "trainer.accuracy_cutoff=1e-9"), tmp_path, [])
    assert ended(tmp_path) == (6, "all 6 steps done")


def test_no_cutoff_stops_before_min_steps(tmp_path, tiny_config):
    train(tiny_config("trainer.loss_cutoff=1e9", "trainer.min_steps=3"), tmp_path, [])
    assert ended(tmp_path)[0] == 4


@pytest.mark.parametrize("batch_size", [1, 8])
def test_evaluations_run_in_batches_of_their_own(tmp_path, tiny_config, monkeypatch, batch_size):
    sizes = []

    def counted(model, task, loss, trials, size, noise=None):
        sizes.append(size)
        return evaluate(model, task, loss, trials, size, noise)

    from rnnexp.training.evaluation import evaluate

    for module in ("rnnexp.training.trainer", "rnnexp.training.stages", "rnnexp.training.run"):
        monkeypatch.setattr(f"{module}.evaluate", counted)
    overrides = [
        "task=simple_pd",
        "curriculum.stages=[{}]",
        "curriculum.thresholds=2",
        "curriculum.check_every=3",
    ]
    config = tiny_config(*overrides, "trainer.eval_batch_size=13", f"trainer.batch_size={batch_size}")
    train(config, tmp_path, [])
    assert sizes == [13] * 7  # 4 validations, 2 checks, 1 test


def test_values_are_those_of_all_trials_whatever_the_evaluation_batch(tmp_path, tiny_config):
    for size in (1, 5, 512):
        train(tiny_config(f"trainer.eval_batch_size={size}"), tmp_path / str(size), [])
    tables = [
        pd.read_csv(tmp_path / str(size) / "metrics.csv").drop(columns="seconds") for size in (1, 5, 512)
    ]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], table, rtol=1e-5)
