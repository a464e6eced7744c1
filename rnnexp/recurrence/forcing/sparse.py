"""Sparse teacher forcing."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from rnnexp.numbers import integer_at_least, positive_fraction
from rnnexp.recurrence.forcing.base import Forcing, Through


class SparseForcing(Forcing):
    """Forces at t = tau, 2 tau, ... and leaves the network free in between.

    Source: Mikhaeil et al. 2022 (sparse teacher forcing); Brenner et al. 2022 (identity and inverse forcing).

    Args:
        tau: steps between two forcings, >= 1; "auto" takes the estimate from the training data, see
            `rnnexp.analysis.forcing_interval`; None never forces.
        alpha: share of the data in a forced state, in (0, 1]; 1 replaces it.
        through, partial: see `Forcing`.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        tau: int | Literal["auto"] | None = 16,
        alpha: float = 1.0,
        through: Through = "auto",
        partial: bool = True,
    ) -> None:
        super().__init__(through, partial)
        alpha = positive_fraction("alpha", alpha)
        is_open = tau is None or (isinstance(tau, str) and tau == "auto")
        self.tau = tau if is_open else integer_at_least("tau", tau, 1)
        self.share = alpha
        self._last: tuple[Any, Tensor | None] = (None, None)  # strengths, and what they were made for
        self.register_buffer("interval", torch.tensor(0 if is_open else self.tau))

    @property
    def acts(self) -> bool:
        """Whether there is a tau."""
        return self.tau is not None

    @property
    def holds_every_step(self) -> bool:
        """False: between two forcings the network runs freely."""
        return False

    def prepare(self, estimate: Callable[[], int]) -> None:
        """Settle tau="auto" by an estimate from the data; nothing to do for a given one."""
        if self.tau == "auto":
            self.interval.fill_(estimate())

    def strengths(self, n_steps: int, like: Tensor) -> Tensor:
        """Return alpha (T,) at the multiples of tau, 0 elsewhere."""
        wanted = n_steps, int(self.interval), like.dtype, like.device
        if self._last[0] != wanted:
            strength = like.new_zeros(n_steps)
            strength[:: wanted[1]] = self.share
            self._last = wanted, strength
        return self._last[1].clone()
