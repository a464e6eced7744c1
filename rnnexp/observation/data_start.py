"""The initial state of a run that starts from an observation."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnexp.observation.base import Observation


class DataStart(nn.Module):
    """z_0 from x_0: what the observation can invert follows from x_0, the rest is a learned linear map L x_0.

    Identity observation: z_0 = [x_0; L x_0], no L if all units are observed. Linear or affine: z_0 = B^+ (x_0 - b).
    Where the rates are not the states themselves nothing can be inverted, and z_0 = L x_0. Source: Hess et al. 2023;
    Brenner et al. 2022.

    Args:
        observation: maps rates (M) to outputs (N).
        state_dim: S, size of z.
        forceable_units: how many of the first entries of z are rates as they are.
    """

    def __init__(self, observation: Observation, state_dim: int, forceable_units: int) -> None:
        super().__init__()
        self.n_inverted = min(observation.inverted_units, forceable_units)
        n_free = state_dim - self.n_inverted
        shape = (n_free, observation.output_dim)
        self.L = nn.Parameter(torch.zeros(shape)) if n_free else None

    def initialize(self, generator: torch.Generator) -> None:
        """Draw L uniformly from +-sqrt(6 / (rows + columns)), Glorot's bound."""
        if self.L is not None:
            bound = math.sqrt(6 / sum(self.L.shape))
            with torch.no_grad():
                self.L.uniform_(-bound, bound, generator=generator)

    def forward(self, observation: Observation, x: Tensor) -> Tensor:
        """Return the states (B, S) of the observations x (B, N); missing ones, nan, count as 0."""
        x = x.nan_to_num(nan=0.0)
        if self.n_inverted == 0:
            return functional.linear(x, self.L)
        inverted = observation.invert(x)[..., : self.n_inverted]
        return inverted if self.L is None else torch.cat((inverted, functional.linear(x, self.L)), dim=-1)
