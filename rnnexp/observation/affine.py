"""Linear and affine observation of the rates."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.weight_rule import WeightRule, effective
from rnnexp.observation.base import Observation


class Linear(Observation):
    """y = B r, B (O, M); initial entries are normal with sd sqrt(2/M) (He et al. 2015), or as the recipe says.

    Args:
        latent_dim: M.
        output_dim: O.
        learnable_B: train B.
        rule: connections and signs of B; None leaves it free.
    """

    def __init__(
        self, latent_dim: int, output_dim: int, learnable_B: bool = True, rule: WeightRule | None = None
    ) -> None:
        super().__init__(latent_dim, output_dim)
        self.B_rule = rule
        self.B_raw = nn.Parameter(torch.zeros(output_dim, latent_dim), requires_grad=learnable_B)
        self.b: nn.Parameter | None = None

    @property
    def B(self) -> Tensor:
        """The effective readout (O, M)."""
        return effective(self.B_raw, self.B_rule)

    def forward(self, rates: Tensor) -> Tensor:
        """Return the outputs (..., O)."""
        return functional.linear(rates, self.B, self.b)

    @property
    def inverted_units(self) -> int:
        """M: the pseudo-inverse determines all units."""
        return self.latent_dim

    def invert(self, x: Tensor) -> Tensor:
        """Return B^+ (x - b), (..., M): the smallest rates whose observation is closest to x; nan if an entry of x is.

        Gradients flow to B and b (Brenner et al. 2022), but from no incomplete x.
        """
        incomplete = x.isnan().any(-1, keepdim=True)
        known = x.masked_fill(incomplete, 0.0)  # nan times a gradient of 0 would be nan
        centred = known if self.b is None else known - self.b
        return (centred @ torch.linalg.pinv(self.B).T).masked_fill(incomplete, torch.nan)

    def initialize(self, generator: torch.Generator, initializer: Initializer | None = None) -> None:
        """Draw B, and b if there is one."""
        with torch.no_grad():
            if initializer is not None and initializer.draws_readout:
                self.B_raw.copy_(initializer.output_weight(self.B_raw, self.B_rule, generator))
                if self.b is not None:
                    self.b.copy_(initializer.bias(self.b, self.latent_dim, generator))
            else:
                self.B_raw.normal_(0, math.sqrt(2 / self.latent_dim), generator=generator)
        self.project()

    def project(self) -> None:
        """Put B back where its rule allows it."""
        if self.B_rule is not None:
            self.B_rule.project(self.B_raw)

    @property
    def output_matrix(self) -> Tensor | None:
        """The effective B (O, M)."""
        return self.B

    @property
    def readout(self) -> tuple[Tensor, Tensor | None] | None:
        """The effective B (O, M) and b (O,) or None; None for a subclass with a `forward` of its own."""
        return (self.B, self.b) if type(self).forward is Linear.forward else None

    @property
    def unit_entries(self) -> tuple[tuple[Tensor, int], ...]:
        """The columns of B."""
        return ((self.B_raw, 1),)

    def weights(self) -> dict[str, Tensor]:
        """Return the effective B (O, M) and, if there is one, b (O)."""
        return {"B": self.B} if self.b is None else {"B": self.B, "b": self.b}


class Affine(Linear):
    """y = B r + b: `Linear` with a bias b (O), which starts at 0 or as the recipe says.

    Args:
        latent_dim: M.
        output_dim: O.
        learnable_B: train B.
        learnable_b: train b.
        rule: connections and signs of B; None leaves it free.
    """

    def __init__(
        self,
        latent_dim: int,
        output_dim: int,
        learnable_B: bool = True,
        learnable_b: bool = True,
        rule: WeightRule | None = None,
    ) -> None:
        super().__init__(latent_dim, output_dim, learnable_B, rule)
        self.b = nn.Parameter(torch.zeros(output_dim), requires_grad=learnable_b)
