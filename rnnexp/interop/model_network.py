"""From a model to what a file of weights holds, and from a file to the configuration of a model."""

from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from rnnexp.config.help import default_options
from rnnexp.config.paths import bundled_conf
from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.interop.network import LeakyNetwork, LSTMNetwork, Rule, ratio_for
from rnnexp.interop.psychrnn import GATE_NAMES
from rnnexp.latent_steps.gated import LSTM
from rnnexp.latent_steps.leaky import NOISE_SCALES, Leaky
from rnnexp.models import RNN
from rnnexp.observation import Linear

PLAIN = {"initializer": "auto", "connectivity": "full", "forcing": "none", "constraint": "none"}
MASK_NAMES = {"W_in": "input", "W_rec": "recurrent", "W_out": "output"}


def network_of(model: RNN) -> LeakyNetwork | LSTMNetwork:
    """Return the effective weights of a leaky or LSTM network.

    Raises:
        ValueError: it is of another kind, or its observation is not linear.
    """
    step, observation = model.latent_step, model.observation
    if not isinstance(observation, Linear):
        raise ValueError(f"the observation must be linear or affine, it is {type(observation).__name__}")
    weights = {name: weight.numpy(force=True) for name, weight in model.weights().items()}
    if type(step).step is LSTM.step:
        hidden, cell = np.split(weights["z0"], 2)
        b_out = weights.get("b", np.zeros(observation.output_dim, hidden.dtype))
        gates = {name: weights[name] for name in GATE_NAMES}
        return LSTMNetwork(gates, weights["B"], b_out, hidden, cell, step.cell_activation)
    if type(step).step is not Leaky.step:
        raise ValueError(f"the network must be leaky or an LSTM, it is {type(step).__name__}")
    n_units, dtype = step.latent_dim, weights["W_rec"].dtype
    biases = [weights[name] for name in ("b_rec", "b_in") if name in weights]
    return LeakyNetwork(
        W_in=weights.get("W_in", np.zeros((n_units, 0), dtype)),
        W_rec=weights["W_rec"],
        W_out=weights["B"],
        b_rec=sum(biases) if biases else None,
        b_out=weights.get("b", np.zeros(observation.output_dim, dtype)),
        init_state=weights["z0"],
        rules={
            "W_in": _rule(step.W_in_rule), "W_rec": _rule(step.W_rec_rule), "W_out": _rule(observation.B_rule),
        },
        **settings_of(step),
    )  # fmt: skip


def settings_of(step: Leaky) -> dict[str, Any]:
    """Return transfer_function, dt (ms), tau (ms, a number if all units share it) and rec_noise of a leaky step."""
    times = step.time_constants
    alpha = step.alpha
    alpha = alpha if isinstance(alpha, float) else alpha.numpy(force=True).astype(np.float64)
    noise = step.pre_noise * NOISE_SCALES[step.pre_noise_scale](alpha) / (2 * alpha) ** 0.5
    tau = times.tau(step.W_rec_raw).numpy(force=True).astype(np.float64).tolist()
    return {
        "transfer_function": step.activation,
        "dt": times.dt,
        "tau": times.values if isinstance(times.values, float) else tau,
        "rec_noise": noise if isinstance(noise, float) else noise.tolist(),
    }


def _rule(rule: WeightRule | None) -> Rule:
    if rule is None:
        return Rule()
    mask, signs = (None if t is None else t.numpy(force=True) for t in (rule.mask, rule.signs))
    return Rule(None if mask is None or (mask != 0).all() else (mask != 0).astype(np.float64), signs)


