"""LSTM networks in NumPy.

Letters: B trials, T time steps, I inputs, N units, O outputs. Gate matrices are (pre, post), W_out is (post, pre).
"""

from collections.abc import Callable, Mapping

import numpy as np

from rnnexp.errors import UserError
from rnnexp.simulator.checks import checked, checked_initial, checked_inputs
from rnnexp.simulator.transfer_functions import TRANSFER_FUNCTIONS, sigmoid

Array = np.ndarray
GATES = ("f", "i", "c", "o")


class LSTMSimulator:
    """LSTM of PsychRNN: with u = [h, x], F, G, O = sigmoid(u W + b) of their own, C = tanh(u W_c + b_c),

        c' = F c + G C,   h' = O g(c'),   y = W_out h' + b_out,   g the sigmoid by default, not tanh.

    Args:
        gates: W_f, W_i, W_c, W_o (N + I, N), rows of the hidden units first, and b_f, b_i, b_c, b_o (N,).
        W_out: (O, N).
        b_out: (O,); None is 0.
        init_hidden: (N,) or (any, N), of which row 0 counts, as in PsychRNN; None is 0.
        init_cell: as init_hidden.
        cell_activation: g, "sigmoid" or "tanh".

    Raises:
        UserError: an argument is not allowed.
    """

    def __init__(
        self,
        gates: Mapping[str, Array],
        W_out: Array,
        b_out: Array | None = None,
        init_hidden: Array | None = None,
        init_cell: Array | None = None,
        cell_activation: str = "sigmoid",
    ) -> None:
        n_units, n_outputs = np.shape(W_out)[-1], len(np.atleast_1d(W_out))
        n_sources = len(gates["W_f"])
        self.n_inputs = n_sources - n_units
        self.W = {gate: checked(f"W_{gate}", gates[f"W_{gate}"], (n_sources, n_units)) for gate in GATES}
        self.b = {gate: checked(f"b_{gate}", gates[f"b_{gate}"], (n_units,)) for gate in GATES}
        self.W_out = checked("W_out", W_out, (n_outputs, n_units))
        self.b_out = checked("b_out", np.zeros(n_outputs) if b_out is None else b_out, (n_outputs,))
        starts = (("init_hidden", init_hidden), ("init_cell", init_cell))
        self.init_hidden, self.init_cell = (
            np.zeros(n_units) if start is None else checked(name, np.atleast_2d(start)[0], (n_units,))
            for name, start in starts
        )
        if cell_activation not in ("sigmoid", "tanh"):
            raise UserError(f"cell_activation: {cell_activation}: must be one of sigmoid, tanh")
        self.transfer = TRANSFER_FUNCTIONS[cell_activation]

    def step(self, hidden: Array, cell: Array, x: Array) -> tuple[Array, Array, Array]:
        """Make one step from hidden (B, N), cell (B, N) and x (B, I); returns output (B, O), hidden and cell."""
        hidden, cell, x = np.asarray(hidden), np.asarray(cell), np.asarray(x)
        return self._stepper(np.result_type(hidden, cell, x, np.float32))(hidden, cell, x)

    def _stepper(self, dtype: np.dtype) -> Callable[[Array, Array, Array], tuple[Array, Array, Array]]:
        """Return `step` with the weights cast to a dtype once."""
        W = np.concatenate([self.W[gate] for gate in GATES], axis=1).astype(dtype)
        b = np.concatenate([self.b[gate] for gate in GATES]).astype(dtype)
        W_out, b_out = self.W_out.astype(dtype), self.b_out.astype(dtype)

        def step(hidden: Array, cell: Array, x: Array) -> tuple[Array, Array, Array]:
            drive = np.concatenate((hidden, x), axis=1, dtype=dtype) @ W + b
            forget, write, content, read = np.split(drive, len(GATES), axis=1)
            cell = sigmoid(forget) * cell.astype(dtype) + sigmoid(write) * np.tanh(content)
            hidden = sigmoid(read) * self.transfer(cell)
            return hidden @ W_out.T + b_out, hidden, cell

        return step

    def run_trials(
        self, x: Array, initial_hidden: Array | None = None, initial_cell: Array | None = None
    ) -> tuple[Array, Array]:
        """Run whole trials.

        Args:
            x: (B, T, I).
            initial_hidden: (B, N) or (N,); None is `init_hidden`.
            initial_cell: (B, N) or (N,); None is `init_cell`.

        Returns:
            Outputs (B, T, O) and hidden states (B, T, N); row t is after step t.

        Raises:
            UserError: an array has another shape.
        """
        x = checked_inputs(x, self.n_inputs)
        n_trials, n_steps, _ = x.shape
        n_units = self.W_out.shape[1]
        starts = (self.init_hidden if initial_hidden is None else initial_hidden,
                  self.init_cell if initial_cell is None else initial_cell)  # fmt: skip
        hidden, cell = (checked_initial(start, n_trials, n_units, x.dtype) for start in starts)
        outputs = np.empty((n_trials, n_steps, len(self.W_out)), x.dtype)
        states = np.empty((n_trials, n_steps, n_units), x.dtype)
        step = self._stepper(x.dtype)
        for t in range(n_steps):
            outputs[:, t], hidden, cell = step(hidden, cell, x[:, t])
            states[:, t] = hidden
        return outputs, states
