"""Whole trainings on tiny settings: what they leave, that they repeat exactly, and how they fail."""

import contextlib
import json

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.errors import UserError
from rnnexp.training import run as train_module
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run import train
from rnnexp.training.trainer import Trainer
from rnnexp.training.trouble import TrainingDivergedError


def metrics(directory):
    return pd.read_csv(directory / "metrics.csv").drop(columns="seconds")


def last_weights(directory, name="last.pt"):
    return load_checkpoint(directory / "checkpoints" / name)["model"]


def assert_same_run(a, b):
    pd.testing.assert_frame_equal(metrics(a), metrics(b), check_exact=True)
    for name in ("last.pt", "best.pt"):
        first, second = last_weights(a, name), last_weights(b, name)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_run_directory_holds_what_the_readme_promises(tmp_path, tiny_config):
    train(tiny_config("trainer.plots=true", "trainer.save_every=3"), tmp_path, ["a=b"])
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert files >= {
        "run.json", "metrics.csv", "summary.json", "weights.npz", "checkpoints/last.pt", "checkpoints/best.pt",
        "checkpoints/step_0000003.pt", "checkpoints/step_0000006.pt", "plots/loss_history.png",
        "plots/accuracy.png", "plots/trials.png", "plots/latents.png", "plots/components.png",
        "plots/weights.png", "plots/eigenvalues.png", "plots/outputs.png", "plots/spectrum.png",
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert list(table) == [
        "step", "trials", "seconds", "split", "loss", "mse", "accuracy", "grad_norm", "lr",
    ]  # fmt: skip
    assert list(table.split) == ["validation", *["train", "validation"] * 3, "test"]
    assert list(table.trials) == [8 * step for step in table.step]
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["status"], record["exit_reason"]) == ("finished", "all 6 steps done")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert all(isinstance(value, int | float) for value in summary.values())
    assert summary["test_accuracy"] == table.accuracy.iloc[-1]
    best = table[table.split == "validation"].loss.min()
    assert summary["best_validation_loss"] == best


def test_weights_npz_holds_the_effective_weights_of_the_best_checkpoint(tmp_path, tiny_config):
    train(tiny_config("latent_step=PLRNN"), tmp_path, [])
    best = last_weights(tmp_path, "best.pt")
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as weights:
        assert set(weights) == {"A", "W", "W_raw", "h", "C", "B", "b", "z0"} - (
            set() if np.diagonal(best["latent_step.W_raw"]).any() else {"W_raw"}
        )
        assert np.array_equal(weights["C"], best["latent_step.C"].numpy())
        assert not np.diagonal(weights["W"]).any()


def test_same_seed_gives_the_same_run_to_the_last_bit(tmp_path, tiny_config):
    for name in ("a", "b"):
        train(tiny_config("seed=3"), tmp_path / name, [])
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_another_seed_gives_another_run(tmp_path, tiny_config):
    for seed in (0, 1):
        train(tiny_config(f"seed={seed}"), tmp_path / str(seed), [])
    assert not metrics(tmp_path / "0").equals(metrics(tmp_path / "1"))


@pytest.mark.parametrize("stop_after", [2, 3])
def test_interrupted_and_resumed_run_equals_the_uninterrupted_one(
    tmp_path, tiny_config, monkeypatch, stop_after
):
    config = tiny_config()
    train(config, tmp_path / "whole", [])

    @contextlib.contextmanager
    def stop_request_after():
        calls = iter(range(100))
        yield lambda: next(calls) == stop_after - 1

    with monkeypatch.context() as patch:
        patch.setattr("rnnexp.training.trainer.stop_requests", stop_request_after)
        with pytest.raises(KeyboardInterrupt) as stop:
            train(config, tmp_path / "parts", [])
    assert stop.value.__notes__ == [f"continue with: rnnexp train resume={tmp_path / 'parts'}"]
    record = json.loads((tmp_path / "parts" / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert f"resume={tmp_path / 'parts'}" in record["exit_reason"]
    checkpoint = load_checkpoint(tmp_path / "parts" / "checkpoints" / "last.pt")
    assert checkpoint["state"]["step"] == stop_after
    train(config, tmp_path / "parts", [], resume_from=checkpoint)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    assert json.loads((tmp_path / "parts" / "run.json").read_text())["status"] == "finished"


def test_diverging_training_stops_with_a_sentence_and_keeps_the_last_good_checkpoint(tmp_path, tiny_config):
    with pytest.raises(
        TrainingDivergedError, match=r"became (inf|nan) at step \d+.*; the last good checkpoint is kept"
    ):
        train(tiny_config("optimizer.lr=1e20", "trainer.n_steps=50"), tmp_path, [])
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["status"] == "failed"
    assert "the last good checkpoint is kept" in record["exit_reason"]
    weights = last_weights(tmp_path)
    assert all(torch.isfinite(w).all() for w in weights.values())


def test_a_second_run_in_the_same_directory_is_refused(tmp_path, tiny_config):
    train(tiny_config(), tmp_path, [])
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match="already holds a run"):
        train(tiny_config("seed=1"), tmp_path, [])
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_accuracy_cutoff_stops_the_training(tmp_path, tiny_config):
    train(tiny_config("trainer.accuracy_cutoff=0.01"), tmp_path, [])
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["exit_reason"].startswith("validation accuracy")
    assert json.loads((tmp_path / "summary.json").read_text())["steps"] == 2


def test_patience_stops_the_training(tmp_path, tiny_config):
    train(tiny_config("optimizer.lr=1e-30", "trainer.patience=2"), tmp_path, [])
    record = json.loads((tmp_path / "run.json").read_text())
    better = "no update was better than the start"
    assert record["exit_reason"] == f"no better validation loss in 2 evaluations; {better}"
    assert json.loads((tmp_path / "summary.json").read_text())["steps"] == 4


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("trainer.best_metric=acuracy", r"trainer.best_metric: acuracy: must be one of loss, mse, accuracy"),
        (
            "latent_step.ar_epsilon=0.05",
            r"latent_step.ar_epsilon: 0.05: has no effect while loss.lambda_ar is 0",
        ),
        ("loss.lambda_ar=0.1", r"lambda_ar.*needs a latent step with ar_epsilon"),
        ("observation=identity", None),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_training(tmp_path, tiny_config, override, text):
    config = tiny_config(override)
    if text is None:
        config["latent_dim"] = 1
        text = r"latent_dim must be >= the number of outputs \(2\), got latent_dim=1"
    with pytest.raises(UserError, match=text):
        train(config, tmp_path, [])
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"


def test_ar_convergence_is_a_term_of_the_loss(tmp_path, tiny_config):
    train(tiny_config("latent_step.ar_epsilon=0.5", "loss.lambda_ar=0.1"), tmp_path, [])
    table = metrics(tmp_path)
    assert (table.ar > 0).all()
    assert np.allclose(table.loss, table.mse + table.ar)


@pytest.mark.parametrize("clip", ["none", "norm", "per_variable"])
def test_clipping_bounds_what_the_optimizer_sees(clip):
    trainer = Trainer(clip=clip, clip_norm=1.0)
    parameters = [torch.nn.Parameter(torch.zeros(n)) for n in (2, 3)]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 4.0]), torch.tensor([0.1, 0.2, 0.2])
    total = trainer._clip(parameters)
    norms = [p.grad.norm().item() for p in parameters]
    assert total.item() == pytest.approx(np.hypot(5, 0.3))
    expected = {
        "none": [5, 0.3],
        "norm": [5 / np.hypot(5, 0.3), 0.3 / np.hypot(5, 0.3)],
        "per_variable": [1, 0.3],
    }
    assert norms == pytest.approx(expected[clip])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "radam", "sgd"])
