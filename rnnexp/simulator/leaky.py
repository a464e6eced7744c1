"""Leaky rate networks in NumPy.

Letters: B trials, T time steps, I inputs, N units, O outputs. Weights are (post, pre).
"""

from collections.abc import Callable, Sequence

import numpy as np

from rnnexp.errors import UserError
from rnnexp.simulator.checks import checked, checked_initial, checked_inputs, per_unit
from rnnexp.simulator.transfer_functions import Transfer, transfer_named

Array = np.ndarray


class LeakySimulator:
    """Leaky rate network: s' = (1 - a) s + a (W_rec f(s) + W_in x + b_rec) + sqrt(2 a) rec_noise xi.

    y = W_out f(s') + b_out, a = dt / tau, xi ~ N(0, 1) for every trial, unit and step. Source: PsychRNN,
    BasicSimulator.

    Args:
        W_in: (N, I), effective, as all weights: masked, and signed under Dale's law.
        W_rec: (N, N).
        W_out: (O, N).
        dt: time step, ms, > 0.
        tau: time constants, ms, >= dt: a number, or N of them.
        b_rec: (N,); None is 0.
        b_out: (O,); None is 0.
        init_state: (N,) or (1, N), the state before the first step; None is 0.
        transfer_function: f, a name (see `TRANSFER_FUNCTIONS`) or a function of an array.
        rec_noise: a number >= 0, or N of them; the noise is there only where a generator is given.

    Raises:
        UserError: an argument is not allowed.
    """

    def __init__(
        self,
        W_in: Array,
        W_rec: Array,
        W_out: Array,
        dt: float,
        tau: float | Sequence[float],
        b_rec: Array | None = None,
        b_out: Array | None = None,
        init_state: Array | None = None,
        transfer_function: str | Transfer = "relu",
        rec_noise: float | Sequence[float] = 0.0,
    ) -> None:
        n_units, n_outputs = len(np.atleast_1d(W_rec)), len(np.atleast_1d(W_out))
        n_inputs = np.shape(W_in)[-1] if np.ndim(W_in) == 2 else 0
        self.W_rec = checked("W_rec", W_rec, (n_units, n_units))
        self.W_in = checked("W_in", W_in, (n_units, n_inputs))
        self.W_out = checked("W_out", W_out, (n_outputs, n_units))
        self.b_rec = checked("b_rec", np.zeros(n_units) if b_rec is None else b_rec, (n_units,))
        self.b_out = checked("b_out", np.zeros(n_outputs) if b_out is None else b_out, (n_outputs,))
        start = np.zeros(n_units) if init_state is None else np.asarray(init_state)
        self.init_state = checked("init_state", start.reshape(-1), (n_units,))
        self.transfer = transfer_named(transfer_function)
        self.alpha = _alpha(dt, tau, n_units)
        self.rec_noise = per_unit("rec_noise", rec_noise, n_units)
        if (self.rec_noise < 0).any():
            raise UserError(f"rec_noise: {rec_noise}: must be >= 0")

    def step(
        self,
        state: Array,
        x: Array,
        t_connectivity: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Array]:
        """Make one step.

        Args:
            state: (B, N).
            x: (B, I).
            t_connectivity: (N, N), multiplies W_rec entry by entry.
            rng: to draw the noise from; None is without.

        Returns:
            Output (B, O) and the new state (B, N).
        """
        state, x = np.asarray(state), np.asarray(x)
        return self._stepper(np.result_type(state, x, np.float32))(state, x, t_connectivity, rng)

    def _stepper(self, dtype: np.dtype) -> Callable[..., tuple[Array, Array]]:
        """Return `step` with the weights cast to a dtype once."""
        W_in, W_rec, W_out, b_rec, b_out, alpha, noise = (
            array.astype(dtype)
            for array in (
                self.W_in, self.W_rec, self.W_out, self.b_rec, self.b_out, self.alpha,
                np.sqrt(2 * self.alpha) * self.rec_noise,
            )
        )  # fmt: skip

        def step(
            state: Array, x: Array, t_connectivity: Array | None, rng: np.random.Generator | None
        ) -> tuple[Array, Array]:
            recurrent = W_rec if t_connectivity is None else W_rec * np.asarray(t_connectivity, dtype)
            drive = self.transfer(state.astype(dtype)) @ recurrent.T + x.astype(dtype) @ W_in.T + b_rec
            state = (1 - alpha) * state + alpha * drive
            if rng is not None:
                state = state + noise * rng.standard_normal(state.shape, dtype=dtype)
            return self.transfer(state) @ W_out.T + b_out, state

        return step

    def run_trials(
        self,
        x: Array,
        t_connectivity: Array | None = None,
        initial: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Array]:
        """Run whole trials.

        Args:
            x: (B, T, I).
            t_connectivity: (T, N, N), row t multiplies W_rec at step t: ablations and scalings that change in time.
            initial: (B, N) or (N,), the states before the first step; None is `init_state`.
            rng: to draw the noise from; None is without.

        Returns:
            Outputs (B, T, O) and states (B, T, N), before the transfer function; row t is after step t.

        Raises:
            UserError: an array has another shape.
        """
        x = checked_inputs(x, self.W_in.shape[1])
        n_trials, n_steps, _ = x.shape
        n_units = len(self.W_rec)
        if t_connectivity is not None:
            t_connectivity = checked("t_connectivity", t_connectivity, (n_steps, n_units, n_units))
        state = checked_initial(self.init_state if initial is None else initial, n_trials, n_units, x.dtype)
        outputs = np.empty((n_trials, n_steps, len(self.W_out)), x.dtype)
        states = np.empty((n_trials, n_steps, n_units), x.dtype)
        step = self._stepper(x.dtype)
        for t in range(n_steps):
            scale = None if t_connectivity is None else t_connectivity[t]
            outputs[:, t], state = step(state, x[:, t], scale, rng)
            states[:, t] = state
        return outputs, states


def _alpha(dt: float, tau: float | Sequence[float], n_units: int) -> Array:
    dt, taus = float(dt), per_unit("tau", tau, n_units)
    if not dt > 0:
        raise UserError(f"dt: {dt:g}: must be > 0 ms")
    if not (taus >= dt).all():
        raise UserError(f"tau: {taus.min():g}: must be >= dt, which is {dt:g} ms")
    return dt / taus
