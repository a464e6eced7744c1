"""The fused recurrence of the shallow pair (shPLRNN, clipped shPLRNN), with its gradient derived by hand.

    z_t = clamp( A z_{t-1} + W1 x_{t-1} + h1 + C s_t ),   x = relu(v + h2) [ - relu(v) if clipped ],   v = W2 z

Gradient. With G_t the derivative of the loss by the row z_t alone (what autograd hands over), the total derivative
g_t follows backward in time, together with the derivative u_t by v_t:

    u_{t-1} = slope_{t-1} (W1^T g_t),   slope = [v + h2 > 0] [ - [v > 0] if clipped ]
    g_{t-1} = inside_{t-1} ( G_{t-1} + A g_t + W2^T u_{t-1} )

(inside_t is 0 where the clamp acted). Where forcing made z_{t-1} into (1 - a) z_{t-1} + a f before the step, what
comes back is split in the same proportions. Then

    dA = sum g_t z_{t-1},   d[W1 C h1] = sum g_t [x_{t-1} s_t 1]^T,   ds_t = C^T g_t,   dz_0 = what g_0 would be,
    dW2 = sum u_t z_t^T,    dh2 = sum [v_t + h2 > 0] (W1^T g_{t+1}).

Forward, W1, C and h1 form one matrix; backward, the hidden units of a block of steps are computed anew by one
product and the sums of outer products by two. Kept for the backward pass: the latents, and `inside` if there is
a clamp.

Shapes: B trials, T steps, M units, L hidden units, K inputs; b trials of a chunk, S steps of a block.
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


def shallow_rollout(
    initial: Tensor,
    inputs: Tensor | None,
    n_steps: int,
    *,
    A: Tensor,
    W1: Tensor,
    W2: Tensor,
    h1: Tensor,
    h2: Tensor,
    C: Tensor | None,
    clipped: bool,
    clip_range: float | None,
    forced: ForcedStates | None = None,
    compared: Compared | None = None,
) -> Tensor:
    """Iterate z' = A z + W1 x + h1 + C s, x = relu(W2 z + h2), or relu(W2 z + h2) - relu(W2 z) if clipped.

    Args:
        initial: (B, M), float32 or float64, on the CPU, as all tensors.
        inputs: (B, T, K), or None for a free run.
        n_steps: T >= 1 of a run without inputs.
        A: (M,), the diagonal.
        W1: (M, L).
        W2: (L, M).
        h1: (M,).
        h2: (L,).
        C: (M, K), or None, which leaves the inputs out.
        clipped: the form with bounded hidden units.
        clip_range: clamp to [-clip_range, clip_range], > 0, or None.
        forced: what pulls the states before each step, or None.
        compared: what the outputs shall be, if only their error is wanted.

    Returns:
        Latents (B, T, M), row t is the state after step t; the error, 0-d, if that is wanted.

    Raises:
        ValueError: shapes, dtypes or devices do not agree.
    """
    n_units, n_hidden = len(A), len(h2)
    if C is None or inputs is None:
        C, inputs = A.new_empty(n_units, 0), A.new_empty(initial.shape[0], n_steps, 0)
    states, strength = forcing_arrays(forced, A)
    check_tensors(
        {
            "initial": (initial, (initial.shape[0], n_units)),
            "inputs": (inputs, (initial.shape[0], *inputs.shape[1:2], C.shape[1])),
            **forcing_shapes(forced, inputs, n_units),
            "A": (A, (n_units,)),
            "W1": (W1, (n_units, n_hidden)),
            "W2": (W2, (n_hidden, n_units)),
            "h1": (h1, (n_units,)),
            "h2": (h2, (n_hidden,)),
            "C": (C, (n_units, C.shape[1])),
        }
    )
    if compared is not None:
        limit = float("inf") if clip_range is None else float(clip_range)
        weights = A, W1, W2, h1, h2, C
        return error_of(_RECURRENCE, weights, initial, inputs, states, strength, compared, (clipped, limit))
    return call(_Shallow, A, W1, W2, h1, h2, C, initial, inputs, states, strength, clipped, clip_range)


class _Shallow(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        A: Tensor,
        W1: Tensor,
        W2: Tensor,
        h1: Tensor,
        h2: Tensor,
        C: Tensor,
        initial: Tensor,
        inputs: Tensor,
        forced: Tensor,
        strength: Tensor,
        clipped: bool,
        clip_range: float | None,
    ) -> Tensor:
        """Return the latents (B, T, M)."""
        weights = [tensor.contiguous() for tensor in (A, W1, W2, h1, h2, C)]
        initial, inputs = initial.contiguous(), inputs.contiguous()
        forced, strength = forced.contiguous(), strength.contiguous()
        latents = A.new_empty(*inputs.shape[:2], len(A))
        inside = torch.empty((0, 0, 0) if clip_range is None else latents.shape, dtype=torch.bool)
        limit = float("inf") if clip_range is None else float(clip_range)
        run(
            _forward, initial.shape[0], 2 * latents.shape[1] * W1.numel(), *weights, initial, inputs, forced, strength,
            clipped, limit, latents, inside,
        )  # fmt: skip
        ctx.save_for_backward(*weights, initial, inputs, forced, strength, latents, inside)
        ctx.clipped = clipped
        return latents

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad_latents: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of all arguments of `forward`."""
        *weights, initial, inputs, forced, strength, latents, inside = ctx.saved_tensors
        sums = [weight.new_empty(n_parts(initial.shape[0]), *weight.shape) for weight in weights]
        grad_initial = torch.empty_like(initial)
        needed = ctx.needs_input_grad
        grad_inputs = torch.empty_like(inputs) if needed[7] else inputs.new_empty(0, 0, 0)
        grad_forced = torch.empty_like(forced) if needed[8] else forced.new_empty(0, 0, 0)
        run(
            _backward, initial.shape[0], 5 * latents.shape[1] * weights[1].numel(), *weights, initial, inputs, forced,
            strength, ctx.clipped, latents, inside, grad_latents.contiguous(), *sums, grad_initial, grad_inputs,
            grad_forced,
        )  # fmt: skip
        grads = [grad[0] if grad.shape[0] == 1 else grad.sum(0) for grad in sums]
        grads += [grad_initial, grad_inputs, grad_forced]
        grads = [grad if need else None for grad, need in zip(grads, needed, strict=False)]
        return *grads, None, None, None


