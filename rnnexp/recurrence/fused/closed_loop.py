"""The fused recurrence of network and plant in closed loop, with its gradient derived by hand.

All networks have one form, with x = [phi(z_{t-1}) 1 s_t fb_t] and one matrix W for each gate:

    v = W x,    z_t = A z_{t-1} + a g(v),    r_t = rates(z_t),    u_t = B r_t + b

    GRU         phi(z) = z, four gates, the cell of `gates.py`     r = z
    leaky       phi(z) = f(z), A = 1 - alpha, a = 1, g(v) = v      r = f(z)      alpha is multiplied into W
    leaky rate  phi(z) = z, A = 1 - alpha, a = alpha, g = f        r = z
    rectified   phi(z) = relu of some units, a = 1, g(v) = v       r = z         PLRNN, ALRNN
    shallow     phi(z) = relu(W2 z + h2) [- relu(W2 z)], else as rectified

fb_t are entries of what the plant showed lag steps before; the plant is that of `plants.py`. Forces on the effector are
fields: F = sum over perturbations of active (G v + f), v its velocity before the step.

Gradient. Backwards in time, what reaches z_t is the loss's own part, A dz_{t+1} (of the GRU u dz_{t+1}), phi'(z_t)^T of
what W^T dv_{t+1} holds for phi, and the readout's B^T du_t; du_t comes from the plant's state after step t, which the
loss, all later feedback and the plant's next step depend on. Outer products are summed over blocks of steps.

Shapes: B trials, T steps, M units, K inputs, F feedback entries, O observed entries, U = 2 commands, L entries of phi,
G gates, N force fields, X = L + K + F + 1, P = padded(M); b trials of a chunk, S steps of a block.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from rnnexp.recurrence.fused.blocks import block_steps, store_rows
from rnnexp.recurrence.fused.compilation import CHUNK, Array, inner, kernel, n_parts, run
from rnnexp.recurrence.fused.gates import GRU as GRU_CELL
from rnnexp.recurrence.fused.gates import back_gru, open_gates, slopes_gru, step_gru
from rnnexp.recurrence.fused.networks import call
from rnnexp.recurrence.fused.plants import N_OBSERVED, observe, observe_back, step_plant, step_plant_back
from rnnexp.recurrence.fused.products import add_outer_products, multiply, pack, padded
from rnnexp.recurrence.fused.transfer import number_of, transfer, transfer_slopes

KINDS = ("gru", "leaky", "leaky_rate", "rectified", "shallow")
_GRU, _LEAKY, _LEAKY_RATE, _RECTIFIED, _SHALLOW = range(len(KINDS))


@dataclass(frozen=True)
class LoopNetwork:
    """A network as the kernels see it; see the top of the file.

    Attributes:
        kind: which of the forms.
        W: (G, L + K + F + 1, M), (gate, pre, post): phi, inputs, feedback, bias.
        A: (M,); not used by a GRU.
        a: (M,); of a leaky rate network only.
        hidden: (M + 1, L), W2^T above h2; of a shallow network only.
        activation: f.
        first_relu: units from this one on are rectified.
        flag: rectified: phi subtracts the mean over units first; shallow: relu(W2 z) is subtracted.
    """

    kind: Literal["gru", "leaky", "leaky_rate", "rectified", "shallow"]
    W: Tensor
    A: Tensor
    a: Tensor
    hidden: Tensor
    activation: str = "identity"
    first_relu: int = 0
    flag: bool = False


@dataclass(frozen=True)
class LoopGiven:
    """What else a run needs; empty tensors where there is none.

    Attributes:
        plant: number of the plant; numbers: its constants.
        plant_start: (B, 4).
        source: (F,) int64, entry of the observed ones that each feedback entry shows; lag: (F,) int64, steps.
        feedback_noise: (B, T, F); command, command_gain: (B, T, U).
        fields: (N, 6), G row by row and f; active: (N, B, T).
    """

    plant: int
    numbers: Tensor
    plant_start: Tensor
    source: Tensor
    lag: Tensor
    feedback_noise: Tensor
    command: Tensor
    command_gain: Tensor
    fields: Tensor
    active: Tensor
    tensors: tuple[Tensor, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = (
            self.numbers, self.plant_start, self.source, self.lag, self.feedback_noise, self.command,
            self.command_gain, self.fields, self.active,
        )  # fmt: skip
        object.__setattr__(self, "tensors", found)


def fused_closed_loop(
    network: LoopNetwork,
    readout: Tensor,
    initial: Tensor,
    inputs: Tensor,
    increments: Tensor,
    given: LoopGiven,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Iterate network and plant.

    Args:
        network: its tensors float32 or float64, on the CPU, as all others.
        readout: (M + 1, U), B^T above b.
        initial: (B, S).
        inputs: (B, T, K), without a gradient.
        increments: (B, T, M), added to the states, or empty.
        given: plant, feedback, noise and forces.

    Returns:
        Latents (B, T, M), outputs (B, T, U), observed (B, T + 1, O) from the start on, and feedback (B, T, F), which
        has no gradient.

    Raises:
        ValueError: shapes do not agree.
    """
    width, n_units = network.W.shape[1:]
    n_phi = network.hidden.shape[1] if network.kind == "shallow" else n_units
    if width != n_phi + inputs.shape[2] + len(given.source) + 1 or initial.shape != (len(inputs), n_units):
        raise ValueError(
            f"network of {n_units} units and {width} rows of weights does not fit initial {tuple(initial.shape)}, "
            f"{inputs.shape[2]} inputs and {len(given.source)} feedback entries"
        )
    options = (
        KINDS.index(network.kind), number_of(network.activation), network.first_relu, int(network.flag), given.plant
    )  # fmt: skip
    W = torch.cat((network.W[:, :n_phi], network.W[:, -1:], network.W[:, n_phi:-1]), 1)  # in the order of x
    return call(
        _ClosedLoop, W, network.A, network.a, network.hidden, readout, initial, increments, inputs, *given.tensors,
        options,
    )  # fmt: skip


