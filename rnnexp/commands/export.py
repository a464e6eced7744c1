"""`rnnexp export`: the weights of a trained network in one plain .npz file."""

from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from rnnexp.commands.array_files import check_out, write_npz
from rnnexp.config.validation import validate
from rnnexp.errors import UserError
from rnnexp.interop.model_network import network_of, settings_of
from rnnexp.interop.parameters import SCALING, SETTINGS, weight_arrays
from rnnexp.interop.psychrnn import file_arrays
from rnnexp.latent_steps import LSTM, Leaky
from rnnexp.saved.model import SavedModel, load_model

EXACT = {"name": "cpu", "dtype": "float64", "threads": 1}  # holds the weights of either dtype


def job(cfg: DictConfig) -> None:
    """Run one `rnnexp export` command."""
    validate(cfg, "export")
    run(OmegaConf.to_container(cfg, resolve=True))


def run(config: dict[str, Any]) -> None:
    """Write the weights in the dtype in which they were trained.

    Args:
        config: resolved and validated configuration of `rnnexp export`.

    Raises:
        UserError: the checkpoint or the file cannot be used, or the network has no place in the format.
    """
    out = check_out(config["out"], config["overwrite"])
    saved = load_model({**config, "device": EXACT})
    name, arrays = _arrays(saved, config["format"])
    if (units := saved.task.data_units) is not None:
        scaling = (units.outputs.mean, units.outputs.sd, units.inputs.mean, units.inputs.sd)
        arrays = arrays | dict(zip(SCALING, scaling, strict=True))
    dtype = np.dtype(saved.config["device"]["dtype"])
    write_npz(out, {name: _cast(name, array, dtype) for name, array in arrays.items()})
    print(f"{out}: format={name}: {', '.join(arrays)}")


def _arrays(saved: SavedModel, wanted: str) -> tuple[str, dict[str, np.ndarray]]:
    """Return the name of the format and what it holds; auto is psychrnn where the network has a place in it."""
    if wanted == "npz":
        return wanted, _own_arrays(saved)
    try:
        return "psychrnn", _psychrnn_arrays(saved)
    except UserError:
        if wanted == "psychrnn":
            raise
        return "npz", _own_arrays(saved)


def _own_arrays(saved: SavedModel) -> dict[str, np.ndarray]:
    """Return what weights.npz holds, and what else `rnnexp.simulator.load` needs."""
    arrays = weight_arrays(saved.model)
    if isinstance(saved.model.latent_step, Leaky):
        settings = settings_of(saved.model.latent_step)
        arrays |= {name: np.array(setting) for name, setting in settings.items() if name != "tau"}
    if isinstance(saved.model.latent_step, LSTM):
        arrays["cell_activation"] = np.array(saved.model.latent_step.cell_activation)
    return arrays


def _psychrnn_arrays(saved: SavedModel) -> dict[str, np.ndarray]:
    try:
        return file_arrays(network_of(saved.model))
    except ValueError as error:
        raise UserError(f"format: psychrnn: {error}; format=npz takes every network") from error


def _cast(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Cast weights; settings such as dt and tau, which are exact numbers, stay float64."""
    is_setting = array.dtype.kind != "f" or name in ("tau", "dale_ratio", *SETTINGS)
    return array if is_setting else array.astype(dtype)
