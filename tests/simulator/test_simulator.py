"""The NumPy simulator against PsychRNN's, on files as PsychRNN writes them and on its own ones."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnexp import simulator
from rnnexp.errors import UserError

VECTORS = Path(__file__).parents[1] / "vectors" / "psychrnn"
PARAMETERS = ("W_in", "W_rec", "W_out", "b_rec", "b_out", "init_state")


def arrays(name):
    with np.load(VECTORS / f"{name}.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def leaky(g, **changes):
    return simulator.LeakySimulator(**{name: g[name] for name in (*PARAMETERS, "dt", "tau")}, **changes)


def close(actual, expected, tolerance=1e-9):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_no_other_package_than_numpy_is_imported():
    code = (
        "import sys, rnnexp.simulator\n"
        "heavy = {'torch', 'scipy', 'hydra', 'omegaconf', 'pandas', 'numba', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), 'numpy' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] True"


@pytest.mark.parametrize("case", ["tc", "no_tc"])
def test_trials_with_connections_that_change_in_time_are_those_of_psychrnn(case):
    g = arrays("simulator_t_connectivity")
    scale = g["t_connectivity"] if case == "tc" else None
    outputs, states = leaky(g).run_trials(g["x"].astype(float), scale)
    assert outputs.dtype == states.dtype == np.float64
    close(outputs, g[f"outputs_{case}"])
    close(states, g[f"states_{case}"])


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "per_unit_tau"])
def test_outputs_and_states_are_those_of_basic(name):
    g = arrays(f"basic_{name}")
    outputs, states = leaky(g, transfer_function="relu" if name == "per_unit_tau" else name).run_trials(
        g["x"]
    )
    assert outputs.dtype == np.float32
    close(outputs, g["outputs"], 1e-5)
    close(states, g["states"], 1e-5)


def test_step_by_step_is_the_same_as_whole_trials():
    g = arrays("simulator_t_connectivity")
    network, x = leaky(g), g["x"].astype(float)
    outputs, states = network.run_trials(x, g["t_connectivity"])
    state = np.tile(network.init_state, (len(x), 1))
    for t in range(x.shape[1]):
        output, state = network.step(state, x[:, t], g["t_connectivity"][t])
        close(output, outputs[:, t], 1e-14)
        close(state, states[:, t], 1e-14)


@pytest.mark.parametrize(("n_trials", "n_steps", "n_inputs"), [(1, 1, 1), (1, 7, 1), (3, 1, 2)])
def test_any_batch_and_length_and_a_single_input_work(n_trials, n_steps, n_inputs):
    rng = np.random.default_rng(0)
    W_in, W_rec, W_out = rng.normal(size=(4, n_inputs)), rng.normal(size=(4, 4)), rng.normal(size=(1, 4))
    x = rng.normal(size=(n_trials, n_steps, n_inputs))
    outputs, states = simulator.LeakySimulator(W_in, W_rec, W_out, dt=10, tau=50).run_trials(x)
    state, expected = np.zeros((n_trials, 4)), []
    for t in range(n_steps):
        state = 0.8 * state + 0.2 * (np.maximum(state, 0) @ W_rec.T + x[:, t] @ W_in.T)
        expected.append(state)
    close(states, np.stack(expected, 1))
    close(outputs, np.maximum(states, 0) @ W_out.T)


def test_lstm_trials_are_those_of_psychrnn():
    g = arrays("lstm")
    network = simulator.LSTMSimulator(g, g["W_out"], g["b_out"], g["init_hidden"], g["init_cell"])
    outputs, hidden = network.run_trials(g["x"].astype(float))
    close(outputs, g["simulator_outputs"])
    close(hidden, g["simulator_hidden"])
    outputs, hidden = network.run_trials(g["x"], g["init_hidden"], g["init_cell"])
    close(outputs, g["outputs"], 1e-5)
    close(hidden, g["hidden"], 1e-5)


def test_lstm_step_by_step_is_the_same_as_whole_trials():
    g = arrays("lstm")
    network, x = simulator.LSTMSimulator(g, g["W_out"]), g["x"].astype(float)
    outputs, states = network.run_trials(x)
    hidden = cell = np.zeros((len(x), len(g["b_f"])))
    for t in range(x.shape[1]):
        output, hidden, cell = network.step(hidden, cell, x[:, t])
        close(output, outputs[:, t], 1e-14)
        close(hidden, states[:, t], 1e-14)


def test_tanh_of_the_cell_can_be_chosen():
    g = arrays("lstm")
    network, n_units = simulator.LSTMSimulator(g, g["W_out"], cell_activation="tanh"), len(g["b_f"])
    x = np.ones(len(g["W_f"]) - n_units)
    hidden = network.step(np.zeros((1, n_units)), np.zeros((1, n_units)), x[None])[1]

    def gate(name, function):
        return function(x @ g[f"W_{name}"][n_units:].astype(float) + g[f"b_{name}"])

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    close(hidden[0], gate("o", sigmoid) * np.tanh(gate("i", sigmoid) * gate("c", np.tanh)))


def test_a_file_of_psychrnn_runs_with_what_it_lacks_given(tmp_path):
    expected = arrays("saved_weights_dale_expected")
    network = simulator.load(
        VECTORS / "saved_weights_dale.npz", transfer_function="relu", dt=expected["dt"], tau=expected["tau"]
    )
    outputs, states = network.run_trials(expected["x"])
    close(outputs, expected["outputs"], 1e-5)
    close(states, expected["states"], 1e-5)


def test_noise_has_the_size_that_psychrnn_gives_it_and_needs_a_generator():
    zeros = {"W_in": np.zeros((500, 1)), "W_rec": np.zeros((500, 500)), "W_out": np.ones((1, 500))}
    network = simulator.LeakySimulator(**zeros, dt=20, tau=100, rec_noise=0.3)
    x = np.zeros((20, 1, 1))
    assert not network.run_trials(x)[1].any()
    noise = network.run_trials(x, rng=np.random.default_rng(0))[1]
    assert noise.std() == pytest.approx((2 * 0.2) ** 0.5 * 0.3, rel=0.03)


@pytest.mark.parametrize("name", simulator.TRANSFER_FUNCTIONS)
def test_transfer_functions_are_those_of_the_torch_side(name):
    import torch

    from rnnexp.latent_steps.activations import ACTIVATIONS

    z = np.linspace(-60, 60, 121)
    close(simulator.TRANSFER_FUNCTIONS[name](z), ACTIVATIONS[name].function(torch.from_numpy(z)), 1e-12)


def test_every_transfer_function_of_the_torch_side_is_there():
    from rnnexp.latent_steps.activations import ACTIVATIONS

    assert set(simulator.TRANSFER_FUNCTIONS) == set(ACTIVATIONS)


def pickled(path):
    np.savez(path, **arrays("saved_weights_dale"), transfer_function=np.array(pickled, dtype=object))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, r"transfer_function: .* holds it as a pickle, which is never read; give transfer_function="),
        ({"transfer_function": "relu"}, r"dt: .* does not hold it; give dt="),
        ({"transfer_function": "relu", "dt": 10}, r"tau: .* does not hold it; give tau="),
        (
            {"transfer_function": "rely", "dt": 10, "tau": 100},
            "transfer_function: rely: must be one of relu,",
        ),
        ({"transfer_function": "relu", "dt": 10, "tau": 5}, "tau: 5: must be >= dt, which is 10 ms"),
        ({"transfer_function": "relu", "dt": 0, "tau": 5}, "dt: 0: must be > 0 ms"),
        (
            {"transfer_function": "relu", "dt": 10, "tau": [20, 30]},
            r"tau: must have the shape \(\d+,\), got \(2,\)",
        ),
    ],
)
def test_what_a_file_of_psychrnn_lacks_is_asked_for_in_one_sentence(tmp_path, given, text):
    path = tmp_path / "weights.npz"
    pickled(path)
    with pytest.raises(UserError, match=text):
        simulator.load(path, **given)


def test_files_that_hold_no_network_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        simulator.load(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("1, 2")
    with pytest.raises(UserError, match=r"cannot be read as a \.npz file"):
        simulator.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", A=np.ones(3), W_rec=np.ones((3, 3)))
    with pytest.raises(UserError, match="is no file of a leaky or LSTM network: it lacks W_in, W_out"):
        simulator.load(tmp_path / "other.npz")


def test_settings_of_leaky_networks_are_refused_for_an_lstm(tmp_path):
    np.savez(tmp_path / "lstm.npz", **arrays("lstm"))
    with pytest.raises(UserError, match=r"tau: is for leaky networks, .*lstm\.npz is an LSTM"):
        simulator.load(tmp_path / "lstm.npz", tau=100)


def test_arrays_that_do_not_fit_are_one_sentence():
    g = arrays("simulator_t_connectivity")
    network = leaky(g)
    B, S, K = g["x"].shape
    M = len(g["b_rec"])

    def refused(name, expected, got):
        return pytest.raises(UserError, match=re.escape(f"{name}: must have the shape {expected}, got {got}"))

    with refused("x", f"(trials, time steps, {K})", (B, S)):
        network.run_trials(g["x"][..., 0])
    with refused("t_connectivity", (S, M, M), (S - 1, M, M)):
        network.run_trials(g["x"], g["t_connectivity"][1:])
    with refused("initial", (B, M), (B + 1, M)):
        network.run_trials(g["x"], initial=np.zeros((B + 1, M)))
    with refused("b_rec", (M,), (M - 1,)):
        leaky({**g, "b_rec": np.zeros(M - 1)})
    with pytest.raises(UserError, match="W_rec: must hold finite real numbers"):
        leaky({**g, "W_rec": np.full((M, M), np.nan)})
