"""The fused recurrence of the leaky rate networks and their readout, with the gradient derived by hand.

    z_t = (1 - a) z_{t-1} + a (W r_{t-1} + W_in s_t + h) + e_t,   r = f(z),   y_t = B r_t + c

Gradient. With Z_t, R_t and Y_t the derivatives of the loss by the rows z_t, r_t and y_t alone (what autograd hands
over), the total derivative g_t by z_t follows backward in time:

    g_t = Z_t + (1 - a) g_{t+1} + f'(z_t) ( R_t + B^T Y_t + W^T (a g_{t+1}) )

Then, row i of a matrix belonging to unit i,

    d[W W_in h] = sum (a g_t) [r_{t-1} s_t 1]^T,   d[B c] = sum Y_t [r_t 1]^T,   da = sum g_t d_t,
    ds_t = W_in^T (a g_t),   de_t = g_t,   dz_0 = g_0 with Z_0 = R_0 = Y_0 = 0,

where d_t = W r_{t-1} + W_in s_t + h - z_{t-1}, so that z_t = z_{t-1} + a d_t + e_t.

Where f acts on the whole input of a unit and the rates are the states (`is_rate`),

    r_t = (1 - a) r_{t-1} + a f(x_t),   x_t = W r_{t-1} + W_in s_t + h + e_t,   y_t = B r_t + c
    g_t = R_t + B^T Y_t + (1 - a) g_{t+1} + W^T q_{t+1},   q_t = a f'(x_t) g_t

and q_t stands where a g_t stands above, in de_t too; d_t is f(x_t) - r_{t-1}. In the place of latents f(x) is kept, or
x where f' follows from that.

Forward, W, W_in and h form one matrix, so a step is one product; the readout and, backward, the outer products are
computed block by block. Kept for the backward pass: the rates, the latents if f' needs them, and
d if a is trained.

Shapes: B trials, T steps, M units, K inputs, O outputs; b trials of a chunk, S steps of a block. In a block the
states have b rows more than the steps: the first b rows hold the states before the block.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from rnnexp.recurrence.fused.blocks import (
    add_steps,
    block_steps,
    fill_rows,
    join_columns,
    load_initial,
    load_steps,
    move_up,
    split_columns,
    store_steps,
    sum_rows,
)
from rnnexp.recurrence.fused.compilation import CHUNK, Array, check_tensors, inner, kernel, n_parts, run
from rnnexp.recurrence.fused.errors import Compared, Recurrence, compare, error_of, factor_of
from rnnexp.recurrence.fused.networks import call
from rnnexp.recurrence.fused.products import add_outer_products, multiply, pack, padded
from rnnexp.recurrence.fused.transfer import (
    number_of,
    slope_is_of_value,
    slope_needs_states,
    transfer,
    transfer_slopes,
)

Readout = tuple[Tensor, Tensor | None]


def leaky_rollout(
    initial: Tensor,
    inputs: Tensor | None,
    n_steps: int,
    increments: Tensor | None = None,
    readout: Readout | None = None,
    *,
    alpha: Tensor,
    W: Tensor,
    h: Tensor | None,
    W_in: Tensor | None,
    activation: str,
    compared: Compared | None = None,
    is_rate: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None] | Tensor:
    """Iterate z' = (1 - a) z + a (W f(z) + W_in s + h) + e and read out y = B f(z) + c.

    Args:
        initial: (B, M), float32 or float64, on the CPU, as all tensors.
        inputs: (B, T, K), or None for a free run.
        n_steps: T >= 1 of a run without inputs.
        increments: e (B, T, M), or None for none.
        readout: B (O, M) and c (O,) or None for 0; None for no outputs.
        alpha: a (M,), dt / tau, in (0, 1].
        W: (M, M), effective.
        h: (M,), or None for 0.
        W_in: (M, K), effective, or None, which leaves the inputs out.
        activation: f, see `rnnexp.latent_steps.activations`.
        compared: what the outputs of `readout` shall be, if only their error is wanted.
        is_rate: f acts on the whole input, e included, and the states are the rates: z' = (1 - a) z + a f(W z + ...).

    Returns:
        Latents and rates (B, T, M) and outputs (B, T, O) or None, row t is after step t; the error, 0-d, if that is
        wanted.

    Raises:
        ValueError: shapes, dtypes or devices do not agree, or there is no such activation.
    """
    n_units = len(alpha)
    h = alpha.new_zeros(n_units) if h is None else h
    if W_in is None or inputs is None:
        W_in, inputs = alpha.new_empty(n_units, 0), alpha.new_empty(initial.shape[0], n_steps, 0)
    B, c = (alpha.new_empty(0, n_units), None) if readout is None else readout
    c = alpha.new_zeros(len(B)) if c is None else c
    tensors = {
        "initial": (initial, (initial.shape[0], n_units)),
        "inputs": (inputs, (initial.shape[0], *inputs.shape[1:2], W_in.shape[1])),
        "alpha": (alpha, (n_units,)),
        "W": (W, (n_units, n_units)),
        "h": (h, (n_units,)),
        "W_in": (W_in, (n_units, W_in.shape[1])),
        "B": (B, (len(B), n_units)),
        "c": (c, (len(B),)),
    }
    if increments is None:
        increments = alpha.new_empty(0, 0, 0)
    else:
        tensors["increments"] = (increments, (*inputs.shape[:2], n_units))
    check_tensors(tensors)
    if compared is not None:
        options = number_of(activation), is_rate or slope_needs_states(activation), is_rate
        none = alpha.new_empty(0)
        return error_of(
            _RECURRENCE, (alpha, W, h, W_in), initial, inputs, increments, none, compared, options
        )
    latents, rates, outputs = call(
        _Leaky, alpha, W, h, W_in, B, c, initial, inputs, increments, activation, is_rate
    )
    return rates if is_rate else latents, rates, None if readout is None else outputs


class _Leaky(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *arguments: Tensor | str | bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return the latents, rates and outputs, see `leaky_rollout`; for `is_rate` no latents, but what is kept."""
        *tensors, activation, is_rate = arguments
        *weights, initial, inputs, increments = [tensor.contiguous() for tensor in tensors]
        shape, none = inputs.shape[:2], initial.new_empty(0, 0, 0)
        latents = initial.new_empty(*shape, initial.shape[1])
        rates, outputs = torch.empty_like(latents), initial.new_empty(*shape, len(weights[-1]))
        distances = torch.empty_like(latents) if ctx.needs_input_grad[0] else none
        ctx.function, ctx.is_rate = number_of(activation), is_rate
        run(
            _forward, initial.shape[0], shape[1] * weights[1].numel(), *weights, initial, inputs, increments,
            ctx.function, is_rate, latents, rates, outputs, distances,
        )  # fmt: skip
        states = latents if is_rate or slope_needs_states(activation) else none
        ctx.save_for_backward(*weights, initial, inputs, states, rates, distances)
        ctx.set_materialize_grads(False)
        return latents, rates, outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of all arguments of `forward`, given those of the latents, rates and outputs."""
        *weights, initial, inputs, states, rates, distances = ctx.saved_tensors
        needed, none = ctx.needs_input_grad, initial.new_empty(0, 0, 0)
        given = [none if grad is None else grad.contiguous() for grad in given]
        sums = [weight.new_empty(n_parts(initial.shape[0]), *weight.shape) for weight in weights]
        grad_initial = torch.empty_like(initial)
        grad_inputs = torch.empty_like(inputs) if needed[7] else none
        grad_increments = torch.empty_like(rates) if needed[8] else none
        run(
            _backward, initial.shape[0], 2 * inputs.shape[1] * weights[1].numel(), *weights, initial, inputs,
            ctx.function, ctx.is_rate, states, rates, distances, *given, *sums, grad_initial, grad_inputs,
            grad_increments,
        )  # fmt: skip
        grads = [grad[0] if grad.shape[0] == 1 else grad.sum(0) for grad in sums]
        grads += [grad_initial, grad_inputs, grad_increments]
        return *(grad if need else None for grad, need in zip(grads, needed, strict=False)), None, None


@kernel
def _error(
    slot: int, first: int, last: int, bounds: Array, alpha: Array, W: Array, h: Array, W_in: Array, B: Array,
    c: Array, initial: Array, inputs: Array, increments: Array, strength: Array, targets: Array, mask: Array,
    kind: int, factor: float, with_gradient: bool, with_first: bool, function: int, needs_states: bool, is_rate: bool,
    latents: Array, rates: Array, outputs: Array, grad_outputs: Array, distances: Array, totals: Array,
    d_alpha: Array, dW: Array, dh: Array, dW_in: Array, dB: Array, dc: Array, grad_initial: Array,
    grad_inputs: Array, grad_increments: Array,
) -> None:  # fmt: skip
    """Do some tasks, see `rnnexp.recurrence.fused.errors.Recurrence`; strength is not used."""
    z, r, y, dy = latents[slot], rates[slot], outputs[slot], grad_outputs[slot]
    none = np.empty((0, 0, 0), W.dtype)
    d = distances[slot] if with_first else none
    states = z if needs_states else none
    for task in range(first, last):
        k, part = task // (len(bounds) - 1), task % (len(bounds) - 1)
        start, stop = bounds[part], bounds[part + 1]
        n_trials, factor_k = stop - start, factor_of(factor, mask[k])
        z0, s, e = initial[k, start:stop], inputs[k, start:stop], increments[k, start:stop]
        _forward(
            part, 0, n_trials, alpha[k], W[k], h[k], W_in[k], B[k], c[k], z0, s, e, function, is_rate, z, r, y, d
        )  # fmt: skip
        wanted, m = targets[k, start:stop], mask[k, start:stop]
        totals[k, part] = compare(n_trials, y, wanted, m, factor_k, kind, dy)
        if with_gradient:
            _backward(
                part, 0, n_trials, alpha[k], W[k], h[k], W_in[k], B[k], c[k], z0, s, function, is_rate, states, r, d,
                none, none, dy, d_alpha[k], dW[k], dh[k], dW_in[k], dB[k], dc[k], grad_initial[k, start:stop],
                grad_inputs[k, start:stop], grad_increments[k, start:stop],
            )  # fmt: skip


@kernel
def _forward(
    part: int, start: int, stop: int, alpha: Array, W: Array, h: Array, W_in: Array, B: Array, c: Array,
    initial: Array, inputs: Array, increments: Array, function: int, is_rate: bool,
    latents: Array, rates: Array, outputs: Array, distances: Array,
) -> None:  # fmt: skip
    """Fill latents, rates and, unless they are empty, outputs and distances, which holds d."""
    n_steps, n = latents.shape[1:]
    width = n + inputs.shape[2] + 1
    joined, readout = pack(join_columns(W, W_in, h)), pack(B.T)
    size = block_steps(start, stop, n_steps)  # S
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        z = np.empty(((size + 1) * b, n), W.dtype)
        x = np.ones(((size + 1) * b, width), W.dtype)  # [r s 1]
        y = np.empty((size * b, padded(len(c), c)), W.dtype)
        product = np.empty((b, padded(n, W)), W.dtype)
        f = np.empty((b, n), W.dtype)
        load_initial(first, initial, z[:b])
        _begin(function, is_rate, z[:b], x[:b])
        for begin in range(0, n_steps, size):
            rows = min(size, n_steps - begin) * b
            load_steps(first, begin, inputs, n, b, x[:rows])
            for low in range(0, rows, b):
                high, t = low + b, begin + low // b
                multiply(x[low:high], joined, (width, n), product, False)
                z_next, x_next = z[high : high + b], x[high : high + b]
                if is_rate:
                    _receive(first, t, product, increments, z_next)
                    transfer(function, z_next, f)
                    if slope_is_of_value(function):
                        z_next[:] = f
                    _advance_rates(first, t, alpha, f, x[low:high], x_next, distances)
                else:
                    _advance(first, t, alpha, product, increments, z[low:high], z_next, distances)
                    transfer(function, z_next, x_next)
            store_steps(first, begin, b, z[b : rows + b], latents)
            store_steps(first, begin, b, x[b : rows + b], rates)
            if outputs.size:
                fill_rows(c, y[:rows])
                multiply(x[b : rows + b], readout, (n, len(c)), y[:rows], True)
                store_steps(first, begin, b, y[:rows], outputs)
            move_up(rows, b, z)
            move_up(rows, b, x)


@kernel
def _backward(
    part: int, start: int, stop: int, alpha: Array, W: Array, h: Array, W_in: Array, B: Array, c: Array,
    initial: Array, inputs: Array, function: int, is_rate: bool, states: Array, rates: Array, distances: Array,
    grad_latents: Array, grad_rates: Array, grad_outputs: Array,
    d_alpha: Array, dW: Array, dh: Array, dW_in: Array, dB: Array, dc: Array,
    grad_initial: Array, grad_inputs: Array, grad_increments: Array,
) -> None:  # fmt: skip
    """Fill grad_initial and, unless empty, grad_inputs and grad_increments, and row `part` of d_alpha to dc."""
    n_steps, n = rates.shape[1:]
    width = n + inputs.shape[2] + 1
    W_packed, B_packed, W_in_packed = pack(W), pack(B), pack(W_in)
    size = block_steps(start, stop, n_steps)  # S
    sums = np.zeros((n, padded(width, W)), W.dtype)
    sums_y = np.zeros((len(c), padded(width, W)), W.dtype)
    sums_alpha = np.zeros((CHUNK, n), W.dtype)
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        z = np.empty(((size + 1) * b, n), W.dtype)
        x = np.ones(((size + 1) * b, padded(width, W)), W.dtype)  # [r s 1]
        y = np.empty((size * b, len(c)), W.dtype)
        q = np.empty((size * b, padded(n, W)), W.dtype)  # a g
        s = np.empty((size * b, padded(inputs.shape[2], W)), W.dtype)
        slopes = np.empty((b, n), W.dtype)
        product = np.zeros((b, padded(n, W)), W.dtype)  # W^T (a g)
        carry = np.zeros((b, n), W.dtype)  # (1 - a) g
        for end in range(n_steps, 0, -size):
            begin = max(0, end - size)
            rows = (end - begin) * b
            _load_states(first, begin, b, initial, inputs, states, rates, function, is_rate, z, x[: rows + b])
            _load_gradients(first, begin, b, n, grad_rates, grad_outputs, B_packed, y[:rows], q[:rows])
            for low in range(rows - b, -1, -b):
                high, t = low + b, begin + low // b
                if is_rate:
                    transfer_slopes(function, z[high : high + b], z[high : high + b], slopes)
                    _step_back_rates(
                        first, t, alpha, slopes, product, carry, q[low:high],
                        distances, sums_alpha, grad_increments,
                    )  # fmt: skip
                else:
                    transfer_slopes(function, z[high : high + b], x[high : high + b], slopes)
                    _step_back(
                        first, t, alpha, slopes, product, carry, q[low:high], grad_latents,
                        distances, sums_alpha, grad_increments,
                    )  # fmt: skip
                multiply(q[low:high], W_packed, (n, n), product, False)
            add_outer_products(q[:rows], x[:rows], width, sums)
            if grad_outputs.size:
                add_outer_products(y[:rows], x[b : rows + b], width, sums_y)
            if grad_inputs.size:
                multiply(q[:rows], W_in_packed, (n, inputs.shape[2]), s[:rows], False)
                store_steps(first, begin, b, s[:rows], grad_inputs)
        if is_rate:
            slopes[:] = 1
        else:
            transfer_slopes(function, z[:b], x[:b], slopes)
        _finish(first, slopes, product, carry, grad_initial)
    split_columns(sums, dW[part], dW_in[part], dh[part])
    split_columns(sums_y, dB[part], np.empty((len(c), inputs.shape[2]), W.dtype), dc[part])
    sum_rows(sums_alpha, d_alpha[part])


@inner
def _begin(function: int, is_rate: bool, z: Array, x: Array) -> None:
    """Set the rates in x (b, >= M) before the first step, given the initial states z (b, M)."""
    if is_rate:
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                x[i, j] = z[i, j]
    else:
        transfer(function, z, x)


@inner
def _receive(first: int, t: int, product: Array, increments: Array, x: Array) -> None:
    """Set x (b, M), what units receive in step t, to product + e."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = product[i, j]
        if increments.size:
            for j in range(x.shape[1]):
                x[i, j] += increments[first + i, t, j]


