"""Networks of several areas, with or without excitatory and inhibitory units."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from rnnexp.constraints.connectivity import Connectivity, Masks, Sizes, bernoulli, full_masks
from rnnexp.numbers import fraction, is_whole, listed, plain

PATHWAYS = ("E_to_E", "E_to_I", "I_to_E", "I_to_I")


class MultiArea(Connectivity):
    """Contiguous areas, densely connected within and sparsely between; source: MultiArea, MultiAreaEI of nn4n.

    Every connection exists with the probability of its pair of areas. With Dale's law (constraint=dale...) the
    first units of every area are excitatory, and the four pathways between areas can be cut one by one.

    Args:
        n_areas: number of areas of equal size, which must divide M, or a list of sizes whose sum is M.
        forward: probability from an area to one with a higher index, in [0, 1].
        backward: probability from an area to one with a lower index.
        within: probability within an area.
        densities: (areas, areas) probabilities, entry [i][j] from area j TO area i; takes the place of the three
            above when given.
        input_areas: indices, from 0, of the areas that get inputs; None: all.
        readout_areas: indices of the areas that are read out; None: all.
        between: which of the pathways E to E, E to I, I to E, I to I connect areas; all True unless there are
            excitatory and inhibitory units.
        autapses: allow connections of a unit to itself.

    Raises:
        ValueError: an argument is not allowed.
    """

    def __init__(
        self,
        n_areas: int | Sequence[int] = 2,
        forward: float = 0.1,
        backward: float = 0.1,
        within: float = 1.0,
        densities: Sequence[Sequence[float]] | None = None,
        input_areas: Sequence[int] | None = None,
        readout_areas: Sequence[int] | None = None,
        between: Sequence[bool] = (True, True, True, True),
        autapses: bool = True,
    ) -> None:
        super().__init__(autapses)
        forward, backward = fraction("forward", forward), fraction("backward", backward)
        within = fraction("within", within)
        each = listed(n_areas)
        if not (each or each is None) or not all(is_whole(n, 1) for n in each or [n_areas]):
            raise ValueError(f"n_areas must be a whole number >= 1 or a list of them, got {n_areas!r}")
        self.n_areas = int(n_areas) if each is None else each
        count = self.n_areas if each is None else len(each)
        if len(between) != len(PATHWAYS):
            raise ValueError(
                f"between must hold true or false for {', '.join(PATHWAYS)}, got {list(between)}"
            )
        self.between = [bool(is_open) for is_open in between]
        self.densities = _densities(count, forward, backward, within, densities)
        self.input_areas = _area_indices("input_areas", input_areas, count)
        self.readout_areas = _area_indices("readout_areas", readout_areas, count)

    def area_sizes(self, n_units: int) -> list[int]:
        """Return how many units each area has."""
        if isinstance(self.n_areas, int):
            if n_units % self.n_areas:
                raise ValueError(f"n_areas must divide latent_dim, which is {n_units}, got {self.n_areas}")
            return [n_units // self.n_areas] * self.n_areas
        if sum(self.n_areas) != n_units:
            raise ValueError(f"n_areas must have the sum latent_dim, which is {n_units}, got {self.n_areas}")
        return list(self.n_areas)

    def draw(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks:
        """Draw the recurrent mask; input and output masks follow from the areas."""
        if is_excitatory is None and not all(self.between):
            raise ValueError(
                "between needs excitatory and inhibitory units: choose one of constraint=dale..."
            )
        areas = self.area_sizes(sizes.units)
        area = torch.repeat_interleave(torch.arange(len(areas)), torch.tensor(areas))
        masks = full_masks(sizes)
        masks.recurrent.copy_(bernoulli(self.densities[area][:, area], generator))
        if is_excitatory is not None:
            masks.recurrent.mul_(self._open_pathways(area, is_excitatory))
        masks.input.mul_(torch.isin(area, self.input_areas)[:, None])
        masks.output.mul_(torch.isin(area, self.readout_areas))
        return masks

    def _open_pathways(self, area: Tensor, is_excitatory: Tensor) -> Tensor:
        """Return (M, M): whether a connection is inside an area, or its pathway is open."""
        table = torch.tensor(self.between).view(2, 2)  # [pre is inhibitory, post is inhibitory]
        kind = (~is_excitatory).long()
        return (area[:, None] == area) | table[kind[None, :], kind[:, None]]

    def area_slices(self, n_units: int) -> list[slice]:
        """Return the units of each area, for looking at one area of the latents."""
        ends = list(accumulate(self.area_sizes(n_units)))
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _densities(
    count: int, forward: float, backward: float, within: float, given: Sequence[Sequence[float]] | None
) -> Tensor:
    if given is None:
        ones = torch.ones(count, count)
        return forward * ones.tril(-1) + backward * ones.triu(1) + within * torch.eye(count)
    given = plain(given)
    if len(given) != count or any(len(row) != count for row in given):
        raise ValueError(
            f"densities must be {count} lists of {count} numbers, one for each pair of areas, got {given}"
        )
    return torch.tensor(
        [[fraction(f"densities[{i}][{j}]", p) for j, p in enumerate(row)] for i, row in enumerate(given)]
    )


def _area_indices(name: str, indices: Sequence[int] | None, count: int) -> Tensor:
    indices = list(range(count)) if indices is None else listed(indices)
    if indices is None or not all(is_whole(i, 0) and i < count for i in indices):
        raise ValueError(f"{name} must be a list of area indices from 0 to {count - 1}, got {indices}")
    return torch.tensor(indices, dtype=torch.long)
