"""Trainings with numbers that are not finite: what is said, and how they go on."""

import contextlib
import itertools
import json
import logging
import re

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.constraints.initializers import ReconstructionInitializer
from rnnexp.latent_steps import ShPLRNN
from rnnexp.training import trainer
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run import train
from rnnexp.training.state import Session
from rnnexp.training.trainer import Trainer
from rnnexp.training.trouble import TrainingDivergedError

N_TRIALS = 8  # of an update, and of nothing else


def sometimes_nan(trajectory, trials, model):
    """A loss of every second or so batch of the training that is nan, by what the batch is."""
    is_bad = trials.n_trials == N_TRIALS and trials.inputs.double().sum().item() * 1000 % 1 < 0.5
    return trajectory.rates.mean((1, 2)) * (float("nan") if is_bad else 0.0)


def always_nan(trajectory, trials, model):
    return trajectory.rates.mean((1, 2)) * (float("nan") if trials.n_trials == N_TRIALS else 0.0)


@pytest.fixture
def config(tiny_config):
    def compose(*overrides, term=sometimes_nan):
        config = tiny_config("trainer.n_steps=12", *overrides)
        node = {"_target_": f"{__name__}.{term.__name__}", "_partial_": True}
        config["loss"] |= {"terms": {"mine": node}}
        config["loss"]["lambda_terms"] = {"mine": 1.0}
        return config

    return compose


def nan_in_the_second_chunk(trajectory, trials, model):
    """As sometimes_nan, but only in the last 3 of the 8 trials of an update, after the gradient of the first 5."""
    is_bad = trials.n_trials == 3 and trials.inputs.double().sum().item() * 1000 % 1 < 0.5
    return trajectory.rates.mean((1, 2)) * (float("nan") if is_bad else 0.0)


def table(folder):
    return pd.read_csv(folder / "metrics.csv").drop(columns="seconds")


@contextlib.contextmanager
def stopped_after(monkeypatch, n_steps):
    @contextlib.contextmanager
    def requests():
        calls = iter(range(100))
        yield lambda: next(calls) == n_steps - 1

    with monkeypatch.context() as patch:
        patch.setattr("rnnexp.training.trainer.stop_requests", requests)
        yield


