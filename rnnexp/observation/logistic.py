"""Logistic observation of the rates."""

import torch
from torch import Tensor

from rnnexp.observation.affine import Affine


class Logistic(Affine):
    """y = 1 / (1 + exp(-(B r + b))), between 0 and 1: `Affine` through a sigmoid.

    Args:
        latent_dim, output_dim, learnable_B, learnable_b, rule: as of `Affine`.

    Source: Yang et al., Nature Neuroscience 22:297 (2019), eq. 3.
    """

    def forward(self, rates: Tensor) -> Tensor:
        """Return the outputs (..., O)."""
        return torch.sigmoid(super().forward(rates))

    @property
    def inverted_units(self) -> int:
        """0: targets of 0 and 1 have no finite rates."""
        return 0

    @property
    def readout(self) -> None:
        """None: the outputs are no linear map of the rates."""
        return

    @property
    def logits(self) -> tuple[Tensor, Tensor | None] | None:
        """The effective B (O, M) and b (O,); None for a subclass with a `forward` of its own."""
        return (self.B, self.b) if type(self).forward is Logistic.forward else None
