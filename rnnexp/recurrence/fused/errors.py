"""Outputs against targets, and what that says to the states: for updates that need no trajectory.

    e = sum of d^2 / n  or  sum over trials of sqrt(sum of d^2) / B,   d = mask (g(B r + c) - target)

g is the identity or the sigmoid.

In an update nobody looks at states and outputs. So a kernel runs forward, compares and runs backward without handing
anything over, and keeps states in memory that the next update uses again.

Shapes: B trials, T steps, M units, O outputs.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from rnnexp.recurrence.fused.compilation import (
    Array,
    Function,
    inner,
    largest_part,
    parts_of,
    run_tasks,
    threads_for,
)
from rnnexp.recurrence.fused.transfer import sigmoid

Kind = Literal["squares", "norms"]
SQUARES, NORMS, LOGISTIC = 0, 1, 2  # the last is added to one of the others
OF_MASK = -1.0  # for a factor


@dataclass(frozen=True)
class Compared:
    """What the outputs of a run are compared with.

    Attributes:
        targets, mask: (B, T, O).
        kind: "squares": sum of d^2; "norms": sum over trials of the root of that.
        factor: of the sum; None: 1 / sum of mask^2, or 1 if that is 0.
        readout: B (O, M) and c (O,) or None; None if the outputs are the first O states.
        is_logistic: whether the readout goes through a sigmoid.
    """

    targets: Tensor
    mask: Tensor
    kind: Kind
    factor: float | None
    readout: tuple[Tensor, Tensor | None] | None = None
    is_logistic: bool = False

    def tensors(self, like: Tensor, n_units: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return B (O, M), or (0, M) for an identity, c (O,), targets and mask."""
        if self.readout is None:
            B, c = like.new_empty(0, n_units), like.new_empty(0)
        else:
            B, c = self.readout
            c = like.new_zeros(len(B)) if c is None else c
        return B, c, self.targets, self.mask

    @property
    def numbers(self) -> tuple[int, float]:
        """The kind and the factor as the kernels know them."""
        kind = (NORMS if self.kind == "norms" else SQUARES) + (LOGISTIC if self.is_logistic else 0)
        return kind, OF_MASK if self.factor is None else self.factor


class Recurrence(NamedTuple):
    """A recurrence as `error_of` runs it.

    Attributes:
        kernel: called with (slot, first, last, bounds, *weights, initial, inputs, extra, strength, targets, mask,
            kind, factor, with_gradient, with_first, *options, *memory, totals, *sums, grad_initial, grad_inputs,
            grad_extra): does the tasks first to last - 1, task k n + i being part i, of n, of network k, and uses
            memory[slot]. All arrays of networks have the axis K in front. with_first asks for the gradient of the
            first weight too.
        n_weights: how many of the arrays are weights; the last two are B and c of the readout.
        work: multiply-adds of a trial, roughly, given the weights (K, ...) and T.
        memory: widths of the (threads, b, T, width) arrays that it uses as it runs, b trials of the largest part, given
            the weights and M.
    """

    kernel: Function
    n_weights: int
    work: Callable[[Sequence[np.ndarray], int], int]
    memory: Callable[[Sequence[np.ndarray], int], Sequence[int]]


def error_of(
    recurrence: Recurrence,
    weights: Sequence[Tensor],
    initial: Tensor,
    inputs: Tensor,
    extra: Tensor,
    strength: Tensor,
    compared: Compared,
    options: tuple[Any, ...],
) -> Tensor:
    """Return an error, 0-d; under `torch.vmap` those of all networks, (K,), by one call.

    Args:
        recurrence: which.
        weights: without those of the readout.
        initial: (B, S).
        inputs: (B, T, K).
        extra: (B, T, F) of the forcing, or the increments, or empty.
        strength: (T,) of the forcing, or empty.
        compared: what the outputs shall be.
        options: further arguments of the kernel.
    """
    B, c, *rest = compared.tensors(weights[0], initial.shape[-1])
    tensors = (*weights, B, c, initial, inputs, extra, strength, *rest)
    if torch._C._are_functorch_transforms_active():
        return _MappedErrors.apply(recurrence, compared.numbers, options, *tensors)
    return _Errors.apply(recurrence, compared.numbers, options, None, *tensors)


