"""PsychRNN's weight files: reads its own and those of `rnnexp export`, without pickles; NumPy only."""

from pathlib import Path

import numpy as np

from rnnexp.errors import UserError
from rnnexp.interop.network import LeakyNetwork, LSTMNetwork, Rule, Tau, ratio_for
from rnnexp.interop.npz_file import NpzFile, read_npz

Array = np.ndarray
FORMAT_VERSION = 1
GATE_NAMES = tuple(f"{kind}_{gate}" for kind in "Wb" for gate in "fico")
MASKS = {"W_in": "input_connectivity", "W_rec": "rec_connectivity", "W_out": "output_connectivity"}


def read_network(
    path: str | Path, transfer_function: str | None = None, dale_ratio: float | None = None
) -> LeakyNetwork | LSTMNetwork:
    """Read a weight file.

    The stored weights are the effective ones. PsychRNN pickles the transfer function always, and dale_ratio when
    it is None, so that Dale's law is then off.

    Args:
        path: the .npz file.
        transfer_function: name; takes the place of what the file holds.
        dale_ratio: share of excitatory units, in place of what the file holds; 0 is no Dale's law, as in PsychRNN.

    Raises:
        UserError: the file cannot be used, or the transfer function is not known.
    """
    file = read_npz(path)
    needed = (*GATE_NAMES, "W_out") if "W_f" in file.arrays else ("W_in", "W_rec", "W_out")
    missing = [name for name in needed if name not in file.arrays]
    if missing:
        raise UserError(f"{path}: is no weight file of PsychRNN: it lacks {', '.join(missing)}")
    if "W_f" in file.arrays:
        return _lstm(file)
    W_in, W_rec, W_out = (_matrix(file, name) for name in needed)
    n_units = len(W_rec)
    rules, has_dale = _rules(file, dale_ratio, n_units)
    network = LeakyNetwork(
        W_in=W_in,
        W_rec=W_rec,
        W_out=W_out,
        b_rec=file.arrays.get("b_rec", np.zeros(n_units)),
        b_out=file.arrays.get("b_out", np.zeros(len(W_out))),
        init_state=_row(file.arrays.get("init_state", np.zeros(n_units))),
        transfer_function=transfer_function or _transfer_function(file),
        tau=_plain(file.arrays.get("tau")),
        dt=_number(file, "dt"),
        rec_noise=_plain(file.arrays.get("rec_noise")),
        rules=rules,
        sign_rule="absolute" if has_dale else None,
    )
    return network.check(path)


def _lstm(file: NpzFile) -> LSTMNetwork:
    arrays, W_out = file.arrays, _matrix(file, "W_out")
    zeros = np.zeros(W_out.shape[1])
    return LSTMNetwork(
        gates={name: arrays[name] for name in GATE_NAMES},
        W_out=W_out,
        b_out=arrays.get("b_out", np.zeros(len(W_out))),
        init_hidden=_row(arrays.get("init_hidden", zeros)),
        init_cell=_row(arrays.get("init_cell", zeros)),
        cell_activation=str(arrays.get("cell_activation", "sigmoid")),
    )


def _transfer_function(file: NpzFile) -> str:
    if "transfer_function" in file.arrays:
        return str(file.arrays["transfer_function"])
    why = "is pickled there, which is never read" if "transfer_function" in file.pickled else "is not there"
    raise UserError(
        f"{file.path}: the transfer function {why}; say it with transfer_function=relu, or what it was"
    )


def _rules(file: NpzFile, dale_ratio: float | None, n_units: int) -> tuple[dict[str, Rule], bool]:
    """Return the rules of the matrices and whether Dale's law holds."""
    signs = _signs(file, dale_ratio, n_units)
    masks = {}
    for name, key in MASKS.items():
        mask = file.arrays.get(key)
        masks[name] = None if mask is None or (mask != 0).all() else (mask != 0).astype(np.float64)
    return {name: Rule(mask, signs.get(name)) for name, mask in masks.items()}, bool(signs)


