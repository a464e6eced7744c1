"""The fused recurrence of the almost-linear pair (PLRNN, ALRNN), with its gradient derived by hand.

    z_t = clamp( A z_{t-1} + W x_{t-1} + h + C s_t ),   x = max(m(z), floor)

m subtracts the mean over units (PLRNN with mean centring) or does nothing. floor is 0 for the rectified units and
-inf for the linear ones, so that one branch-free loop serves both.

Gradient. With G_t the derivative of the loss by the row z_t alone (what autograd hands over), the total derivative
g_t follows backward in time:

    g_t = inside_t ( G_t + A g_{t+1} + m( active_t (W^T g_{t+1}) ) ),   active_t = [x_t > floor]

(the matrix of m is symmetric; inside_t is 0 where the clamp acted). Where forcing made z_{t-1} into
(1 - a) z_{t-1} + a f before the step, what comes back is split in the same proportions. Then

    dA = sum g_t z_{t-1},   d[W C h] = sum g_t [x_{t-1} s_t 1]^T,   ds_t = C^T g_t,   dz_0 = what g_0 would be.

Forward, W, C and h form one matrix, so a step is one product; backward, the outer products are summed up block by
block. Kept for the backward pass: the latents, and `inside` if there is a clamp.

Shapes: B trials, T steps, M units, K inputs; b trials of a chunk, S steps of a block.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from rnnexp.recurrence.forced_states import ForcedStates
from rnnexp.recurrence.fused.blocks import (
    add_step,
    begin_chunk,
    block_steps,
    finish_step,
    force,
    force_back,
    force_block,
    forcing_arrays,
    forcing_shapes,
    join_columns,
    load_block,
    load_inputs,
    split_columns,
    store_rows,
    store_steps,
    sum_rows,
)
from rnnexp.recurrence.fused.compilation import CHUNK, Array, check_tensors, inner, kernel, n_parts, run
from rnnexp.recurrence.fused.errors import (
    Compared,
    Recurrence,
    compare,
    error_of,
    factor_of,
    read_back,
    read_out,
    widths_of_states,
)
from rnnexp.recurrence.fused.networks import call
from rnnexp.recurrence.fused.products import add_outer_products, multiply, pack, padded


def almost_linear_rollout(
    initial: Tensor,
    inputs: Tensor | None,
    n_steps: int,
    *,
    A: Tensor,
    W: Tensor,
    h: Tensor,
    C: Tensor | None,
    first_relu: int,
    centred: bool,
    clip_range: float | None,
    forced: ForcedStates | None = None,
    compared: Compared | None = None,
) -> Tensor:
    """Iterate z' = A z + W phi(m(z)) + h + C s.

    Args:
        initial: (B, M), float32 or float64, on the CPU, as all tensors.
        inputs: (B, T, K), or None for a free run.
        n_steps: T >= 1 of a run without inputs.
        A: (M,), the diagonal.
        W: (M, M), effective.
        h: (M,).
        C: (M, K), or None, which leaves the inputs out.
        first_relu: 0 .. M, units from this one on are rectified.
        centred: m subtracts the mean over units.
        clip_range: clamp to [-clip_range, clip_range], > 0, or None.
        forced: what pulls the states before each step, or None.
        compared: what the outputs shall be, if only their error is wanted.

    Returns:
        Latents (B, T, M), row t is the state after step t; the error, 0-d, if that is wanted.

    Raises:
        ValueError: shapes, dtypes or devices do not agree.
    """
    n_units = len(A)
    if C is None or inputs is None:
        C, inputs = A.new_empty(n_units, 0), A.new_empty(initial.shape[0], n_steps, 0)
    states, strength = forcing_arrays(forced, A)
    check_tensors(
        {
            "initial": (initial, (initial.shape[0], n_units)),
            "inputs": (inputs, (initial.shape[0], *inputs.shape[1:2], C.shape[1])),
            **forcing_shapes(forced, inputs, n_units),
            "A": (A, (n_units,)),
            "W": (W, (n_units, n_units)),
            "h": (h, (n_units,)),
            "C": (C, (n_units, C.shape[1])),
        }
    )
    if compared is not None:
        limit = float("inf") if clip_range is None else float(clip_range)
        options = first_relu, centred, limit
        return error_of(_RECURRENCE, (A, W, h, C), initial, inputs, states, strength, compared, options)
    return call(_AlmostLinear, A, W, h, C, initial, inputs, states, strength, first_relu, centred, clip_range)


class _AlmostLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        A: Tensor,
        W: Tensor,
        h: Tensor,
        C: Tensor,
        initial: Tensor,
        inputs: Tensor,
        forced: Tensor,
        strength: Tensor,
        first_relu: int,
        centred: bool,
        clip_range: float | None,
    ) -> Tensor:
        """Return the latents (B, T, M)."""
        weights = [tensor.contiguous() for tensor in (A, W, h, C)]
        initial, inputs = initial.contiguous(), inputs.contiguous()
        forced, strength = forced.contiguous(), strength.contiguous()
        latents = A.new_empty(*inputs.shape[:2], len(A))
        inside = torch.empty((0, 0, 0) if clip_range is None else latents.shape, dtype=torch.bool)
        limit = float("inf") if clip_range is None else float(clip_range)
        run(
            _forward, initial.shape[0], latents.shape[1] * W.numel(), *weights, initial, inputs, forced, strength,
            first_relu, centred, limit, latents, inside,
        )  # fmt: skip
        ctx.save_for_backward(*weights, initial, inputs, forced, strength, latents, inside)
        ctx.options = (first_relu, centred)
        return latents

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad_latents: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of all arguments of `forward`."""
        *weights, initial, inputs, forced, strength, latents, inside = ctx.saved_tensors
        sums = [weight.new_empty(n_parts(initial.shape[0]), *weight.shape) for weight in weights]
        grad_initial = torch.empty_like(initial)
        needed = ctx.needs_input_grad
        grad_inputs = torch.empty_like(inputs) if needed[5] else inputs.new_empty(0, 0, 0)
        grad_forced = torch.empty_like(forced) if needed[6] else forced.new_empty(0, 0, 0)
        run(
            _backward, initial.shape[0], 2 * latents.shape[1] * weights[1].numel(), *weights, initial, inputs, forced,
            strength, *ctx.options, latents, inside, grad_latents.contiguous(), *sums, grad_initial, grad_inputs,
            grad_forced,
        )  # fmt: skip
        grads = [grad[0] if grad.shape[0] == 1 else grad.sum(0) for grad in sums]
        grads += [grad_initial, grad_inputs, grad_forced]
        grads = [grad if need else None for grad, need in zip(grads, needed, strict=False)]
        return *grads, None, None, None, None


