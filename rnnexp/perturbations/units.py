"""Changes of single units of the network."""

from collections.abc import Mapping

import torch
from torch import Tensor

from rnnexp.numbers import is_whole, number
from rnnexp.perturbations.base import Perturbation


class _OfUnits(Perturbation):
    """Acts on chosen units.

    Args:
        units: number of the unit, from 0 -> its value.
        start, stop, probability, from_update, to_update: as of Perturbation.
    """

    def __init__(
        self,
        units: Mapping[int, float],
        start: float = 0.0,
        stop: float | None = None,
        probability: float = 1.0,
        from_update: int = 0,
        to_update: int | None = None,
    ) -> None:
        super().__init__(start, stop, probability, from_update, to_update)
        if not isinstance(units, Mapping) or not units:
            raise ValueError(f"units must map numbers of units to values, such as {{0: 1.0}}, got {units!r}")
        numbers = [int(unit) if str(unit).isdigit() else unit for unit in units]
        for unit in numbers:
            if not is_whole(unit, 0):
                raise ValueError(f"units: {unit}: must be the number of a unit, from 0 on")
        self.indices = numbers
        self.values = [number(f"units.{unit}", value) for unit, value in units.items()]

    def check(self, n_units: int, takes_load: bool, duration: float) -> None:
        """Refuse units that the network lacks."""
        super().check(n_units, takes_load, duration)
        for unit in self.indices:
            if unit >= n_units:
                raise ValueError(
                    f"units: {unit}: the network has {n_units} states, must be from 0 to {n_units - 1}"
                )


class ClampedUnits(_OfUnits):
    """The states of chosen units are held at given values."""

    def act(self, z: Tensor, active: Tensor) -> Tensor:
        """Return the state with the units set."""
        held = z.clone()
        held[:, self.indices] = torch.where(active > 0, z.new_tensor(self.values), z[:, self.indices])
        return held


class DrivenUnits(_OfUnits):
    """Constant values are added to the states of chosen units in every step."""

    def act(self, z: Tensor, active: Tensor) -> Tensor:
        """Return the state with the values added."""
        added = torch.zeros_like(z[0])
        added[self.indices] = z.new_tensor(self.values)
        return z + active * added
