"""Linear and affine observation of the states."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnexp.observation.base import Observation


class Linear(Observation):
    """y = B r, B (O, M); initial entries are normal with sd sqrt(2/M) (He et al. 2015)."""

    def __init__(self, latent_dim: int, output_dim: int) -> None:
        super().__init__(latent_dim, output_dim)
        self.B = nn.Parameter(torch.zeros(output_dim, latent_dim))

    def forward(self, rates: Tensor) -> Tensor:
        """Return the outputs (..., O)."""
        return functional.linear(rates, self.B)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw B."""
        _draw_readout(self.B, generator)

    @property
    def output_matrix(self) -> Tensor | None:
        """B (O, M)."""
        return self.B


class Affine(Observation):
    """y = B r + b, B (O, M) as in `Linear`, b (O) starting at 0."""

    def __init__(self, latent_dim: int, output_dim: int) -> None:
        super().__init__(latent_dim, output_dim)
        self.B = nn.Parameter(torch.zeros(output_dim, latent_dim))
        self.b = nn.Parameter(torch.zeros(output_dim))

    def forward(self, rates: Tensor) -> Tensor:
        """Return the outputs (..., O)."""
        return functional.linear(rates, self.B, self.b)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw B; b starts at 0."""
        _draw_readout(self.B, generator)

    @property
    def output_matrix(self) -> Tensor | None:
        """B (O, M)."""
        return self.B


def _draw_readout(matrix: Tensor, generator: torch.Generator) -> None:
    with torch.no_grad():
        matrix.normal_(0, math.sqrt(2 / matrix.shape[1]), generator=generator)
