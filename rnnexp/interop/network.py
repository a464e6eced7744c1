"""What a file of weights holds, whoever wrote it; NumPy only.

Letters: I inputs, N units, O outputs. Weights are (post, pre) and effective: masked, and signed under Dale's law.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from rnnexp.errors import UserError

Array = np.ndarray
Tau = float | list[float] | dict[str, float]


@dataclass(frozen=True)
class Rule:
    """What one weight matrix may be.

    Attributes:
        mask: (post, pre), 1 where there is a connection, else 0; None: everywhere.
        signs: (pre,), +1, -1, or 0 for a unit without connections; None: any sign.
    """

    mask: Array | None = None
    signs: Array | None = None


@dataclass(frozen=True)
class LeakyNetwork:
    """A leaky rate network.

    Attributes:
        W_in: (N, I).
        W_rec: (N, N).
        W_out: (O, N).
        b_rec: (N,); None: it has none.
        b_out: (O,).
        init_state: (N,); None: it is not known.
        transfer_function: a name of `rnnexp.latent_steps.activations`.
        tau: ms, or {"min": a, "max": b} if it is trained; None: not known.
        tau_raw: (N,), of a trained tau, tau = min + (max - min) sigmoid(tau_raw).
        dt: ms; None: not known.
        rec_noise: in units of sqrt(2 dt / tau); None: not known.
        rules: of W_in, W_rec and W_out.
        sign_rule: how signs are kept; None: no Dale's law.
    """

    W_in: Array
    W_rec: Array
    W_out: Array
    b_rec: Array | None
    b_out: Array
    init_state: Array | None
    transfer_function: str
    tau: Tau | None = None
    tau_raw: Array | None = None
    dt: float | None = None
    rec_noise: float | list[float] | None = None
    rules: dict[str, Rule] = field(default_factory=dict)
    sign_rule: Literal["absolute", "rectified"] | None = None

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of inputs, units and outputs."""
        return self.W_in.shape[1], len(self.W_rec), len(self.W_out)

    def rule(self, name: str) -> Rule:
        """Return the rule of W_in, W_rec or W_out."""
        return self.rules.get(name, Rule())

    def check(self, path: str | Path) -> "LeakyNetwork":
        """Return the network itself, once all its arrays are numbers of shapes that fit each other.

        Raises:
            UserError: which array of the file does not.
        """
        n_inputs, n_units, n_outputs = self.sizes
        shapes = {
            "W_in": (n_units, n_inputs), "W_rec": (n_units, n_units), "W_out": (n_outputs, n_units),
            "b_rec": (n_units,), "b_out": (n_outputs,), "init_state": (n_units,), "tau_raw": (n_units,),
        }  # fmt: skip
        arrays = {name: getattr(self, name) for name in shapes}
        for name, rule in self.rules.items():
            arrays |= {f"the mask of {name}": rule.mask, f"the signs of {name}": rule.signs}
            shapes |= {f"the mask of {name}": shapes[name], f"the signs of {name}": shapes[name][1:]}
        for name, array in arrays.items():
            if array is None:
                continue
            if array.dtype.kind not in "fiub":
                raise UserError(f"{path}: {name} must hold real numbers, got dtype {array.dtype}")
            if array.shape != shapes[name]:
                raise UserError(f"{path}: {name} must have the shape {shapes[name]}, got {array.shape}")
        return self

    def with_tau(self, tau: Tau) -> "LeakyNetwork":
        """Return the same network with other time constants."""
        return replace(self, tau=tau, tau_raw=None)

    def named(self) -> dict[str, Array]:
        """Return the weights under the names that they have in a model; tau (N,) only if it is trained."""
        named = {
            "W_in": self.W_in if self.W_in.size else None,
            "W_rec": self.W_rec,
            "b_rec": self.b_rec,
            "B": self.W_out,
            "b": self.b_out,
            "z0": self.init_state,
        }
        if isinstance(self.tau, dict):
            low, high = self.tau["min"], self.tau["max"]
            named["tau"] = low + (high - low) / (1 + np.exp(-self.tau_raw))
            named["tau_raw"] = self.tau_raw
        return {name: array for name, array in named.items() if array is not None}


@dataclass(frozen=True)
class LSTMNetwork:
    """An LSTM network with PsychRNN's equations.

    Attributes:
        gates: W_f, W_i, W_c, W_o (N + I, N), rows of the hidden units first, and b_f, b_i, b_c, b_o (N,).
        W_out: (O, N).
        b_out: (O,).
        init_hidden: (N,).
        init_cell: (N,).
        cell_activation: "sigmoid" or "tanh".
    """

    gates: dict[str, Array]
    W_out: Array
    b_out: Array
    init_hidden: Array
    init_cell: Array
    cell_activation: str = "sigmoid"

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of inputs, units and outputs."""
        n_outputs, n_units = self.W_out.shape
        return len(self.gates["W_f"]) - n_units, n_units, n_outputs


def ratio_for(n_excitatory: int, n_units: int) -> float:
    """Return a dale_ratio for which int(dale_ratio * n_units) is n_excitatory."""
    ratio = n_excitatory / n_units
    return ratio if int(ratio * n_units) == n_excitatory else (n_excitatory + 0.5) / n_units