class _MappedErrors(torch.autograd.Function):
    """Takes vmap off the arguments of `_Errors`."""

    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        raise NotImplementedError("compiled recurrences know torch.vmap alone; use the reference")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Tensor) -> None:
        """Nothing to keep: `forward` is never run."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Tensor, int]:
        """Return the errors (K,) and their axis."""
        tensors = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(arguments[3:], in_dims[3:], strict=True)
        ]
        return _Errors.apply(*arguments[:3], info.batch_size, *tensors), 0


class _Errors(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        recurrence: Recurrence,
        compared: tuple[int, float],
        options: tuple[Any, ...],
        count: int | None,
        *tensors: Tensor,
    ) -> Tensor:
        """Return the errors (K,), or that of the only network if count is None."""
        arrays = [np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors]
        if count is None:
            arrays = [array[None] for array in arrays]
        n_weights = recurrence.n_weights
        weights, (initial, inputs, extra) = arrays[:n_weights], arrays[n_weights : n_weights + 3]
        needed = ctx.needs_input_grad[4:]
        n_networks, n_trials, n_steps = inputs.shape[:3]
        parts = parts_of(n_trials)
        work = recurrence.work(weights, n_steps)
        n_threads = threads_for(n_networks * (len(parts) - 1), n_networks * n_trials * work)
        largest = largest_part(n_trials)
        memory = [
            scratch(name, (n_threads, largest, n_steps, width), initial.dtype)
            for name, width in enumerate(recurrence.memory(weights, initial.shape[-1]))
        ]
        none = np.empty((n_networks, 0, 0, 0), initial.dtype)
        sums = [np.empty((n_networks, len(parts) - 1, *w.shape[1:]), w.dtype) for w in weights]
        grad_initial = np.empty_like(initial)
        grad_inputs = np.empty_like(inputs) if needed[n_weights + 1] else none
        grad_extra = np.empty_like(extra) if needed[n_weights + 2] else none
        totals = np.empty((n_networks, len(parts) - 1))
        run_tasks(
            recurrence.kernel, n_networks, parts, n_threads,
            [
                *arrays, *compared, any(needed), needed[0], *options, *memory, totals, *sums, grad_initial, grad_inputs,
                grad_extra,
            ],
        )  # fmt: skip
        grads = [grad[:, 0] if len(parts) == 2 else grad.sum(1) for grad in sums]
        ctx.grads, ctx.count = [*grads, grad_initial, grad_inputs, grad_extra], count
        errors = totals.sum(1)
        return tensors[0].new_tensor(errors[0] if count is None else errors)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of all arguments of `forward`: those that are held, times that of the errors."""
        grads, ctx.grads = ctx.grads, None
        needed = ctx.needs_input_grad[4:]
        found: list[Tensor | None] = [None] * len(needed)
        scale = None if ctx.count is None and grad.item() == 1.0 else grad
        for number, (array, need) in enumerate(zip(grads, needed, strict=False)):
            if need:
                tensor = torch.from_numpy(array if ctx.count is not None else array[0])
                shape = [-1, *[1] * (tensor.ndim - 1)] if ctx.count is not None else []
                found[number] = tensor if scale is None else tensor * scale.view(shape)
        return None, None, None, None, *found


class _Scratch(threading.local):
    """Memory of this thread that kernels write to and nobody reads afterwards."""

    def __init__(self) -> None:
        self.kept: dict[int, np.ndarray] = {}


_scratch = _Scratch()


def scratch(name: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array with any content, the same memory for the same name and shape in the next call."""
    kept = _scratch.kept.get(name)
    if kept is None or kept.shape != shape or kept.dtype != dtype:
        kept = _scratch.kept[name] = np.empty(shape, dtype)
    return kept


def widths_of_states(weights: Sequence[np.ndarray], n_units: int) -> list[int]:
    """Return the memory of a recurrence whose rates are its states: these, outputs, and the gradients of both."""
    n_outputs = weights[-1].shape[1]
    return [n_units, n_units, n_outputs, n_outputs]


@inner
def factor_of(factor: float, mask: Array) -> float:
    """Return the factor of an error, for masks (B, T, O)."""
    if factor != OF_MASK:
        return factor
    n_observed = 0.0
    for weight in mask.ravel():
        n_observed += weight * weight
    return 1 / n_observed if n_observed > 0 else 1.0


@inner
def compare(
    n_trials: int, outputs: Array, targets: Array, mask: Array, factor: float, kind: int, grad: Array
) -> float:
    """Return the error of outputs (b, T, >= O), whose first O entries count, and fill its gradient of that shape."""
    total = 0.0
    zero = grad.dtype.type(0)
    n_outputs = targets.shape[2]
    for i in range(n_trials):
        summed = 0.0
        for t in range(outputs.shape[1]):
            for k in range(n_outputs):
                y = sigmoid(outputs[i, t, k]) if kind >= LOGISTIC else outputs[i, t, k]
                difference = mask[i, t, k] * (y - targets[i, t, k])
                summed += difference * difference
                grad[i, t, k] = mask[i, t, k] * difference
                if kind >= LOGISTIC:
                    grad[i, t, k] *= y * (1 - y)
            for k in range(n_outputs, grad.shape[2]):
                grad[i, t, k] = zero
        if kind % LOGISTIC == NORMS:
            norm = np.sqrt(summed)
            total += norm
            scale = factor / norm if norm != 0 else 0.0
        else:
            total += summed
            scale = 2 * factor
        scale = grad.dtype.type(scale)
        for t in range(outputs.shape[1]):
            for k in range(n_outputs):
                grad[i, t, k] *= scale
    return factor * total


@inner
def read_out(n_trials: int, states: Array, B: Array, c: Array, outputs: Array) -> None:
    """Fill outputs (b, T, O) with B z + c."""
    for i in range(n_trials):
        for t in range(states.shape[1]):
            for k in range(len(c)):
                value = c[k]
                for j in range(states.shape[2]):
                    value += B[k, j] * states[i, t, j]
                outputs[i, t, k] = value


@inner
def read_back(
    n_trials: int, states: Array, B: Array, grad_outputs: Array, grad: Array, dB: Array, dc: Array
) -> None:
    """Fill grad (b, T, M) with B^T of the gradient of the outputs, and dB and dc."""
    zero = grad.dtype.type(0)
    dB[:] = 0
    dc[:] = 0
    for i in range(n_trials):
        for t in range(states.shape[1]):
            for j in range(states.shape[2]):
                grad[i, t, j] = zero
            for k in range(len(dc)):
                e = grad_outputs[i, t, k]
                dc[k] += e
                for j in range(states.shape[2]):
                    grad[i, t, j] += e * B[k, j]
                    dB[k, j] += e * states[i, t, j]
