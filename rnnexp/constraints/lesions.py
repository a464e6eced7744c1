"""Lesions of a network: some of its connections weakened or removed, some of its units silenced.

Letters: M units. Weights are (post, pre). All functions change the tensors that they are given, in place; training
that goes on afterwards does not keep what they did.
"""

from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import Tensor

from rnnexp.numbers import finite_non_negative, plain
from rnnexp.numbers import fraction as fraction_in

UnitType = Literal["excitatory", "inhibitory", "any"]
UNIT_TYPES = get_args(UnitType)


def lesion_w(
    raw: Tensor, effective: Tensor, percentage: float, generator: torch.Generator, scale: float = 0.0
) -> int:
    """Multiply a random share of the connections of a weight matrix by a factor.

    The connections are the nonzero entries of the effective matrix, n in all; int(percentage * n) of them are chosen
    uniformly, without replacement. With generators of the same seed, a larger percentage lesions what a smaller one
    does and more. Source: lesion_w of spikeRNN.

    Args:
        raw: the parameter to change, (post, pre); rules keep the zeros and scale with the entries of it.
        effective: the effective weight that comes of it, of its shape.
        percentage: share of the connections, in [0, 1].
        generator: on the CPU.
        scale: the factor, finite, >= 0; 0 removes the connections.

    Returns:
        The number of connections that were chosen.

    Raises:
        ValueError: percentage or scale is out of its range.
    """
    percentage, scale = fraction_in("percentage", percentage), finite_non_negative("scale", scale)
    return _scale_some(raw, effective != 0, percentage, generator, scale)


def lesion_w_by_type(
    raw: Tensor,
    effective: Tensor,
    signs: Tensor,
    percentage: float,
    generator: torch.Generator,
    scale: float = 0.0,
) -> dict[str, int]:
    """Do what `lesion_w` does for each of the four pairings of excitatory (E) and inhibitory (I) units by itself.

    So every pairing loses int(percentage * n) of its own n connections. Source: lesion_w_by_type of spikeRNN.

    Args:
        raw: the parameter to change, (M, M).
        effective: the effective weight that comes of it, (M, M).
        signs: (M,), > 0 for excitatory and < 0 for inhibitory units.
        percentage: share of the connections of each pairing, in [0, 1].
        generator: on the CPU.
        scale: the factor, finite, >= 0.

    Returns:
        The number of connections that were chosen in "E_to_E", "E_to_I", "I_to_E" and "I_to_I".

    Raises:
        ValueError: percentage or scale is out of its range, or the matrix is not (M, M).
    """
    percentage, scale = fraction_in("percentage", percentage), finite_non_negative("scale", scale)
    if raw.shape != (len(signs), len(signs)):
        raise ValueError(f"raw must be ({len(signs)}, {len(signs)}) like signs, got {tuple(raw.shape)}")
    groups = {"E": signs > 0, "I": signs < 0}
    exists = effective != 0
    return {
        f"{source}_to_{target}": _scale_some(
            raw, exists & groups[target][:, None] & groups[source], percentage, generator, scale
        )
        for source in groups
        for target in groups
    }


def draw_units(
    n_units: int, signs: Tensor | None, unit_type: UnitType, fraction: float, generator: torch.Generator
) -> list[int]:
    """Draw int(fraction * n) of the n units of a type, uniformly, without replacement.

    With generators of the same seed, a larger fraction holds the units of a smaller one.

    Args:
        n_units: M.
        signs: (M,), > 0 for excitatory and < 0 for inhibitory units; None for units without types.
        unit_type: "excitatory", "inhibitory" or "any".
        fraction: in [0, 1].
        generator: on the CPU.

    Returns:
        Indices of units, from 0, in increasing order.

    Raises:
        ValueError: an argument is out of its range, or the units have no types.
    """
    fraction = fraction_in("fraction", fraction)
    if unit_type not in UNIT_TYPES:
        raise ValueError(f"unit_type must be one of {', '.join(UNIT_TYPES)}, got {unit_type!r}")
    if unit_type == "any":
        candidates = torch.arange(n_units)
    elif signs is None:
        raise ValueError(f"unit_type must be any for units without types, got {unit_type!r}")
    else:
        candidates = torch.nonzero((signs > 0 if unit_type == "excitatory" else signs < 0).cpu()).flatten()
    order = torch.randperm(len(candidates), generator=generator)
    return sorted(candidates[order[: int(fraction * len(candidates))]].tolist())


def silence(entries: Iterable[tuple[Tensor, int]], units: Iterable[int]) -> None:
    """Set all entries of units to 0.

    Args:
        entries: tensors, each with an axis of it that runs along the M units.
        units: indices of units, from 0.

    Raises:
        ValueError: there is no such unit.
    """
    units = sorted(set(map(int, plain(units))))
    with torch.no_grad():
        for tensor, axis in entries:
            if units and not 0 <= units[0] <= units[-1] < tensor.shape[axis]:
                raise ValueError(f"units must be from 0 to {tensor.shape[axis] - 1}, got {units}")
            tensor.index_fill_(axis, torch.tensor(units, dtype=torch.long, device=tensor.device), 0.0)


def _scale_some(
    raw: Tensor, candidates: Tensor, fraction: float, generator: torch.Generator, scale: float
) -> int:
    """Scale int(fraction * n) of the n entries at which candidates is true; return how many."""
    places = torch.nonzero(candidates.flatten()).flatten()
    order = torch.randperm(len(places), generator=generator)
    chosen = places[order[: int(fraction * len(places))].to(places.device)]
    row, column = chosen // raw.shape[1], chosen % raw.shape[1]
    with torch.no_grad():
        raw[row, column] = 0.0 if scale == 0 else raw[row, column] * scale
    return len(chosen)