@kernel
def _error(
    slot: int, first: int, last: int, bounds: Array, A: Array, W: Array, h: Array, C: Array, B: Array, c: Array,
    initial: Array, inputs: Array, forced: Array, strength: Array, targets: Array, mask: Array, kind: int,
    factor: float, with_gradient: bool, with_first: bool, first_relu: int, centred: bool, limit: float, latents: Array,
    grad_latents: Array, outputs: Array, grad_outputs: Array, totals: Array, dA: Array, dW: Array, dh: Array, dC: Array,
    dB: Array, dc: Array, grad_initial: Array, grad_inputs: Array, grad_forced: Array,
) -> None:  # fmt: skip
    """Do some tasks, see `rnnexp.recurrence.fused.errors.Recurrence`."""
    z, dz, y, dy = latents[slot], grad_latents[slot], outputs[slot], grad_outputs[slot]
    is_inside = np.empty(z.shape if limit < np.inf else (0, 0, 0), np.bool_)
    for task in range(first, last):
        k, part = task // (len(bounds) - 1), task % (len(bounds) - 1)
        start, stop = bounds[part], bounds[part + 1]
        n_trials, factor_k = stop - start, factor_of(factor, mask[k])
        z0, s, f, wanted, m = (
            initial[k, start:stop], inputs[k, start:stop], forced[k, start:stop], targets[k, start:stop],
            mask[k, start:stop],
        )  # fmt: skip
        _forward(
            part, 0, n_trials, A[k], W[k], h[k], C[k], z0, s, f, strength[k], first_relu, centred, limit, z, is_inside
        )  # fmt: skip
        if c.shape[1]:
            read_out(n_trials, z, B[k], c[k], y)
            totals[k, part] = compare(n_trials, y, wanted, m, factor_k, kind, dy)
            if with_gradient:
                read_back(n_trials, z, B[k], dy, dz, dB[k, part], dc[k, part])
        else:
            totals[k, part] = compare(n_trials, z, wanted, m, factor_k, kind, dz)
        if with_gradient:
            _backward(
                part, 0, n_trials, A[k], W[k], h[k], C[k], z0, s, f, strength[k], first_relu, centred, z, is_inside, dz,
                dA[k], dW[k], dh[k], dC[k], grad_initial[k, start:stop], grad_inputs[k, start:stop],
                grad_forced[k, start:stop],
            )  # fmt: skip