class _ClosedLoop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        W: Tensor,
        A: Tensor,
        a: Tensor,
        hidden: Tensor,
        readout: Tensor,
        initial: Tensor,
        increments: Tensor,
        inputs: Tensor,
        *given: Any,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return latents, outputs, observed and feedback."""
        *given, options = given
        given = [tensor.contiguous() for tensor in given]
        tensors = [t.contiguous() for t in (W, A, a, hidden, readout, initial, increments, inputs)]
        n_trials, n_steps = inputs.shape[:2]
        latents = W.new_empty(n_trials, n_steps, W.shape[2])
        outputs = W.new_empty(n_trials, n_steps, readout.shape[1])
        observed = W.new_empty(n_trials, n_steps + 1, N_OBSERVED[options[-1]])
        told = W.new_empty(n_trials, n_steps, len(given[2]))
        work = n_steps * (W.numel() + hidden.numel())
        run(_forward, n_trials, work, *tensors, *given, *options, latents, outputs, observed, told)
        ctx.save_for_backward(*tensors, latents, outputs, observed, told)
        ctx.given, ctx.options = given, options
        ctx.mark_non_differentiable(told)
        return latents, outputs, observed, told

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, g_latents: Tensor, g_outputs: Tensor, g_observed: Tensor, _: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Return the gradients of all arguments of `forward`."""
        *tensors, latents, outputs, observed, told = ctx.saved_tensors
        weights, initial, increments = tensors[:5], tensors[5], tensors[6]
        sums = [w.new_zeros(n_parts(len(initial)), *w.shape) for w in weights]
        grad_initial = torch.empty_like(initial)
        wanted = increments.numel() and ctx.needs_input_grad[6]
        grad_increments = torch.empty_like(increments) if wanted else initial.new_empty(0, 0, 0)
        work = 3 * latents.shape[1] * (weights[0].numel() + weights[3].numel())
        run(
            _backward, len(initial), work, *tensors, *ctx.given, *ctx.options, latents, outputs, observed,
            told, g_latents.contiguous(), g_outputs.contiguous(), g_observed.contiguous(), *sums, grad_initial,
            grad_increments,
        )  # fmt: skip
        grads = [s[0] if len(s) == 1 else s.sum(0) for s in sums]
        return *grads, grad_initial, grad_increments if wanted else None, *[None] * (len(ctx.given) + 2)


