"""Networks trained as one, against the same networks trained alone."""

import os

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.training.ensemble import training as ensemble_training
from rnnexp.training.ensemble.alike import facts, structure
from rnnexp.training.ensemble.members import Member
from rnnexp.training.ensemble.training import Ensemble
from rnnexp.training.run import Training, train
from rnnexp.training.streams import globals_kept

N_STEPS = 50 if os.environ.get("RNNEXP_FAULTS") == "long" else 20
TRIALS = [
    f"trainer.n_steps={N_STEPS}", f"trainer.eval_every={N_STEPS // 2}", "trainer.batch_size=5",
    "trainer.n_validation_trials=6",
    "trainer.n_test_trials=6", "trainer.plots=false", "latent_dim=7", "device.dtype=float64", "device.threads=2",
]  # fmt: skip
COGNITIVE = [*TRIALS, "task=perceptual_discrim", "task.T=200", "task.dt=20", "task.tau=100"]
SERIES = [
    *TRIALS, "task=lorenz63", "task.sequence_length=20", "task.free_run_steps=50",
    "task.transient=5", "task.lyapunov_steps=20",
]  # fmt: skip
REACHING = [
    *TRIALS, "task=simple_reaches", "task.T=600", "latent_step=GRU", "loss=simple_reach", "trainer.clip=norm",
]  # fmt: skip
ARM = [
    "plant=two_link_arm", "feedback=arm", "task.workspace=[[-0.25,0.3],[0.05,0.5]]", "task.eval_reach_length=0.1",
]  # fmt: skip
PLRNNS = ("PLRNN", "ALRNN", "shPLRNN", "clipped_shPLRNN")


def begun(config, folder):
    with globals_kept():
        training = Training(config, folder, [])
        training.build()
        session = training.trainer.begin(training.parts, training.run, config, config["seed"])
        return training, Member(training.trainer, session)


def together(configs, folder):
    """Train networks as one; returns how each of them ended."""
    trainings = {}
    for number, config in enumerate(configs):
        training, member = begun(config, folder / str(number))
        trainings[member] = training
    assert len({structure(config) for config in configs}) == 1
    assert len({facts(m.trainer, m.session) for m in trainings}) == 1
    ends = {}
    for member, reason in Ensemble(list(trainings)).train():
        training = trainings[member]
        ends[list(trainings).index(member)] = reason
        if isinstance(reason, Exception):
            training.run.fail(reason)
            continue
        reason = member.go_on_alone() if reason is None else reason
        training.test(member.session.state)
        training.close(member.session.state, reason)
    return ends


def content(path):
    record = torch.load(path)
    return {name: record[name] for name in record if name not in ("sha256", "state", "config")}


def assert_close(a, b, tolerance, where):
    assert type(a) is type(b) or (isinstance(a, float | int) and isinstance(b, float | int)), where
    if isinstance(a, torch.Tensor):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, equal_nan=True, msg=str(where))
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            assert_close(a[name], b[name], tolerance, (*where, name))
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for number, pair in enumerate(zip(a, b, strict=True)):
            assert_close(*pair, tolerance, (*where, number))
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=tolerance, abs=tolerance, nan_ok=True), where
    else:
        assert a == b, where


def compare(one, other, tolerance=1e-9):
    """Compare two run directories: tables to rounding, checkpoints to rounding, streams to the last bit."""
    assert {p.name for p in one.iterdir()} == {p.name for p in other.iterdir()}
    tables = [pd.read_csv(folder / "metrics.csv").drop(columns="seconds") for folder in (one, other)]
    pd.testing.assert_frame_equal(*tables, rtol=tolerance, atol=tolerance, check_exact=False)
    names = {p.name for p in (one / "checkpoints").glob("*.pt")}
    assert names == {p.name for p in (other / "checkpoints").glob("*.pt")}
    for name in names:
        a, b = (content(folder / "checkpoints" / name) for folder in (one, other))
        assert_close(a, b, tolerance, (name,))
        for stream in ("training_trials", "training_noise", "modules"):
            assert torch.equal(a[stream], b[stream])
    weights = [np.load(folder / "weights.npz") for folder in (one, other)]
    for name in weights[0].files:
        np.testing.assert_allclose(weights[0][name], weights[1][name], rtol=tolerance, atol=tolerance)


def assert_equal_to_alone(configs, tmp_path, tolerance=1e-9):
    ends = together(configs, tmp_path / "together")
    assert all(isinstance(reason, str) for reason in ends.values()), ends
    for number, config in enumerate(configs):
        train(config, tmp_path / "alone" / str(number), [])
        compare(tmp_path / "together" / str(number), tmp_path / "alone" / str(number), tolerance)


