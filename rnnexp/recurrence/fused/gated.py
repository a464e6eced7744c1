"""The fused recurrence of the gated networks (LSTM, GRU), with its gradient derived by hand.

Gates are functions of v = W x, x = [h_{t-1} s_t 1], one matrix W for each of the four:

    LSTM  f, i, o = sigmoid(v),  q = tanh(v)       c_t = f c_{t-1} + i q,   h_t = o phi(c_t),   phi = sigmoid or tanh
    GRU   r, u = sigmoid(v),  n = tanh(v_n + r v_m)       h_t = n + u (h_{t-1} - n)

v_n of the GRU has no part from h, v_m none from s; their matrices hold zeros there.

Gradient. H_t and C_t are the derivatives of the loss by the rows h_t and c_t alone (what autograd hands over), dh_t
and dc_t the total ones, dv those by the four v of a step; W^T dv sums over the four:

    LSTM  dh_t = H_t + W^T dv_{t+1},   dc_t = C_t + f_{t+1} dc_{t+1} + o phi'(c_t) dh_t
          dv_f, dv_i, dv_q = dc_t [ c_{t-1} f (1-f),  q i (1-i),  i (1-q^2) ],   dv_o = dh_t phi(c_t) o (1-o)
    GRU   dh_t = H_t + W^T dv_{t+1} + u_{t+1} dh_{t+1}
          dv_u = dh_t (h_{t-1} - n) u (1-u),   dv_n = dh_t (1-u) (1-n^2),   dv_m = r dv_n,   dv_r = v_m dv_n r (1-r)

So each dv is dh_t or dc_t times a slope that the states alone determine. Then dW = sum dv x^T and ds_t = W^T dv.

Forward, a step is four products. Backward, the gates of a block of steps are computed anew and turned into slopes,
all of them at once, and the outer products are summed up. Kept for the backward pass: the latents.

Shapes: B trials, T steps, M units, S = M (GRU) or 2 M (LSTM) states, K inputs, X = M + K + 1; b trials of a chunk.
Rows of units in the buffers have P = padded(M) columns; those beyond M hold numbers of no meaning.
"""

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from rnnexp.recurrence.fused.blocks import begin_chunk, block_steps, load_inputs, store_rows, store_steps
from rnnexp.recurrence.fused.compilation import CHUNK, Array, check_tensors, inner, kernel, n_parts, run
from rnnexp.recurrence.fused.gates import (
    CELLS,
    GRU,
    Cell,
    back_gru,
    back_lstm,
    open_gates,
    slopes_gru,
    slopes_lstm,
    step_gru,
    step_lstm,
)
from rnnexp.recurrence.fused.networks import call
from rnnexp.recurrence.fused.products import add_outer_products, multiply, pack, padded