@kernel
def _forward(
    part: int, start: int, stop: int, W: Array, A: Array, a: Array, hidden: Array, readout: Array, initial: Array,
    increments: Array, inputs: Array, numbers: Array, plant_start: Array, source: Array, lag: Array,
    feedback_noise: Array, command: Array, command_gain: Array, fields: Array, active: Array, kind: int,
    activation: int, first_relu: int, flag: int, plant: int, latents: Array, outputs: Array, observed: Array,
    told: Array,
) -> None:  # fmt: skip
    """Fill latents, outputs, observed and told."""
    n_gates, width, n = W.shape
    n_inputs, n_told, n_commands = inputs.shape[2], len(source), readout.shape[1]
    n_phi = width - n_inputs - n_told - 1
    p = padded(n, W)
    starts, stops = _rows_of_gates(kind, n_gates, n_phi, width)
    packed = [pack(W[k, starts[k] : stops[k]]) for k in range(n_gates)]
    packed_readout, packed_hidden = pack(readout), pack(hidden)
    force = np.zeros(2, W.dtype)
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        x, z, z_one = _with_ones(b, width, n_phi, W), np.zeros((b, p), W.dtype), _with_ones(b, n + 1, n, W)
        phi, drive = np.zeros((b, padded(n_phi, W)), W.dtype), np.zeros((b, padded(n_phi, W)), W.dtype)
        v, gates = np.zeros((n_gates, b, p), W.dtype), np.empty((4, b * p), W.dtype)
        read, y = _with_ones(b, n + 1, n, W), np.zeros((b, padded(n_commands, W)), W.dtype)
        fired, state = np.zeros((b, p), W.dtype), np.empty((b, 4), W.dtype)
        for i in range(b):
            for j in range(n):
                z[i, j] = initial[first + i, j]
            for j in range(4):
                state[i, j] = plant_start[first + i, j]
            observe(plant, numbers, state[i], observed[first + i, 0])
        for t in range(-1, latents.shape[1]):
            if t >= 0:
                for i in range(b):
                    row = first + i
                    for j in range(n_phi):
                        x[i, j] = phi[i, j]
                    for k in range(n_inputs):
                        x[i, n_phi + 1 + k] = inputs[row, t, k]
                    for k in range(n_told):
                        value = observed[row, max(0, t - lag[k]), source[k]]
                        if feedback_noise.size:
                            value += feedback_noise[row, t, k]
                        told[row, t, k] = value
                        x[i, n_phi + 1 + n_inputs + k] = value
                for k in range(n_gates):
                    multiply(x, packed[k], (stops[k] - starts[k], n), v[k], False, starts[k])
                if kind == _GRU:
                    open_gates(GRU_CELL, v.reshape(n_gates, -1), gates)
                    step_gru(gates, z.reshape(-1))
                elif kind != _LEAKY_RATE:
                    _make_step(first, t, n, A, v[0], increments, z)
            if kind == _LEAKY or (kind == _LEAKY_RATE and t >= 0):
                transfer(activation, z if kind == _LEAKY else v[0], fired)
            if kind == _LEAKY_RATE and t >= 0:
                for i in range(b):
                    for j in range(n):
                        v[0, i, j] = a[j] * fired[i, j]
                _make_step(first, t, n, A, v[0], increments, z)
            _set_phi(kind, first_relu, flag, n, z, fired, packed_hidden, hidden, z_one, drive, phi)
            if t >= 0:
                for i in range(b):
                    for j in range(n):
                        latents[first + i, t, j] = z[i, j]
                        read[i, j] = fired[i, j] if kind == _LEAKY else z[i, j]
                multiply(read, packed_readout, (n + 1, n_commands), y, False)
                for i in range(b):
                    row = first + i
                    for k in range(n_commands):
                        outputs[row, t, k] = y[i, k]
                    u1, u2 = _command(row, t, outputs, command, command_gain)
                    _set_force(row, t, observed, fields, active, force)
                    step_plant(plant, numbers, u1, u2, force[0], force[1], state[i])
                    observe(plant, numbers, state[i], observed[row, t + 1])


