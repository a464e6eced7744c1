"""Initial weights from a file: weights.npz of a run, or a file of PsychRNN or spikeRNN."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from rnnexp.constraints.initializers import Auto
from rnnexp.errors import UserError
from rnnexp.interop import psychrnn, spikernn
from rnnexp.interop.lstm_names import named_lstm
from rnnexp.interop.network import LSTMNetwork
from rnnexp.interop.npz_file import read_npz
from rnnexp.interop.parameters import adopt_signs, set_weights
from rnnexp.models import RNN

FileFormat = Literal["auto", "npz", "psychrnn", "spikernn"]


class FromFile(Auto):
    """Starts from the effective weights of a file; all that the file lacks starts as initializer=auto says.

    The names are those of this model: W_rec, W_in, b_rec, B, b, z0 of leaky networks, A, W, h, C, ... of the PLRNN
    family. Time constants come from the file only where they are trained. Where the units are drawn to be excitatory
    or inhibitory (constraint.P_inh), they become what the file's W_rec makes them.

    Args:
        path: the file.
        format: "npz" is a weights.npz of a run, or what `rnnexp export format=npz` wrote; "auto" finds out.
        only: names of the weights to take; None takes all.

    Raises:
        ValueError: there is no such format.
    """

    def __init__(self, path: str, format: FileFormat = "auto", only: Sequence[str] | None = None) -> None:
        if format not in get_args(FileFormat):
            raise ValueError(f"format must be one of {', '.join(get_args(FileFormat))}, got {format!r}")
        self.path = path
        self.format = format
        self.only = only

    def apply_to(self, model: RNN) -> None:
        """Set the weights of the file.

        Raises:
            UserError: the file cannot be used.
            ValueError: its weights do not fit the model.
        """
        try:
            weights = read_weights(self.path, self.format)
        except UserError as error:
            raise UserError(f"initializer.path: {error}") from error
        if "W_rec" in weights and "W_rec" in (self.only or weights):
            adopt_signs(model, weights["W_rec"])
        set_weights(model, weights, origin=self.path, only=self.only)


def read_weights(path: str | Path, format: FileFormat = "auto") -> dict[str, np.ndarray]:
    """Return the effective weights of a file under the names of a model.

    Raises:
        UserError: the file cannot be used.
    """
    found = format_of(path) if format == "auto" else format
    if found == "npz":
        return read_npz(path).arrays
    if found == "spikernn":
        return spikernn.read_network(path, transfer_function="sigmoid", needs_tau=False).named()
    network = psychrnn.read_network(path, transfer_function="relu")  # of no account for the weights
    return named_lstm(network) if isinstance(network, LSTMNetwork) else network.named()


def format_of(path: str | Path) -> Literal["npz", "psychrnn", "spikernn"]:
    """Find out which format a file has: by its ending .mat, or by what it holds.

    Raises:
        UserError: it cannot be read.
    """
    path = Path(path)
    if path.suffix == ".mat":
        return "spikernn"
    if path.suffix != ".npz":
        raise UserError(f"{path}: must end with .npz or .mat")
    return "psychrnn" if "W_out" in read_npz(path).arrays else "npz"