def model_config(network: LeakyNetwork | LSTMNetwork, dt: float, masks: Path) -> dict[str, Any]:
    """Return the parts of a configuration of `rnnexp train` that make a model for a network.

    Args:
        network: what a file holds.
        dt: time step, ms.
        masks: where `write_masks` puts the masks.

    Raises:
        ValueError: its noise differs between units in a way that no latent step has.
    """
    common = {
        **{group: option(group, name) for group, name in PLAIN.items()},
        "latent_dim": network.sizes[1],
        "initial_state": "auto",
        "observation": option("observation", "affine"),
    }
    if isinstance(network, LSTMNetwork):
        step = {**option("latent_step", "LSTM"), "cell_activation": network.cell_activation}
        return {**common, "latent_step": step}
    step = option("latent_step", "Basic" if network.b_rec is not None else "FR_RNN_dale")
    step |= {"tau": network.tau, "activation": network.transfer_function}
    if network.rec_noise is not None:
        step |= _noise(network, dt)
    if any(network.rule(name).mask is not None for name in MASK_NAMES):
        given = {key: str(masks) for name, key in MASK_NAMES.items() if network.rule(name).mask is not None}
        common["connectivity"] = {**option("connectivity", "given"), **given}
    if network.sign_rule is not None:
        common["constraint"] = _constraint(network)
    return {**common, "latent_step": step}


def _noise(network: LeakyNetwork, dt: float) -> dict[str, Any]:
    """Return pre_noise and the scale at which it is one number for all units."""
    if isinstance(network.rec_noise, float | int):
        return {"pre_noise": network.rec_noise, "pre_noise_scale": "sqrt_2alpha"}
    alpha = dt / np.array(network.tau)
    increments = np.sqrt(2 * alpha) * network.rec_noise
    for name, scale in NOISE_SCALES.items():
        noise = increments / scale(alpha)
        if np.allclose(noise, noise[0]):
            return {"pre_noise": noise[0].item(), "pre_noise_scale": name}
    raise ValueError("rec_noise differs between units; say one number for all with rec_noise=...")


def _constraint(network: LeakyNetwork) -> dict[str, Any]:
    signs, readout = network.rule("W_rec").signs, network.rule("W_out").signs
    n_units, n_excitatory = len(signs), int((signs > 0).sum())
    in_order = np.array_equal(signs, np.where(np.arange(n_units) < n_excitatory, 1, -1))
    return {
        **option("constraint", "dale"),
        "sign_rule": network.sign_rule,
        "dale_ratio": ratio_for(n_excitatory, n_units) if in_order else None,
        "P_inh": None if in_order else 1 - n_excitatory / n_units,
        "inputs": "any" if network.rule("W_in").signs is None else "non_negative",
        "readout": "any" if readout is None else "signed" if (readout < 0).any() else "excitatory",
    }


def write_masks(network: LeakyNetwork, path: Path) -> None:
    """Write the masks that a network has, under the names of connectivity=given; no file without masks."""
    masks = {key: network.rule(name).mask for name, key in MASK_NAMES.items()}
    masks = {key: mask for key, mask in masks.items() if mask is not None}
    if masks:
        np.savez(path, **masks)


def set_rules(model: RNN, network: LeakyNetwork) -> None:
    """Give the rules of a model, which was built from `model_config`, the masks and signs of a network."""
    import torch

    step, observation = model.latent_step, model.observation
    rules = {"W_in": step.W_in_rule, "W_rec": step.W_rec_rule, "W_out": observation.B_rule}
    for name, rule in rules.items():
        given = network.rule(name)
        for buffer, values in (("mask", given.mask), ("signs", given.signs)):
            if values is not None:
                getattr(rule, buffer).copy_(torch.from_numpy(np.array(values, dtype=np.float64)))


def train_defaults() -> dict[str, Any]:
    """Return the configuration of `rnnexp train` without any overrides, as plain containers."""
    path = bundled_conf() / "train.yaml"
    settings = OmegaConf.to_container(OmegaConf.load(path))
    groups = {group: option(group, name) for group, name in default_options(path).items() if name is not None}
    return {key: value for key, value in settings.items() if key not in ("defaults", "hydra")} | groups


def option(group: str, name: str) -> dict[str, Any]:
    """Return a bundled option of a group as plain containers."""
    node = OmegaConf.to_container(OmegaConf.load(bundled_conf() / group / f"{name}.yaml"))
    node.pop("defaults", None)
    return node
