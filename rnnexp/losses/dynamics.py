"""Loss terms on the dynamics of a latent step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rnnexp.losses.base import LossTerm

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials


class ARConvergence(LossTerm):
    """Keeps the linear part of an ALRNN contracting: || relu(A + diag(W) - (1 - epsilon)) ||_2.

    One-sided: a unit whose autoregressive weight A_i + W_ii is below 1 - epsilon costs nothing. epsilon is
    the latent step's `ar_epsilon`. Source: ALRNN-DSR (Brenner, Hemmer et al. 2024), where epsilon is 0.95.
    """

    label = "AR convergence"
    key = "ar"

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """Return the term, 0-d."""
        step = model.latent_step
        excess = torch.relu(step.A + step.W.diagonal() - (1 - step.ar_epsilon))
        return torch.linalg.vector_norm(excess)

    def check_model(self, model: RNN) -> None:
        """Refuse a latent step without ar_epsilon.

        Raises:
            ValueError: there is no threshold.
        """
        if getattr(model.latent_step, "ar_epsilon", None) is None:
            raise ValueError(
                "lambda_ar needs a latent step with ar_epsilon, such as latent_step=ALRNN "
                "latent_step.ar_epsilon=0.05; set lambda_ar to 0 otherwise"
            )
