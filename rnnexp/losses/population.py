"""Terms on what the units do together at each moment: change over time, Hebbian drive, entropy.

They are those of nn4n's CompositeLoss. B trials, T time steps, M units. rates r (B, T, M).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from rnnexp.losses.base import LossTerm, lengths_of, scaled
from rnnexp.losses.lambdas import checked_lambda
from rnnexp.numbers import integer_at_least

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

ENTROPY_MARGIN = 1e-8
"""Added to the sum of rates and inside the log of RateEntropy."""


class StatePrediction(LossTerm):
    """How badly the rates predict themselves some steps later.

        mean over b, i and t < T - n of (r_{t + n} - r_t)^2,    n = state_pred_steps

    Args:
        state_pred_steps: >= 1 and smaller than T.

    Raises:
        ValueError: if it is not an integer >= 1.

    Source: state_pred of nn4n's CompositeLoss, whose code shifts the trials instead of the time.
    """

    label = "State prediction"
    key = "state_pred"

    def __init__(self, state_pred_steps: int = 1) -> None:
        self.state_pred_steps = integer_at_least("state_pred_steps", state_pred_steps, 1)

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The error as a 0-d tensor.

        Raises:
            ValueError: if the trials are too short.
        """
        rates, n = trajectory.rates, self.state_pred_steps
        if n >= rates.shape[1]:
            raise ValueError(f"state_pred_steps must be < {rates.shape[1]}, the steps of a trial, got {n}")
        change = F.mse_loss(rates[:, :-n], rates[:, n:], reduction="none")
        if lengths_of(trials) is None:
            return change.mean()
        counts = trials.is_real[:, n:]  # both ends lie in the trial
        return (change * counts[:, :, None]).sum() / (counts.sum() * rates.shape[2]).clamp(min=1)


class HebbianDrive(LossTerm):
    """Weights between units that are active together.

        mean over b, t of | sum over i, j of W_ij r_i r_j |

    W is the recurrent matrix: W of PLRNN and ALRNN, W_rec of the leaky networks. Source: hebbian of nn4n's
    CompositeLoss.
    """

    label = "Hebbian drive"
    key = "hebbian"

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """The drive as a 0-d tensor.

        Raises:
            ValueError: see check_model.
        """
        rates = trajectory.rates
        W = _square_matrix(model, rates.shape[-1])
        return scaled((F.linear(rates, W) * rates).sum(-1).abs().mean(), trials)

    def check_model(self, model: RNN) -> None:
        """Refuse a model without one square recurrent matrix.

        Raises:
            ValueError: naming the lambda that must be 0.
        """
        _square_matrix(model, model.latent_step.latent_dim)


class RateEntropy(LossTerm):
    """Entropy of the rates as a distribution over units, and the energy that keeps them from growing.

        mean over b, t of ( - sum over i of p_i log(p_i + e) + entropy_reg * sum over i of r_i^2 ),
        p_i = |r_i| / (sum over j of |r_j| + e), e = 1e-8

    Small entropy means that few units are active at a time. For rates >= 0 the size |r_i| is r_i itself; with
    signed rates nn4n's formula takes logs of negative numbers. Silent moments have entropy and gradient 0.

    Args:
        entropy_reg: weight of the energy inside the term, finite, >= 0.

    Raises:
        ValueError: if it is anything else.

    Source: entropy of nn4n's CompositeLoss.
    """

    label = "Entropy of rates"
    key = "entropy"

    def __init__(self, entropy_reg: float = 10.0) -> None:
        self.entropy_reg = checked_lambda("entropy_reg", entropy_reg)

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The entropy and the energy as a 0-d tensor."""
        rates = trajectory.rates
        sizes = rates.abs()
        p = sizes / (sizes.sum(-1, keepdim=True) + ENTROPY_MARGIN)
        entropy = -(p * torch.log(p + ENTROPY_MARGIN)).sum(-1)
        energy = self.entropy_reg * rates.square().sum(-1).mean()
        return scaled(entropy.mean() + energy, trials)


def _square_matrix(model: RNN | None, n_units: int) -> Tensor:
    """The one recurrent matrix (M, M)."""
    if model is None:
        raise ValueError("the Hebbian term must be called with the model")
    matrices = tuple(model.recurrent_matrices)
    if [tuple(W.shape) for W in matrices] != [(n_units, n_units)]:
        shapes = ", ".join(str(tuple(W.shape)) for W in matrices) or "none"
        raise ValueError(
            f"lambda_hebbian must be 0: the term needs one recurrent matrix ({n_units}, {n_units}), "
            f"this model has {shapes}"
        )
    return matrices[0]
