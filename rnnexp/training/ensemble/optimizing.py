"""Updates of many networks: of those whose settings agree in one call of torch's fused optimizers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from rnnexp.training.ensemble.stack import Stack
from rnnexp.training.radam import RAdam, rectification
from rnnexp.training.tensorflow_adam import TensorFlowAdam

ADAMS = {
    torch.optim.Adam: torch._fused_adam_,
    torch.optim.AdamW: torch._fused_adamw_,
    TensorFlowAdam: torch._fused_adam_,
    RAdam: torch._fused_adam_,
}
MOMENTS = ("exp_avg", "exp_avg_sq")


class RowOptimizer:
    """The optimizers of all networks of a stack.

    Each keeps its own state, which is in a checkpoint. Once they have one, the moments of an Adam become views of rows,
    and then all rows are updated together; other optimizers make their steps one by one.

    Args:
        stack: parameters and gradients.
        optimizers: one for each network, of one class.
    """

    def __init__(self, stack: Stack, optimizers: Sequence[Optimizer]) -> None:
        self._stack, self._optimizers = stack, list(optimizers)
        self._kind = type(optimizers[0])
        self._moments: dict[str, Tensor] = {}
        self._counts = [0] * len(optimizers)
        self.adopt()

    def adopt(self) -> None:
        """Take over the states of the optimizers; nothing to do before all have one."""
        for number in range(len(self._optimizers)):
            self.count(number)
        self._moments = {}
        on_cpu = self._stack.values.device.type == "cpu"
        if not on_cpu or self._kind not in ADAMS or not all(map(_is_simple, self._optimizers)):
            return
        tables = [self._states(number) for number in range(len(self._optimizers))]
        if not all(map(all, tables)):
            return
        self._counts = [int(states[0]["step"]) for states in tables]
        if self._kind is RAdam and None in map(self._rectification, range(len(tables))):
            return
        moments = {name: torch.empty_like(self._stack.values) for name in MOMENTS}
        for number, states in enumerate(tables):
            for name, rows in moments.items():
                for state, view in zip(states, self._stack.views(rows[number]), strict=True):
                    state[name] = view.copy_(state[name])
        self._moments = moments

    def look_for_restored(self) -> None:
        """Take over the states of optimizers that were given those of a checkpoint."""
        if self._moments and not all(map(self._is_own, range(len(self._optimizers)))):
            self.adopt()

    def step(self, chosen: Sequence[int]) -> None:
        """Update the networks of these numbers."""
        if not self._moments:
            for number in chosen:
                self._optimizers[number].step()
            self.adopt()
            return
        together: dict[tuple[Any, ...], list[int]] = {}
        for number in chosen:
            together.setdefault(self._settings(number), []).append(number)
        for settings, numbers in together.items():
            self._update(settings, numbers)

    def count(self, number: int) -> None:
        """Let the state of one optimizer say how many updates it has made, as a checkpoint needs it."""
        if self._moments and self._is_own(number):
            for state in self._states(number):
                state["step"].fill_(self._counts[number])

    def _states(self, number: int) -> list[dict[str, Any] | None]:
        return [self._optimizers[number].state.get(p) for p in self._stack.parameters[number]]

    def _is_own(self, number: int) -> bool:
        """Whether the moments of an optimizer are the rows."""
        first = self._states(number)[0]
        return bool(first) and first[MOMENTS[0]].data_ptr() == self._moments[MOMENTS[0]][number].data_ptr()

    def _settings(self, number: int) -> tuple[Any, ...]:
        group, t = self._optimizers[number].param_groups[0], self._counts[number] + 1
        lr, eps, (beta1, beta2) = group["lr"], group["eps"], group["betas"]
        if self._kind in (RAdam, TensorFlowAdam):
            eps = eps / (1 - beta2**t) ** 0.5
        if self._kind is RAdam:
            lr = lr * rectification(t, beta2)
        return t, float(lr), beta1, beta2, eps, group["weight_decay"]

    def _update(self, settings: tuple[Any, ...], numbers: Sequence[int]) -> None:
        t, lr, beta1, beta2, eps, weight_decay = settings
        rows = [
            [tensor[number] for number in numbers]
            for tensor in (self._stack.values, self._stack.gradients, *self._moments.values())
        ]
        counts = [torch.tensor(float(t))] * len(numbers)
        with torch.no_grad():
            ADAMS[self._kind](
                *rows, [], counts, amsgrad=False, lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay, eps=eps,
                maximize=False,
            )  # fmt: skip
        for number in numbers:
            self._counts[number] = t

    def _rectification(self, number: int) -> float | None:
        beta2 = self._optimizers[number].param_groups[0]["betas"][1]
        return rectification(self._counts[number] + 1, beta2)


def _is_simple(optimizer: Optimizer) -> bool:
    """Whether one call can stand for an optimizer: one group, without the less usual settings."""
    if len(optimizer.param_groups) != 1:
        return False
    group = optimizer.param_groups[0]
    return not (group.get("amsgrad") or group.get("maximize") or isinstance(group["lr"], Tensor))
