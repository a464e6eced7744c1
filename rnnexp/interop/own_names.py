"""Files of weights under the names of a run's weights.npz, A, W, h, ... of the PLRNN family among them.

Letters: M latents, K inputs, O outputs, L hidden units.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnexp.errors import UserError
from rnnexp.interop.network import LeakyNetwork, LSTMNetwork
from rnnexp.interop.npz_file import read_npz
from rnnexp.interop.psychrnn import GATE_NAMES

Array = np.ndarray
LEAKY = ("W_rec", "B")
INPUT_NAMES = ("C", "W_in", "weight_ih")
FAMILIES = {  # a weight that tells the family, and the latent steps that have it
    "W1": ("shPLRNN", "clipped_shPLRNN"),
    "W": ("PLRNN", "ALRNN"),
}


@dataclass(frozen=True)
class OwnNetwork:
    """A network of the PLRNN family, or of any latent step that was named.

    Attributes:
        arrays: effective weights by the names of the model.
        step: node of its latent step.
        n_outputs: O.
    """

    arrays: dict[str, Array]
    step: dict[str, Any]
    n_outputs: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of inputs, latents and outputs."""
        inputs = next((self.arrays[name] for name in INPUT_NAMES if name in self.arrays), None)
        n_latents = next(self.arrays[name].shape[-1] for name in ("A", "B", "z0") if name in self.arrays)
        return 0 if inputs is None else inputs.shape[1], n_latents, self.n_outputs

    @property
    def observation(self) -> str:
        """The option of its observation."""
        return "identity" if "B" not in self.arrays else "affine" if "b" in self.arrays else "linear"

    @property
    def starts_from_data(self) -> bool:
        """Whether initial states follow from data, so that it is a network of a time series."""
        return "z0" not in self.arrays


def read_own(
    path: str,
    step: dict[str, Any] | None,
    transfer_function: str | None,
    n_outputs: int | None,
    n_outputs_of_task: int | None = None,
) -> LeakyNetwork | LSTMNetwork | OwnNetwork:
    """Read a file of weights under our own names.

    Args:
        path: the .npz file.
        step: node of the latent step, None where the file tells.
        transfer_function: of a leaky network; None takes what `rnnexp export` wrote.
        n_outputs: O, where neither B nor L tells.
        n_outputs_of_task: O, where nothing else tells.

    Raises:
        UserError: the file cannot be used, or does not tell something that is not given here.
    """
    file = read_npz(path)
    arrays = {name: array for name, array in file.arrays.items() if not name.endswith("_raw")}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiubU" or (array.dtype.kind != "U" and not np.isfinite(array).all()):
            raise UserError(f"{path}: {name} must hold finite numbers")
    is_leaky, is_lstm = set(LEAKY) <= arrays.keys(), set(GATE_NAMES) <= arrays.keys()
    if (is_leaky or is_lstm) and step is not None:
        raise UserError(f"{path}: holds a {'leaky network' if is_leaky else 'LSTM'}; leave latent_step out")
    if is_leaky:
        return _leaky(path, arrays, transfer_function)
    if is_lstm:
        return _lstm(path, arrays)
    if transfer_function is not None:
        raise UserError(
            f"transfer_function: {transfer_function}: is for leaky networks, {path} holds no W_rec and B"
        )
    if step is None:
        raise UserError(_which(path, arrays))
    if not {"A", "B", "z0"} & arrays.keys():
        raise UserError(
            f"{path}: none of A, B and z0 is there to tell the number of latents, only {_named(arrays)}"
        )
    if "A" in arrays:
        arrays["A"] = _diagonal(path, arrays["A"])
    is_told = n_outputs is not None or "B" in arrays or "L" in arrays
    return OwnNetwork(arrays, step, _n_outputs(path, arrays, n_outputs if is_told else n_outputs_of_task))


def _leaky(path: str, arrays: dict[str, Array], transfer_function: str | None) -> LeakyNetwork:
    told = arrays.get("transfer_function")
    transfer_function = transfer_function or (None if told is None else str(told))
    if transfer_function is None:
        raise UserError(f"transfer_function: not given: {path} does not tell it; rnnexp export writes it")
    n_units = arrays["W_rec"].shape[-1]
    biases = [arrays[name] for name in ("b_rec", "b_in") if name in arrays]
    times = {name: arrays[name].tolist() for name in ("tau", "dt", "rec_noise") if name in arrays}
    return LeakyNetwork(
        W_in=arrays.get("W_in", np.zeros((n_units, 0))),
        W_rec=arrays["W_rec"],
        W_out=arrays["B"],
        b_rec=sum(biases) if biases else None,
        b_out=arrays.get("b", np.zeros(len(arrays["B"]))),
        init_state=arrays.get("z0"),
        transfer_function=transfer_function,
        **times,
    ).check(path)


def _lstm(path: str, arrays: dict[str, Array]) -> LSTMNetwork:
    missing = [name for name in ("B", "z0") if name not in arrays]
    if missing:
        raise UserError(f"{path}: is no weight file of an LSTM: it lacks {', '.join(missing)}")
    hidden, cell = np.split(arrays["z0"], 2)
    told = arrays.get("cell_activation")
    return LSTMNetwork(
        gates={name: arrays[name] for name in GATE_NAMES},
        W_out=arrays["B"],
        b_out=arrays.get("b", np.zeros(len(arrays["B"]))),
        init_hidden=hidden,
        init_cell=cell,
        cell_activation="sigmoid" if told is None else str(told),
    )


def _which(path: str, arrays: dict[str, Array]) -> str:
    for weight, options in FAMILIES.items():
        if weight in arrays and "A" in arrays:
            several = " or ".join(f"latent_step={option}" for option in options)
            more = " latent_step.num_relus=N" if "ALRNN" in options else ""
            return f"latent_step: not given: {path} holds {_named(arrays)}; must be {several}{more}"
    return (
        f"latent_step: not given: {path} holds {_named(arrays)}, which is no leaky network (W_rec, B) and no PLRNN "
        "(A, W or A, W1, W2); must be the option whose weights they are"
    )


def _n_outputs(path: str, arrays: dict[str, Array], given: int | None) -> int:
    told = len(arrays["B"]) if "B" in arrays else arrays["L"].shape[1] if "L" in arrays else None
    if told is None and given is None:
        raise UserError(
            f"n_outputs: not given: {path} holds neither B nor L, which would tell the number of outputs"
        )
    if told is not None and given is not None and told != given:
        raise UserError(f"n_outputs: {given}: {path} has {told} outputs")
    return given if told is None else told


def _diagonal(path: str, A: Array) -> Array:
    """Return A (M,), also of a diagonal matrix (M, M)."""
    if A.ndim != 2:
        return A
    if A.shape[0] != A.shape[1] or np.any(A - np.diag(np.diagonal(A))):
        raise UserError(f"{path}: A must be (M,), or a diagonal matrix (M, M)")
    return np.diagonal(A).copy()


def _named(arrays: dict[str, Array]) -> str:
    return ", ".join(sorted(arrays)) or "nothing"
