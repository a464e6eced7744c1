"""The transfer functions r = f(z) of rate networks, with their slopes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

CEILING = 20.0  # of the bounded functions, as in spikeRNN
SLOPE = 0.2  # of leaky_relu below 0, as in TensorFlow, which PsychRNN's networks get

ActivationName = Literal[
    "relu", "tanh", "sigmoid", "softplus", "elu", "leaky_relu", "identity", "retanh", "clipped_relu",
    "clipped_softplus",
]  # fmt: skip


@dataclass(frozen=True)
class Activation:
    """An elementwise function and its derivative, both of a tensor of any shape."""

    function: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def _softplus(z: Tensor) -> Tensor:
    """log(1 + e^z), exact in float64 too: torch's own threshold of 20 cuts off at 2e-9."""
    return functional.softplus(z, threshold=40)


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(torch.relu, lambda z: (z > 0).to(z.dtype)),
    "tanh": Activation(torch.tanh, lambda z: 1 - torch.tanh(z).square()),
    "sigmoid": Activation(torch.sigmoid, lambda z: torch.sigmoid(z) * torch.sigmoid(-z)),
    "softplus": Activation(_softplus, torch.sigmoid),
    "elu": Activation(functional.elu, lambda z: torch.exp(z.clamp(max=0))),
    "leaky_relu": Activation(
        lambda z: functional.leaky_relu(z, SLOPE), lambda z: torch.ones_like(z).masked_fill(z <= 0, SLOPE)
    ),
    "identity": Activation(lambda z: z, torch.ones_like),
    "retanh": Activation(
        lambda z: torch.relu(torch.tanh(z)), lambda z: (1 - torch.tanh(z).square()) * (z > 0).to(z.dtype)
    ),
    "clipped_relu": Activation(
        lambda z: z.clamp(0, CEILING), lambda z: ((z >= 0) & (z <= CEILING)).to(z.dtype)
    ),
    "clipped_softplus": Activation(
        lambda z: _softplus(z).clamp(max=CEILING),
        lambda z: torch.sigmoid(z) * (_softplus(z) <= CEILING).to(z.dtype),
    ),
}


def transfer_function(name: str) -> Activation:
    """Return a transfer function by its name.

        retanh        max(tanh z, 0)
        clipped_relu  min(max(z, 0), 20)        clipped_softplus  min(log(1 + e^z), 20)
        leaky_relu    z for z > 0, else 0.2 z   elu               z for z > 0, else e^z - 1

    Raises:
        ValueError: there is no such function.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]
