"""The initial weights of PsychRNN's networks."""

from typing import Literal, get_args

import torch
from torch import Tensor

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.weight_draws import (
    DrawName,
    connections,
    dale_balance,
    draw_weights,
    raw_from,
    signs_of,
    with_spectral_radius,
)
from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.numbers import finite_non_negative, number

RecurrentName = Literal[
    "spectral_radius", "alpha_identity", "glorot_gauss", "glorot_unif", "const_gauss", "const_unif"
]


class PsychRNNInitializer(Initializer):
    """The WeightInitializer family of PsychRNN; biases are 0.

    W_rec: "spectral_radius" is N(0, 1), balanced for Dale's law and scaled to a spectral radius
    (GaussianSpectralRadius); "alpha_identity" is a multiple of the identity, balanced (AlphaIdentity); the rest
    as in `draw_weights`. As in PsychRNN, the spectral radius is that of the raw matrix, before masks and signs: the
    effective one differs as soon as there are any; `SpectralRadiusInitializer` sets the effective one.

    Args:
        W_rec: one of the six.
        W_in: one of the last four of them.
        B: readout, as W_in.
        spec_rad: spectral radius, >= 0.
        identity_scale: the multiple of the identity, finite.
        minval: lower bound of const_unif.
        maxval: upper bound of const_unif, >= minval.

    Raises:
        ValueError: an argument is not allowed.
    """

    kind = "rate"
    draws_readout = True

    def __init__(
        self,
        W_rec: RecurrentName = "spectral_radius",
        W_in: DrawName = "glorot_gauss",
        B: DrawName = "glorot_gauss",
        spec_rad: float = 1.1,
        identity_scale: float = 1.0,
        minval: float = -0.1,
        maxval: float = 0.1,
    ) -> None:
        for name, value, allowed in (
            ("W_rec", W_rec, RecurrentName),
            ("W_in", W_in, DrawName),
            ("B", B, DrawName),
        ):
            if value not in get_args(allowed):
                raise ValueError(f"{name} must be one of {', '.join(get_args(allowed))}, got {value!r}")
        self.spec_rad = finite_non_negative("spec_rad", spec_rad)
        self.identity_scale = number("identity_scale", identity_scale)
        self.bounds = (number("minval", minval), number("maxval", maxval))
        if not minval <= maxval:
            raise ValueError(f"minval must be <= maxval, got {minval!r} and {maxval!r}")
        self.draws = {"W_rec": W_rec, "W_in": W_in, "B": B}

    def recurrent_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_rec (M, M)."""
        name = self.draws["W_rec"]
        if name == "alpha_identity":
            matrix = _balanced(self.identity_scale * torch.eye(len(raw), dtype=torch.float64), rule)
        elif name == "spectral_radius":
            draw = torch.randn(raw.shape, generator=generator, dtype=torch.float64)
            matrix = with_spectral_radius(_balanced(draw, rule), self.spec_rad)
        else:
            matrix = draw_weights(name, connections(raw, rule), generator, self.bounds)
        return raw_from(matrix, rule)

    def input_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_in (M, K)."""
        draw = draw_weights(self.draws["W_in"], connections(raw, rule), generator, self.bounds)
        return raw_from(draw, rule)

    def output_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for B (O, M)."""
        draw = draw_weights(self.draws["B"], connections(raw, rule), generator, self.bounds)
        return raw_from(draw, rule)


def _balanced(matrix: Tensor, rule: WeightRule | None) -> Tensor:
    signs = signs_of(rule)
    if signs is None:
        return matrix
    fraction = rule.excitatory_fraction
    fraction = (signs > 0).double().mean().item() if fraction is None else fraction
    return dale_balance(matrix, connections(matrix, rule), signs, fraction)