def gated_rollout(
    initial: Tensor,
    inputs: Tensor | None,
    n_steps: int,
    *,
    W_hidden: Tensor,
    W_input: Tensor,
    b: Tensor,
    cell: Cell,
) -> Tensor:
    """Iterate an LSTM or a GRU.

    Args:
        initial: (B, S), float32 or float64, on the CPU, as all tensors; [h, c] of an LSTM.
        inputs: (B, T, K), or None for a free run.
        n_steps: T >= 1 of a run without inputs.
        W_hidden: (4, M, M), (gate, pre, post); gates f, i, q, o of an LSTM and r, u, n, m of a GRU.
        W_input: (4, K, M); where K is 0, inputs are left out.
        b: (4, M).
        cell: which of the recurrences.

    Returns:
        Latents (B, T, S), row t is the state after step t.

    Raises:
        ValueError: shapes, dtypes or devices do not agree.
    """
    n_units = b.shape[1]
    if inputs is None or not W_input.shape[1]:
        W_input, inputs = b.new_empty(4, 0, n_units), b.new_empty(len(initial), n_steps, 0)
    check_tensors(
        {
            "initial": (initial, (len(initial), n_units if cell == "gru" else 2 * n_units)),
            "inputs": (inputs, (len(initial), *inputs.shape[1:2], W_input.shape[1])),
            "W_hidden": (W_hidden, (4, n_units, n_units)),
            "W_input": (W_input, (4, W_input.shape[1], n_units)),
            "b": (b, (4, n_units)),
        }
    )
    return call(_Gated, torch.cat((W_hidden, W_input, b[:, None]), 1), initial, inputs, CELLS[cell])


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, W: Tensor, initial: Tensor, inputs: Tensor, cell: int) -> Tensor:
        """Return the latents (B, T, S); W (4, X, M)."""
        W, initial, inputs = W.contiguous(), initial.contiguous(), inputs.contiguous()
        latents = W.new_empty(*inputs.shape[:2], initial.shape[1])
        run(_forward, len(initial), latents.shape[1] * W.numel(), W, initial, inputs, cell, latents)
        ctx.save_for_backward(W, initial, inputs, latents)
        ctx.cell = cell
        return latents

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad_latents: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of all arguments of `forward`."""
        W, initial, inputs, latents = ctx.saved_tensors
        dW = W.new_empty(n_parts(len(initial)), *W.shape)
        grad_initial = torch.empty_like(initial)
        grad_inputs = torch.empty_like(inputs) if ctx.needs_input_grad[2] else inputs.new_empty(0, 0, 0)
        run(
            _backward, len(initial), 3 * latents.shape[1] * W.numel(), W, initial, inputs, ctx.cell, latents,
            grad_latents.contiguous(), dW, grad_initial, grad_inputs,
        )  # fmt: skip
        grads = [dW[0] if len(dW) == 1 else dW.sum(0), grad_initial, grad_inputs]
        return *(
            grad if need else None for grad, need in zip(grads, ctx.needs_input_grad, strict=False)
        ), None


@kernel
def _forward(
    part: int, start: int, stop: int, W: Array, initial: Array, inputs: Array, cell: int, latents: Array
) -> None:
    """Fill latents."""
    width, n = W.shape[1:]
    p = padded(n, W)
    packed = [pack(W[k]) for k in range(4)]
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        x = np.empty((b, width), W.dtype)
        h, c = np.zeros((b, p), W.dtype), np.zeros((b, p), W.dtype)
        v, gates = np.zeros((4, b, p), W.dtype), np.empty((4, b * p), W.dtype)
        begin_chunk(first, initial, h[:, :n], x)
        if cell != GRU:
            for i in range(b):
                for j in range(n):
                    c[i, j] = initial[first + i, n + j]
        for t in range(latents.shape[1]):
            load_inputs(first, t, inputs, x)
            for i in range(b):
                for j in range(n):
                    x[i, j] = h[i, j]
            for k in range(4):
                multiply(x, packed[k], (width, n), v[k], False)
            open_gates(cell, v.reshape(4, -1), gates)
            if cell == GRU:
                step_gru(gates, h.reshape(-1))
            else:
                step_lstm(cell, gates, c.reshape(1, -1), h.reshape(1, -1))
            for i in range(b):
                for j in range(n):
                    latents[first + i, t, j] = h[i, j]
                if cell != GRU:
                    for j in range(n):
                        latents[first + i, t, n + j] = c[i, j]


@kernel
def _backward(
    part: int, start: int, stop: int, W: Array, initial: Array, inputs: Array, cell: int, latents: Array,
    grad_latents: Array, dW: Array, grad_initial: Array, grad_inputs: Array,
) -> None:  # fmt: skip
    """Fill grad_initial (B, S), grad_inputs (B, T, K) unless it is empty, and row `part` of dW (-, 4, X, M)."""
    n_steps, n, n_inputs = latents.shape[1], W.shape[2], inputs.shape[2]
    p = padded(n, W)
    size = block_steps(start, stop, n_steps)
    packed = [pack(W[k]) for k in range(4)]
    W_hidden_T = [pack(W[k, :n].T) for k in range(4)]
    W_input_T = [pack(W[k, n : n + n_inputs].T) for k in range(4)]
    sums = np.zeros((4, W.shape[1], p), W.dtype)
    for first in range(start, stop, CHUNK):
        b = min(CHUNK, stop - first)
        dh, dc = np.zeros((b, p), W.dtype), np.zeros((b, p), W.dtype)
        for end in range(n_steps, 0, -size):
            begin = max(0, end - size)
            rows = (end - begin) * b
            x, v = np.empty((rows, W.shape[1]), W.dtype), np.zeros((4, rows, p), W.dtype)
            gates, through = np.empty((4, rows * p), W.dtype), np.zeros((rows, p), W.dtype)
            _load_slopes(first, b, begin, end, cell, packed, initial, inputs, latents, x, v, gates, through)
            slopes = v.reshape(4, -1)
            for t in range(end - 1, begin - 1, -1):
                row = (t - begin) * b
                low, high = row * p, (row + b) * p
                _add_step(first, t, n, cell, grad_latents, dh, dc)
                if cell == GRU:
                    back_gru(gates[1, low:high], slopes, low, dh.reshape(-1))
                else:
                    to_c = through.reshape(-1)[low:high]
                    back_lstm(gates[0, low:high], to_c, slopes, low, dh.reshape(-1), dc.reshape(-1))
                for k in range(4):
                    multiply(v[k, row : row + b], W_hidden_T[k], (n, n), dh, True)
            for k in range(4):
                add_outer_products(x, v[k], n, sums[k])
            if grad_inputs.size:
                grad_s = np.zeros((rows, padded(n_inputs, W)), W.dtype)
                for k in range(4):
                    multiply(v[k], W_input_T[k], (n, n_inputs), grad_s, True)
                store_steps(first, begin, b, grad_s, grad_inputs)
        store_rows(first, dh, grad_initial[:, :n])
        if cell != GRU:
            store_rows(first, dc, grad_initial[:, n:])
    for k in range(4):
        store_rows(0, sums[k], dW[part, k])


@inner
def _load_slopes(
    first: int, b: int, begin: int, end: int, cell: int, packed: list[Array], initial: Array, inputs: Array,
    latents: Array, x: Array, v: Array, gates: Array, through: Array,
) -> None:  # fmt: skip
    """Set x (S b, X), gates (4, -), v (4, S b, P) to the slopes and, in an LSTM, through (S b, P) to o phi'(c)."""
    n = latents.shape[2] if cell == GRU else latents.shape[2] // 2
    before = np.zeros_like(through)
    _load_block(first, b, begin, end, n, cell, initial, inputs, latents, x, before, through)
    for k in range(4):
        multiply(x, packed[k], (x.shape[1], n), v[k], False)
    flat = v.reshape(4, -1)
    open_gates(cell, flat, gates)
    if cell == GRU:
        slopes_gru(gates, before.reshape(-1), flat)
    else:
        slopes_lstm(cell, gates, before.reshape(1, -1), through.reshape(1, -1), flat)


