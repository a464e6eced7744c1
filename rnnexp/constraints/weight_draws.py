"""Random weight matrices and what is done to them: spectral radius, balance of excitation and inhibition.

All take and return (post, pre) matrices, float64 on the CPU.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from rnnexp.constraints.weight_rule import WeightRule

DrawName = Literal["glorot_gauss", "glorot_unif", "const_gauss", "const_unif"]


def draw_weights(
    name: DrawName, mask: Tensor, generator: torch.Generator, bounds: tuple[float, float] = (-0.1, 0.1)
) -> Tensor:
    """Draw a matrix; entries without a connection get numbers too, their mask removes them.

        const_gauss  N(0, 1)          glorot_gauss  N(0, 2 / (fan_in + fan_out))
        const_unif   U(bounds)        glorot_unif   U(+-sqrt(6 / (fan_in + fan_out)))

    fan_in_i and fan_out_j are the sums of row i and column j of the mask; an entry without both is 0.
    Source: the initialisers of PsychRNN.

    Args:
        name: one of the four.
        mask: (post, pre), >= 0.
        generator: CPU.
        bounds: low and high of const_unif.
    """
    if name == "const_gauss":
        return torch.randn(mask.shape, generator=generator, dtype=torch.float64)
    if name == "glorot_gauss":
        return glorot_sd(mask) * torch.randn(mask.shape, generator=generator, dtype=torch.float64)
    uniform = torch.rand(mask.shape, generator=generator, dtype=torch.float64)
    if name == "const_unif":
        return bounds[0] + (bounds[1] - bounds[0]) * uniform
    return math.sqrt(3) * glorot_sd(mask) * (2 * uniform - 1)


def glorot_sd(mask: Tensor) -> Tensor:
    """Return sqrt(2 / (fan_in + fan_out)) for every entry, 0 where that sum is 0."""
    mask = mask.double()
    fans = mask.sum(1, keepdim=True) + mask.sum(0, keepdim=True)
    return torch.where(fans > 0, (2 / fans.clamp(min=torch.finfo(fans.dtype).tiny)).sqrt(), 0.0)


def spectral_radius(matrix: Tensor) -> float:
    """Return the largest modulus of the eigenvalues."""
    return torch.linalg.eigvals(matrix).abs().max().item()


def with_spectral_radius(matrix: Tensor, radius: float) -> Tensor:
    """Scale a matrix to a spectral radius; one whose eigenvalues are all 0 stays as it is."""
    found = spectral_radius(matrix)
    return matrix * (radius / found) if found > 1e-12 else matrix


def dale_balance(matrix: Tensor, mask: Tensor, signs: Tensor, excitatory_fraction: float) -> Tensor:
    """Scale the columns of a raw matrix so that excitation and inhibition balance, as PsychRNN does.

    Column j is multiplied by v_j / || mask_j * v ||, with v = 1 for excitatory and r / (1 - r) for inhibitory
    units, and mask_j the j-th ROW of the mask. With units of one kind only v is 1; a unit without inputs keeps
    its v_j. Source: balance_dale_ratio of PsychRNN.

    Args:
        matrix: (M, M).
        mask: (M, M).
        signs: (M,), +1 or -1.
        excitatory_fraction: r in [0, 1].
    """
    v = torch.ones_like(signs, dtype=matrix.dtype)
    if 0 < excitatory_fraction < 1:
        v[signs < 0] = excitatory_fraction / (1 - excitatory_fraction)
    norm = torch.linalg.vector_norm(mask.to(matrix) * v, dim=1)
    return matrix * (v / torch.where(norm > 0, norm, 1.0))


def equal_sums(effective: Tensor) -> Tensor:
    """Scale the stronger of all excitatory and all inhibitory weights down to the sum of the weaker, as nn4n does.

    With weights of one sign only, all are divided by 10.
    """
    excitation, inhibition = effective.clamp(min=0).sum(), -effective.clamp(max=0).sum()
    if excitation == 0 or inhibition == 0:
        return effective / 10
    factor = torch.where(effective > 0, inhibition / excitation, excitation / inhibition)
    return effective * factor.clamp(max=1.0)


def balanced_rows(effective: Tensor) -> Tensor:
    """Scale the inhibitory weights of every unit so that its excitation and inhibition cancel.

    That removes the outlier eigenvalue which unequal means leave (Rajan & Abbott 2006). A row without one of
    the two stays as it is.
    """
    excitation = effective.clamp(min=0).sum(1, keepdim=True)
    inhibition = -effective.clamp(max=0).sum(1, keepdim=True)
    is_mixed = (excitation > 0) & (inhibition > 0)
    factor = torch.where(is_mixed, excitation / torch.where(is_mixed, inhibition, 1.0), 1.0)
    return torch.where(effective < 0, effective * factor, effective)


def connections(raw: Tensor, rule: WeightRule | None) -> Tensor:
    """Return the mask of a matrix (post, pre) in float64 on the CPU, ones where all are connected."""
    shape_of = torch.empty(raw.shape, dtype=torch.float64)
    return torch.ones_like(shape_of) if rule is None or rule.mask is None else rule.mask.double().cpu()


def signs_of(rule: WeightRule | None) -> Tensor | None:
    """Return the signs (pre,) of a matrix in float64 on the CPU, or None where both are allowed."""
    return None if rule is None or rule.signs is None else rule.signs.double().cpu()


def signed(draw: Tensor, rule: WeightRule | None) -> Tensor:
    """Return the effective weight of a draw when its moduli count: mask * draw, or mask * |draw| * signs."""
    masked = draw * connections(draw, rule)
    signs = signs_of(rule)
    return masked if signs is None else masked.abs() * signs


def raw_of(effective: Tensor, rule: WeightRule | None) -> Tensor:
    """Return raw values with the given effective weight (float64, CPU)."""
    if rule is None:
        return effective
    signs, mask = signs_of(rule), connections(effective, rule)
    unsigned = effective if rule.sign_rule in (None, "projected") else effective * signs
    return torch.where(mask > 0, unsigned / torch.where(mask > 0, mask, 1.0), 0.0)


def raw_from(draw: Tensor, rule: WeightRule | None) -> Tensor:
    """Return raw values for a draw whose moduli count.

    Without signs and under the absolute rule these are the drawn numbers themselves; the other two rules would
    lose the entries of the wrong sign, so they get the moduli.
    """
    if rule is None or rule.sign_rule in (None, "absolute"):
        return draw
    return raw_of(signed(draw, rule), rule)
