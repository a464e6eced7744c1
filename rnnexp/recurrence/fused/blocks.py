"""What the kernels share: moving data between (B, T, M) arrays and the buffers of a chunk.

Shapes: B trials, T steps, M units, K inputs. A chunk is b trials from trial `first` on; a block is S steps of it.
Buffers have one row per trial and, in a block, one row per step and trial, (S b, ...), the trials of a step together.
The states that a matrix multiplies are kept together with what else it multiplies: x = [x s 1], X + K + 1 columns.
"""

import numpy as np
from torch import Tensor

from rnnexp.recurrence.forced_states import ForcedStates
from rnnexp.recurrence.fused.compilation import BLOCK_ROWS, CHUNK, Array, inner


def forcing_arrays(forced: ForcedStates | None, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the states (B, T, F) and strengths (T,) for a kernel, empty ones without forcing."""
    if forced is None:
        return like.new_empty(0, 0, 0), like.new_empty(0)
    return forced.states, forced.strength


def forcing_shapes(
    forced: ForcedStates | None, inputs: Tensor, n_units: int
) -> dict[str, tuple[Tensor, tuple[int, ...]]]:
    """Return what `check_tensors` has to check of the forcing, for inputs (B, T, K)."""
    if forced is None:
        return {}
    n_trials, n_steps = inputs.shape[:2]
    n_forced = min(forced.states.shape[-1], n_units)
    return {
        "forced states": (forced.states, (n_trials, n_steps, n_forced)),
        "forcing strength": (forced.strength, (n_steps,)),
    }


@inner
def join_columns(W: Array, C: Array, h: Array) -> Array:
    """Return [W C h]^T, (X + K + 1, M), for W (M, X), C (M, K) and h (M,)."""
    n_states, n_inputs = W.shape[1], C.shape[1]
    joined = np.empty((n_states + n_inputs + 1, len(h)), W.dtype)
    for j in range(len(h)):
        for k in range(n_states):
            joined[k, j] = W[j, k]
        for k in range(n_inputs):
            joined[n_states + k, j] = C[j, k]
        joined[n_states + n_inputs, j] = h[j]
    return joined


@inner
def split_columns(sums: Array, dW: Array, dC: Array, dh: Array) -> None:
    """Take sums (M, X + K + 1) apart into dW (M, X), dC (M, K) and dh (M,)."""
    n_states, n_inputs = dW.shape[1], dC.shape[1]
    for j in range(len(dh)):
        for k in range(n_states):
            dW[j, k] = sums[j, k]
        for k in range(n_inputs):
            dC[j, k] = sums[j, n_states + k]
        dh[j] = sums[j, n_states + n_inputs]


@inner
def begin_chunk(first: int, initial: Array, z: Array, x: Array) -> None:
    """Set z (b, M) to the initial states of a chunk, and the last column of x to 1."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] = initial[first + i, j]
        x[i, x.shape[1] - 1] = 1


@inner
def load_inputs(first: int, t: int, inputs: Array, x: Array) -> None:
    """Put the inputs of step t into x (b, X + K + 1)."""
    n_inputs = inputs.shape[2]
    n_states = x.shape[1] - n_inputs - 1
    for i in range(x.shape[0]):
        for k in range(n_inputs):
            x[i, n_states + k] = inputs[first + i, t, k]


@inner
def finish_step(
    first: int, t: int, A: Array, product: Array, z: Array, limit: float, latents: Array, inside: Array
) -> None:
    """Set z (b, M) to A z + product, clamp it if inside is not empty, and store it as step t.

    nan stays nan; like torch, the derivative of the clamp is 1 at the limits and 0 for nan.
    """
    high = z.dtype.type(limit)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] = A[j] * z[i, j] + product[i, j]
        if inside.size:
            for j in range(z.shape[1]):
                value = z[i, j]
                inside[first + i, t, j] = -high <= value and value <= high
                value = high if value > high else value
                z[i, j] = -high if value < -high else value
        for j in range(z.shape[1]):
            latents[first + i, t, j] = z[i, j]


@inner
def force(first: int, t: int, forced: Array, strength: Array, z: Array) -> None:
    """Pull the first F units of z (b, M) before step t towards the forced states; nan leaves an entry free."""
    if forced.size and strength[t] != 0:
        a = strength[t]
        for i in range(z.shape[0]):
            for j in range(forced.shape[2]):
                target = forced[first + i, t, j]
                pulled = (z.dtype.type(1) - a) * z[i, j] + a * target
                z[i, j] = pulled if target == target else z[i, j]


@inner
def force_block(first: int, b: int, begin: int, end: int, forced: Array, strength: Array, z: Array) -> None:
    """Apply `force` to a block: z (S b, M) holds the states before the steps begin to end - 1."""
    if forced.size:
        for t in range(begin, end):
            low = (t - begin) * b
            force(first, t, forced, strength, z[low : low + b])