def _signs(file: NpzFile, dale_ratio: float | None, n_units: int) -> dict[str, Array]:
    """Return the signs of the sources of every matrix, nothing without Dale's law.

    A file of rnnexp may hold signs that no dale_ratio describes: Dale_rec has them, and dale_ratio is NaN.
    """
    ratio = _number(file, "dale_ratio") if dale_ratio is None else dale_ratio
    stored_signs = np.diagonal(file.arrays["Dale_rec"]) if "Dale_rec" in file.arrays else None
    if not ratio or not np.isfinite(ratio):
        if dale_ratio is not None or stored_signs is None or (stored_signs >= 0).all():
            return {}
        signs = {"W_rec": stored_signs.astype(np.float64)}
        readout = np.diagonal(file.arrays["Dale_out"]) if "Dale_out" in file.arrays else np.ones(n_units)
        return signs if (readout == 1).all() else {**signs, "W_out": readout.astype(np.float64)}
    n_excitatory = int(ratio * n_units)
    signs = np.where(np.arange(n_units) < n_excitatory, 1.0, -1.0)
    if stored_signs is not None and not np.array_equal(signs, stored_signs):
        raise UserError(
            f"dale_ratio: {ratio:g}: means {n_excitatory} excitatory units of {n_units}, Dale_rec of {file.path} has "
            f"{int((stored_signs > 0).sum())}"
        )
    n_inputs = file.arrays["W_in"].shape[1]
    return {"W_in": np.ones(n_inputs), "W_rec": signs, "W_out": np.maximum(signs, 0)}


def file_arrays(network: LeakyNetwork | LSTMNetwork) -> dict[str, Array]:
    """Return what a weight file holds: plain arrays under PsychRNN's names and with its shapes.

    The transfer function is a string. dale_ratio is NaN unless PsychRNN's form of Dale's law holds: the first
    units excitatory, W_in non-negative, W_out non-negative and from excitatory units only; signs of another form are
    in the effective weights and in Dale_rec. dt, tau, rec_noise and format_version come in addition.
    """
    common = {"W_out": network.W_out, "b_out": network.b_out, "format_version": np.array(FORMAT_VERSION)}
    if isinstance(network, LSTMNetwork):
        return {
            **common,
            **network.gates,
            "init_hidden": network.init_hidden[None],
            "init_cell": network.init_cell[None],
            "cell_activation": np.array(network.cell_activation),
        }
    n_units, dtype = len(network.W_rec), network.W_rec.dtype
    arrays = {
        **common,
        "W_in": network.W_in,
        "W_rec": network.W_rec,
        "b_rec": np.zeros(n_units, dtype) if network.b_rec is None else network.b_rec,
        "init_state": network.init_state[None],
        "dale_ratio": np.array(_dale_ratio(network)),
        "transfer_function": np.array(network.transfer_function),
        "dt": np.array(network.dt),
        "tau": np.array(network.tau),
        "rec_noise": np.array(network.rec_noise),
    }
    for name, key in (("W_rec", "Dale_rec"), ("W_out", "Dale_out")):
        signs = network.rule(name).signs
        arrays[key] = np.diag(np.ones(n_units, dtype) if signs is None else signs.astype(dtype))
    for name, key in MASKS.items():
        mask = network.rule(name).mask
        arrays[key] = np.ones_like(arrays[name]) if mask is None else mask.astype(dtype)
    return arrays


def _dale_ratio(network: LeakyNetwork) -> float:
    signs = network.rule("W_rec").signs
    if signs is None:
        return np.nan
    n_excitatory = int((signs > 0).sum())
    in_order = np.where(np.arange(len(signs)) < n_excitatory, 1, -1)
    readout_signs = network.rule("W_out").signs
    follows = (
        n_excitatory > 0
        and np.array_equal(signs, in_order)
        and (network.W_in >= 0).all()
        and readout_signs is not None
        and np.array_equal(readout_signs, np.maximum(in_order, 0))
    )
    return ratio_for(n_excitatory, len(signs)) if follows else np.nan


def _matrix(file: NpzFile, name: str) -> Array:
    array = file.arrays[name]
    if array.ndim != 2:
        raise UserError(f"{file.path}: {name} must be a matrix, got the shape {array.shape}")
    return array


def _row(array: Array) -> Array:
    """Return row 0: the same initial state for all trials, whatever batch the network was trained on."""
    return np.atleast_2d(array)[0]


def _number(file: NpzFile, name: str) -> float | None:
    array = file.arrays.get(name)
    if array is None:
        return None
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise UserError(f"{file.path}: {name} must be a number, got {array.dtype} of the shape {array.shape}")
    return float(array.item())


def _plain(array: Array | None) -> Tau | None:
    if array is None:
        return None
    return array.item() if array.size == 1 else array.tolist()
