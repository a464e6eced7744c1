"""Trainings of the leaky presets from a configuration on: noise, constraints, masks from files, time constants."""

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.building.parts import build_model, build_parts, build_task
from rnnexp.commands.eval import run as evaluate
from rnnexp.commands.simulate import run as simulate
from rnnexp.latent_steps import Leaky
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run import train

PRESETS = ["Basic", "CTRNN", "FR_RNN_dale"]
NOISY = ["latent_step=Basic", "latent_step.pre_noise=0.1", "latent_step.post_noise=0.1"]


def metrics(directory):
    return pd.read_csv(directory / "metrics.csv").drop(columns="seconds")


def weights(directory):
    with np.load(directory / "weights.npz", allow_pickle=False) as file:
        return dict(file)


def model_of(config):
    return build_model(config, build_task(config))


@pytest.mark.parametrize("preset", ["CTRNN", "FR_RNN_dale"])
def test_presets_leave_their_plots(tmp_path, tiny_config, preset):
    train(tiny_config(f"latent_step={preset}", "task=perceptual_discrim", "trainer.plots=true"), tmp_path, [])
    drawn = {file.stem for file in (tmp_path / "plots").iterdir()}
    assert drawn >= {"weights", "spectrum", "rates", "outputs", "psychometric", "trials", "latents"}
    assert ("ei_weights" in drawn) == (preset == "FR_RNN_dale")


def test_presets_differ_as_published(compose_config):
    steps = {name: model_of(compose_config(f"latent_step={name}")).latent_step for name in PRESETS}
    assert all(type(step) is Leaky for step in steps.values())
    assert {name: step.activation for name, step in steps.items()} == {
        "Basic": "relu", "CTRNN": "relu", "FR_RNN_dale": "sigmoid",
    }  # fmt: skip
    assert {name: step.pre_noise for name, step in steps.items()} == {
        "Basic": 0,
        "CTRNN": 0,
        "FR_RNN_dale": 0.1,
    }
    assert {name: step.test_noise for name, step in steps.items()} == {
        "Basic": True, "CTRNN": False, "FR_RNN_dale": True,
    }  # fmt: skip
    assert torch.linalg.eigvals(steps["Basic"].W_rec.double()).abs().max().item() == pytest.approx(
        1.1, rel=1e-4
    )
    assert steps["CTRNN"].W_rec.abs().max() <= 50**-0.5
    dale = steps["FR_RNN_dale"]
    assert dale.time_constants.bounds == (20, 100)
    assert not dale.W_in_raw.requires_grad
    assert ((dale.W_rec * dale.unit_signs) >= 0).all()
    assert (dale.W_rec != 0).double().mean().item() == pytest.approx(0.2, abs=0.05)


def test_fr_rnn_dale_obeys_dale_unless_told_otherwise(compose_config):
    assert model_of(compose_config("latent_step=FR_RNN_dale")).latent_step.unit_signs is not None
    free = compose_config("latent_step=FR_RNN_dale", "constraint=none")
    assert model_of(free).latent_step.unit_signs is None
    absolute = compose_config("constraint=dale", "latent_step=FR_RNN_dale")
    assert model_of(absolute).latent_step.W_rec_rule.sign_rule == "absolute"
    assert compose_config("latent_step=Basic")["constraint"] == compose_config()["constraint"]


def test_time_step_and_time_constant_come_from_the_task(compose_config):
    def alpha(*overrides):
        return model_of(compose_config("latent_step=Basic", *overrides)).latent_step.alpha

    assert alpha("task.dt=20", "task.tau=50") == 0.4
    assert alpha("task.dt=20", "task.tau=50", "latent_step.tau=80") == 0.25
    assert alpha("task=go_nogo") == 0.05  # dt 5 ms; a task without tau has 100 ms