def three(compose_config, *shared, own=((), (), ())):
    return [
        compose_config(*shared, *settings, f"seed={seed}")
        for seed, settings in zip((0, 1, 1), own, strict=True)
    ]


@pytest.mark.parametrize(
    "latent_step",
    ["Basic", "CTRNN", "FR_RNN_dale", "LeakyRate", "GRU", "LSTM", *PLRNNS],
)
def test_every_latent_step(latent_step, compose_config, tmp_path):
    relus = ["latent_step.num_relus=3"] if latent_step == "ALRNN" else []
    rates = [("optimizer.lr=1e-3",), ("optimizer.lr=3e-3",), ("optimizer.lr=1e-2", "scheduler=cosine")]
    configs = three(compose_config, *COGNITIVE, f"latent_step={latent_step}", *relus, own=rates)
    assert_equal_to_alone(configs, tmp_path)


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("latent_step", "forcing", "observation"),
    [
        ("PLRNN", ["forcing=stf", "forcing.tau=4"], "identity"),
        ("ALRNN", ["forcing=gtf", "forcing.anneal=linear", "forcing.final_alpha=0.05"], "identity"),
        ("shPLRNN", ["forcing=agtf"], "identity"),
        ("clipped_shPLRNN", ["forcing=inverse"], "affine"),
        ("ALRNN", ["forcing=identity", "task.noise_level=0.05"], "identity"),
        ("GRU", ["forcing=none"], "linear"),
        ("CTRNN", ["forcing=none", "loss=rnn_loss"], "affine"),
    ],
)  # fmt: skip
def test_every_forcing_and_observation(latent_step, forcing, observation, compose_config, tmp_path):
    shared = [*SERIES, "loss=dsr", f"latent_step={latent_step}", *forcing, f"observation={observation}"]
    relus = ["latent_step.num_relus=3"] if latent_step == "ALRNN" else []
    own = [("optimizer.lr=1e-3",), ("trainer.clip_norm=0.1",), ("optimizer.lr=1e-2",)]
    configs = three(compose_config, *shared, *relus, own=own)
    assert_equal_to_alone(configs, tmp_path)


@pytest.mark.parametrize(
    ("loss", "keys", "latent_step"),
    [
        ("rnn_loss", ["in", "hid", "out", "fr", "fr_sd", "fr_cv"], "CTRNN"),
        ("nn4n", ["fr_l1", "fr_sd", "conn_hidden", "state_pred", "hebbian", "entropy"], "CTRNN"),
        ("psychrnn", ["l1_in", "l2_rec", "l2_firing_rate"], "Basic"),
        ("spikernn", ["l1"], "FR_RNN_dale"),
        ("dsr", ["mar", "latent_l2", "invert"], "ALRNN"),
    ],
)
def test_every_loss_with_lambdas_of_their_own(loss, keys, latent_step, compose_config, tmp_path):
    shared = [*COGNITIVE, f"latent_step={latent_step}", f"loss={loss}"]
    if latent_step == "ALRNN":
        shared += ["latent_step.num_relus=3", "latent_step.ar_epsilon=0.05", "loss.lambda_ar=0.1"]
    some = [f"loss.lambda_{key}=0.01" for key in keys[::2]]
    every = [f"loss.lambda_{key}=0.02" for key in keys]
    configs = three(compose_config, *shared, own=((), some, every))
    assert_equal_to_alone(configs, tmp_path)


def test_lambdas_that_follow_schedules(compose_config, tmp_path):
    own = [
        ("loss.lambda_fr={linear: {initial: 0.0, final: 0.1}}",),
        ("loss.lambda_fr={step: {initial: 0.1, gamma: 0.5, step_size: 1, updates_per_epoch: 7}}",),
        ("loss.lambda_fr=0.3",),
    ]
    configs = three(compose_config, *COGNITIVE, "latent_step=CTRNN", "loss=rnn_loss", own=own)
    assert_equal_to_alone(configs, tmp_path)