@inner
def force_back(first: int, t: int, forced: Array, strength: Array, carry: Array, grad_forced: Array) -> None:
    """Turn carry (b, M), the derivative by the state before step t after forcing, into that before forcing."""
    if forced.size and (strength[t] != 0 or grad_forced.size):
        zero = carry.dtype.type(0)
        for i in range(carry.shape[0]):
            for j in range(forced.shape[2]):
                target = forced[first + i, t, j]
                pull = strength[t] if target == target else zero
                if grad_forced.size:
                    grad_forced[first + i, t, j] = pull * carry[i, j]
                carry[i, j] = (carry.dtype.type(1) - pull) * carry[i, j]


@inner
def load_block(
    first: int, b: int, begin: int, end: int, initial: Array, inputs: Array, latents: Array, grad_latents: Array,
    n_states: int, z: Array, x: Array, g: Array,
) -> None:  # fmt: skip
    """Gather the steps begin to end - 1 of the b trials: the state before each in z, s and 1 in x, G in g."""
    n, n_inputs = initial.shape[1], inputs.shape[2]
    for i in range(b):
        for t in range(begin, end):
            row = (t - begin) * b + i
            if t == 0:
                for j in range(n):
                    z[row, j] = initial[first + i, j]
            else:
                for j in range(n):
                    z[row, j] = latents[first + i, t - 1, j]
            for j in range(n):
                g[row, j] = grad_latents[first + i, t, j]
            for k in range(n_inputs):
                x[row, n_states + k] = inputs[first + i, t, k]
            x[row, n_states + n_inputs] = 1


@inner
def add_step(first: int, t: int, carry: Array, inside: Array, z: Array, g: Array, sums_A: Array) -> None:
    """Complete g (b, M) of step t by what later steps contribute, stop it at the clamp, add g z to sums_A."""
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            g[i, j] += carry[i, j]
        if inside.size:
            for j in range(g.shape[1]):
                g[i, j] = g[i, j] if inside[first + i, t, j] else g.dtype.type(0)
        for j in range(g.shape[1]):
            sums_A[i, j] += g[i, j] * z[i, j]


@inner
def sum_rows(rows: Array, total: Array) -> None:
    """Set total (M,) to the sum of rows (b, M)."""
    for j in range(rows.shape[1]):
        total[j] = 0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            total[j] += rows[i, j]


@inner
def store_rows(first: int, rows: Array, target: Array) -> None:
    """Copy the first M columns of rows (b, >= M) to the rows of target (B, M) from the first one on."""
    for i in range(rows.shape[0]):
        for j in range(target.shape[1]):
            target[first + i, j] = rows[i, j]


@inner
def block_steps(start: int, stop: int, n_steps: int) -> int:
    """Return S for the chunks of the trials start to stop - 1."""
    return max(1, min(n_steps, BLOCK_ROWS // max(1, min(CHUNK, stop - start))))


@inner
def load_initial(first: int, initial: Array, z: Array) -> None:
    """Set z (b, M) to the initial states of a chunk."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] = initial[first + i, j]


@inner
def load_steps(first: int, begin: int, source: Array, column: int, b: int, rows: Array) -> None:
    """Copy the steps of source (B, T, X) from begin on to rows (S b, >= column + X), from a column on."""
    for i in range(b):
        for k in range(rows.shape[0] // b):
            for j in range(source.shape[2]):
                rows[k * b + i, column + j] = source[first + i, begin + k, j]


@inner
def add_steps(first: int, begin: int, source: Array, b: int, rows: Array) -> None:
    """Add the steps of source (B, T, X) from begin on to rows (S b, X)."""
    for i in range(b):
        for k in range(rows.shape[0] // b):
            for j in range(rows.shape[1]):
                rows[k * b + i, j] += source[first + i, begin + k, j]


@inner
def store_steps(first: int, begin: int, b: int, rows: Array, target: Array) -> None:
    """Copy the first X columns of rows (S b, >= X) to the steps of target (B, T, X) from begin on."""
    for i in range(b):
        for k in range(rows.shape[0] // b):
            for j in range(target.shape[2]):
                target[first + i, begin + k, j] = rows[k * b + i, j]


@inner
def move_up(low: int, b: int, rows: Array) -> None:
    """Copy the b rows from low on to the top."""
    for i in range(b):
        for j in range(rows.shape[1]):
            rows[i, j] = rows[low + i, j]


@inner
def fill_rows(values: Array, rows: Array) -> None:
    """Set the first X columns of every row to values (X,)."""
    for i in range(rows.shape[0]):
        for j in range(values.shape[0]):
            rows[i, j] = values[j]