@inner
def _load_block(
    first: int, b: int, begin: int, end: int, n: int, cell: int, initial: Array, inputs: Array, latents: Array,
    x: Array, before: Array, after: Array,
) -> None:  # fmt: skip
    """Gather the steps begin to end - 1 of the b trials: x, and h or c before and after each, all (S b, -)."""
    n_inputs = inputs.shape[2]
    own = 0 if cell == GRU else n  # where h or c begins
    for i in range(b):
        for t in range(begin, end):
            row = (t - begin) * b + i
            if t == 0:
                for j in range(n):
                    x[row, j] = initial[first + i, j]
                for j in range(n):
                    before[row, j] = initial[first + i, own + j]
            else:
                for j in range(n):
                    x[row, j] = latents[first + i, t - 1, j]
                for j in range(n):
                    before[row, j] = latents[first + i, t - 1, own + j]
            for j in range(n):
                after[row, j] = latents[first + i, t, own + j]
            for k in range(n_inputs):
                x[row, n + k] = inputs[first + i, t, k]
            x[row, n + n_inputs] = 1


@inner
def _add_step(first: int, t: int, n: int, cell: int, grad_latents: Array, dh: Array, dc: Array) -> None:
    """Add the derivatives by the row of step t alone to dh and, in an LSTM, dc, both (b, P)."""
    for i in range(dh.shape[0]):
        for j in range(n):
            dh[i, j] += grad_latents[first + i, t, j]
        if cell != GRU:
            for j in range(n):
                dc[i, j] += grad_latents[first + i, t, n + j]
