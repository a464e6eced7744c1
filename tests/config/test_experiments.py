"""The published experiments compose, pass the checks and can be built; their settings are the published ones."""

import pytest
import torch

from rnnexp.building.parts import build_parts
from rnnexp.config.instantiate import instantiate
from rnnexp.config.paths import options_by_group
from rnnexp.training.curriculum import Curriculum
from rnnexp.training.schedules import Constant
from rnnexp.training.trainer import Trainer

PSYCHRNN = ["psychrnn_hello_world", "psychrnn_dale", "psychrnn_curriculum"]
OF_USER_FILES = ["agtf_ecg", "agtf_eeg", "alrnn_ecg", "alrnn_eeg", "alrnn_fmri", "gtf_ecg", "gtf_eeg"]
SPIKERNN = ["spikernn_go_nogo", "spikernn_xor", "spikernn_mante"]


@pytest.fixture
def built(compose_config):
    """Parts and trainer of an experiment, with other settings if wanted."""

    def built_(name, *overrides):
        config = compose_config(f"experiment={name}", *overrides)
        return build_parts(config), instantiate(config["trainer"], key="trainer")

    return built_


@pytest.mark.parametrize("name", list(options_by_group()["experiment"]))
def test_every_experiment_passes_a_dry_run(run, empty, name):
    file = "task.path=mine.npy" if name in OF_USER_FILES else ""
    assert run(f"train experiment={name} {file} --dry-run").code == 0
    assert not list(empty.iterdir())


@pytest.mark.parametrize("name", OF_USER_FILES)
def test_experiments_on_a_file_ask_for_it(run, name):
    result = run(f"train experiment={name} --dry-run")
    assert result.code == 1
    assert "task.path: not given" in result.err


@pytest.mark.parametrize(
    ("name", "latent_dim", "kind", "n_steps", "batch", "window", "lr", "final"),
    [
        ("alrnn_lorenz63", 20, "ALRNN", 100_000, 16, 200, 1e-3, 0.5),
        ("alrnn_rossler", 20, "ALRNN", 150_000, 16, 300, 5e-3, 2e-3),
        ("alrnn_lorenz96", 100, "ALRNN", 150_000, 16, 50, 1e-3, 1e-2),
        ("shplrnn_lorenz63", 3, "ShPLRNN", 20_000, 16, 75, 1e-3, 0.1),
        ("agtf_lorenz63", 3, "ShPLRNN", 250_000, 16, 200, 1e-3, 1e-3),
        ("plrnn_lorenz63", 30, "PLRNN", 250_000, 16, 200, 1e-3, 1e-3),
        ("plrnn_bursting_neuron", 43, "PLRNN", 250_000, 16, 500, 1e-3, 1e-3),
        ("plrnn_lorenz96", 64, "PLRNN", 250_000, 16, 500, 1e-3, 1e-3),
    ],
)
def test_reconstruction_experiments_have_the_settings_of_their_papers(
    built, name, latent_dim, kind, n_steps, batch, window, lr, final
):
    small = ("task.n_training=2000", "task.n_validation=1000", "task.n_test=1000")
    parts, trainer = built(name, *small)
    assert (parts.model.latent_step.latent_dim, type(parts.model.latent_step).__name__) == (latent_dim, kind)
    assert (trainer.n_steps, trainer.batch_size, parts.task.n_steps) == (n_steps, batch, window)
    assert isinstance(parts.optimizer, torch.optim.RAdam)
    assert parts.optimizer.defaults["lr"] == lr
    assert parts.schedule.decay(1.0) == pytest.approx(final)
    assert parts.model.forcing is not None


