"""`rnnexp simulate`: run a trained network on the user's own inputs, or freely."""

import logging
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from rnnexp.commands.array_files import check_out, read_array, write_npz
from rnnexp.commands.lesion import lesion
from rnnexp.commands.saved_model import load_model
from rnnexp.config.validation import validate
from rnnexp.errors import UserError
from rnnexp.latent_steps import Leaky
from rnnexp.models import RNN
from rnnexp.tasks.base import Task
from rnnexp.tasks.units import DataUnits, Scale
from rnnexp.training.streams import stream

log = logging.getLogger(__name__)


def job(cfg: DictConfig) -> None:
    """Run one `rnnexp simulate` command."""
    validate(cfg, "simulate")
    run(OmegaConf.to_container(cfg, resolve=True))


def run(config: dict[str, Any]) -> None:
    """Simulate and write one .npz file with inputs, latents, rates, outputs and initial.

    Args:
        config: resolved and validated configuration of `rnnexp simulate`.

    Raises:
        UserError: the checkpoint, the inputs or the output file cannot be used.
    """
    out = check_out(config["out"], config["overwrite"])
    if config["inputs"] is None and config["n_steps"] is None:
        raise UserError("simulate needs inputs=STIM.npz (B, T, K), or n_steps=N for a free run")
    saved = load_model(config)
    model, units = saved.model, saved.units(config["units"])
    inputs, n_steps = None, config["n_steps"]
    if config["inputs"] is not None:
        inputs = _read_inputs(config["inputs"], model, units)
        n_steps = inputs.shape[1] if n_steps is None else n_steps
        if n_steps > inputs.shape[1]:
            raise UserError(
                f"n_steps: {n_steps}: must be at most the number of time steps of inputs, {inputs.shape[1]}"
            )
        inputs = inputs[:, :n_steps]
    initial = _initial(config, model, saved.task, units, inputs)
    t_connectivity = None
    if config["t_connectivity"] is not None:
        t_connectivity = _read_connectivity(config["t_connectivity"], model, n_steps)
    seed = saved.config["seed"] if config["seed"] is None else config["seed"]
    lesion(model, config["lesion"], seed)
    noise = stream(seed, "test_noise") if config["noise"] else None
    with torch.no_grad():
        trajectory = model.run(inputs, initial, n_steps, noise, t_connectivity)
    tensors = {
        "latents": trajectory.latents,
        "rates": trajectory.rates,
        "outputs": trajectory.outputs,
        "initial": trajectory.initial,
    }
    if inputs is not None:
        tensors["inputs"] = inputs
    arrays = {name: tensor.numpy(force=True) for name, tensor in tensors.items()}
    if units is not None:
        for name, scale in (("outputs", units.outputs), ("inputs", units.inputs)):
            if name in arrays:
                arrays[name] = scale.undo(arrays[name].astype(np.float64)).astype(arrays[name].dtype)
    about = {"dt": saved.task.dt} | ({} if saved.task.data_units is None else {"units": config["units"]})
    write_npz(out, {**about, **arrays})
    lost = int((~trajectory.latents.isfinite()).any(dim=2).any(dim=1).sum())
    if lost:
        log.warning(
            "the network diverged: %d of %d trials are not finite throughout", lost, len(trajectory.latents)
        )
    n_trials, n_steps, n_outputs = trajectory.outputs.shape
    n_latents = trajectory.latents.shape[-1]
    kind = "" if saved.task.data_units is None else f" in {_described(config['units'])}"
    print(f"{out}: {n_trials} trials, {n_steps} steps, {n_outputs} outputs{kind}, {n_latents} latents")


def _described(units: str) -> str:
    return "the units of the data" if units == "data" else "standardised units"


def _read_inputs(name: str, model: RNN, units: DataUnits | None) -> Tensor:
    array, n_inputs, like = read_array("inputs", name), model.latent_step.input_dim, model.z0
    if array.ndim != 3 or 0 in array.shape[:2]:
        raise UserError(
            f"inputs: {name}: must have the shape (trials, time steps, inputs), no trials or steps missing, got "
            f"{array.shape}"
        )
    if array.shape[2] != n_inputs:
        raise UserError(
            f"inputs: {name}: the network has {n_inputs} inputs, the array has {array.shape[2]} in its last axis "
            f"(shape {array.shape}; expected (trials, time steps, {n_inputs}))"
        )
    seen = array if units is None else units.inputs.apply(array)
    inputs = torch.from_numpy(seen).to(like.device, like.dtype)
    if not inputs.isfinite().all():
        raise UserError(
            f"inputs: {name}: {np.abs(array).max():.3g} is too large for {str(like.dtype).removeprefix('torch.')}; "
            f"use device.dtype=float64 or smaller inputs"
        )
    return inputs


def _initial(
    config: dict[str, Any], model: RNN, task: Task, units: DataUnits | None, inputs: Tensor | None
) -> Tensor | None:
    """Return the states (B, S) to start from, or None for the network's own.

    A network that starts from data takes the observations of `start`, or the first test sample of its task.
    """
    if config["initial"] is not None:
        if config["start"] is not None:
            raise UserError("initial, start: both say where the runs begin; give one of them")
        n_states = model.latent_step.state_dim
        return _for_trials(_read_rows("initial", config["initial"], n_states, model.z0), "initial", inputs)
    if model.data_start is None:
        if config["start"] is not None:
            raise UserError(
                f"start: {config['start']}: this network starts from a state of its own, not from data; use initial"
            )
        return None
    if config["start"] is not None:
        scale = None if units is None else units.outputs
        x = _read_rows("start", config["start"], model.observation.output_dim, model.z0, scale)
    else:
        x = torch.from_numpy(task.starts[:1]).to(model.z0.device, model.z0.dtype)
    with torch.no_grad():
        return _for_trials(model.start_from(x), "start", inputs)


def _read_rows(key: str, name: str, n_columns: int, like: Tensor, scale: Scale | None = None) -> Tensor:
    array = np.atleast_2d(read_array(key, name))
    if array.ndim != 2 or array.shape[1] != n_columns or len(array) == 0:
        raise UserError(
            f"{key}: {name}: must have the shape (trials, {n_columns}) or ({n_columns},), got {array.shape}"
        )
    return torch.from_numpy(array if scale is None else scale.apply(array)).to(like.device, like.dtype)


def _for_trials(states: Tensor, key: str, inputs: Tensor | None) -> Tensor:
    if inputs is None or len(states) == len(inputs):
        return states
    if len(states) == 1:
        return states.expand(len(inputs), -1)
    raise UserError(f"{key}: holds {len(states)} trials, inputs hold {len(inputs)}; must be equal, or 1")


def _read_connectivity(name: str, model: RNN, n_steps: int) -> Tensor:
    if not isinstance(model.latent_step, Leaky):
        raise UserError(
            f"t_connectivity: {name}: scales W_rec of leaky networks, this one is {type(model.latent_step).__name__}"
        )
    array = read_array("t_connectivity", name)
    n_units = model.latent_step.latent_dim
    if array.shape != (n_steps, n_units, n_units):
        raise UserError(
            f"t_connectivity: {name}: must have the shape (time steps, units, units), which is "
            f"({n_steps}, {n_units}, {n_units}), got {array.shape}"
        )
    return torch.from_numpy(array).to(model.z0.device, model.z0.dtype)