@inner
def _advance_rates(
    first: int, t: int, alpha: Array, f: Array, r: Array, next_r: Array, distances: Array
) -> None:
    """Set next_r (b, >= M) to r + a d, d = f - r; keep d unless distances is empty."""
    for i in range(f.shape[0]):
        for j in range(f.shape[1]):
            next_r[i, j] = r[i, j] + alpha[j] * (f[i, j] - r[i, j])
        if distances.size:
            for j in range(f.shape[1]):
                distances[first + i, t, j] = f[i, j] - r[i, j]


@inner
def _advance(
    first: int, t: int, alpha: Array, product: Array, increments: Array, z: Array, next_z: Array,
    distances: Array,
) -> None:  # fmt: skip
    """Set next_z to z + a d + e, d = product - z, all (b, M); keep d unless distances is empty."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            distance = product[i, j] - z[i, j]
            product[i, j] = distance
            next_z[i, j] = z[i, j] + alpha[j] * distance
        if distances.size:
            for j in range(z.shape[1]):
                distances[first + i, t, j] = product[i, j]
        if increments.size:
            for j in range(z.shape[1]):
                next_z[i, j] += increments[first + i, t, j]


@inner
def _load_states(
    first: int, begin: int, b: int, initial: Array, inputs: Array, states: Array, rates: Array, function: int,
    is_rate: bool, z: Array, x: Array,
) -> None:  # fmt: skip
    """Fill x with [r s 1] from before to after a block, except for the last s; z likewise if there are states."""
    rows = x.shape[0] - b
    load_steps(first, begin, inputs, z.shape[1], b, x[:rows])
    if states.size:
        load_steps(first, begin, states, 0, b, z[b : rows + b])
    if begin > 0:
        load_steps(first, begin - 1, rates, 0, b, x)
    else:
        load_steps(first, 0, rates, 0, b, x[b:])
        load_initial(first, initial, z[:b])
        _begin(function, is_rate, z[:b], x[:b])


@inner
def _load_gradients(
    first: int, begin: int, b: int, n: int, grad_rates: Array, grad_outputs: Array, B_packed: Array, y: Array,
    q: Array,
) -> None:  # fmt: skip
    """Fill y with Y and q with R + B^T Y of a block; what is empty counts as 0."""
    if grad_outputs.size:
        load_steps(first, begin, grad_outputs, 0, b, y)
        multiply(y, B_packed, (y.shape[1], n), q, False)
    else:
        q[:] = 0
    if grad_rates.size:
        add_steps(first, begin, grad_rates, b, q)


@inner
def _step_back(
    first: int, t: int, alpha: Array, slopes: Array, product: Array, carry: Array, q: Array, grad_latents: Array,
    distances: Array, sums_alpha: Array, grad_increments: Array,
) -> None:  # fmt: skip
    """Turn q (b, M) from R + B^T Y into a g of step t, and carry into (1 - a) g; add up g d, store g."""
    zero = q.dtype.type(0)
    for i in range(carry.shape[0]):
        for j in range(carry.shape[1]):
            through = slopes[i, j] * (q[i, j] + product[i, j])
            q[i, j] = carry[i, j] + (zero if slopes[i, j] == zero else through)
        if grad_latents.size:
            for j in range(carry.shape[1]):
                q[i, j] += grad_latents[first + i, t, j]
        if distances.size:
            for j in range(carry.shape[1]):
                sums_alpha[i, j] += q[i, j] * distances[first + i, t, j]
        if grad_increments.size:
            for j in range(carry.shape[1]):
                grad_increments[first + i, t, j] = q[i, j]
        for j in range(carry.shape[1]):
            scaled = alpha[j] * q[i, j]
            carry[i, j] = q[i, j] - scaled
            q[i, j] = scaled


@inner
def _step_back_rates(
    first: int, t: int, alpha: Array, slopes: Array, product: Array, carry: Array, q: Array,
    distances: Array, sums_alpha: Array, grad_increments: Array,
) -> None:  # fmt: skip
    """Turn q (b, M) from R + B^T Y into a f' g of step t, and carry into (1 - a) g; add up g d, store q."""
    zero = q.dtype.type(0)
    for i in range(carry.shape[0]):
        for j in range(carry.shape[1]):
            carry[i, j] += q[i, j] + product[i, j]
        if distances.size:
            for j in range(carry.shape[1]):
                sums_alpha[i, j] += carry[i, j] * distances[first + i, t, j]
        for j in range(carry.shape[1]):
            scaled = alpha[j] * carry[i, j]
            carry[i, j] -= scaled
            q[i, j] = zero if slopes[i, j] == zero else scaled * slopes[i, j]
        if grad_increments.size:
            for j in range(carry.shape[1]):
                grad_increments[first + i, t, j] = q[i, j]


@inner
def _finish(first: int, slopes: Array, product: Array, carry: Array, grad_initial: Array) -> None:
    """Store the gradient of the initial states of a chunk, like g without R, Y and Z."""
    zero = carry.dtype.type(0)
    for i in range(carry.shape[0]):
        for j in range(carry.shape[1]):
            through = slopes[i, j] * product[i, j]
            grad_initial[first + i, j] = carry[i, j] + (zero if slopes[i, j] == zero else through)


def _widths(weights: Sequence[Array], n_units: int) -> list[int]:
    n_outputs = weights[-1].shape[1]
    return [n_units, n_units, n_outputs, n_outputs, n_units]


_RECURRENCE = Recurrence(
    _error, 6, work=lambda weights, n_steps: 3 * n_steps * weights[1][0].size, memory=_widths
)
