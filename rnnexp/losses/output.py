"""Terms on the outputs of a network: how far they are from the targets.

The mask of the trials weights every entry; a mean is over all B * T * O entries (or B * T steps), also the
masked ones, so a longer masked stretch makes the value smaller, but in ObservedMeanSquaredError. Padding of trials that
end earlier counts nowhere.

B trials, T time steps, O outputs. outputs, targets and mask (B, T, O).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rnnexp.losses.base import Comparison, LossTerm, scaled

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

PROBABILITY_MARGIN = 1e-7
"""How close to 0 and 1 the probabilities of MaskedBinaryCrossEntropy can be; also added inside its logs."""

SMALLEST_PROBABILITY = 1e-12
"""Smallest probability of a class in MaskedCrossEntropy."""


class OutputTerm(LossTerm):
    """A term that compares outputs with targets."""

    def check_model(self, model: RNN) -> None:
        """Refuse a network whose outputs are commands to a plant: its targets are positions.

        Raises:
            ValueError: saying so.
        """
        if getattr(model, "loop", None) is not None:
            raise ValueError(
                f"{self.key} compares outputs with targets, and here outputs are commands, targets positions; choose "
                "loss=simple_reach, delayed_reach or hold"
            )


class MaskedMeanSquaredError(OutputTerm):
    """Mean squared error of the outputs under the mask of the trials.

        mean over b, t, o of ( mask * (output - target) )^2

    With a mask of ones it is the plain mean squared error.

    Source: PsychRNN's `mean_squared_error`; nn4n's L_MSE for a mask of ones.
    """

    label = "Mean squared error"
    key = "mse"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The error as a 0-d tensor.

        Raises:
            ValueError: if outputs, targets and mask do not have one shape (B, T, O).
        """
        outputs, targets, mask = _entries(trajectory, trials)
        # the fastest form: one fused backward kernel
        return scaled(F.mse_loss(mask * outputs, mask * targets), trials)

    def comparison(self, trials: Trials) -> Comparison:
        """Return the term as a comparison."""
        return Comparison("squares", 1 / trials.targets.numel(), trials.fill)


class ObservedMeanSquaredError(OutputTerm):
    """Mean squared error of the outputs over the entries that were observed.

        sum over b, t, o of ( mask * (output - target) )^2  /  sum over b, t, o of mask^2

    With a mask of 0 and 1 it is the mean over the entries with 1, however many are missing; 0 if all are.
    """

    label = "Mean squared error"
    key = "mse"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The error as a 0-d tensor.

        Raises:
            ValueError: if outputs, targets and mask do not have one shape (B, T, O).
        """
        outputs, targets, mask = _entries(trajectory, trials)
        n_observed = mask.square().sum()
        summed = F.mse_loss(mask * outputs, mask * targets, reduction="sum")
        return summed / torch.where(n_observed > 0, n_observed, 1.0)

    def comparison(self, trials: Trials) -> Comparison:
        """Return the term as a comparison."""
        del trials
        return Comparison("squares", None)


class MaskedBinaryCrossEntropy(OutputTerm):
    """Binary cross entropy of outputs that are probabilities, under the mask of the trials.

        mean over b, t, o of mask * -( y log(p + e) + (1 - y) log(1 - p + e) ),
        p = output clipped to [e, 1 - e], e = 1e-7

    The outputs themselves are the probabilities, no sigmoid is applied: an output outside [e, 1 - e] has no
    gradient. The targets y lie in [0, 1]. Source: PsychRNN's `binary_cross_entropy`.
    """

    label = "Binary cross entropy"
    key = "bce"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The cross entropy as a 0-d tensor.

        Raises:
            ValueError: if outputs, targets and mask do not have one shape (B, T, O).
        """
        outputs, y, mask = _entries(trajectory, trials)
        e = PROBABILITY_MARGIN
        p = outputs.clamp(e, 1 - e)
        return scaled((mask * -(y * torch.log(p + e) + (1 - y) * torch.log(1 - p + e))).mean(), trials)


class MaskedCrossEntropy(OutputTerm):
    """Cross entropy of a choice between the outputs, under the mask of the trials.

        mean over b, t of - sum over o of mask * y * log p,    p = softmax over o of the outputs

    Probabilities below 1e-12 count as 1e-12 and have no gradient. The targets y are the wanted probabilities,
    one-hot for a choice.

    Args:
        apply_softmax: False if the outputs are the probabilities already.

    Source: cross_entropy of nn4n's CompositeLoss.
    """

    label = "Cross entropy"
    key = "cross_entropy"

    def __init__(self, apply_softmax: bool = True) -> None:
        if not isinstance(apply_softmax, bool):
            raise ValueError(f"apply_softmax must be true or false, got {apply_softmax!r}")
        self.apply_softmax = apply_softmax

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The cross entropy as a 0-d tensor.

        Raises:
            ValueError: if outputs, targets and mask do not have one shape (B, T, O).
        """
        outputs, targets, mask = _entries(trajectory, trials)
        if self.apply_softmax:
            log_p = outputs.log_softmax(-1).clamp_min(math.log(SMALLEST_PROBABILITY))
        else:
            log_p = outputs.clamp_min(SMALLEST_PROBABILITY).log()
        return scaled(-(mask * targets * log_p).sum(-1).mean(), trials)

    def check_model(self, model: RNN) -> None:
        """Refuse a softmax over a single output, which is 1 whatever the network does.

        Raises:
            ValueError: saying so.
        """
        super().check_model(model)
        if self.apply_softmax and model.observation.output_dim == 1:
            raise ValueError("the cross entropy with a softmax needs 2 or more outputs, this model has 1")


class ErrorNorm(OutputTerm):
    """Norm of the error of a whole trial under its mask, one value per trial.

        l1: sum over t, o of | mask * (output - target) |
        l2: sqrt( sum over t, o of (mask * (output - target))^2 )

    There is no division by T or O: both grow with the duration of a trial. A trial without error has value
    and gradient 0.

    Args:
        norm: "l1" or "l2".

    Raises:
        ValueError: for another norm.

    Source: loss_op of spikeRNN, whose l2 goes by the name of RMSE there.
    """

    def __init__(self, norm: Literal["l1", "l2"] = "l2") -> None:
        if norm not in ("l1", "l2"):
            raise ValueError(f"norm must be one of l1, l2, got {norm!r}")
        self.key = norm
        self.label = "Sum of absolute errors" if norm == "l1" else "Root of the summed squared errors"
        self._order = 1 if norm == "l1" else 2

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The norms (B,).

        Raises:
            ValueError: if outputs, targets and mask do not have one shape (B, T, O).
        """
        outputs, targets, mask = _entries(trajectory, trials)
        return torch.linalg.vector_norm(mask * (outputs - targets), ord=self._order, dim=(1, 2))

    def comparison(self, trials: Trials) -> Comparison | None:
        """Return the l2 norm as a comparison."""
        return Comparison("norms", 1 / trials.n_trials) if self._order == 2 else None


def _entries(trajectory: Trajectory, trials: Trials) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, targets and mask, all of one shape."""
    outputs, targets, mask = trajectory.outputs, trials.targets, trials.mask
    if not outputs.shape == targets.shape == mask.shape:
        shapes = ", ".join(str(tuple(x.shape)) for x in (outputs, targets, mask))
        raise ValueError(f"outputs, targets and mask must have the same shape (B, T, O), got {shapes}")
    return outputs, targets, mask