@pytest.mark.parametrize(
    "overrides",
    [
        ["latent_step=ALRNN"],
        ["latent_step=ALRNN", "trainer.backend=reference", "device.dtype=float64"],
        ["latent_step=Basic", "trainer.eval_every=1"],
        ["curriculum=coherence", "task=simple_pd", "curriculum.n_trials=4", "curriculum.check_every=3",
         "curriculum.thresholds=0.3"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["skip_step", "restore_and_lower_lr"])
def test_a_training_goes_on_and_is_resumed_to_the_last_bit(config, tmp_path, monkeypatch, overrides, way):
    settings = config(*overrides, f"trainer.on_nonfinite={way}", "trainer.max_nonfinite=12")
    train(settings, tmp_path / "whole", [])
    rows = table(tmp_path / "whole")
    trained = rows[rows.split == "train"]
    n_nonfinite = json.loads((tmp_path / "whole" / "summary.json").read_text())["n_nonfinite"]
    assert 2 <= n_nonfinite < 12
    assert trained.n_nonfinite.is_monotonic_increasing
    assert trained.n_nonfinite.iloc[-1] == n_nonfinite
    assert np.isfinite(trained.loss.dropna()).all()
    assert trained.loss.notna().any()
    for n_steps in (3, 4):
        folder = tmp_path / f"parts{n_steps}"
        with stopped_after(monkeypatch, n_steps), pytest.raises(KeyboardInterrupt):
            train(settings, folder, [])
        train(settings, folder, [], resume_from=load_checkpoint(folder / "checkpoints" / "last.pt"))
        pd.testing.assert_frame_equal(table(folder), rows, check_exact=True)
        for name in ("last.pt", "best.pt"):
            first, second = (load_checkpoint(f / "checkpoints" / name) for f in (folder, tmp_path / "whole"))
            assert all(torch.equal(first["model"][key], second["model"][key]) for key in second["model"])
            assert first["state"]["lr_factor"] == second["state"]["lr_factor"]


def test_the_updates_that_are_left_out_change_nothing(config, tmp_path, monkeypatch):
    settings = config("trainer.on_nonfinite=skip_step", "trainer.max_nonfinite=12", term=always_nan)
    train(settings, tmp_path, [])
    start, end = (
        load_checkpoint(tmp_path / "checkpoints" / f"{name}.pt")["model"] for name in ("best", "last")
    )
    assert all(torch.equal(start[name], end[name]) for name in start)
    rows = table(tmp_path)
    assert list(rows[rows.split == "train"].n_nonfinite) == [2, 4, 6, 8, 10, 12]
    assert rows[rows.split == "train"].loss.isna().all()
    reason = json.loads((tmp_path / "run.json").read_text())["exit_reason"]
    assert reason == "all 12 steps done; no update was better than the start"


def test_the_learning_rate_is_halved_and_the_best_network_comes_back(config, tmp_path, caplog):
    settings = config(
        "trainer.on_nonfinite=restore_and_lower_lr", "trainer.max_nonfinite=12", "scheduler=constant",
        "optimizer.lr=0.064", term=always_nan,
    )  # fmt: skip
    train(settings, tmp_path, [])
    rows = table(tmp_path)
    lr = rows[rows.split == "train"].lr
    assert list(lr) == pytest.approx([0.064 / 2**n for n in (2, 4, 6, 8, 10, 12)])
    assert (
        "the network of best.pt, step 0, goes on with 0.5 times the learning rate (1 of at most 12)"
        in caplog.text
    )


def test_a_chunk_that_is_not_finite_leaves_its_whole_update_out(config, tmp_path):
    chunks = ["trainer.chunk_size=5", "trainer.n_validation_trials=10", "trainer.n_test_trials=10"]
    settings = config(
        *chunks, "trainer.on_nonfinite=skip_step", "trainer.max_nonfinite=12", "trainer.eval_every=1",
        "trainer.save_every=1", "optimizer=sgd", term=nan_in_the_second_chunk,
    )  # fmt: skip
    train(settings, tmp_path, [])
    trained = table(tmp_path).query("split == 'train'")
    counts = [0, *trained.n_nonfinite]
    left_out = [later > earlier for earlier, later in itertools.pairwise(counts)]
    assert 2 <= sum(left_out) < 12
    weights = [
        load_checkpoint(path)["model"] for path in sorted((tmp_path / "checkpoints").glob("step_*.pt"))
    ]
    same = [
        all(torch.equal(earlier[name], later[name]) for name in earlier)
        for earlier, later in itertools.pairwise(weights)
    ]
    assert same == left_out[-len(same) :]


@pytest.mark.parametrize("way", ["skip_step", "restore_and_lower_lr"])
def test_a_training_does_not_go_on_for_ever(config, tmp_path, way):
    settings = config(f"trainer.on_nonfinite={way}", "trainer.max_nonfinite=3", term=always_nan)
    text = "loss, by its term mine, became nan at step 4, after trainer.max_nonfinite=3 such updates were left out; "
    with pytest.raises(TrainingDivergedError, match=text):
        train(settings, tmp_path, [])
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"


def test_a_diverged_run_goes_on_once_it_may(config, tmp_path):
    settings = config(term=sometimes_nan)
    with pytest.raises(TrainingDivergedError):
        train(settings, tmp_path, [])
    settings["trainer"] |= {"on_nonfinite": "skip_step"}
    train(settings, tmp_path, [], resume_from=load_checkpoint(tmp_path / "checkpoints" / "last.pt"))
    rows = table(tmp_path)
    assert rows.step.max() == 12
    assert rows.n_nonfinite.max() >= 2


def test_weights_that_are_not_finite_come_back_from_the_best_checkpoint(tiny_config, tmp_path, caplog):
    settings = [
        "optimizer=sgd",
        "optimizer.lr=1e38",
        "trainer.clip=none",
        "trainer.eval_every=1",
        "device.dtype=float32",
    ]
    with pytest.raises(TrainingDivergedError, match=r"parameter [\w.]+ is not finite after step 1; .* kept"):
        train(tiny_config(*settings, "loss.lambda_mse=1e6"), tmp_path / "stop", [])
    restoring = [*settings, "loss.lambda_mse=1e6", "trainer.on_nonfinite=restore_and_lower_lr"]
    train(tiny_config(*restoring), tmp_path / "restore", [])
    assert "is not finite after step 1; the network of best.pt, step 0, goes on" in caplog.text
    weights = load_checkpoint(tmp_path / "restore" / "checkpoints" / "last.pt")["model"]
    assert all(weight.isfinite().all() for weight in weights.values())


def too_steep(trajectory, trials, model):
    return (1e30 * trajectory.rates).mean((1, 2))


def test_a_norm_that_overflows_though_its_gradients_are_finite_is_named(config, tmp_path):
    text = r"gradient norm became inf, though every gradient is finite \(the largest, of [\w.]+, [\de.+]+\): too large"
    with pytest.raises(TrainingDivergedError, match=text):
        train(config("latent_dim=64", term=too_steep), tmp_path, [])


@pytest.fixture
def series(compose_config, tmp_path):
    rng = np.random.default_rng(0)
    t = np.arange(4000) * 0.05
    clean = np.c_[np.sin(t), np.sin(1.37 * t + 0.5)]
    np.save(tmp_path / "x.npy", clean + 0.1 * rng.standard_normal((4000, 2)))

    def compose(*overrides):
        return compose_config(
            "task=timeseries", f"task.path={tmp_path / 'x.npy'}", "latent_dim=6", "trainer.n_steps=2",
            "trainer.n_validation_trials=16", "trainer.n_test_trials=4", "trainer.plots=false",
            "task.free_run_steps=50", "task.lyapunov_steps=0", *overrides,
        )  # fmt: skip

    return compose


@pytest.mark.parametrize("latent_step", ["shPLRNN", "clipped_shPLRNN"])
@pytest.mark.parametrize("seed", [0, 17, 19])  # of the first twenty those whose free runs would explode
def test_shallow_networks_start_from_bounded_free_runs(series, tmp_path, caplog, latent_step, seed):
    settings = series(f"latent_step={latent_step}", "latent_step.hidden_dim=30", f"seed={seed}")
    with caplog.at_level(logging.WARNING):
        train(settings, tmp_path / "run", [])
    rows = table(tmp_path / "run")
    assert rows.loss.iloc[0] < 1
    assert "unstable" not in caplog.text


def test_a_stable_start_keeps_its_bits_and_no_random_number_is_drawn():
    bounded = {}
    for seed in range(60):
        step = ShPLRNN(latent_dim=6, input_dim=0, hidden_dim=30)
        generator = torch.Generator().manual_seed(seed)
        step.initialize(ReconstructionInitializer(), generator)
        drawn, W1, of_torch = generator.get_state(), step.W1.detach().clone(), torch.get_rng_state()
        step.bound_free_run()
        assert torch.equal(torch.get_rng_state(), of_torch)
        assert torch.equal(generator.get_state(), drawn)
        bounded[seed] = not torch.equal(step.W1, W1)
        z = torch.nn.functional.normalize(torch.randn(64, 6), dim=1)
        for _ in range(500):
            z = step.step(z, None)
        assert z.norm(dim=1).max() < 20
    assert 0 < sum(bounded.values()) < 10


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["latent_step=ALRNN", "initializer=task", "initializer.coupling=5"],
         r"states (grow to|are not finite from time step \d+ of 15 on).*A smaller initializer.coupling, a "
         "latent_step.clip_range or a smaller optimizer.lr may help"),
        (["latent_step=Basic", "initializer=psychrnn", "initializer.spec_rad=1000"],
         "A smaller initializer.spec_rad or a smaller optimizer.lr may help"),
        (["latent_step=Basic", "initializer=spikernn", "initializer.gain=1e6", "trainer.clip=none"],
         "A smaller initializer.gain, a smaller optimizer.lr or trainer.clip=norm may help"),
    ],
)  # fmt: skip
def test_an_unstable_start_is_told_with_settings_that_the_run_has(
    tiny_config, tmp_path, caplog, overrides, text
):
    longer = ["task.T=3000", "latent_step.activation=relu"] if "latent_step=Basic" in overrides else []
    with contextlib.suppress(TrainingDivergedError):
        train(tiny_config(*overrides, *longer), tmp_path, [])
    told = [
        record.getMessage() for record in caplog.records if "unstable from the start" in record.getMessage()
    ]
    assert len(told) == 1
    assert re.search(text, told[0]), told