@kernel
def _backward(
    part: int, start: int, stop: int, W: Array, A: Array, a: Array, hidden: Array, readout: Array, initial: Array,
    increments: Array, inputs: Array, numbers: Array, plant_start: Array, source: Array, lag: Array,
    feedback_noise: Array, command: Array, command_gain: Array, fields: Array, active: Array, kind: int,
    activation: int, first_relu: int, flag: int, plant: int, latents: Array, outputs: Array, observed: Array,
    told: Array, g_latents: Array, g_outputs: Array, g_observed: Array, dW: Array, dA: Array, da: Array,
    dhidden: Array, dreadout: Array, grad_initial: Array, grad_increments: Array,
) -> None:  # fmt: skip
    """Fill row `part` of the sums, grad_initial and, unless it is empty, grad_increments."""
    n_gates, width, n = W.shape
    n_inputs, n_told, n_commands = inputs.shape[2], len(source), readout.shape[1]
    n_phi, n_steps = width - n_inputs - n_told - 1, latents.shape[1]
    p, p_phi, p_read = padded(n, W), padded(n_phi, W), padded(n_commands, W)
    size = block_steps(start, stop, n_steps)
    starts, stops = _rows_of_gates(kind, n_gates, n_phi, width)
    packed = [pack(W[k, starts[k] : stops[k]]) for k in range(n_gates)]
    W_phi_T = [pack(W[k, :n_phi].T) for k in range(n_gates)]
    W_told_T = [pack(W[k, n_phi + 1 + n_inputs :].T) for k in range(n_gates)]
    readout_T, packed_hidden, hidden_T = pack(readout[:n].T), pack(hidden), pack(hidden[: len(hidden) - 1].T)
    sums, sums_read = np.zeros((n_gates, width, p), W.dtype), np.zeros((n + 1, p_read), W.dtype)
    sums_hidden = np.zeros((n + 1, p_phi), W.dtype)
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        d_seen = np.empty((b, *observed.shape[1:]), W.dtype)
        for i in range(b):
            for t in range(d_seen.shape[1]):
                for j in range(d_seen.shape[2]):
                    d_seen[i, t, j] = g_observed[first + i, t, j]
        d_state, dz = np.zeros((b, 4), W.dtype), np.zeros((b, p), W.dtype)
        d_phi, d_rates = np.zeros((b, p_phi), W.dtype), np.zeros((b, p), W.dtype)
        d_told = np.zeros((b, padded(n_told, W)), W.dtype)
        for end in range(n_steps, 0, -size):
            begin = max(0, end - size)
            rows = (end - begin) * b
            z, z_one = (
                np.zeros((rows + b, p), W.dtype),
                _with_ones(rows + b, n + 1, n, W),
            )  # from before the first step
            phi, drive = np.zeros((rows + b, p_phi), W.dtype), np.zeros((rows + b, p_phi), W.dtype)
            fired, slopes = np.zeros((rows + b, p), W.dtype), np.zeros((rows + b, p), W.dtype)
            d_hidden = np.zeros((rows + b, p_phi), W.dtype)
            x, v = _with_ones(rows, width, n_phi, W), np.zeros((n_gates, rows, p), W.dtype)
            gates = np.empty((4, rows * p), W.dtype)
            read, dy = _with_ones(rows, n + 1, n, W), np.zeros((rows, p_read), W.dtype)
            for t in range(begin - 1, end):
                low = (t - begin + 1) * b
                for i in range(b):
                    for j in range(n):
                        z[low + i, j] = initial[first + i, j] if t < 0 else latents[first + i, t, j]
            if kind == _LEAKY:
                transfer(activation, z, fired)
                transfer_slopes(activation, z, fired, slopes)
            _set_phi(kind, first_relu, flag, n, z, fired, packed_hidden, hidden, z_one, drive, phi)
            for t in range(begin, end):
                low = (t - begin) * b
                for i in range(b):
                    for j in range(n_phi):
                        x[low + i, j] = phi[low + i, j]
                    for k in range(n_inputs):
                        x[low + i, n_phi + 1 + k] = inputs[first + i, t, k]
                    for k in range(n_told):
                        x[low + i, n_phi + 1 + n_inputs + k] = told[first + i, t, k]
                    for j in range(n):
                        read[low + i, j] = fired[low + b + i, j] if kind == _LEAKY else z[low + b + i, j]
            if kind == _GRU or kind == _LEAKY_RATE:  # noqa: SIM109
                for k in range(n_gates):
                    multiply(x, packed[k], (stops[k] - starts[k], n), v[k], False, starts[k])
            if kind == _GRU:
                open_gates(GRU_CELL, v.reshape(n_gates, -1), gates)
                slopes_gru(gates, z[:rows].reshape(-1), v.reshape(n_gates, -1))
            elif kind == _LEAKY_RATE:
                transfer(activation, v[0], fired[:rows])
                transfer_slopes(activation, v[0], fired[:rows], v[0])
            for t in range(end - 1, begin - 2 if begin == 0 else begin - 1, -1):  # to -1, the initial state
                low = (t - begin) * b
                if t >= 0:
                    _plant_back(
                        first, t, low, plant, numbers, outputs, observed, command, command_gain, fields, active,
                        g_outputs, d_seen, d_state, dy,
                    )  # fmt: skip
                    multiply(dy[low : low + b], readout_T, (n_commands, n), d_rates, False)
                    for i in range(b):
                        if kind == _LEAKY:
                            for j in range(n):
                                d_phi[i, j] += d_rates[i, j]
                        else:
                            for j in range(n):
                                dz[i, j] += d_rates[i, j]
                _phi_back(
                    kind, first_relu, flag, n, low + b, phi, slopes, drive, hidden, hidden_T, d_hidden, d_phi, dz,
                    sums_hidden,
                )  # fmt: skip
                if t < 0:
                    break
                for i in range(b):
                    for j in range(n):
                        dz[i, j] += g_latents[first + i, t, j]
                    if grad_increments.size:
                        for j in range(n):
                            grad_increments[first + i, t, j] = dz[i, j]
                if kind == _GRU:
                    back_gru(
                        gates[1, low * p : (low + b) * p], v.reshape(n_gates, -1), low * p, dz.reshape(-1)
                    )
                else:
                    for i in range(b):
                        for j in range(n):
                            dA[part, j] += dz[i, j] * z[low + i, j]
                        if kind == _LEAKY_RATE:
                            for j in range(n):
                                da[part, j] += dz[i, j] * fired[low + i, j]
                                v[0, low + i, j] *= a[j] * dz[i, j]
                        else:
                            for j in range(n):
                                v[0, low + i, j] = dz[i, j]
                        for j in range(n):
                            dz[i, j] *= A[j]
                for k in range(n_gates):
                    if starts[k] == 0:
                        multiply(v[k, low : low + b], W_phi_T[k], (n, n_phi), d_phi, k > 0)
                    if stops[k] == width:
                        multiply(v[k, low : low + b], W_told_T[k], (n, n_told), d_told, k > 0)
                for i in range(b):
                    for k in range(n_told):
                        d_seen[i, max(0, t - lag[k]), source[k]] += d_told[i, k]
            for k in range(n_gates):
                add_outer_products(x, v[k], n, sums[k], starts[k], stops[k])
            add_outer_products(read, dy, n_commands, sums_read)
            if kind == _SHALLOW:
                add_outer_products(z, d_hidden, n_phi, sums_hidden[:n])
        store_rows(first, dz, grad_initial)
    for k in range(n_gates):
        store_rows(0, sums[k], dW[part, k])
    store_rows(0, sums_read, dreadout[part])
    if kind == _SHALLOW:
        store_rows(0, sums_hidden, dhidden[part])


