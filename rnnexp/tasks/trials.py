"""`Trials`, one batch of them, and the typed part that only movements have.

Letters: B trials, T time steps, K inputs, O outputs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Reach:
    """What trials of a movement have beside the targets, which are effector positions (B, T, 2), m.

    Args:
        start_pos: (B, 2), where the effector is before the first step, m.
        start_vel: (B, 2), its velocity there, m/s.
        target_vel: (B, T, 2), what its velocity should be after each step, m/s.
        hold: (B, T), 1 in the steps in which it shall stay where it is, else 0.
    """

    start_pos: Tensor
    start_vel: Tensor
    target_vel: Tensor
    hold: Tensor

    def each(self, change: Callable[[Tensor], Tensor]) -> "Reach":
        """Return the same with every tensor changed."""
        return Reach(*map(change, (self.start_pos, self.start_vel, self.target_vel, self.hold)))


@dataclass(frozen=True, eq=False)
class Trials:
    """One batch of trials.

    Args:
        inputs: (B, T, K), what the network receives; None for an autonomous network, which is (B, T, 0).
        targets: (B, T, O), what the outputs should be.
        mask: (B, T, O), weight of every target entry in the loss, usually 0 or 1.
        conditions: the parameters of each trial by name, every one (B,); none if left out.
        signal: (B, T, O), of time series only: row t is the observation x_t that the step from t to t + 1 starts
            from, nan where it is missing. Row 0 gives the initial state, and forcing takes the others.
        reach: of movements only: start, target velocity and when to stay.
        lengths: (B,) int64, how many of the T steps each trial has, from 1 to T; the rest is padding, in which inputs
            and mask are 0 and which counts nowhere. None where every trial has T. See `ending_after`.

    Raises:
        ValueError: the shapes do not agree.
    """

    inputs: Tensor | None
    targets: Tensor
    mask: Tensor
    conditions: dict[str, Tensor] = field(default_factory=dict)
    signal: Tensor | None = None
    reach: Reach | None = None
    lengths: Tensor | None = None

    def __post_init__(self) -> None:
        if self.inputs is None:
            object.__setattr__(self, "inputs", self.targets.new_zeros((*self.targets.shape[:2], 0)))
        inputs, targets, mask = self.inputs.shape, self.targets.shape, self.mask.shape
        if len(inputs) != 3 or len(targets) != 3 or targets != mask or inputs[:2] != targets[:2]:
            raise ValueError(
                "inputs must be (B, T, K), targets and mask (B, T, O) with the same B and T, "
                f"got {tuple(inputs)}, {tuple(targets)} and {tuple(mask)}"
            )
        if self.signal is not None and self.signal.shape != targets:
            raise ValueError(f"signal must be {tuple(targets)}, as targets, got {tuple(self.signal.shape)}")
        for name, values in self.conditions.items():
            if values.shape != inputs[:1]:
                raise ValueError(f"condition {name} must be ({inputs[0]},), got {tuple(values.shape)}")
        if self.lengths is not None and self.lengths.shape != inputs[:1]:
            raise ValueError(f"lengths must be ({inputs[0]},), got {tuple(self.lengths.shape)}")

    @property
    def n_trials(self) -> int:
        """Number of trials B."""
        return self.inputs.shape[0]

    @property
    def n_steps(self) -> int:
        """Number of time steps T."""
        return self.inputs.shape[1]

    @property
    def is_real(self) -> Tensor | None:
        """Which steps belong to their trial and are no padding, (B, T) bool; None if all do."""
        if self.lengths is None:
            return None
        return torch.arange(self.n_steps, device=self.lengths.device) < self.lengths[:, None]

    @property
    def fill(self) -> Tensor | float:
        """All steps over those without padding, >= 1: what means over all have to be multiplied by, see `scaled`."""
        return 1.0 if self.lengths is None else self.n_trials * self.n_steps / self.lengths.sum().double()

    def ending_after(self, lengths: Tensor) -> "Trials":
        """Return the trials with each cut off after a number of steps of its own, and padded to the same T.

        Args:
            lengths: (B,) int64, from 1 to T; a trial that ends earlier already stays as it is.

        Raises:
            ValueError: another shape, or a length out of its range.
        """
        if lengths.shape != (self.n_trials,) or not ((lengths >= 1) & (lengths <= self.n_steps)).all():
            raise ValueError(
                f"lengths must be ({self.n_trials},), each from 1 to {self.n_steps}, got {tuple(lengths.shape)} "
                f"from {int(lengths.min())} to {int(lengths.max())}"
            )
        lengths = lengths if self.lengths is None else torch.minimum(lengths, self.lengths)
        cut = replace(self, lengths=lengths)
        real = cut.is_real[:, :, None]
        inputs, targets, mask = (x.where(real, 0.0) for x in (self.inputs, self.targets, self.mask))
        signal = None if self.signal is None else self.signal.where(real, torch.nan)
        return replace(cut, inputs=inputs, targets=targets, mask=mask, signal=signal)

    def to(self, device: torch.device | str) -> "Trials":
        """Return the same trials on another device."""
        device = torch.device(device)
        return self if self.inputs.device == device else self._each(lambda tensor: tensor.to(device))

    def __getitem__(self, index: slice | Tensor) -> "Trials":
        """Return the selected trials.

        Args:
            index: a slice, or a tensor of trial numbers (any length) or booleans (B,).

        Raises:
            TypeError: the index is neither, for example a single int, which would drop the trial axis.
        """
        if not isinstance(index, slice | Tensor):
            raise TypeError(
                f"trials are selected by a slice or a tensor, got {index!r}; use trials[i : i + 1]"
            )
        return self._each(lambda tensor: tensor[index])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Trials":
        return Trials(
            change(self.inputs),
            change(self.targets),
            change(self.mask),
            {name: change(values) for name, values in self.conditions.items()},
            None if self.signal is None else change(self.signal),
            None if self.reach is None else self.reach.each(change),
            None if self.lengths is None else change(self.lengths),
        )
