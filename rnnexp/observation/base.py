"""The contract of an observation: the map y_t = g(r_t) from rates to outputs."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from rnnexp.constraints.initializers import Initializer


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

    @property
    def inverted_units(self) -> int:
        """How many of the first units `invert` determines; 0 for an observation without an inverse."""
        return 0

    def invert(self, x: Tensor) -> Tensor:
        """Return rates (..., inverted_units) whose observation is x (..., O), nan where x does not tell."""
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def initialize(self, generator: torch.Generator, initializer: Initializer | None = None) -> None:
        """Draw the initial parameters; by default those that the constructor set stay.

        Args:
            generator: CPU.
            initializer: the recipe of the network, to be followed if it `draws_readout`.
        """
        del generator, initializer

    def project(self) -> None:
        """Put parameters that an update took out of their constraints back; nothing to do by default."""

    @property
    def output_matrix(self) -> Tensor | None:
        """The effective readout matrix (O, M), or None."""
        return None

    @property
    def readout(self) -> tuple[Tensor, Tensor | None] | None:
        """The effective B (O, M) and b (O,), or None for 0, if the outputs are B r + b; None if they are not."""
        return None

    @property
    def logits(self) -> tuple[Tensor, Tensor | None] | None:
        """The effective B (O, M) and b (O,), if the outputs are B r + b through a sigmoid; None if they are not."""
        return None

    @property
    def unit_entries(self) -> tuple[tuple[Tensor, int], ...]:
        """Parameters that hold what each unit sends to the outputs, each with the axis that runs along the units."""
        return ()

    def weights(self) -> dict[str, Tensor]:
        """Return the effective weights under the names of the equations."""
        return dict(self.named_parameters())
