"""The initial weights of spikeRNN's FR_RNN_dale."""

import math
from typing import Literal

import torch
from torch import Tensor

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.weight_draws import (
    balanced_rows,
    raw_from,
    raw_of,
    signed,
    signs_of,
    with_spectral_radius,
)
from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.numbers import finite_non_negative, fraction

GAMMA_SCALE = 0.003  # of the gamma distribution, shape 2


class SpikeRNNInitializer(Initializer):
    """Sparse random W_rec, W_in ~ W_in_sd N(0, 1), readout ~ B_sd N(0, 1), biases 0.

    Each entry of W_rec is nonzero with probability P_rec: "gaus" is gain N(0, 1) / sqrt(M P_rec), "gamma" is
    Gamma(shape 2, scale 0.003), without gain. Under Dale's law the moduli get the signs, and the excess of
    excitation then adds an eigenvalue far outside the bulk; `balanced` cancels excitation and inhibition of
    every unit and sets the spectral radius to the gain. Under the absolute and the rectified rule an entry
    that starts at 0 stays there. Source: Kim, Li & Sejnowski 2019.

    Args:
        distribution: "gaus" or "gamma".
        gain: >= 0.
        P_rec: in [0, 1].
        balanced: balance excitation and inhibition; without signs it only sets the spectral radius.
        W_in_sd: >= 0.
        B_sd: >= 0.

    Raises:
        ValueError: an argument is not allowed.
    """

    kind = "rate"
    draws_readout = True

    def __init__(
        self,
        distribution: Literal["gaus", "gamma"] = "gaus",
        gain: float = 1.5,
        P_rec: float = 0.2,
        balanced: bool = False,
        W_in_sd: float = 1.0,
        B_sd: float = 0.01,
    ) -> None:
        if distribution not in ("gaus", "gamma"):
            raise ValueError(f"distribution must be one of gaus, gamma, got {distribution!r}")
        self.distribution = distribution
        self.gain = finite_non_negative("gain", gain)
        self.P_rec = fraction("P_rec", P_rec)
        self.balanced = balanced
        self.W_in_sd = finite_non_negative("W_in_sd", W_in_sd)
        self.B_sd = finite_non_negative("B_sd", B_sd)

    def recurrent_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_rec (M, M)."""
        is_connected = torch.rand(raw.shape, generator=generator, dtype=torch.float64) < self.P_rec
        if self.distribution == "gaus":
            draw = torch.randn(raw.shape, generator=generator, dtype=torch.float64)
            draw = draw * (self.gain / math.sqrt(max(len(raw) * self.P_rec, 1e-12)))
        else:  # the sum of two exponentials has shape 2
            draw = torch.empty((2, *raw.shape), dtype=torch.float64).exponential_(generator=generator).sum(0)
            draw = draw * GAMMA_SCALE
        draw = torch.where(is_connected, draw, 0.0)
        if not self.balanced:
            return draw if signs_of(rule) is None else raw_of(signed(draw, rule), rule)
        effective = signed(draw, rule)
        if signs_of(rule) is not None:
            effective = balanced_rows(effective)
        return raw_of(with_spectral_radius(effective, self.gain), rule)

    def input_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_in (M, K)."""
        draw = torch.randn(raw.shape, generator=generator, dtype=torch.float64)
        return raw_from(self.W_in_sd * draw, rule)

    def output_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for B (O, M)."""
        return raw_from(self.B_sd * torch.randn(raw.shape, generator=generator, dtype=torch.float64), rule)
