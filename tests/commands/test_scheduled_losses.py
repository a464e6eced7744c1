"""Trainings whose loss weights change: metrics.csv, resuming, and the evaluation of what they leave."""

import contextlib

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from rnnexp.commands.eval import run as evaluate
from rnnexp.config.composition import composer
from rnnexp.config.messages import diagnose
from rnnexp.config.validation import find_problems
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run import train

SCHEDULES = (
    "latent_step=ALRNN",
    "latent_step.ar_epsilon=0.9",
    "loss=dsr",
    "loss.lambda_mar={linear: {initial: 0.0, final: 0.6}}",
    "loss.lambda_ar={linear: {initial: 0.0, final: 1.0}}",
    "loss.lambda_latent_l2={exponential: {initial: 0.1, gamma: 0.5, updates_per_epoch: 2}}",
)


def metrics(directory):
    return pd.read_csv(directory / "metrics.csv").drop(columns="seconds", errors="ignore")


@pytest.fixture
def scheduled(tiny_config):
    return lambda *overrides: tiny_config(*SCHEDULES, *overrides)


def test_every_column_is_there_from_the_start_and_weights_are_those_of_the_step(tmp_path, scheduled):
    config = scheduled("optimizer=sgd", "optimizer.lr=1e-30", "scheduler=constant")  # weights hardly change
    train(config, tmp_path, [])
    table = metrics(tmp_path)
    rows = table[table.split == "validation"].set_index("step")
    assert list(rows.index) == [0, 2, 4, 6]
    mar, ar, size = (rows[name].to_numpy() for name in ("mar", "ar", "latent_l2"))
    assert (mar[0], ar[0]) == (0, 0)
    assert mar / mar[-1] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert ar / ar[-1] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert size / size[0] == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8])
    assert rows.loss.to_numpy() == pytest.approx(rows.mse + mar + ar + size)
    means = table[table.split == "train"].set_index("step")  # of updates 0 and 1, 2 and 3, 4 and 5
    assert means.mar.to_numpy() / mar[-1] == pytest.approx([1 / 12, 5 / 12, 9 / 12])
    (test,) = table[table.split == "test"].to_dict("records")
    assert test["mar"] == pytest.approx(rows.mar[test["step"]])


@pytest.mark.parametrize("stop_after", [2, 3])
def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path, scheduled, monkeypatch, stop_after):
    train(scheduled(), tmp_path / "whole", [])

    @contextlib.contextmanager
    def stop_request_after():
        calls = iter(range(100))
        yield lambda: next(calls) == stop_after - 1

    with monkeypatch.context() as patch:
        patch.setattr("rnnexp.training.trainer.stop_requests", stop_request_after)
        with pytest.raises(KeyboardInterrupt):
            train(scheduled(), tmp_path / "parts", [])
    last = tmp_path / "parts" / "checkpoints" / "last.pt"
    train(scheduled(), tmp_path / "parts", [], resume_from=load_checkpoint(last))
    pd.testing.assert_frame_equal(metrics(tmp_path / "whole"), metrics(tmp_path / "parts"), check_exact=True)
    whole, parts = (
        load_checkpoint(tmp_path / name / "checkpoints" / "last.pt") for name in ("whole", "parts")
    )
    assert all(torch.equal(whole["model"][key], parts["model"][key]) for key in whole["model"])


def test_a_checkpoint_is_evaluated_with_the_weights_of_its_step(tmp_path, scheduled, compose_config):
    train(scheduled("trainer.save_every=3"), tmp_path / "run", [])
    rows = {}
    for name in ("step_0000003", "last"):
        path = tmp_path / "run" / "checkpoints" / f"{name}.pt"
        config = compose_config(f"checkpoint={path}", "plots=false", "n_trials=8", command="eval")
        evaluate({**config, "task": {}}, tmp_path / name, [])
        (rows[name],) = metrics(tmp_path / name).to_dict("records")
        model = load_checkpoint(path)["model"]
        units = slice(4, None)
        mar = ((model["latent_step.A"][units] - 1) ** 2).sum()
        mar += (model["latent_step.W_raw"][units] ** 2).sum() + (model["latent_step.h"][units] ** 2).sum()
        assert rows[name]["mar"] == pytest.approx((0.3 if "3" in name else 0.6) * mar.item(), rel=1e-5)
    assert rows["step_0000003"]["ar"] > 0


def test_a_schedule_in_the_configuration_is_checked_before_the_training(tiny_config):
    config = tiny_config(*SCHEDULES)
    assert find_problems(OmegaConf.create(config), "train") == []
    config["loss"]["lambda_mar"]["linear"]["initial"] = -1
    (problem,) = find_problems(OmegaConf.create(config), "train")
    assert problem == "loss.lambda_mar.linear.initial: -1: must be a finite number >= 0"


def test_a_schedule_does_not_mix_with_another_kind():
    line, stairs = (f"loss.lambda_mse={{{kind}: {{initial: 1.0}}}}" for kind in ("linear", "step"))
    with composer("train", []) as composing:
        problems = diagnose(composing, [line, stairs], False, ValueError()).problems
    value = stairs.partition("=")[2]
    assert problems == [
        f"loss.lambda_mse: {value}: a mapping is there that would stay: write ~loss.lambda_mse "
        f"'+loss.lambda_mse={value}' to replace it"
    ]


def test_a_schedule_of_an_experiment_can_be_replaced_by_another(tiny_config):
    other = "{step: {initial: 1.0}}"
    replaced = tiny_config(*SCHEDULES, "~loss.lambda_mar", f"+loss.lambda_mar={other}")
    assert replaced["loss"]["lambda_mar"] == {"step": {"initial": 1.0}}
