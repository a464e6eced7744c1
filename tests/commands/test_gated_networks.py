"""LSTM and GRU through the commands: training, evaluation, simulation, plots, lesions, what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from rnnexp.building.parts import build_parts
from rnnexp.commands import simulate
from rnnexp.commands.eval import run as evaluate
from rnnexp.config.validation import find_problems
from rnnexp.errors import UserError
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run import train

NAMES = ["LSTM", "GRU"]
BOTH = pytest.mark.parametrize("name", NAMES)
M, K = 8, 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished run directories, shared by the tests of this file."""
    return tmp_path_factory.mktemp("gated")


@pytest.fixture
def run(runs, tiny_config):
    def make(name):
        if not (runs / name / "run.json").exists():
            config = tiny_config(
                f"latent_step={name}", "task=perceptual_discrim", "trainer.n_steps=40", "trainer.eval_every=20",
                "trainer.plots=true", "trainer.save_every=20", "optimizer.lr=1e-2",
            )  # fmt: skip
            train(config, runs / name, [])
        return runs / name

    return make


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def step_of(name, w, z, s):
    """One step in NumPy, with the weights of weights.npz."""
    if name == "LSTM":
        h, c = z[:, :M], z[:, M:]
        u = np.concatenate((h, s), 1)
        f, i, o = (sigmoid(u @ w[f"W_{gate}"] + w[f"b_{gate}"]) for gate in "fio")
        c = f * c + i * np.tanh(u @ w["W_c"] + w["b_c"])
        return np.concatenate((o * sigmoid(c), c), 1)
    r_s, u_s, n_s = np.split(s @ w["weight_ih"].T + w["bias_ih"], 3, 1)
    r_h, u_h, n_h = np.split(z @ w["weight_hh"].T + w["bias_hh"], 3, 1)
    u = sigmoid(u_s + u_h)
    return (1 - u) * np.tanh(n_s + sigmoid(r_s + r_h) * n_h) + u * z


@BOTH
def test_training_lowers_the_loss_and_leaves_all_plots(run, name):
    directory = run(name)
    assert json.loads((directory / "run.json").read_text())["status"] == "finished"
    validation = pd.read_csv(directory / "metrics.csv").query("split == 'validation'")
    assert validation.loss.iloc[-1] < 0.7 * validation.loss.iloc[0]
    plots = {path.name for path in (directory / "plots").iterdir()}
    assert {"loss_history.png", "accuracy.png", "trials.png", "latents.png", "components.png"} <= plots
    assert {"weights.png", "eigenvalues.png"} <= plots
    assert ("rates.png" in plots) == (name == "LSTM")  # whose states are not its rates