@inner
def _rows_of_gates(kind: int, n_gates: int, n_phi: int, width: int) -> tuple[Array, Array]:
    """Return first and last + 1 row of W of each gate; in a GRU v_n has none for phi, v_m none for inputs."""
    starts, stops = np.zeros(n_gates, np.int64), np.zeros(n_gates, np.int64)
    for k in range(n_gates):
        stops[k] = width
    if kind == _GRU:
        starts[2], stops[3] = n_phi, n_phi + 1
    return starts, stops


@inner
def _with_ones(n_rows: int, width: int, column: int, like: Array) -> Array:
    """Return rows that are 0 but for a column of ones, for the bias."""
    rows = np.zeros((n_rows, width), like.dtype)
    for i in range(n_rows):
        rows[i, column] = 1
    return rows


@inner
def _make_step(first: int, t: int, n: int, A: Array, v: Array, increments: Array, z: Array) -> None:
    """Set z (b, P) to A z + v and add the increments."""
    for i in range(z.shape[0]):
        for j in range(n):
            z[i, j] = A[j] * z[i, j] + v[i, j]
        if increments.size:
            for j in range(n):
                z[i, j] += increments[first + i, t, j]


@inner
def _set_phi(
    kind: int, first_relu: int, flag: int, n: int, z: Array, fired: Array, packed_hidden: Array, hidden: Array,
    z_one: Array, drive: Array, phi: Array,
) -> None:  # fmt: skip
    """Set phi (b, -) to phi(z), z (b, P), given f(z) in a leaky network; in a shallow one drive becomes W2 z."""
    if kind == _RECTIFIED:
        for i in range(z.shape[0]):
            mean = _mean(flag, n, z[i])
            for j in range(n):
                value = z[i, j] - mean
                phi[i, j] = 0 if j >= first_relu and value <= 0 else value
    elif kind == _SHALLOW:
        n_hidden = hidden.shape[1]
        for i in range(z.shape[0]):
            for j in range(n):
                z_one[i, j] = z[i, j]
            z_one[i, n] = 0
        multiply(z_one, packed_hidden, (n + 1, n_hidden), drive, False)
        for i in range(z.shape[0]):
            for k in range(n_hidden):
                value = drive[i, k] + hidden[n, k]
                phi[i, k] = 0 if value <= 0 else value
                if flag:
                    phi[i, k] -= 0 if drive[i, k] <= 0 else drive[i, k]
    else:
        for i in range(z.shape[0]):
            for j in range(n):
                phi[i, j] = fired[i, j] if kind == _LEAKY else z[i, j]