def test_a_validation_that_is_not_finite_is_told_once(series, tmp_path, caplog, monkeypatch):
    settings = series(
        "latent_step=PLRNN", "optimizer.lr=3", "forcing=gtf", "forcing.alpha=1", "trainer.n_steps=6",
        "trainer.eval_every=1", "loss.lambda_mse=1e-30",
    )  # fmt: skip
    evaluate, calls = trainer.evaluate, []

    def lost(*arguments):
        losses, metrics = evaluate(*arguments)
        calls.append(1)
        return ({name: float("nan") for name in losses} if len(calls) > 1 else losses), metrics

    monkeypatch.setattr(trainer, "evaluate", lost)
    train(settings, tmp_path / "run", [])
    told = [r.getMessage() for r in caplog.records if "validation loss is nan after step 1" in r.getMessage()]
    assert len(told) == 1
    assert "optimizer.lr" in told[0]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "on_nonfinite",
            "ignore",
            "on_nonfinite must be stop, skip_step or restore_and_lower_lr, got 'ignore'",
        ),
        ("max_nonfinite", 0, "max_nonfinite must be a whole number >= 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(name, value, text):
    with pytest.raises(ValueError, match=text):
        Trainer(**{name: value})


def test_a_kill_between_two_checkpoints_does_not_change_what_comes_back(config, tmp_path, monkeypatch):
    """The best checkpoint of a later evaluation must not be there when an earlier one is gone back to."""
    settings = config("trainer.on_nonfinite=restore_and_lower_lr", "trainer.max_nonfinite=12")
    train(settings, tmp_path / "whole", [])
    kept = Session.save
    for last_one in range(1, 8):
        folder, saves = tmp_path / f"killed{last_one}", []

        def killed(session, name, saves=saves, last_one=last_one):
            if len(saves) == last_one:
                raise RuntimeError("killed")
            saves.append(name)
            kept(session, name)

        monkeypatch.setattr(Session, "save", killed)
        with pytest.raises(RuntimeError, match="killed"):
            train(settings, folder, [])
        monkeypatch.setattr(Session, "save", kept)
        train(settings, folder, [], resume_from=load_checkpoint(folder / "checkpoints" / "last.pt"))
        pd.testing.assert_frame_equal(table(folder), table(tmp_path / "whole"), check_exact=True)
        for name in ("last.pt", "best.pt"):
            first, second = (load_checkpoint(f / "checkpoints" / name) for f in (folder, tmp_path / "whole"))
            assert first["state"]["step"] == second["state"]["step"]
            assert all(torch.equal(first["model"][key], second["model"][key]) for key in second["model"])
