"""`rnnexp simulate`: run a trained network on the user's own inputs, or freely."""

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from rnnexp.commands.saved_model import load_model
from rnnexp.config.validation import validate
from rnnexp.errors import UserError
from rnnexp.models import RNN

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
    out = _check_out(config["out"], config["overwrite"])
    if config["inputs"] is None and config["n_steps"] is None:
        raise UserError("simulate needs inputs=STIM.npz (B, T, K), or n_steps=N for a free run")
    saved = load_model(config)
    model = saved.model
    inputs, n_steps = None, config["n_steps"]
    if config["inputs"] is not None:
        inputs = _read_inputs(config["inputs"], model.latent_step.input_dim, model.z0)
        n_steps = inputs.shape[1] if n_steps is None else n_steps
        if n_steps > inputs.shape[1]:
            raise UserError(
                f"n_steps: {n_steps}: must be at most the number of time steps of inputs, {inputs.shape[1]}"
            )
        inputs = inputs[:, :n_steps]
    initial = None if config["initial"] is None else _read_initial(config["initial"], model, inputs)
    with torch.no_grad():
        trajectory = model.run(inputs, initial, n_steps)
    arrays = {
        "latents": trajectory.latents,
        "rates": trajectory.rates,
        "outputs": trajectory.outputs,
        "initial": trajectory.initial,
    }
    if inputs is not None:
        arrays["inputs"] = inputs
    _write(out, {name: array.numpy(force=True) for name, array in arrays.items()}, dt=saved.task.dt)
    n_trials, n_steps, n_outputs = trajectory.outputs.shape
    print(
        f"{out}: {n_trials} trials, {n_steps} steps, {n_outputs} outputs, {trajectory.latents.shape[-1]} latents"
    )


def _check_out(name: str, overwrite: bool) -> Path:
    out = Path(name)
    if out.suffix != ".npz":
        raise UserError(f"out: {out}: must be a file name that ends with .npz")
    if not out.absolute().parent.is_dir():
        raise UserError(f"out: {out}: the folder {out.absolute().parent} does not exist")
    if not os.access(out.absolute().parent, os.W_OK):
        raise UserError(f"out: {out}: the folder {out.absolute().parent} cannot be written")
    if out.exists() and not overwrite:
        raise UserError(f"out: {out}: exists already; choose another name or set overwrite=true")
    return out


def _write(out: Path, arrays: dict[str, np.ndarray], dt: float) -> None:
    temporary = out.with_name(f".{out.name}.{os.getpid()}.npz")
    try:
        np.savez(temporary, dt=dt, **arrays)
        os.replace(temporary, out)
    except OSError as error:
        raise UserError(f"out: {out}: cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _read_inputs(name: str, n_inputs: int, like: Tensor) -> Tensor:
    array = _read_array("inputs", name)
    if array.ndim != 3 or 0 in array.shape:
        raise UserError(
            f"inputs: {name}: must have the shape (trials, time steps, inputs), none of them 0, got {array.shape}"
        )
    if array.shape[2] != n_inputs:
        raise UserError(
            f"inputs: {name}: the network has {n_inputs} inputs, the array has {array.shape[2]} in its last axis "
            f"(shape {array.shape}; expected (trials, time steps, {n_inputs}))"
        )
    return torch.from_numpy(array).to(like.device, like.dtype)


def _read_initial(name: str, model: RNN, inputs: Tensor | None) -> Tensor:
    array = np.atleast_2d(_read_array("initial", name))
    n_units = model.latent_step.latent_dim
    if array.ndim != 2 or array.shape[1] != n_units or len(array) == 0:
        raise UserError(
            f"initial: {name}: must have the shape (trials, {n_units}) or ({n_units},), got {array.shape}"
        )
    initial = torch.from_numpy(array).to(model.z0.device, model.z0.dtype)
    if inputs is None or len(initial) == len(inputs):
        return initial
    if len(initial) == 1:
        return initial.expand(len(inputs), -1)
    raise UserError(
        f"initial: {name}: holds {len(initial)} trials, inputs hold {len(inputs)}; must be equal, or 1"
    )


def _read_array(key: str, name: str) -> np.ndarray:
    path = Path(name)
    if not path.is_file():
        raise UserError(f"{key}: {name}: no such file")
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{key}: {name}: cannot be read as a .npy or .npz file of numbers") from error
    array = _pick(key, name, loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
    if array.dtype.kind not in "fiub":
        raise UserError(f"{key}: {name}: must hold real numbers, got dtype {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise UserError(f"{key}: {name}: must be finite, got {array[first]} at index {first}")
    return array


def _pick(key: str, name: str, archive: np.lib.npyio.NpzFile) -> np.ndarray:
    with archive:
        wanted = key if key in archive.files else archive.files[0] if len(archive.files) == 1 else None
        if wanted is None:
            raise UserError(
                f"{key}: {name}: holds {', '.join(archive.files) or 'no array'}; must hold an array called {key}, "
                "or one array only"
            )
        try:
            return archive[wanted]
        except (ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{key}: {name}: the array {wanted} cannot be read as numbers") from error
