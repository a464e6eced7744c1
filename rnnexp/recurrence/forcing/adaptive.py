"""Adaptive generalized teacher forcing."""

from typing import get_args

import torch
from torch import Tensor, nn

from rnnexp.latent_steps.base import LatentStep
from rnnexp.numbers import fraction, integer_at_least
from rnnexp.observation.base import Observation
from rnnexp.recurrence.forcing.base import Forcing, Through
from rnnexp.recurrence.forcing.jacobian_norms import Method, jacobian_norm


class AdaptiveForcing(Forcing):
    """Generalized teacher forcing with the smallest alpha that keeps gradients bounded, estimated in the training.

    Every few updates alpha^ = max(0, 1 - 1/n) is estimated, n the norm of the Jacobians at the data. A larger alpha^
    is taken at once, a smaller one slowly: alpha <- decay alpha + (1 - decay) alpha^. Source: Hess et al. 2023, section
    3.3; GTF-shPLRNN.

    Args:
        method: how n is computed, see `rnnexp.recurrence.forcing.jacobian_norms`.
        alpha: at the start, in [0, 1].
        decay: in [0, 1].
        update_every: updates between two estimates, >= 1.
        through, partial: see `Forcing`.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        method: Method = "product_upper_bound",
        alpha: float = 1.0,
        decay: float = 0.999,
        update_every: int = 5,
        through: Through = "auto",
        partial: bool = True,
    ) -> None:
        super().__init__(through, partial)
        if method not in get_args(Method):
            raise ValueError(f"method must be one of {', '.join(get_args(Method))}, got {method!r}")
        alpha = fraction("alpha", alpha)
        self.method = method
        self.decay = fraction("decay", decay)
        self.update_every = integer_at_least("update_every", update_every, 1)
        self.register_buffer("present_alpha", torch.tensor(alpha, dtype=torch.float64))

    @property
    def alpha(self) -> Tensor:
        """The present alpha, 0-d."""
        return self.present_alpha

    def check_model(self, latent_step: LatentStep, observation: Observation) -> None:
        """Refuse a model that cannot be forced, or whose Jacobians the method cannot bound.

        Raises:
            ValueError: with what is needed.
        """
        super().check_model(latent_step, observation)
        if self.method == "jacobian_upper_bound":
            jacobian_norm(latent_step, torch.empty(0, 0, latent_step.state_dim), self.method)

    @torch.no_grad()
    def update(
        self, latent_step: LatentStep, observation: Observation, signal: Tensor, step: int, n_steps: int
    ) -> None:
        """Estimate alpha anew at every update_every-th update, from the data after the first sample."""
        if step % self.update_every:
            return
        known = self.targets(latent_step, observation, signal[:, 1:].nan_to_num(nan=0.0))
        if known.shape[1] == 0:
            return
        states = nn.functional.pad(known, (0, latent_step.state_dim - known.shape[-1]))
        try:
            norm = jacobian_norm(latent_step, states, self.method)
        except torch.linalg.LinAlgError:  # not finite, which the loss of this update will tell
            return
        estimate = (1 - 1 / norm).clamp(min=0.0).to(self.present_alpha.dtype)
        slower = self.decay * self.present_alpha + (1 - self.decay) * estimate
        self.present_alpha.copy_(torch.where(estimate > self.present_alpha, estimate, slower))

    def strengths(self, n_steps: int, like: Tensor) -> Tensor:
        """Return the present alpha (T,) for every step."""
        return self.present_alpha.to(like.dtype).repeat(n_steps)