@pytest.mark.parametrize(
    ("overrides", "tau"),
    [
        (["latent_step.tau=50"], 50),
        (["latent_step.tau={min: 30, max: 60}"], {"min": 30, "max": 60}),
        ([f"latent_step.tau=[{','.join(['50'] * 8)}]"], [50] * 8),
    ],
)
def test_time_constants_are_a_number_a_list_or_bounds(tmp_path, tiny_config, overrides, tau):
    config = tiny_config("latent_step=Basic", *overrides)
    assert config["latent_step"]["tau"] == tau
    train(config, tmp_path, [])
    saved = weights(tmp_path)
    assert ((saved["tau"] >= 30) & (saved["tau"] <= 60)).all()
    assert ("tau_raw" in saved) == isinstance(tau, dict)


@pytest.mark.parametrize("extra", [NOISY, ["latent_step=FR_RNN_dale"], [*NOISY, "constraint=dale_projected"]])
def test_noisy_training_repeats_and_resumes_to_the_last_bit(tmp_path, tiny_config, extra):
    config = tiny_config(*extra, "trainer.save_every=3")
    train(config, tmp_path / "a", [])
    train(config, tmp_path / "b", [])
    pd.testing.assert_frame_equal(metrics(tmp_path / "a"), metrics(tmp_path / "b"), check_exact=True)
    middle = load_checkpoint(tmp_path / "b" / "checkpoints" / "step_0000003.pt")
    train(config, tmp_path / "b", [], resume_from=middle)
    pd.testing.assert_frame_equal(metrics(tmp_path / "a"), metrics(tmp_path / "b"), check_exact=True)
    first, second = (load_checkpoint(tmp_path / name / "checkpoints" / "last.pt")["model"] for name in "ab")
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_training_noise_changes_training_and_test_noise_the_test(tmp_path, tiny_config):
    runs = {
        "silent": ["latent_step=Basic"],
        "noisy": NOISY,
        "train_only": [*NOISY, "latent_step.test_noise=false"],
    }
    for name, overrides in runs.items():
        train(tiny_config(*overrides), tmp_path / name, [])
    tables = {name: metrics(tmp_path / name) for name in runs}
    first = {name: table.loss[0] for name, table in tables.items()}  # before any update
    assert first["silent"] == first["train_only"] != first["noisy"]
    last = {name: table.query("split == 'train'").loss.iloc[0] for name, table in tables.items()}
    assert last["noisy"] == last["train_only"] != last["silent"]


def test_weights_npz_holds_effective_and_raw_weights(tmp_path, tiny_config):
    train(tiny_config("latent_step=Basic", "constraint=dale", "constraint.dale_ratio=0.5"), tmp_path, [])
    saved = weights(tmp_path)
    assert set(saved) == {"W_in", "W_in_raw", "W_rec", "W_rec_raw", "b_rec", "tau", "B", "B_raw", "b", "z0"}
    assert np.array_equal(
        saved["W_rec"], np.abs(saved["W_rec_raw"]) * np.repeat([1, -1], 4).astype(np.float32)
    )
    assert not saved["B"][:, 4:].any()


def test_penalties_act_on_effective_weights(tmp_path, tiny_config):
    config = tiny_config(
        "latent_step=Basic",
        "constraint=dale",
        "connectivity=sparse",
        "loss.lambda_hid=1",
        "loss.lambda_mse=1e-30",
    )
    parts = build_parts(config)
    trials = parts.task.sample(2, torch.Generator().manual_seed(0))
    value = parts.loss(parts.model(trials), trials, parts.model)["hid"]
    assert value.item() == pytest.approx(parts.model.latent_step.W_rec.square().mean().item())