@inner
def _phi_back(
    kind: int, first_relu: int, flag: int, n: int, low: int, phi: Array, slopes: Array, drive: Array, hidden: Array,
    hidden_T: Array, d_hidden: Array, d_phi: Array, dz: Array, sums_hidden: Array,
) -> None:  # fmt: skip
    """Add phi'(z)^T d_phi to dz (b, P), for the states whose rows of phi, slopes and drive begin at low.

    In a shallow network rows of d_hidden become what W2 z gets; the last row of sums_hidden gathers what h2 gets.
    """
    if kind == _LEAKY:
        for i in range(dz.shape[0]):
            for j in range(n):
                dz[i, j] += slopes[low + i, j] * d_phi[i, j]
    elif kind == _RECTIFIED:
        for i in range(dz.shape[0]):
            for j in range(first_relu, n):
                d_phi[i, j] = 0 if phi[low + i, j] <= 0 else d_phi[i, j]
            mean = _mean(flag, n, d_phi[i])
            for j in range(n):
                dz[i, j] += d_phi[i, j] - mean
    elif kind == _SHALLOW:
        n_hidden = hidden.shape[1]
        for i in range(dz.shape[0]):
            for k in range(n_hidden):
                through = d_phi[i, k] if drive[low + i, k] + hidden[n, k] > 0 else 0 * d_phi[i, k]
                sums_hidden[n, k] += through
                d_hidden[low + i, k] = through - d_phi[i, k] if flag and drive[low + i, k] > 0 else through
        multiply(d_hidden[low : low + dz.shape[0]], hidden_T, (n_hidden, n), dz, True)
    else:
        for i in range(dz.shape[0]):
            for j in range(n):
                dz[i, j] += d_phi[i, j]