@kernel
def _forward(
    part: int, start: int, stop: int, A: Array, W: Array, h: Array, C: Array, initial: Array, inputs: Array,
    forced: Array, strength: Array, first_relu: int, centred: bool, limit: float, latents: Array, inside: Array,
) -> None:  # fmt: skip
    """Fill latents and, unless it is empty, inside, both (B, T, M)."""
    n_steps, n = latents.shape[1:]
    width = n + inputs.shape[2] + 1
    floor = _floor(A, first_relu)
    joined = pack(join_columns(W, C, h))
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        z = np.empty((b, n), A.dtype)
        x = np.empty((b, width), A.dtype)  # [x s 1]
        product = np.empty((b, padded(n, A)), A.dtype)
        begin_chunk(first, initial, z, x)
        for t in range(n_steps):
            load_inputs(first, t, inputs, x)
            force(first, t, forced, strength, z)
            _rectify(z, floor, centred, x)
            multiply(x, joined, (width, n), product, False)
            finish_step(first, t, A, product, z, limit, latents, inside)


@kernel
def _backward(
    part: int, start: int, stop: int, A: Array, W: Array, h: Array, C: Array, initial: Array, inputs: Array,
    forced: Array, strength: Array, first_relu: int, centred: bool, latents: Array, inside: Array, grad_latents: Array,
    dA: Array, dW: Array, dh: Array, dC: Array, grad_initial: Array, grad_inputs: Array, grad_forced: Array,
) -> None:  # fmt: skip
    """Fill grad_initial (B, M), row `part` of dA, dW, dh and dC, and grad_inputs, grad_forced unless empty."""
    n_steps, n = latents.shape[1:]
    width = n + inputs.shape[2] + 1
    floor = _floor(A, first_relu)
    size = block_steps(start, stop, n_steps)  # S
    W_packed, C_packed = pack(W), pack(C)
    sums, sums_A = np.zeros((n, padded(width, A)), A.dtype), np.zeros((CHUNK, n), A.dtype)  # d[W C h], dA
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        z = np.empty((size * b, n), A.dtype)
        x = np.empty((size * b, padded(width, A)), A.dtype)
        g = np.empty((size * b, n), A.dtype)
        grad_s = np.empty((size * b, padded(inputs.shape[2], A)), A.dtype)
        carry = np.zeros((b, padded(n, A)), A.dtype)  # what reaches z_t from the steps after t
        for end in range(n_steps, 0, -size):
            begin = max(0, end - size)
            rows = (end - begin) * b
            load_block(first, b, begin, end, initial, inputs, latents, grad_latents, n, z, x, g)
            force_block(first, b, begin, end, forced, strength, z)
            _rectify(z[:rows], floor, centred, x)
            for t in range(end - 1, begin - 1, -1):
                low, high = (t - begin) * b, (t - begin + 1) * b
                add_step(first, t, carry, inside, z[low:high], g[low:high], sums_A)
                multiply(g[low:high], W_packed, (n, n), carry, False)
                _to_step_before(A, floor, centred, x[low:high], g[low:high], carry)
                force_back(first, t, forced, strength, carry, grad_forced)
            add_outer_products(g[:rows], x[:rows], width, sums)
            if grad_inputs.size:
                multiply(g[:rows], C_packed, C.shape, grad_s[:rows], False)
                store_steps(first, begin, b, grad_s[:rows], grad_inputs)
        store_rows(first, carry, grad_initial)
    split_columns(sums, dW[part], dC[part], dh[part])
    sum_rows(sums_A, dA[part])


@inner
def _floor(A: Array, first_relu: int) -> Array:
    """Return the lower bounds (M,) of x: 0 for the rectified units, -inf for the linear ones."""
    floor = np.empty(A.shape[0], A.dtype)
    for j in range(A.shape[0]):
        floor[j] = 0 if j >= first_relu else -np.inf
    return floor


@inner
def _rectify(z: Array, floor: Array, centred: bool, x: Array) -> None:
    """Set the first M columns of x to max(m(z), floor), z (b, M); nan stays nan."""
    n = z.shape[1]
    for i in range(z.shape[0]):
        mean = z.dtype.type(0)
        if centred:
            for j in range(n):
                mean += z[i, j]
            mean /= z.dtype.type(n)
        for j in range(n):
            value = z[i, j] - mean
            x[i, j] = floor[j] if value <= floor[j] else value


@inner
def _to_step_before(A: Array, floor: Array, centred: bool, x: Array, g: Array, carry: Array) -> None:
    """Turn carry (b, M) from W^T g into A g + m( [x > floor] W^T g )."""
    zero = g.dtype.type(0)
    n = g.shape[1]
    for i in range(g.shape[0]):
        for j in range(n):
            carry[i, j] = zero if x[i, j] <= floor[j] else carry[i, j]
        mean = zero
        if centred:
            for j in range(n):
                mean += carry[i, j]
            mean /= g.dtype.type(n)
        for j in range(n):
            carry[i, j] += A[j] * g[i, j] - mean


_RECURRENCE = Recurrence(
    _error, 6, work=lambda weights, n_steps: 3 * n_steps * weights[1][0].size, memory=widths_of_states
)
