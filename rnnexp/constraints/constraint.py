"""What the weights of a network may be: Dale's law, connections, fixed and slow entries."""

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from rnnexp.constraints.array_files import Table
from rnnexp.constraints.connectivity import Connectivity, Masks, Sizes, full_masks
from rnnexp.constraints.weight_rule import SIGN_RULES, SignRule, WeightRule, WeightRules
from rnnexp.numbers import fraction, integer_at_least

InputSign = Literal["any", "non_negative"]
ReadoutSign = Literal["any", "signed", "excitatory"]

DALE_ARGUMENTS = {"dale_ratio": None, "P_inh": None, "inputs": "any", "readout": "any", "som_units": 0}
CHOICES = {
    "sign_rule": (None, *SIGN_RULES),
    "inputs": get_args(InputSign),
    "readout": get_args(ReadoutSign),
}


class Constraint:
    """Makes the rules of a network's weights.

    Dale's law: a unit is excitatory or inhibitory in all of its connections. The first int(dale_ratio * size)
    units of every area are excitatory, or every unit is inhibitory with probability P_inh.

    Args:
        sign_rule: how signs are kept, see `WeightRule`: "absolute" (PsychRNN), "rectified" (spikeRNN),
            "projected" (nn4n); None: no Dale's law, and the next five arguments must be at their defaults.
        dale_ratio: share of excitatory units, in [0, 1]; None if P_inh is given.
        P_inh: probability of a unit to be inhibitory, in [0, 1]; None if dale_ratio is given.
        inputs: "any" sign, or "non_negative" input weights.
        readout: "any" sign, "signed" by the unit, or "excitatory": non-negative, of excitatory units only.
        som_units: the first so many inhibitory units (somatostatin) get no inhibition, >= 0.
        fixed: parameter name -> array, nonzero where an entry keeps its initial value; a .npy file, a .npz file
            with an array of that name, lists of rows, or one number for all entries.
        plasticity: parameter name -> array of multipliers >= 0 on every update, given in the same ways.

    Raises:
        ValueError: an argument is not allowed.
    """

    def __init__(
        self,
        sign_rule: SignRule | None = None,
        dale_ratio: float | None = None,
        P_inh: float | None = None,
        inputs: InputSign = "any",
        readout: ReadoutSign = "any",
        som_units: int = 0,
        fixed: Mapping[str, Table | float | None] | None = None,
        plasticity: Mapping[str, Table | float | None] | None = None,
    ) -> None:
        self.sign_rule = sign_rule
        self.dale_ratio = None if dale_ratio is None else fraction("dale_ratio", dale_ratio)
        self.P_inh = None if P_inh is None else fraction("P_inh", P_inh)
        self.inputs = inputs
        self.readout = readout
        self.som_units = integer_at_least("som_units", som_units, 0)
        self.fixed = dict(fixed or {})
        self.plasticity = dict(plasticity or {})
        self._check_arguments()

    def _check_arguments(self) -> None:
        """Raise ValueError unless the arguments are allowed, and together."""
        if self.sign_rule is None:
            for name, unset in DALE_ARGUMENTS.items():
                if getattr(self, name) != unset:
                    raise ValueError(
                        f"{name} needs Dale's law, sign_rule is null: choose one of constraint=dale..., got "
                        f"{getattr(self, name)!r}"
                    )
        elif (self.dale_ratio is None) == (self.P_inh is None):
            raise ValueError(
                f"one of dale_ratio and P_inh must be null, got {self.dale_ratio!r} and {self.P_inh!r}"
            )
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(str(value) for value in allowed)}, got {getattr(self, name)!r}"
                )

    def rules(self, sizes: Sizes, connectivity: Connectivity, generator: torch.Generator) -> WeightRules:
        """Draw the kinds of the units and the connections.

        Args:
            sizes: of the network.
            connectivity: who is connected to whom.
            generator: on the CPU; not touched where nothing is random.

        Raises:
            ValueError: the settings do not fit the network.
        """
        area_sizes = connectivity.area_sizes(sizes.units)
        signs = None if self.sign_rule is None else self._signs(area_sizes, generator)
        masks = connectivity.masks(sizes, None if signs is None else signs > 0, generator)
        if self.som_units:
            masks = self._without_inhibition_of_som(masks or full_masks(sizes), signs)
        output_signs = None if self.readout == "any" else signs
        if self.readout == "excitatory":
            output_signs = signs.clamp(min=0)
        input_signs = torch.ones(sizes.inputs) if self.inputs == "non_negative" else None
        return WeightRules(
            self._rule(masks and masks.input, input_signs),
            self._rule(masks and masks.recurrent, signs),
            self._rule(masks and masks.output, output_signs),
        )

    def _rule(self, mask: Tensor | None, signs: Tensor | None) -> WeightRule | None:
        if mask is None and signs is None:
            return None
        return WeightRule(mask, signs, None if signs is None else self.sign_rule, self.dale_ratio)

    def _signs(self, area_sizes: list[int], generator: torch.Generator) -> Tensor:
        """Return +1 for excitatory and -1 for inhibitory units, (M,)."""
        if self.P_inh is not None:
            return torch.where(torch.rand(sum(area_sizes), generator=generator) < self.P_inh, -1.0, 1.0)
        areas = []
        for size in area_sizes:
            signs = torch.ones(size)
            signs[int(self.dale_ratio * size) :] = -1
            areas.append(signs)
        return torch.cat(areas)

    def _without_inhibition_of_som(self, masks: Masks, signs: Tensor) -> Masks:
        inhibitory = torch.nonzero(signs < 0).flatten()
        if len(inhibitory) < self.som_units:
            raise ValueError(
                f"som_units must be at most the number of inhibitory units, which is {len(inhibitory)}, got "
                f"{self.som_units}"
            )
        masks.recurrent[inhibitory[: self.som_units, None], inhibitory] = 0
        return masks