@inner
def _mean(flag: int, n: int, row: Array) -> float:
    """Return the mean of the first n entries, or 0 where phi does not subtract it."""
    mean = row.dtype.type(0)
    if flag:
        for j in range(n):
            mean += row[j]
        mean /= row.dtype.type(n)
    return mean


@inner
def _command(row: int, t: int, outputs: Array, command: Array, command_gain: Array) -> tuple[float, float]:
    """Return what reaches the plant."""
    u1, u2 = np.float64(outputs[row, t, 0]), np.float64(outputs[row, t, 1])
    if command_gain.size:
        u1, u2 = u1 * (1 + command_gain[row, t, 0]), u2 * (1 + command_gain[row, t, 1])
    if command.size:
        u1, u2 = u1 + command[row, t, 0], u2 + command[row, t, 1]
    return u1, u2


@inner
def _set_force(row: int, t: int, observed: Array, fields: Array, active: Array, force: Array) -> None:
    """Set force (2,) to that of all fields in step t."""
    force[0] = force[1] = 0
    at = observed.shape[2] - 2
    v1, v2 = observed[row, t, at], observed[row, t, at + 1]
    for k in range(len(fields)):
        share, g = active[k, row, t], fields[k]
        force[0] += share * (g[0] * v1 + g[1] * v2 + g[4])
        force[1] += share * (g[2] * v1 + g[3] * v2 + g[5])


@inner
def _plant_back(
    first: int, t: int, low: int, plant: int, numbers: Array, outputs: Array, observed: Array, command: Array,
    command_gain: Array, fields: Array, active: Array, g_outputs: Array, d_seen: Array, d_state: Array, dy: Array,
) -> None:  # fmt: skip
    """Take d_state (b, 4) from after step t, without what is observed there, to before it; set the rows of dy."""
    at = observed.shape[2] - 2
    force, d_force = np.zeros(2, d_state.dtype), np.zeros(2, d_state.dtype)
    for i in range(d_state.shape[0]):
        row = first + i
        observe_back(plant, numbers, observed[row, t + 1], d_seen[i, t + 1], d_state[i])
        u1, u2 = _command(row, t, outputs, command, command_gain)
        _set_force(row, t, observed, fields, active, force)
        du1, du2 = step_plant_back(
            plant, numbers, u1, u2, force[0], force[1], observed[row, t], d_state[i], d_force
        )
        for k in range(len(fields)):
            share, g = active[k, row, t], fields[k]
            d_seen[i, t, at] += share * (g[0] * d_force[0] + g[2] * d_force[1])
            d_seen[i, t, at + 1] += share * (g[1] * d_force[0] + g[3] * d_force[1])
        if command_gain.size:
            du1, du2 = du1 * (1 + command_gain[row, t, 0]), du2 * (1 + command_gain[row, t, 1])
        dy[low + i, 0] = du1 + g_outputs[row, t, 0]
        dy[low + i, 1] = du2 + g_outputs[row, t, 1]
