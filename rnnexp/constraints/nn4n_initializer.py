"""The initial weights of nn4n's CTRNN."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.weight_draws import connections, equal_sums, raw_of, signed, signs_of
from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.numbers import one_of

Draw = Literal["uniform", "normal"]
BiasDraw = Literal["zero", "uniform", "normal"]


class NN4NInitializer(Initializer):
    """U(+-1/sqrt(fan_in)) or N(0, 1/fan_in), fan_in the number of columns, for W_in, W_rec and B each.

    With signs, excitation and inhibition are then balanced (`equal_sums`). Under the projected rule entries of
    the wrong sign start at 0, as in nn4n, half of them on average; the other rules could not leave 0 again, so
    they get the moduli.

    Args:
        W_in: "uniform" or "normal".
        W_rec: "uniform" or "normal".
        B: "uniform" or "normal".
        biases: "zero", "uniform" or "normal", fan_in as for the matrix that the bias belongs to.

    Raises:
        ValueError: an argument is not allowed.
    """

    kind = "rate"
    draws_readout = True

    def __init__(
        self, W_in: Draw = "uniform", W_rec: Draw = "uniform", B: Draw = "uniform", biases: BiasDraw = "zero"
    ) -> None:
        for name, value, allowed in (
            ("W_in", W_in, Draw),
            ("W_rec", W_rec, Draw),
            ("B", B, Draw),
            ("biases", biases, BiasDraw),
        ):
            one_of(name, value, get_args(allowed))
        self.draws = {"W_in": W_in, "W_rec": W_rec, "B": B}
        self.biases = biases

    def recurrent_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_rec (M, M)."""
        return _constrained(_draw(self.draws["W_rec"], raw.shape, raw.shape[1], generator), rule)

    def input_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_in (M, K)."""
        return _constrained(_draw(self.draws["W_in"], raw.shape, raw.shape[1], generator), rule)

    def output_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for B (O, M)."""
        return _constrained(_draw(self.draws["B"], raw.shape, raw.shape[1], generator), rule)

    def bias(self, like: Tensor, n_sources: int, generator: torch.Generator) -> Tensor:
        """Return values for a bias."""
        if self.biases == "zero":
            return torch.zeros_like(like)
        return _draw(self.biases, like.shape, n_sources, generator)


def _draw(name: str, shape: torch.Size, fan_in: int, generator: torch.Generator) -> Tensor:
    if name == "normal":
        return torch.randn(shape, generator=generator, dtype=torch.float64) / math.sqrt(fan_in)
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) / math.sqrt(fan_in)


def _constrained(draw: Tensor, rule: WeightRule | None) -> Tensor:
    signs = signs_of(rule)
    if signs is None:
        return draw
    if rule.sign_rule == "projected":
        masked = draw * connections(draw, rule)
        effective = torch.where(masked * signs > 0, masked, 0.0)
    else:
        effective = signed(draw, rule)
    return raw_of(equal_sums(effective), rule)
