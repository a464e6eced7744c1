"""Generalized teacher forcing."""

from typing import Literal, get_args

import torch
from torch import Tensor

from rnnexp.latent_steps.base import LatentStep
from rnnexp.numbers import fraction, integer_at_least
from rnnexp.observation.base import Observation
from rnnexp.recurrence.forcing.base import Forcing, Through

Anneal = Literal["constant", "linear", "exponential"]


class GeneralizedForcing(Forcing):
    """Forces every state in part, z~_t = (1 - alpha) z_t + alpha z^_t, so that Jacobians shrink by 1 - alpha a step.

    Source: Doya 1992; Hess et al. 2023, eq. 4.

    Args:
        alpha: in [0, 1].
        final_alpha: value at the end of an annealed training, in [0, 1]; not used by "constant".
        anneal: "constant"; "linear" from alpha to final_alpha; "exponential", with a constant factor per update,
            which needs both > 0.
        interval: steps between two forcings, >= 1; 1 forces at every step.
        through, partial: see `Forcing`.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        alpha: float = 0.125,
        final_alpha: float | None = None,
        anneal: Anneal = "constant",
        interval: int = 1,
        through: Through = "auto",
        partial: bool = True,
    ) -> None:
        super().__init__(through, partial)
        alpha = fraction("alpha", alpha)
        final_alpha = None if final_alpha is None else fraction("final_alpha", final_alpha)
        self._check_annealing(alpha, final_alpha, anneal)
        self.first_alpha, self.final_alpha, self.anneal = alpha, final_alpha, anneal
        self.interval = integer_at_least("interval", interval, 1)
        self.register_buffer("present_alpha", torch.tensor(alpha, dtype=torch.float64))

    def _check_annealing(self, alpha: float, final_alpha: float | None, anneal: Anneal) -> None:
        if anneal not in get_args(Anneal):
            raise ValueError(f"anneal must be one of {', '.join(get_args(Anneal))}, got {anneal!r}")
        if (final_alpha is None) != (anneal == "constant"):
            raise ValueError(
                f"final_alpha must be given if and only if anneal is linear or exponential, got "
                f"final_alpha={final_alpha!r} with anneal={anneal}"
            )
        if anneal == "exponential" and not min(alpha, final_alpha) > 0:
            raise ValueError(
                f"anneal=exponential needs alpha and final_alpha > 0, got {alpha!r} and {final_alpha!r}"
            )

    @property
    def alpha(self) -> Tensor:
        """The present alpha, 0-d."""
        return self.present_alpha

    @property
    def holds_every_step(self) -> bool:
        """Whether alpha acts at every step from the start."""
        return self.interval == 1 and self.first_alpha > 0

    def update(
        self, latent_step: LatentStep, observation: Observation, signal: Tensor, step: int, n_steps: int
    ) -> None:
        """Set alpha for the update number `step` of `n_steps`."""
        progress = step / max(1, n_steps - 1)
        if self.anneal == "linear":
            self.present_alpha.fill_(self.first_alpha + (self.final_alpha - self.first_alpha) * progress)
        elif self.anneal == "exponential":
            self.present_alpha.fill_(self.first_alpha * (self.final_alpha / self.first_alpha) ** progress)

    def strengths(self, n_steps: int, like: Tensor) -> Tensor:
        """Return alpha (T,) at the multiples of the interval, 0 elsewhere."""
        strength = like.new_zeros(n_steps)
        strength[:: self.interval] = self.present_alpha.item()
        return strength
