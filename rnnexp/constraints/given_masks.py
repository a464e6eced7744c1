"""Connectivities that the user gives: as files, or as tables of groups."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnexp.constraints.array_files import Table, read_array
from rnnexp.constraints.connectivity import Connectivity, Masks, Sizes, full_masks
from rnnexp.numbers import is_whole, listed


class GivenMasks(Connectivity):
    """Masks from arrays; None connects all.

    Args:
        input: (M, K) mask, (post, pre), entries >= 0, 0 where there is no connection: a .npy file, a .npz file
            with an array `input`, or a list of rows.
        recurrent: (M, M), as input.
        output: (O, M), as input.
        autapses: allow connections of a unit to itself.
    """

    def __init__(
        self,
        input: Table | None = None,
        recurrent: Table | None = None,
        output: Table | None = None,
        autapses: bool = True,
    ) -> None:
        super().__init__(autapses)
        self.given = {"input": input, "recurrent": recurrent, "output": output}

    def draw(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks:
        """Read the masks."""
        del is_excitatory, generator
        masks = full_masks(sizes)
        for name, table in self.given.items():
            if table is not None:
                mask = getattr(masks, name)
                mask.copy_(read_array(name, table, mask.shape))
        return masks


class MultiIO(Connectivity):
    """Groups of inputs and of outputs, each connected to units of its own; source: MultiIO of nn4n.

    Args:
        input_groups: sizes of the groups of inputs, with the sum K; None: one group.
        readout_groups: sizes of the groups of outputs, with the sum O; None: one group.
        input_table: (groups, M), nonzero where the inputs of a group reach a unit: a .npy file, a .npz file with
            an array `input_table`, or a list of rows; None: all units.
        readout_table: (groups, M), nonzero where a unit reaches the outputs of a group.
        autapses: allow connections of a unit to itself.
    """

    def __init__(
        self,
        input_groups: Sequence[int] | None = None,
        readout_groups: Sequence[int] | None = None,
        input_table: Table | None = None,
        readout_table: Table | None = None,
        autapses: bool = True,
    ) -> None:
        super().__init__(autapses)
        self.groups = {"input": input_groups, "readout": readout_groups}
        self.tables = {"input": input_table, "readout": readout_table}

    def draw(self, sizes: Sizes, is_excitatory: Tensor | None, generator: torch.Generator) -> Masks:
        """Spread the tables over the members of the groups; the recurrent mask is full."""
        del is_excitatory, generator
        masks = full_masks(sizes)
        masks.input.copy_(self._members("input", sizes.inputs, sizes.units).T)
        masks.output.copy_(self._members("readout", sizes.outputs, sizes.units))
        return masks

    def _members(self, side: str, n_channels: int, n_units: int) -> Tensor:
        """Return (channels, M): the row of its group for every input or output."""
        given = self.groups[side]
        groups = [n_channels] if given is None else listed(given)
        if not groups or not all(is_whole(n, 1) for n in groups) or sum(groups) != n_channels:
            what = "inputs" if side == "input" else "outputs"
            raise ValueError(
                f"{side}_groups must be sizes >= 1 with the sum {n_channels}, the number of {what}, got {groups}"
            )
        if self.tables[side] is None:
            return torch.ones(n_channels, n_units)
        table = read_array(f"{side}_table", self.tables[side], (len(groups), n_units))
        return torch.repeat_interleave((table != 0).float(), torch.tensor(groups), dim=0)
