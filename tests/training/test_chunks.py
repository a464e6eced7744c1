"""Gradients that are computed chunk by chunk."""

import pandas as pd
import pytest

from rnnexp.training.run import train


@pytest.mark.parametrize("latent_step", ["PLRNN", "CTRNN"])
@pytest.mark.parametrize("chunk_size", [1, 3, 8, 100])
def test_the_training_is_that_of_whole_batches(latent_step, chunk_size, tiny_config, tmp_path):
    tables = []
    for size in ("null", chunk_size):
        overrides = [
            f"latent_step={latent_step}",
            "loss=rnn_loss",
            "loss.lambda_fr=0.1",
            "loss.lambda_in=0.1",
        ]
        config = tiny_config(*overrides, "device.dtype=float64", f"trainer.chunk_size={size}")
        train(config, tmp_path / str(size), [])
        tables.append(pd.read_csv(tmp_path / str(size) / "metrics.csv").drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables, rtol=1e-9)


def test_no_more_trials_are_run_at_once(tiny_config, tmp_path, monkeypatch):
    from rnnexp.models import RNN

    sizes = []

    def counting(original):
        def counted(model, trials, *rest):
            sizes.append(trials.n_trials)
            return original(model, trials, *rest)

        return counted

    monkeypatch.setattr(RNN, "forward", counting(RNN.forward))
    monkeypatch.setattr(RNN, "error", counting(RNN.error))
    train(tiny_config("trainer.chunk_size=3", "trainer.n_steps=1"), tmp_path, [])
    assert max(sizes) == 3
    assert sizes.count(2) == 1  # batches of 8 leave 2 in the end, 16 trials of an evaluation leave 1