@pytest.mark.thinned
@pytest.mark.parametrize(
    "settings",
    [
        ["constraint=dale", "connectivity=sparse", "connectivity.recurrent=0.5"],
        ["constraint=dale_projected", "trainer.clip=per_variable"],
        ["constraint=dale_rectified", "trainer.clip=none"],
        ["constraint.plasticity={W_rec: 0.5}", "constraint.fixed={W_in: 1}"],
        ["freeze=[W_in]", "+lr_of.W_rec=1e-4"],
        ["latent_step.tau={min: 40, max: 200}", "initial_state=zero"],
        ["trainer.backend=reference", "trainer.chunk_size=2", "latent_step.pre_noise=0.1"],
    ],
)  # fmt: skip
def test_every_constraint(settings, compose_config, tmp_path):
    own = [("latent_step.post_noise=0.1",), ("latent_step.post_noise=0.0",), ("initializer.gain=0.5",)]
    if any("pre_noise" in text for text in settings):
        own = [(), ("latent_step.pre_noise=0.2",), ("latent_step.pre_noise=0.0",)]
    shared = [*COGNITIVE, "latent_step=Basic", "initializer=spectral_radius", *settings]
    if not any("gain" in key for key in compose_config(*shared)["initializer"]):
        own[2] = ("initializer.spec_rad=0.7",) if "spec_rad" in compose_config(*shared)["initializer"] else ()
    assert_equal_to_alone(three(compose_config, *shared, own=own), tmp_path)


@pytest.mark.thinned
@pytest.mark.parametrize(
    "settings",
    [
        ["optimizer=adam", "optimizer.weight_decay=0.01"],
        ["optimizer=adam_tensorflow"],
        ["optimizer=adamw", "optimizer.betas=[0.8,0.99]"],
        ["optimizer=radam", "optimizer.weight_decay=0.01"],
        ["optimizer=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true"],
        ["optimizer._target_=torch.optim.RMSprop", "~optimizer.betas", "~optimizer.fused"],
    ],
)
def test_every_optimizer(settings, compose_config, tmp_path):
    own = [("optimizer.lr=1e-3",), ("optimizer.lr=1e-3", "scheduler=exponential"), ("optimizer.lr=1e-2",)]
    assert_equal_to_alone(
        three(compose_config, *COGNITIVE, "latent_step=CTRNN", *settings, own=own), tmp_path
    )


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["latent_step=LSTM", "feedback.motor_noise=0.01"],
        ["latent_step=LeakyRate", "perturbation=curl_field", *ARM],
    ],
)
def test_closed_loops(settings, compose_config, tmp_path):
    assert_equal_to_alone(three(compose_config, *REACHING, *settings), tmp_path)


def test_networks_in_blocks_that_draw_side_by_side(compose_config, tmp_path, monkeypatch):
    counts = []
    side_by_side = ensemble_training.side_by_side

    def counted(one, count):
        counts.append(count)
        return side_by_side(one, count)

    monkeypatch.setattr(ensemble_training, "BLOCK_BYTES", 1)  # two in the first block, one in the second
    monkeypatch.setattr(ensemble_training, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(ensemble_training, "side_by_side", counted)
    own = [("loss.lambda_fr=0.1",), ("optimizer.lr=1e-2",), ("loss.lambda_hid=0.1",)]
    configs = three(compose_config, *COGNITIVE, "latent_step=FR_RNN_dale", "loss=rnn_loss", own=own)
    assert_equal_to_alone(configs, tmp_path)
    assert counts == [3] * (N_STEPS - 1)  # how much there is was seen in the first update


def test_forcing_data_noise_and_connections_of_their_own(compose_config, tmp_path):
    shared = [*SERIES, "loss=dsr", "latent_step=PLRNN", "forcing=stf"]
    own = [
        ("forcing.tau=3", "task.noise_level=0.1"),
        ("forcing.alpha=0.5",),
        ("forcing.tau=9", "initializer=task"),
    ]
    assert_equal_to_alone(three(compose_config, *shared, own=own), tmp_path / "series")
    shared = [*COGNITIVE, "latent_step=Basic", "connectivity=sparse", "constraint=dale"]
    own = [
        ("connectivity.recurrent=0.3",),
        ("task.coherence=0.4", "task.stim_noise=0.3"),
        ("initializer=psychrnn",),
    ]
    assert_equal_to_alone(three(compose_config, *shared, own=own), tmp_path / "trials")


@pytest.mark.parametrize(
    "task",
    [
        ["task=perceptual_discrim", "task.T={uniform:[200,400]}", "task.dt=20", "loss.lambda_fr=0.1"],
        ["task=yang_20", "task.rules=[Go,DMS]", "latent_step.pre_noise=0.1", "observation=logistic"],
    ],
)
def test_trials_of_unequal_length_and_many_tasks(task, compose_config, tmp_path):
    more = ["latent_step=LeakyRate", "latent_step.activation=softplus", "trainer.batch_size=40"]
    configs = three(compose_config, *TRIALS, *task, *more, own=[("optimizer.lr=1e-3",), (), ()])
    assert_equal_to_alone(configs, tmp_path)
