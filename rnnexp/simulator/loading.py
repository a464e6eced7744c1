"""Makes simulators from files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnexp.errors import UserError
from rnnexp.interop.npz_file import read_npz
from rnnexp.simulator.leaky import LeakySimulator
from rnnexp.simulator.lstm import GATES, LSTMSimulator
from rnnexp.simulator.transfer_functions import Transfer

Array = np.ndarray
GATE_NAMES = tuple(f"{kind}_{gate}" for kind in "Wb" for gate in GATES)
OUR_NAMES = {"B": "W_out", "b": "b_out", "z0": "init_state"}  # weights.npz -> PsychRNN's names


def load(
    path: str | Path,
    transfer_function: str | Transfer | None = None,
    dt: float | None = None,
    tau: float | Sequence[float] | None = None,
    rec_noise: float | Sequence[float] | None = None,
) -> LeakySimulator | LSTMSimulator:
    """Make a simulator from a file of `rnnexp export`, a weights.npz of a run, or a file of PsychRNN.

    What is given here takes the place of what the file holds. PsychRNN's own files hold neither dt nor tau, and
    their transfer function only as a pickle, which is never read.

    Args:
        path: the .npz file.
        transfer_function: a name or a function; leaky networks only, as the next three.
        dt: time step, ms.
        tau: time constants, ms.
        rec_noise: of the states; None takes that of the file, or 0.

    Raises:
        UserError: the file cannot be used, or lacks something that is not given here.
    """
    file = read_npz(path)
    weights = {OUR_NAMES.get(name, name): array for name, array in file.arrays.items()}
    needed = (*GATE_NAMES, "W_out") if "W_f" in weights else ("W_in", "W_rec", "W_out")
    missing = [name for name in needed if name not in weights]
    if missing:
        raise UserError(f"{path}: is no file of a leaky or LSTM network: it lacks {', '.join(missing)}")
    settings = {"transfer_function": transfer_function, "dt": dt, "tau": tau}
    if "W_f" in weights:
        for name, given in {**settings, "rec_noise": rec_noise}.items():
            if given is not None:
                raise UserError(f"{name}: is for leaky networks, {path} is an LSTM")
        return _load_lstm(weights)
    for name, given in settings.items():
        if given is None and name not in weights:
            why = "holds it as a pickle, which is never read" if name in file.pickled else "does not hold it"
            raise UserError(f"{name}: {path} {why}; give {name}=...")
        settings[name] = weights[name] if given is None else given
    if isinstance(settings["transfer_function"], np.ndarray):
        settings["transfer_function"] = str(settings["transfer_function"])
    noise = weights.get("rec_noise", 0.0) if rec_noise is None else rec_noise
    return LeakySimulator(
        weights["W_in"], weights["W_rec"], weights["W_out"], b_rec=_bias(weights), b_out=weights.get("b_out"),
        init_state=weights.get("init_state"), rec_noise=noise, **settings,
    )  # fmt: skip


def _load_lstm(weights: Mapping[str, Array]) -> LSTMSimulator:
    starts = {name: weights.get(name) for name in ("init_hidden", "init_cell")}
    if "init_state" in weights and starts["init_hidden"] is None:
        starts = dict(zip(starts, np.split(np.ravel(weights["init_state"]), 2), strict=True))
    gates = {name: weights[name] for name in GATE_NAMES}
    activation = str(weights.get("cell_activation", "sigmoid"))
    return LSTMSimulator(gates, weights["W_out"], weights.get("b_out"), **starts, cell_activation=activation)


def _bias(weights: Mapping[str, Array]) -> Array | None:
    found = [weights[name] for name in ("b_rec", "b_in") if name in weights]
    return sum(found) if found else None