@pytest.fixture
def masked_run(tmp_path, tiny_config):
    """A finished run whose masks, fixed entries and multipliers came from files that are gone, and its config."""
    generator = np.random.default_rng(0)
    np.save(tmp_path / "recurrent.npy", generator.integers(0, 2, (8, 8)))
    np.savez(
        tmp_path / "more.npz", W_in=generator.integers(0, 2, (8, 2)), input=generator.integers(0, 2, (8, 2))
    )
    first, second = tmp_path / "recurrent.npy", tmp_path / "more.npz"
    config = tiny_config(
        "latent_step=Basic", "constraint=dale", "connectivity=given", f"connectivity.recurrent={first}",
        f"connectivity.input={second}", f"constraint.fixed={{W_in: {second}}}",
        f"constraint.plasticity={{W_rec: {first}, b: 0.5}}", "trainer.save_every=3",
    )  # fmt: skip
    train(config, tmp_path / "run", [])
    mask = np.load(tmp_path / "recurrent.npy")
    for path in ("recurrent.npy", "more.npz"):
        (tmp_path / path).unlink()
    return config, tmp_path / "run", mask


def test_masks_from_files_hold(masked_run):
    _, run, mask = masked_run
    saved = weights(run)
    assert not saved["W_rec"][mask == 0].any()
    assert saved["W_rec"][mask == 1].all()


def test_a_run_is_evaluated_and_resumed_without_its_mask_files(masked_run, compose_config, tmp_path):
    config, run, mask = masked_run
    before = metrics(run)
    evaluation = compose_config(f"checkpoint={run}", "n_trials=16", "plots=false", command="eval")
    loss = evaluate(evaluation, tmp_path / "eval", [])
    assert loss == pytest.approx(before.loss.iloc[-1], rel=1e-5)
    train(config, run, [], resume_from=load_checkpoint(run / "checkpoints" / "step_0000003.pt"))
    pd.testing.assert_frame_equal(metrics(run), before, check_exact=True)
    assert not weights(run)["W_rec"][mask == 0].any()


def test_eval_keeps_the_trained_time_constant_and_takes_the_new_time_step(
    tmp_path, tiny_config, compose_config
):
    from rnnexp.saved.model import load_model

    train(tiny_config("latent_step=Basic", "task.tau=80"), tmp_path / "run", [])
    command = compose_config(f"checkpoint={tmp_path / 'run'}", command="eval")
    assert load_model(command).model.latent_step.alpha == 0.25
    assert load_model(command, {"tau": 40.0}).model.latent_step.alpha == 0.25
    assert load_model(command, {"dt": 10.0}).model.latent_step.alpha == 0.125


def test_simulate_is_silent_unless_asked_and_then_follows_the_seed(tmp_path, tiny_config, compose_config):
    train(tiny_config(*NOISY, "latent_step.initial_state=random"), tmp_path / "run", [])
    np.save(tmp_path / "stim.npy", np.zeros((3, 20, 2)))

    def outputs(name, *overrides):
        simulate(
            compose_config(
                f"checkpoint={tmp_path / 'run'}", f"inputs={tmp_path / 'stim.npy'}", f"out={tmp_path / name}.npz",
                *overrides, command="simulate",
            )
        )  # fmt: skip
        return np.load(tmp_path / f"{name}.npz")["outputs"]

    silent, noisy = outputs("a"), outputs("b", "noise=true")
    assert np.array_equal(silent[0], silent[1])
    assert not np.array_equal(noisy[0], noisy[1])
    assert np.array_equal(noisy, outputs("c", "noise=true"))
    assert not np.array_equal(noisy, outputs("d", "noise=true", "seed=5"))


def test_fixed_entries_keep_the_values_of_a_file(tmp_path, tiny_config):
    W = np.diag(np.arange(1.0, 9.0))
    np.savez(tmp_path / "start.npz", W_rec=W)
    np.save(tmp_path / "fixed.npy", W != 0)
    config = tiny_config(
        "latent_step=Basic", "initializer=from_file", f"initializer.path={tmp_path}/start.npz",
        f"constraint.fixed={{W_rec: {tmp_path}/fixed.npy}}",
        "trainer.best_metric=mse", "trainer.best_mode=max", "optimizer.lr=1e-3",
    )  # fmt: skip
    train(config, tmp_path / "run", [])
    last = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.pt")["model"][
        "latent_step.W_rec_raw"
    ].numpy()
    assert np.array_equal(np.diagonal(last), np.diagonal(W))
    assert np.count_nonzero(last) > 8
