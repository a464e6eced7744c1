"""LSTM and GRU against the outputs and gradients of PsychRNN's LSTM and of torch's own modules."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.latent_steps import GRU, LSTM
from rnnexp.losses.psychrnn import PsychRNNLoss
from rnnexp.models import RNN
from rnnexp.observation import Affine
from rnnexp.tasks.base import Trials

VECTORS = Path(__file__).parents[1] / "vectors" / "psychrnn"
GATES = "fico"
DTYPES = [torch.float32, torch.float64]
BACKENDS = ["reference", "fused"]


@pytest.fixture(scope="module")
def g():
    with np.load(VECTORS / "lstm.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file}


def psychrnn_model(g, dtype, backend):
    n_sources, n_units = g["W_f"].shape
    step = LSTM(n_units, n_sources - n_units)
    model = RNN(step, Affine(n_units, len(g["W_out"])), backend=backend).to(dtype)
    with torch.no_grad():
        for name in [f"{kind}_{gate}" for kind in "Wb" for gate in GATES]:
            getattr(step, name).copy_(g[name])
        model.observation.B_raw.copy_(g["W_out"])
        model.observation.b.copy_(g["b_out"])
    return model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_outputs_loss_and_all_gradients_are_those_of_psychrnn(g, dtype, backend):
    model = psychrnn_model(g, dtype, backend)
    x, y, mask = (g[name].to(dtype) for name in ("x", "y", "mask"))
    starts = [g[name].to(dtype, copy=True).requires_grad_() for name in ("init_hidden", "init_cell")]
    trajectory = model.run(x, initial=torch.cat(starts, 1))
    torch.testing.assert_close(trajectory.outputs, g["outputs"].to(dtype), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(trajectory.rates, g["hidden"].to(dtype), rtol=1e-5, atol=1e-5)
    trials = Trials(x, y, mask, {})
    loss = PsychRNNLoss()(trajectory, trials, model).total
    torch.testing.assert_close(loss, g["loss_mse"].to(dtype), rtol=1e-5, atol=0)
    loss.backward()
    leaves = {
        **{f"{kind}_{gate}": getattr(model.latent_step, f"{kind}_{gate}") for kind in "Wb" for gate in GATES},
        "init_hidden": starts[0], "init_cell": starts[1],
        "W_out": model.observation.B_raw, "b_out": model.observation.b,
    }  # fmt: skip
    assert {f"grad_{name}" for name in leaves} == {name for name in g if name.startswith("grad_")}
    for name, leaf in leaves.items():
        torch.testing.assert_close(leaf.grad, g[f"grad_{name}"].to(dtype), rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_start_for_all_trials_gives_what_psychrnns_simulator_gives(g, backend):
    model = psychrnn_model(g, torch.float64, backend)
    with torch.no_grad():
        model.z0.copy_(torch.cat((g["init_hidden"][0], g["init_cell"][0])))
    trajectory = model.run(g["x"].double())
    torch.testing.assert_close(trajectory.outputs, g["simulator_outputs"], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(trajectory.rates, g["simulator_hidden"], rtol=1e-9, atol=1e-12)


def gradients(outputs, leaves):
    weight = torch.sin(torch.arange(outputs.numel(), dtype=outputs.dtype)).view_as(outputs)
    return torch.autograd.grad((weight * outputs).sum(), leaves)


def torchs(kind, n_units, n_inputs):
    torch.manual_seed(0)
    module = kind(n_inputs, n_units, batch_first=True).double()
    inputs, start = (
        torch.randn(*shape).double().requires_grad_() for shape in ((20, 15, n_inputs), (20, n_units))
    )
    return module, inputs, start


@pytest.mark.parametrize("backend", BACKENDS)
def test_gru_is_torchs(backend):
    module, inputs, start = torchs(torch.nn.GRU, 7, 3)
    step = GRU(7, 3).double()
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    step.load_state_dict({name: getattr(module, f"{name}_l0") for name in names})
    expected = module(inputs, start[None])[0]
    actual = RNN(step, Affine(7, 2).double(), backend=backend).run(inputs, start).latents
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    theirs = gradients(expected, [*module.parameters(), inputs, start])
    ours = gradients(actual, [*(getattr(step, name) for name in names), inputs, start])
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lstm_with_tanh_is_torchs(backend):
    module, inputs, start = torchs(torch.nn.LSTM, 7, 3)
    step = LSTM(7, 3, cell_activation="tanh").double()
    rows = dict(zip("ifco", range(4), strict=True))  # torch's order of the gates
    with torch.no_grad():
        module.bias_hh_l0.zero_()
        for gate, row in rows.items():
            part = slice(7 * row, 7 * (row + 1))
            W = torch.cat((module.weight_hh_l0[part], module.weight_ih_l0[part]), 1)
            getattr(step, f"W_{gate}").copy_(W.T)
            getattr(step, f"b_{gate}").copy_(module.bias_ih_l0[part])
    cell = torch.randn(20, 7).double().requires_grad_()
    expected, (_, last_cell) = module(inputs, (start[None], cell[None]))
    latents = (
        RNN(step, Affine(7, 2).double(), backend=backend).run(inputs, torch.cat((start, cell), 1)).latents
    )
    torch.testing.assert_close(latents[..., :7], expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(latents[:, -1, 7:], last_cell[0], rtol=1e-12, atol=1e-12)
    leaves = [inputs, start, cell]
    theirs = gradients(expected, [*leaves, module.weight_hh_l0, module.weight_ih_l0, module.bias_ih_l0])
    ours = gradients(latents[..., :7], [*leaves, *step.parameters()])
    torch.testing.assert_close(ours[:3], theirs[:3], rtol=1e-10, atol=1e-12)
    for gate, row in rows.items():
        part, own = slice(7 * row, 7 * (row + 1)), 3 + GATES.index(gate)
        W = torch.cat((theirs[3][part], theirs[4][part]), 1).T
        torch.testing.assert_close((ours[own], ours[own + 4]), (W, theirs[5][part]), rtol=1e-10, atol=1e-12)
