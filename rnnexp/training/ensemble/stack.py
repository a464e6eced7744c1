"""Parameters and gradients of many networks, a row for each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from rnnexp.models import RNN


class Stack:
    """The trained parameters of K networks with the same parameters, P entries each.

    The parameters of the models become views of the rows, so that what changes one changes the other.

    Args:
        models: alike.

    Attributes:
        values: (K, P).
        gradients: (K, P); the `grad` of each parameter is a view of its row.
        parameters: of each network, those that are trained, in the order of the rows.
    """

    def __init__(self, models: Sequence[RNN]) -> None:
        self.parameters = [[p for p in model.parameters() if _is_trained(p)] for model in models]
        first = dict(models[0].named_parameters())
        self.names = [name for name, parameter in first.items() if _is_trained(parameter)]
        self.shapes = [first[name].shape for name in self.names]
        sizes = [shape.numel() for shape in self.shapes]
        bounds = torch.tensor([0, *sizes]).cumsum(0).tolist()
        self.segments = [slice(low, high) for low, high in pairwise(bounds)]
        with torch.no_grad():
            self.values = torch.stack([torch.cat([p.flatten() for p in row]) for row in self.parameters])
        self.gradients = torch.zeros_like(self.values)
        for number, row in enumerate(self.parameters):
            for parameter, values, gradients in zip(
                row, self.views(self.values[number]), self.views(self.gradients[number]), strict=True
            ):
                parameter.data = values
                parameter.grad = gradients
        others = [name for name in first if name not in self.names]
        self._fixed = {
            name: torch.stack([tensor.detach() for tensor in row])
            for name, row in _by_name(models, others).items()
        }

    def views(self, row: Tensor) -> list[Tensor]:
        """Return a row (P,) as tensors of the shapes of the parameters."""
        return [row[segment].view(shape) for segment, shape in zip(self.segments, self.shapes, strict=True)]

    def block(self, networks: slice) -> "Block":
        """Return what is computed with for some of the networks."""
        leaves = {
            name: self.values[networks, segment].unflatten(1, shape).detach().requires_grad_()
            for name, segment, shape in zip(self.names, self.segments, self.shapes, strict=True)
        }
        fixed = {name: tensor[networks] for name, tensor in self._fixed.items()}
        return Block(networks, leaves, fixed, self.gradients[networks])

    def norms(self) -> Tensor:
        """Return the norms of the gradients, (parameters, K)."""
        return torch.stack(
            [torch.linalg.vector_norm(self.gradients[:, segment], dim=1) for segment in self.segments]
        )


@dataclass(frozen=True)
class Block:
    """Some networks of a stack.

    Attributes:
        networks: which.
        leaves: trained parameter by name, (k, ...), views of the rows with a gradient of their own.
        fixed: the other parameters and the buffers by name, (k, ...).
        gradients: their rows, (k, P).
    """

    networks: slice
    leaves: dict[str, Tensor]
    fixed: dict[str, Tensor]
    gradients: Tensor

    def add_gradients(self, total: Tensor, is_first: bool) -> list[str]:
        """Put the gradients of a sum over networks into the rows; returns the names of parameters without one.

        Args:
            total: 0-d.
            is_first: they replace what is in the rows, else they are added.
        """
        leaves = list(self.leaves.values())
        found = torch.autograd.grad(total, leaves, allow_unused=True)
        filled = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]
        rows = torch.cat([gradient.flatten(1) for gradient in filled], dim=1)
        self.gradients.copy_(rows) if is_first else self.gradients.add_(rows)
        return [name for name, gradient in zip(self.leaves, found, strict=True) if gradient is None]


def _is_trained(parameter: Tensor) -> bool:
    return parameter.requires_grad and parameter.numel() > 0


def _by_name(models: Sequence[RNN], names: Sequence[str]) -> dict[str, list[Tensor]]:
    tables = [{**dict(model.named_parameters()), **dict(_buffers(model))} for model in models]
    wanted = [*names, *dict(_buffers(models[0]))]
    return {name: [table[name] for table in tables] for name in wanted}


def _buffers(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return model.named_buffers()