@pytest.mark.parametrize("scheduler", ["constant", "cosine", "linear", "exponential", "step"])
def test_every_optimizer_runs_with_every_schedule(tmp_path, tiny_config, optimizer, scheduler):
    train(tiny_config(f"optimizer={optimizer}", f"scheduler={scheduler}"), tmp_path, [])
    rates = metrics(tmp_path).query("split == 'train'").lr
    assert (rates.nunique() == 1) == (scheduler == "constant")


def test_float64_starts_from_the_same_network_and_trials(tmp_path, tiny_config):
    for dtype in ("float32", "float64"):
        train(tiny_config(f"device.dtype={dtype}", "task.stim_noise=0"), tmp_path / dtype, [])
    first, second = (metrics(tmp_path / dtype).loss[0] for dtype in ("float32", "float64"))
    assert first == pytest.approx(second, rel=1e-5)
    assert first != second
    assert last_weights(tmp_path / "float64")["z0"].dtype == torch.float64


def test_objective_is_the_best_validation_value(tmp_path, tiny_config):
    value = train_module.train(tiny_config(), tmp_path, [])
    assert value == json.loads((tmp_path / "summary.json").read_text())["best_validation_loss"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({"best_metric": "accuracy"}, True),
        ({"best_metric": "psc"}, True),
        ({"best_metric": "d_stsp"}, False),
        ({"best_metric": "accuracy", "best_mode": "min"}, False),
        ({"best_metric": "mse", "best_mode": "max"}, True),
    ],
)
def test_the_best_checkpoint_has_the_largest_accuracy_or_the_smallest_loss(options, expected):
    assert Trainer(**options).best_is_largest == expected


def blows_up(trajectory, trials, model):
    return trajectory.rates.mean((1, 2)) * float("nan")


def test_the_term_that_became_not_finite_first_is_named(tmp_path, tiny_config):
    config = tiny_config("trainer.clip=none")
    config["loss"] |= {"terms": {"mine": {"_target_": f"{__name__}.blows_up", "_partial_": True}}}
    config["loss"]["lambda_terms"] = {"mine": 1.0}
    with pytest.raises(
        TrainingDivergedError, match="loss, by its term mine, became nan at step 1; "
    ) as error:
        train(config, tmp_path, [])
    assert str(error.value).endswith("kept. A smaller optimizer.lr or trainer.clip=norm usually helps")


def flat_but_steep(trajectory, trials, model):
    return (trajectory.rates.sum() * 0.0).sqrt()  # 0, with a gradient of 0 times infinity


def test_the_gradient_that_became_not_finite_first_is_named(tmp_path, tiny_config):
    config = tiny_config()
    config["loss"] |= {"terms": {"mine": {"_target_": f"{__name__}.flat_but_steep", "_partial_": True}}}
    config["loss"]["lambda_terms"] = {"mine": 1.0}
    text = (
        r"norm, by the gradient of [\w.]+, became nan at step 1; .*kept. A smaller optimizer.lr usually helps"
    )
    with pytest.raises(TrainingDivergedError, match=text):
        train(config, tmp_path, [])


def test_a_training_that_only_got_worse_says_so(tmp_path, tiny_config, caplog):
    train(tiny_config("optimizer.lr=1", "trainer.n_steps=2"), tmp_path, [])
    assert json.loads((tmp_path / "summary.json").read_text())["best_step"] == 0
    assert "no update made loss better than at the start" in caplog.text
