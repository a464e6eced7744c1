"""The contract of an observation: the map y_t = g(r_t) from rates to outputs."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Observation(nn.Module, ABC):
    """Maps rates (..., M) to outputs (..., O); the rates of the PLRNN family are the latents themselves.

    Args:
        latent_dim: M.
        output_dim: O.
    """

    def __init__(self, latent_dim: int, output_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.output_dim = output_dim

    @abstractmethod
    def forward(self, rates: Tensor) -> Tensor:
        """Return the outputs (..., O) of the rates (..., M)."""

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the initial parameters; by default those that the constructor set stay."""
        del generator

    @property
    def output_matrix(self) -> Tensor | None:
        """The effective readout matrix (O, M), or None."""
        return None

    def weights(self) -> dict[str, Tensor]:
        """Return the effective weights under the names of the equations."""
        return dict(self.named_parameters())