@pytest.mark.parametrize("name", PSYCHRNN)
def test_psychrnn_experiments_have_the_settings_of_its_tutorials(built, name):
    parts, trainer = built(name)
    task, step = parts.task, parts.model.latent_step
    assert (task.dt, task.tau, task.T, task.n_steps) == (10, 100, 2000, 200)
    assert (step.latent_dim, step.activation, step.pre_noise, step.alpha) == (50, "relu", 0.0, 0.1)
    assert parts.optimizer.defaults["lr"] == 1e-3
    assert parts.optimizer.defaults["betas"] == (0.9, 0.999)
    assert isinstance(parts.schedule, Constant)
    assert {name: weight for name, weight in parts.loss.weights.items() if weight} == {"mse": 1.0}
    assert (trainer.clip, trainer.clip_norm) == ("per_variable", 1.0)
    assert (trainer.batch_size, trainer.n_steps) == ((50, 1000) if "curriculum" in name else (128, 391))
    assert (parts.curriculum is not None) == ("curriculum" in name)


def test_the_psychrnn_curriculum_has_four_coherences_and_checks_on_one_batch_after_every_update(built):
    curriculum = built("psychrnn_curriculum")[0].curriculum
    assert isinstance(curriculum, Curriculum)
    assert (curriculum.n_stages, curriculum.check_every, curriculum.n_trials) == (4, 1, 50)
    assert curriculum.thresholds == (0.9,) * 4


def test_the_psychrnn_curriculum_can_be_compared_with_training_without_it(built):
    parts, _ = built("psychrnn_curriculum", "curriculum=none", "task.coherence=0.1")
    assert parts.curriculum is None


def test_psychrnn_dale_signs_four_fifths_of_the_units_positive(built):
    W_rec = built("psychrnn_dale")[0].model.weights()["W_rec"]
    assert (W_rec[:, :40] >= 0).all()
    assert (W_rec[:, 40:] <= 0).all()


@pytest.mark.parametrize(
    ("name", "n_steps", "n_inputs"),
    [("spikernn_go_nogo", 200, 1), ("spikernn_xor", 300, 2), ("spikernn_mante", 500, 4)],
)
def test_spikernn_experiments_have_the_published_settings(built, name, n_steps, n_inputs):
    parts, trainer = built(name)
    step, rules = parts.model.latent_step, trainer.stopping
    assert (parts.task.dt, parts.task.n_steps, parts.task.input_dim) == (5, n_steps, n_inputs)
    activation = "clipped_relu" if name == "spikernn_xor" else "sigmoid"
    assert (step.latent_dim, step.activation, step.pre_noise) == (200, activation, 0.1)
    assert step.time_constants.bounds == (20, 100)
    assert not step.W_in_raw.requires_grad
    assert parts.optimizer.defaults["lr"] == 1e-2
    assert isinstance(parts.schedule, Constant)
    assert {name: weight for name, weight in parts.loss.weights.items() if weight} == {"l2": 1.0}
    assert (trainer.n_steps, trainer.batch_size, trainer.clip) == (6000, 1, "none")
    assert (trainer.eval_every, trainer.n_validation_trials, trainer.eval_batch_size) == (100, 100, 100)
    assert (rules.accuracy_cutoff, rules.loss_cutoff) == (0.955, 7)
    assert rules.min_steps == (1501 if name == "spikernn_go_nogo" else 0)


def test_nn4n_ctrnn_has_its_defaults(built):
    parts, _ = built("nn4n_ctrnn")
    step = parts.model.latent_step
    assert (step.latent_dim, step.activation, step.alpha, step.b_rec, step.b_in) == (
        100,
        "relu",
        0.1,
        None,
        None,
    )
    assert parts.model.weights().keys() >= {"W_in", "W_rec", "B"}
    assert not parts.model.z0.any()
    assert parts.optimizer.defaults["lr"] == 1e-3


def test_stopping_settings_reach_the_trainer():
    rules = Trainer(accuracy_cutoff=0.9, loss_cutoff=1.0, patience=3, min_steps=4, best_metric="mse").stopping
    assert (rules.accuracy_cutoff, rules.loss_cutoff, rules.patience) == (0.9, 1.0, 3)
    assert (rules.min_steps, rules.best_metric) == (4, "mse")