@BOTH
def test_a_resumed_training_is_the_same_to_the_last_bit(tmp_path, run, tiny_config, name):
    directory = run(name)
    config = load_checkpoint(directory / "checkpoints" / "last.pt")["config"]
    config["trainer"]["plots"] = False
    train(config, tmp_path, [])
    middle = load_checkpoint(tmp_path / "checkpoints" / "step_0000020.pt")
    train(config, tmp_path, [], resume_from=middle)
    first, second = (
        load_checkpoint(path / "checkpoints" / "last.pt")["model"] for path in (directory, tmp_path)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


@BOTH
def test_reference_and_fused_rollouts_train_alike(tmp_path, tiny_config, name):
    losses = {}
    for backend in ("reference", "fused"):
        config = tiny_config(f"latent_step={name}", f"trainer.backend={backend}", "device.dtype=float64")
        train(config, tmp_path / backend, [])
        losses[backend] = pd.read_csv(tmp_path / backend / "metrics.csv").loss
    assert losses["fused"].iloc[-1] != losses["fused"].iloc[0]
    np.testing.assert_allclose(losses["fused"], losses["reference"], rtol=1e-10)


@BOTH
def test_eval_repeats_the_test_of_the_training(tmp_path, run, compose_config, name):
    directory = run(name)
    config = compose_config(f"checkpoint={directory}", "n_trials=16", "plots=false", command="eval")
    evaluate(config, tmp_path, [])
    expected = json.loads((directory / "summary.json").read_text())
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["test_loss"] == pytest.approx(expected["test_loss"], rel=1e-6)


@BOTH
@pytest.mark.parametrize("given_start", [False, True])
def test_simulate_runs_the_equations_with_the_saved_weights(tmp_path, run, compose_config, name, given_start):
    directory = run(name)
    rng = np.random.default_rng(0)
    inputs, n_states = rng.normal(size=(3, 7, K)), 2 * M if name == "LSTM" else M
    np.save(tmp_path / "stim.npy", inputs)
    overrides = [f"checkpoint={directory}", f"inputs={tmp_path / 'stim.npy'}", f"out={tmp_path / 'out.npz'}"]
    start = rng.normal(size=(3, n_states))
    if given_start:
        np.save(tmp_path / "z.npy", start)
        overrides.append(f"initial={tmp_path / 'z.npy'}")
    simulate.run(compose_config(*overrides, "device.dtype=float64", command="simulate"))
    with np.load(tmp_path / "out.npz") as out, np.load(directory / "weights.npz") as file:
        w = {key: file[key].astype(float) for key in file}
        z = start if given_start else np.tile(w["z0"], (3, 1))
        assert z.shape == (3, n_states)
        latents = []
        for t in range(7):
            z = step_of(name, w, z, inputs[:, t])
            latents.append(z)
        latents = np.stack(latents, 1)
        np.testing.assert_allclose(out["latents"], latents, atol=1e-10)
        np.testing.assert_allclose(out["rates"], latents[..., :M], atol=1e-10)
        np.testing.assert_allclose(out["outputs"], latents[..., :M] @ w["B"].T + w["b"], atol=1e-10)


@BOTH
def test_states_of_another_size_are_one_sentence(tmp_path, run, compose_config, name):
    n_states, wrong = (2 * M, M) if name == "LSTM" else (M, 2 * M)
    np.save(tmp_path / "z.npy", np.zeros((4, wrong)))
    overrides = [f"checkpoint={run(name)}", f"out={tmp_path / 'out.npz'}", "n_steps=5"]
    config = compose_config(*overrides, f"initial={tmp_path / 'z.npy'}", command="simulate")
    text = rf"must have the shape \(trials, {n_states}\) or \({n_states},\), got \(4, {wrong}\)"
    with pytest.raises(UserError, match=text):
        simulate.run(config)


@BOTH
def test_lesions_of_gates_and_units_change_the_outputs(tmp_path, run, compose_config, name):
    losses = {}
    for label, overrides in {
        "none": [], "connections": ["lesion.percentage=0.9"], "units": ["lesion.units=[0,1,2,3]"],
    }.items():  # fmt: skip
        config = compose_config(
            f"checkpoint={run(name)}", "n_trials=16", "plots=false", *overrides, command="eval"
        )
        losses[label] = evaluate(config, tmp_path / label, [])
    assert len(set(losses.values())) == 3


def test_weights_npz_holds_the_names_of_psychrnn_and_torch(run):
    with np.load(run("LSTM") / "weights.npz") as lstm, np.load(run("GRU") / "weights.npz") as gru:
        gates = {f"{kind}_{gate}" for kind in "Wb" for gate in "fico"}
        assert set(lstm.files) == {*gates, "B", "b", "z0"}
        assert set(gru.files) == {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "B", "b", "z0"}


@BOTH
def test_weight_penalties_train(tmp_path, tiny_config, name):
    config = tiny_config(
        f"latent_step={name}", "loss.lambda_in=0.1", "loss.lambda_hid=0.1", "loss.lambda_out=0.1"
    )
    train(config, tmp_path, [])
    rows = pd.read_csv(tmp_path / "metrics.csv")
    assert (rows[["in", "hid", "out"]] > 0).all(axis=None)


@BOTH
@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ["initializer=reconstruction"],
            "initializer: .* draws its published initial values: use initializer=auto",
        ),
        (["initializer=task", "initializer.coupling=0.2"], "got TaskInitializer.*coupling=0.2"),
        (["constraint=dale"], "has no weights that constraint or connectivity could act on"),
        (
            ["loss=nn4n", "loss.lambda_hebbian=1"],
            r"loss: lambda_hebbian must be 0: .*one recurrent matrix \(8, 8\)",
        ),
        (["loss.lambda_ar=1"], "lambda_ar needs a latent step with ar_epsilon"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tiny_config, name, overrides, text):
    with pytest.raises(UserError, match=text):
        build_parts(tiny_config(f"latent_step={name}", *overrides))


def test_another_cell_activation_is_found_before_anything_is_built(tiny_config):
    config = tiny_config("latent_step=LSTM", "latent_step.cell_activation=relu")
    (problem,) = find_problems(OmegaConf.create(config), "train")
    assert problem == "latent_step.cell_activation: relu: must be sigmoid or tanh"


def test_tanh_reaches_the_network(tiny_config):
    parts = build_parts(tiny_config("latent_step=LSTM", "latent_step.cell_activation=tanh"))
    assert parts.model.latent_step.cell_activation == "tanh"
