"""Leaky networks against the outputs, losses and gradients of PsychRNN, nn4n and spikeRNN."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.constraints.connectivity import Sizes
from rnnexp.constraints.constraint import Constraint
from rnnexp.constraints.given_masks import GivenMasks
from rnnexp.constraints.weight_rule import WeightRule, WeightRules
from rnnexp.latent_steps import Leaky
from rnnexp.losses.psychrnn import PsychRNNLoss
from rnnexp.losses.spikernn import SpikeRNNLoss
from rnnexp.models import RNN
from rnnexp.observation import Affine
from rnnexp.tasks.base import Trials

VECTORS = Path(__file__).parents[1] / "vectors"
DTYPES = [torch.float32, torch.float64]
BACKENDS = ["reference", "fused"]


def arrays(path, case=None):
    with np.load(VECTORS / path, allow_pickle=False) as file:
        names = [name for name in file if case is None or name.startswith(f"{case}__")]
        return {name.removeprefix(f"{case}__"): file[name] for name in names}


def fill(model, dtype, **values):
    """Set raw parameters by their short names."""
    model.to(dtype)
    parameters = {name.rpartition(".")[2]: parameter for name, parameter in model.named_parameters()}
    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(torch.as_tensor(value).reshape(parameters[name].shape))
    return model


def close(actual, expected, rtol, atol):
    actual = actual.detach()
    torch.testing.assert_close(
        actual, torch.as_tensor(expected).to(actual.dtype).reshape(actual.shape), rtol=rtol, atol=atol
    )


# PsychRNN

PSYCHRNN = {
    "basic_relu": "relu",
    "basic_sigmoid": "sigmoid",
    "basic_tanh": "tanh",
    "basic_dale_masks": "relu",
    "basic_per_unit_tau": "relu",
}


def psychrnn_rules(g):
    if "dale_ratio" not in g:
        return WeightRules()
    recurrent = torch.from_numpy(np.diagonal(g["Dale_rec"]).copy())
    output = torch.from_numpy(np.diagonal(g["Dale_out"]).copy())
    masks = [
        torch.from_numpy(g[f"{k}_connectivity{s}"])
        for k, s in (("input", ""), ("rec", "_used"), ("output", ""))
    ]
    signs = [torch.ones(g["W_in"].shape[1]), recurrent, output]
    return WeightRules(*(WeightRule(m, s, "absolute") for m, s in zip(masks, signs, strict=True)))


def psychrnn_model(name, g, dtype, backend):
    rules = psychrnn_rules(g)
    n_units, n_inputs = g["W_in"].shape
    tau = g["tau"].tolist()
    step = Leaky(n_units, n_inputs, dt=float(g["dt"]), tau=tau, activation=PSYCHRNN[name], rules=rules)
    model = RNN(step, Affine(n_units, len(g["W_out"]), rule=rules.output), backend=backend)
    return fill(
        model, dtype, W_in_raw=g["W_in"], W_rec_raw=g["W_rec"], b_rec=g["b_rec"], B_raw=g["W_out"], b=g["b_out"],
        z0=g["init_state"],
    )  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PSYCHRNN)
def test_states_outputs_and_effective_weights_are_those_of_psychrnn(name, dtype, backend):
    g = arrays(f"psychrnn/{name}.npz")
    model = psychrnn_model(name, g, dtype, backend)
    trajectory = model.run(torch.from_numpy(g["x"]).to(dtype))
    close(trajectory.latents, g["states"], 1e-5, 1e-5)
    close(trajectory.outputs, g["outputs"], 1e-5, 1e-5)
    trials = Trials(*(torch.from_numpy(g[key]).to(dtype) for key in ("x", "y", "mask")), {})
    close(PsychRNNLoss()(trajectory, trials, model).total, g["loss_mse"], 1e-5, 0)
    close(torch.as_tensor(model.latent_step.alpha), g["alpha"], 1e-6, 0)
    if "eff_W_in" in g:
        weights = model.weights()
        for ours, theirs in (("W_in", "W_in"), ("W_rec", "W_rec"), ("B", "W_out")):
            close(weights[ours], g[f"eff_{theirs}"], 1e-6, 1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in PSYCHRNN if name != "basic_per_unit_tau"])
def test_loss_and_gradients_are_those_of_psychrnn(name, dtype, backend):
    g = arrays(f"psychrnn/{name}.npz")
    model = psychrnn_model(name, g, dtype, backend)
    x, y, mask = (torch.from_numpy(g[key]).to(dtype) for key in ("x", "y", "mask"))
    trials = Trials(x, y, mask, {})
    coefficients = {
        f"lambda_{key.removeprefix('coef_').lower()}": float(g[key]) for key in g if key.startswith("coef_")
    }
    total = PsychRNNLoss(**coefficients)(model(trials), trials, model).total
    close(total, g["loss_total"], 1e-5, 0)
    total.backward()
    names = {
        "W_in": "W_in_raw",
        "W_rec": "W_rec_raw",
        "b_rec": "b_rec",
        "W_out": "B_raw",
        "b_out": "b",
        "init_state": "z0",
    }
    parameters = {name.rpartition(".")[2]: parameter for name, parameter in model.named_parameters()}
    for theirs, ours in names.items():
        close(parameters[ours].grad, g[f"grad_{theirs}"], 1e-4, 1e-6)


def test_settings_of_psychrnn_give_its_signs_and_masks(tmp_path):
    g = arrays("psychrnn/basic_dale_masks.npz")
    names = {
        "input": "input_connectivity",
        "recurrent": "rec_connectivity_given",
        "output": "output_connectivity",
    }
    for ours, theirs in names.items():
        np.save(tmp_path / f"{ours}.npy", g[theirs])
    masks = GivenMasks(
        **{name: str(tmp_path / f"{name}.npy") for name in names}, autapses=bool(g["autapses"])
    )
    dale = Constraint(
        "absolute", dale_ratio=float(g["dale_ratio"]), inputs="non_negative", readout="excitatory"
    )
    n_units, n_inputs = g["W_in"].shape
    rules = dale.rules(Sizes(n_inputs, n_units, len(g["W_out"])), masks, torch.Generator())
    close(rules.recurrent.mask, g["rec_connectivity_used"], 0, 0)
    close(rules.recurrent.signs, g["Dale_rec"].diagonal().copy(), 0, 0)
    close(rules.output.signs, g["Dale_out"].diagonal().copy(), 0, 0)
    raw = {name: torch.from_numpy(g[name]) for name in ("W_in", "W_rec", "W_out")}
    for (name, weight), rule in zip(raw.items(), (rules.input, rules.recurrent, rules.output), strict=True):
        close(rule(weight), g[f"eff_{name}"], 0, 0)


# nn4n

NN4N = {
    "plain_relu": "relu",
    "tanh_init": "tanh",
    "sigmoid_alpha1": "sigmoid",
    "retanh_alphavec": "retanh",
    "ei_sparse": "relu",
    "noise_given": "relu",
}


def nn4n_model(case, g, dtype, backend):
    n_units, n_inputs = g["w_in"].shape
    rule = None
    if "ei_mask_pre_post" in g:
        signs = torch.from_numpy(g["ei_mask_pre_post"][:, 0])
        rule = WeightRule(torch.from_numpy(g["sparsity_mask_pre_post"].T.copy()), signs, "projected")
    noise = {f"{k}_noise": float(g[f"{k}act_noise"]) for k in ("pre", "post") if f"{k}act_noise" in g}
    tau = (g["dt"] / g["alpha"]).tolist() if case == "retanh_alphavec" else float(g["tau"])
    step = Leaky(
        n_units, n_inputs, dt=float(g["dt"]), tau=tau, activation=NN4N[case], input_bias=True,
        pre_noise_scale="alpha", initial_state="fixed", initial_mean=0.0, rules=WeightRules(recurrent=rule), **noise,
    )  # fmt: skip
    model = fill(
        RNN(step, Affine(n_units, len(g["w_out"])), backend=backend), dtype, W_in_raw=g["w_in"], b_in=g["b_in"],
        W_rec_raw=g["w_hid"], b_rec=g["b_hid"], B_raw=g["w_out"], b=g["b_out"],
    )  # fmt: skip
    model.project()
    return model


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("dtype", "suffix", "rtol", "atol"), [(torch.float32, "", 1e-5, 1e-5), (torch.float64, "_f64", 0, 1e-10)]
)
@pytest.mark.parametrize("case", NN4N)
def test_rates_and_outputs_are_those_of_nn4n(case, dtype, suffix, rtol, atol, backend):
    g = arrays("nn4n/ctrnn_forward.npz", case)
    model = nn4n_model(case, g, dtype, backend)
    inputs = torch.from_numpy(g["x"]).to(dtype)
    initial = torch.from_numpy(g["init_state"]).to(dtype) if "init_state" in g else None
    noise = None
    if case == "noise_given":
        eps, xi = (torch.from_numpy(g[f"eps_{k}"]).transpose(0, 1) for k in ("pre", "post"))
        sigma = float(g["postact_noise"])
        xi = (sigma * xi).to(dtype) / sigma  # the peer's sigma * xi is rounded to float32
        noise = model.latent_step.fold_noise(eps.to(dtype), xi)
    trajectory = model.run(inputs, initial, noise=noise)
    close(model.latent_step.W_rec, g["w_hid_effective"], 1e-6, 1e-7)
    close(trajectory.rates, g[f"states{suffix}"], rtol, atol)
    close(trajectory.outputs, g[f"output{suffix}"], rtol, atol)


# spikeRNN

SPIKERNN = ["dale_taus", "clipped_single_tau", "softplus_som", "nodale", "noise_given"]
SPIKERNN_ACTIVATIONS = {"sigmoid": "sigmoid", "clipped_relu": "clipped_relu", "softplus": "clipped_softplus"}


def spikernn_model(g, dtype, backend):
    n_units, n_inputs = g["w_in"].shape
    taus = g["taus"].tolist()
    rule = WeightRule(torch.from_numpy(g["som_mask"]))
    if g["apply_dale"]:
        rule = WeightRule(torch.from_numpy(g["som_mask"]), torch.from_numpy(g["sign"]), "rectified")
    step = Leaky(
        n_units, n_inputs, dt=float(g["DeltaT"]), tau=taus[0] if len(taus) == 1 else {"min": taus[0], "max": taus[1]},
        activation=SPIKERNN_ACTIVATIONS[str(g["activation"])], recurrent_bias=False, pre_noise=0.1,
        pre_noise_scale="unscaled", initial_state="random", initial_mean=0.0, rules=WeightRules(recurrent=rule),
    )  # fmt: skip
    values = {"tau_raw": g["taus_gaus"]} if len(taus) == 2 else {}
    model = RNN(step, Affine(n_units, 1), backend=backend)
    return fill(model, dtype, W_in_raw=g["w_in"], W_rec_raw=g["w"], B_raw=g["w_out"], b=g["b_out"], **values)


def run_spikernn(model, g, dtype):
    inputs = torch.from_numpy(g["u"]).to(dtype).T[None, :-1]
    initial = torch.from_numpy(g["x0_standard_normal"]).to(dtype).T / 100
    noise = None
    if "noise_standard_normal" in g:
        noise = model.latent_step.fold_noise(
            torch.from_numpy(g["noise_standard_normal"]).to(dtype)[None, :, :, 0], None
        )
    return inputs, model.run(inputs, initial, noise=noise)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("dtype", "suffix", "rtol", "atol"), [(torch.float32, "", 1e-5, 1e-5), (torch.float64, "_f64", 0, 1e-10)]
)
@pytest.mark.parametrize("case", SPIKERNN)
def test_states_rates_and_outputs_are_those_of_spikernn(case, dtype, suffix, rtol, atol, backend):
    g = arrays("spikernn_rate/fr_rnn_dale_forward.npz", case)
    model = spikernn_model(g, dtype, backend)
    _, trajectory = run_spikernn(model, g, dtype)
    close(model.latent_step.W_rec, g["w_eff"], 1e-6, 1e-7)
    close(model.latent_step.weights()["tau"], g["tau_eff"], 1e-6, 0)
    close(trajectory.latents[0].T, g[f"x{suffix}"][:, 1:], rtol, atol)
    close(trajectory.rates[0].T, g[f"r{suffix}"][:, 1:], rtol, atol)
    close(trajectory.outputs, g[f"o{suffix}"], rtol, atol)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", SPIKERNN)
def test_loss_and_gradients_are_those_of_spikernn(case, dtype, backend):
    g = arrays("spikernn_rate/fr_rnn_dale_forward.npz", case)
    model = spikernn_model(g, dtype, backend)
    inputs, trajectory = run_spikernn(model, g, dtype)
    targets = torch.from_numpy(g["target"]).to(dtype)[None, :, None]
    trials = Trials(inputs, targets, torch.ones_like(targets), {})
    lambdas = {"lambda_l1": 1.0, "lambda_l2": 0.0} if g["loss_fn"] == "l1" else {"lambda_l2": 1.0}
    total = SpikeRNNLoss(**lambdas)(trajectory, trials, model).total
    close(total, g["loss_f64"], 1e-5 if dtype == torch.float32 else 1e-10, 0)
    total.backward()
    step = model.latent_step
    expected = {
        "grad_w": step.W_rec_raw, "grad_w_in": step.W_in_raw, "grad_w_out": model.observation.B_raw,
        "grad_b_out": model.observation.b, "grad_taus_gaus": step.time_constants.tau_raw,
    }  # fmt: skip
    for name, parameter in expected.items():
        if name in g:
            close(parameter.grad, g[name], 1e-3, 1e-4 * float(np.abs(g[name]).max()))