@kernel
def _error(
    slot: int, first: int, last: int, bounds: Array, A: Array, W1: Array, W2: Array, h1: Array, h2: Array, C: Array,
    B: Array, c: Array, initial: Array, inputs: Array, forced: Array, strength: Array, targets: Array, mask: Array,
    kind: int, factor: float, with_gradient: bool, with_first: bool, clipped: bool, limit: float, latents: Array,
    grad_latents: Array, outputs: Array, grad_outputs: Array, totals: Array, dA: Array, dW1: Array, dW2: Array,
    dh1: Array, dh2: Array, dC: Array, dB: Array, dc: Array, grad_initial: Array, grad_inputs: Array,
    grad_forced: Array,
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
            part, 0, n_trials, A[k], W1[k], W2[k], h1[k], h2[k], C[k], z0, s, f, strength[k], clipped, limit, z,
            is_inside,
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
                part, 0, n_trials, A[k], W1[k], W2[k], h1[k], h2[k], C[k], z0, s, f, strength[k], clipped, z, is_inside,
                dz, dA[k], dW1[k], dW2[k], dh1[k], dh2[k], dC[k], grad_initial[k, start:stop],
                grad_inputs[k, start:stop], grad_forced[k, start:stop],
            )  # fmt: skip


@kernel
def _forward(
    part: int, start: int, stop: int, A: Array, W1: Array, W2: Array, h1: Array, h2: Array, C: Array,
    initial: Array, inputs: Array, forced: Array, strength: Array, clipped: bool, limit: float,
    latents: Array, inside: Array,
) -> None:  # fmt: skip
    """Fill latents and, unless it is empty, inside, both (B, T, M)."""
    n_steps, n = latents.shape[1:]
    n_hidden = len(h2)
    width = n_hidden + inputs.shape[2] + 1
    joined, W2_T = pack(join_columns(W1, C, h1)), pack(W2.T)
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        z = np.empty((b, n), A.dtype)
        v = np.empty((b, padded(n_hidden, A)), A.dtype)
        x = np.empty((b, width), A.dtype)  # [x s 1]
        product = np.empty((b, padded(n, A)), A.dtype)
        begin_chunk(first, initial, z, x)
        for t in range(n_steps):
            load_inputs(first, t, inputs, x)
            force(first, t, forced, strength, z)
            multiply(z, W2_T, (n, n_hidden), v, False)
            _hidden(v, h2, clipped, x)
            multiply(x, joined, (width, n), product, False)
            finish_step(first, t, A, product, z, limit, latents, inside)


