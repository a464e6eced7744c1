"""Compiled recurrences of many networks in one call: what `torch.vmap` makes of them.

A recurrence is a `torch.autograd.Function` of one network. Under vmap, `call` runs it for each of K networks, side by
side on the threads that there are, and stacks what comes of it. What a network gets does not depend on the others, nor
on the number of threads.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, FunctionCtx, once_differentiable

from rnnexp.recurrence.fused.compilation import side_by_side


def call(function: type[Function], *arguments: Any) -> Any:
    """Return function.apply(*arguments); under `torch.vmap` of all networks, stacked.

    Args:
        function: a compiled recurrence, whose outputs are tensors, one or a tuple.
        arguments: tensors, and plain values that all networks share.
    """
    is_transformed = torch._C._are_functorch_transforms_active()
    return _Mapped.apply(function, *arguments) if is_transformed else function.apply(*arguments)


class _Mapped(Function):
    """Takes vmap off the arguments; another transform has no rule here."""

    @staticmethod
    def forward(*arguments: Any) -> Any:
        raise NotImplementedError("compiled recurrences know torch.vmap alone; use the reference")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Any) -> None:
        """Nothing to keep: `forward` is never run."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], function: type[Function], *arguments: Any) -> tuple:
        """Return the stacked outputs and their axes."""
        is_stacked = [isinstance(dim, int) for dim in in_dims[1:]]
        moved = [
            argument.movedim(dim, 0) if stacked else argument
            for argument, dim, stacked in zip(arguments, in_dims[1:], is_stacked, strict=True)
        ]
        outputs = _Networks.apply(function, info.batch_size, is_stacked, *moved)
        return (outputs, (0,) * len(outputs)) if isinstance(outputs, tuple) else (outputs, 0)


class _Context:
    """What a recurrence keeps of one network between forward and backward; stands for autograd's own."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Tensor, ...] = ()
        self.materializes = True
        self.without_gradient: tuple[int, ...] = ()

    def save_for_backward(self, *tensors: Tensor) -> None:
        self.saved_tensors = tensors

    def set_materialize_grads(self, value: bool) -> None:
        self.materializes = value

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        self.without_gradient = tuple(map(id, tensors))


class _Networks(Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, function: type[Function], count: int, is_stacked: Sequence[bool], *arguments: Any
    ) -> Any:
        """Return the outputs of all networks, (K, ...) each."""
        contexts = [_Context(ctx.needs_input_grad[3:]) for _ in range(count)]

        def one(number: int) -> Any:
            own = _of(number, is_stacked, arguments)
            outputs = function.forward(contexts[number], *own)
            if not number and isinstance(outputs, tuple):
                ctx.without_gradient = [id(output) in contexts[0].without_gradient for output in outputs]
            return outputs

        results = _each(one, count)
        ctx.function, ctx.contexts, ctx.is_stacked = function, contexts, is_stacked
        ctx.set_materialize_grads(False)
        if not isinstance(results[0], tuple):
            return torch.stack(results)
        stacked = tuple(map(torch.stack, zip(*results, strict=True)))
        ctx.mark_non_differentiable(
            *(output for output, is_without in zip(stacked, ctx.without_gradient, strict=True) if is_without)
        )
        ctx.shapes = [output.shape[1:] for output in stacked]
        return stacked

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor | None) -> tuple[Any, ...]:
        """Return the gradients of the arguments, summed over networks where they share one."""
        shapes = getattr(ctx, "shapes", None)

        def one(number: int) -> tuple[Tensor | None, ...]:
            context = ctx.contexts[number]
            own = [None if grad is None else grad[number] for grad in grads]
            if context.materializes and shapes is not None:
                like = next(grad for grad in own if grad is not None)
                own = [
                    like.new_zeros(shape) if grad is None else grad
                    for grad, shape in zip(own, shapes, strict=True)
                ]
            found = ctx.function.backward(context, *own)
            return found if isinstance(found, tuple) else (found,)

        results = _each(one, len(ctx.contexts))
        ctx.contexts = None
        gathered = []
        for is_stacked, found in zip(ctx.is_stacked, zip(*results, strict=True), strict=True):
            if found[0] is None:
                gathered.append(None)
            else:
                gathered.append(torch.stack(found) if is_stacked else sum(found))
        return None, None, None, *gathered


def _of(number: int, is_stacked: Sequence[bool], arguments: Sequence[Any]) -> list[Any]:
    return [
        argument[number] if stacked else argument
        for argument, stacked in zip(arguments, is_stacked, strict=True)
    ]


def _each(one: Callable[[int], Any], count: int) -> list[Any]:
    def without_gradients(number: int) -> Any:
        with torch.no_grad():  # of this thread
            return one(number)

    return side_by_side(without_gradients, count)
