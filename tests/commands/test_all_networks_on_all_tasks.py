"""Every latent step learns on open-loop tasks and is evaluated from its checkpoint."""

import json
import math

import pandas as pd
import pytest

from rnnexp.commands.eval import run as evaluate
from rnnexp.training.run import train

LATENT_STEPS = [
    "PLRNN", "ALRNN", "shPLRNN", "clipped_shPLRNN", "CTRNN", "Basic", "FR_RNN_dale", "LSTM", "GRU",
]  # fmt: skip
TASKS = [
    "perceptual_discrim", "delayed_discrim", "match_to_category", "simple_pd", "go_nogo", "xor", "mante",
]  # fmt: skip
SMALL = [
    "task.dt=20", "latent_dim=8", "trainer.n_steps=20", "trainer.batch_size=16", "trainer.eval_every=10",
    "trainer.n_validation_trials=32", "trainer.n_test_trials=16", "trainer.plots=false",
]  # fmt: skip
LEARNING_RATES = {"FR_RNN_dale": 1e-2}  # as published; 3e-3 for the others


PAIRS = [  # every network with a task, every task with a network
    (step, TASKS[(number + shift) % len(TASKS)]) for number, step in enumerate(LATENT_STEPS) for shift in (0,)
]


@pytest.mark.parametrize(("latent_step", "task"), PAIRS)
def test_every_latent_step_trains_on_open_loop_tasks_and_is_evaluated(
    tmp_path, compose_config, latent_step, task
):
    run = tmp_path / "run"
    lr = f"optimizer.lr={LEARNING_RATES.get(latent_step, 3e-3)}"
    train(compose_config(f"latent_step={latent_step}", f"task={task}", lr, *SMALL), run, [])
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    rows = pd.read_csv(run / "metrics.csv")
    validation = rows[rows.split == "validation"]
    assert validation.step.tolist() == [0, 10, 20]
    assert validation.loss.iloc[-1] < validation.loss.iloc[0]

    config = compose_config(f"checkpoint={run}", "n_trials=16", "plots=false", command="eval")
    loss = evaluate(config, tmp_path / "eval", [])
    assert math.isclose(loss, rows[rows.split == "test"].loss.item(), rel_tol=1e-4)  # same trials, same noise
    assert 0 <= pd.read_csv(tmp_path / "eval" / "metrics.csv").accuracy.item() <= 1