@kernel
def _backward(
    part: int, start: int, stop: int, A: Array, W1: Array, W2: Array, h1: Array, h2: Array, C: Array,
    initial: Array, inputs: Array, forced: Array, strength: Array, clipped: bool, latents: Array, inside: Array,
    grad_latents: Array, dA: Array, dW1: Array, dW2: Array, dh1: Array, dh2: Array, dC: Array, grad_initial: Array,
    grad_inputs: Array, grad_forced: Array,
) -> None:  # fmt: skip
    """Fill grad_initial (B, M), row `part` of dA to dC, and grad_inputs, grad_forced unless they are empty."""
    n_steps, n = latents.shape[1:]
    n_hidden = len(h2)
    width = n_hidden + inputs.shape[2] + 1
    size = block_steps(start, stop, n_steps)  # S
    W1_packed, W2_packed, W2_T, C_packed = pack(W1), pack(W2), pack(W2.T), pack(C)
    sums_1, sums_2 = np.zeros((n, padded(width, A)), A.dtype), np.zeros((n_hidden, padded(n, A)), A.dtype)
    sums_A, sums_h2 = np.zeros((CHUNK, n), A.dtype), np.zeros((CHUNK, n_hidden), A.dtype)
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        z = np.empty((size * b, padded(n, A)), A.dtype)
        x = np.empty((size * b, padded(width, A)), A.dtype)
        g = np.empty((size * b, n), A.dtype)
        grad_s = np.empty((size * b, padded(inputs.shape[2], A)), A.dtype)
        u = np.empty((size * b, padded(n_hidden, A)), A.dtype)  # v, then the derivative by it
        product = np.empty((b, padded(n_hidden, A)), A.dtype)
        carry = np.zeros((b, padded(n, A)), A.dtype)  # what reaches z_t from the steps after t
        for end in range(n_steps, 0, -size):
            begin = max(0, end - size)
            rows = (end - begin) * b
            load_block(first, b, begin, end, initial, inputs, latents, grad_latents, n_hidden, z, x, g)
            force_block(first, b, begin, end, forced, strength, z)
            multiply(z[:rows], W2_T, (n, n_hidden), u[:rows], False)
            _hidden(u[:rows], h2, clipped, x)
            for t in range(end - 1, begin - 1, -1):
                low, high = (t - begin) * b, (t - begin + 1) * b
                add_step(first, t, carry, inside, z[low:high], g[low:high], sums_A)
                multiply(g[low:high], W1_packed, (n, n_hidden), product, False)
                _through_hidden(product, h2, clipped, u[low:high], sums_h2)
                multiply(u[low:high], W2_packed, (n_hidden, n), carry, False)
                _add_diagonal(A, g[low:high], carry)
                force_back(first, t, forced, strength, carry, grad_forced)
            add_outer_products(g[:rows], x[:rows], width, sums_1)
            add_outer_products(u[:rows], z[:rows], n, sums_2)
            if grad_inputs.size:
                multiply(g[:rows], C_packed, C.shape, grad_s[:rows], False)
                store_steps(first, begin, b, grad_s[:rows], grad_inputs)
        store_rows(first, carry, grad_initial)
    split_columns(sums_1, dW1[part], dC[part], dh1[part])
    store_rows(0, sums_2, dW2[part])
    sum_rows(sums_A, dA[part])
    sum_rows(sums_h2, dh2[part])


@inner
def _hidden(v: Array, h2: Array, clipped: bool, x: Array) -> None:
    """Set the first L columns of x to the hidden units at v (rows, L); nan stays nan."""
    zero = v.dtype.type(0)
    for i in range(v.shape[0]):
        for j in range(len(h2)):
            shifted = v[i, j] + h2[j]
            x[i, j] = zero if shifted <= zero else shifted
        if clipped:
            for j in range(len(h2)):
                x[i, j] -= zero if v[i, j] <= zero else v[i, j]


@inner
def _through_hidden(product: Array, h2: Array, clipped: bool, u: Array, sums_h2: Array) -> None:
    """Turn u (b, L) from v into the derivative by v, given that by x in product; add up that by h2."""
    zero = u.dtype.type(0)
    for i in range(u.shape[0]):
        for j in range(len(h2)):
            shifted = zero if u[i, j] + h2[j] <= zero else product[i, j]
            unshifted = zero if u[i, j] <= zero or not clipped else product[i, j]
            sums_h2[i, j] += shifted
            u[i, j] = shifted - unshifted


@inner
def _add_diagonal(A: Array, g: Array, carry: Array) -> None:
    """Add A g to carry (b, M)."""
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            carry[i, j] += A[j] * g[i, j]


_RECURRENCE = Recurrence(
    _error, 8, work=lambda weights, n_steps: 7 * n_steps * weights[1][0].size, memory=widths_of_states
)
