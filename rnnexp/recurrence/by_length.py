"""Trials of unequal length, run in groups of similar length, so that little time goes into padding."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rnnexp.recurrence.noise import Noise
from rnnexp.recurrence.trajectory import Trajectory

if TYPE_CHECKING:
    from rnnexp.tasks.trials import Trials

SMALLEST = 16  # trials of a group; fewer make poor use of matrix products
MOST = 4  # groups
WORTH = 0.85  # of the steps that all trials have with padding, what is left has to be less for groups to pay


def groups_by_length(trials: Trials) -> list[Tensor] | None:
    """Return the rows of groups, the shortest trials first; None where groups would not pay.

    Under `torch.vmap` there are none, since lengths are then not known.
    """
    if trials.lengths is None or torch._C._are_functorch_transforms_active():
        return None
    n_groups = min(MOST, trials.n_trials // SMALLEST)
    if n_groups < 2:
        return None
    groups = list(trials.lengths.argsort(stable=True).tensor_split(n_groups))
    n_steps = sum(len(rows) * int(trials.lengths[rows[-1]]) for rows in groups)
    return groups if n_steps < WORTH * trials.n_trials * trials.n_steps else None


def group_of(trials: Trials, rows: Tensor) -> Trials:
    """Return some trials, cut where the last of them ends."""
    chosen = trials[rows]
    n_steps = int(chosen.lengths.max())
    inputs, targets, mask = (x[:, :n_steps] for x in (chosen.inputs, chosen.targets, chosen.mask))
    signal = None if chosen.signal is None else chosen.signal[:, :n_steps]
    return replace(chosen, inputs=inputs, targets=targets, mask=mask, signal=signal)


def noise_of(noise: Noise, rows: Tensor, n_steps: int) -> Noise:
    """Return the noise of some trials over the first steps."""
    cut = {
        name: None if x is None else x[rows] if name == "initial" else x[rows, :n_steps]
        for name, x in vars(noise).items()
    }
    return Noise(**cut)


def joined(parts: list[Trajectory], groups: list[Tensor], n_steps: int) -> Trajectory:
    """Return the trajectories of groups as one, 0 where trials have ended."""
    order = torch.cat(groups).argsort()

    def whole(name: str) -> Tensor:
        tensors = [getattr(part, name) for part in parts]
        padded = [torch.nn.functional.pad(x, (0, 0, 0, n_steps - x.shape[1])) for x in tensors]
        return torch.cat(padded)[order]

    rates = whole("rates")
    latents = rates if all(part.latents is part.rates for part in parts) else whole("latents")
    return Trajectory(latents, rates, whole("outputs"), torch.cat([part.initial for part in parts])[order])
