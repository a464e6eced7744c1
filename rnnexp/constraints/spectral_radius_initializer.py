"""Initial weights with a given spectral radius of the effective recurrent matrix."""

import math

import torch
from torch import Tensor

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.weight_draws import (
    balanced_rows,
    connections,
    draw_weights,
    raw_from,
    raw_of,
    signed,
    signs_of,
    with_spectral_radius,
)
from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.numbers import finite_non_negative


class SpectralRadiusInitializer(Initializer):
    """Gaussian W_rec whose EFFECTIVE matrix, masked and signed, has a given spectral radius.

    W_in and the readout are glorot_gauss (`draw_weights`), biases 0.

    Args:
        radius: largest modulus of the eigenvalues, >= 0. A matrix without any (no connections, no loops) stays.
        balanced: under Dale's law, first cancel excitation and inhibition of every unit (`balanced_rows`).

    Raises:
        ValueError: radius is out of its range.
    """

    kind = "rate"
    draws_readout = True

    def __init__(self, radius: float = 1.0, balanced: bool = True) -> None:
        self.radius = finite_non_negative("radius", radius)
        self.balanced = balanced

    def recurrent_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_rec (M, M)."""
        draw = torch.randn(raw.shape, generator=generator, dtype=torch.float64) / math.sqrt(len(raw))
        effective = signed(draw, rule)
        if self.balanced and signs_of(rule) is not None:
            effective = balanced_rows(effective)
        return raw_of(with_spectral_radius(effective, self.radius), rule)

    def input_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_in (M, K)."""
        return raw_from(draw_weights("glorot_gauss", connections(raw, rule), generator), rule)

    def output_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for B (O, M)."""
        return raw_from(draw_weights("glorot_gauss", connections(raw, rule), generator), rule)
