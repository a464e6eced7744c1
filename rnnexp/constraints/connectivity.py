"""Who is connected to whom: the contract of a connectivity, the full one, and random sparse ones.

Letters: M units, K inputs, O outputs. Masks are (post, pre).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnexp.numbers import fraction


@dataclass(frozen=True)
class Sizes:
    """Numbers of inputs, units and outputs of a network."""

    inputs: int
    units: int
    outputs: int


@dataclass(frozen=True)
class Masks:
    """Connections of a network: entries >= 0, 0 where there is none.

    Attributes:
        input: (M, K).
        recurrent: (M, M).
        output: (O, M).
    """

    input: Tensor
    recurrent: Tensor
    output: Tensor


class Connectivity(ABC):
    """Draws the masks of a network.

    Args:
        autapses: allow connections of a unit to itself, the diagonal of the recurrent mask.
    """

    def __init__(self, autapses: bool = True) -> None:
        self.autapses = autapses

    @abstractmethod
    def draw(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks:
        """Draw the masks.

        Args:
            sizes: of the network.
            is_excitatory: (M,) bool, or None without Dale's law.
            generator: on the CPU.

        Raises:
            ValueError: the settings do not fit the network.
        """

    def masks(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks | None:
        """Return what `draw` draws, without autapses if so chosen; None where all are connected."""
        drawn = self.draw(sizes, is_excitatory, generator)
        if not self.autapses:
            drawn.recurrent.fill_diagonal_(0)
        return drawn

    def area_sizes(self, n_units: int) -> list[int]:
        """Return how many units each area has; the areas are contiguous. One area by default.

        Raises:
            ValueError: the areas do not fit the number of units.
        """
        return [n_units]


class Full(Connectivity):
    """All are connected; without autapses no unit with itself."""

    def draw(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks:
        """Return masks of ones."""
        del is_excitatory, generator
        return full_masks(sizes)

    def masks(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks | None:
        """Return None with autapses, for nothing is masked then."""
        return None if self.autapses else super().masks(sizes, is_excitatory, generator)


class Sparse(Connectivity):
    """Each connection exists with a probability of its own.

    Args:
        input: probability of a connection from an input to a unit, in [0, 1].
        recurrent: from a unit to a unit.
        output: from a unit to an output.
        autapses: allow connections of a unit to itself.

    Raises:
        ValueError: a probability is out of its range.
    """

    def __init__(
        self, input: float = 1.0, recurrent: float = 0.2, output: float = 1.0, autapses: bool = True
    ) -> None:
        super().__init__(autapses)
        given = {"input": input, "recurrent": recurrent, "output": output}
        self.probabilities = tuple(fraction(name, value) for name, value in given.items())

    def draw(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks:
        """Draw all three masks entry by entry."""
        del is_excitatory
        shapes = ((sizes.units, sizes.inputs), (sizes.units, sizes.units), (sizes.outputs, sizes.units))
        pairs = zip(shapes, self.probabilities, strict=True)
        return Masks(*(bernoulli(torch.full(shape, float(p)), generator) for shape, p in pairs))


class RandomInput(Connectivity):
    """A random part of the units gets all inputs, a random part is read out; source: RandomInput of nn4n.

    Args:
        input_fraction: share of units with input, in [0, 1]; int(share * M) units.
        readout_fraction: share of units that are read out, in [0, 1].
        recurrent: probability of a recurrent connection, in [0, 1].
        overlap: let a unit have both; False reads out units without input, so that both shares must fit.
        autapses: allow connections of a unit to itself.

    Raises:
        ValueError: a share is out of its range, or both do not fit.
    """

    def __init__(
        self,
        input_fraction: float = 0.5,
        readout_fraction: float = 0.5,
        recurrent: float = 1.0,
        overlap: bool = True,
        autapses: bool = True,
    ) -> None:
        super().__init__(autapses)
        input_fraction = fraction("input_fraction", input_fraction)
        readout_fraction = fraction("readout_fraction", readout_fraction)
        recurrent = fraction("recurrent", recurrent)
        if not overlap and input_fraction + readout_fraction > 1:
            raise ValueError(
                f"input_fraction + readout_fraction must be <= 1 without overlap, got {input_fraction} and "
                f"{readout_fraction}"
            )
        self.input_fraction = input_fraction
        self.readout_fraction = readout_fraction
        self.recurrent = recurrent
        self.overlap = overlap

    def draw(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks:
        """Draw the two groups of units and the recurrent mask."""
        del is_excitatory
        n_units = sizes.units
        order = torch.randperm(n_units, generator=generator)
        with_input = order[: int(self.input_fraction * n_units)]
        candidates = (
            torch.randperm(n_units, generator=generator) if self.overlap else order[len(with_input) :]
        )
        masks = Masks(
            torch.zeros(n_units, sizes.inputs),
            bernoulli(torch.full((n_units, n_units), float(self.recurrent)), generator),
            torch.zeros(sizes.outputs, n_units),
        )
        masks.input[with_input] = 1
        masks.output[:, candidates[: int(self.readout_fraction * n_units)]] = 1
        return masks


def full_masks(sizes: Sizes) -> Masks:
    """Return masks of ones."""
    return Masks(
        torch.ones(sizes.units, sizes.inputs),
        torch.ones(sizes.units, sizes.units),
        torch.ones(sizes.outputs, sizes.units),
    )


def bernoulli(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw 0 or 1 for every entry of a tensor of probabilities."""
    return (torch.rand(probabilities.shape, generator=generator) < probabilities).to(probabilities.dtype)
