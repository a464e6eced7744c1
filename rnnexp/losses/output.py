"""Terms on the outputs of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from rnnexp.losses.base import LossTerm

if TYPE_CHECKING:
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials


class MaskedMeanSquaredError(LossTerm):
    """Mean squared error of the outputs under the mask of the trials.

        mean over b, t, o of ( mask * (output - target) )^2

    The mean is over all B * T * O entries, also the masked ones: a longer masked stretch makes the value
    smaller. With a mask of ones it is the plain mean squared error.

    Source: PsychRNN's `mean_squared_error`; nn4n's L_MSE for a mask of ones.
    """

    label = "Mean squared error"
    key = "mse"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The error as a 0-d tensor.

        Raises:
            ValueError: if outputs, targets and mask do not have one shape (B, T, O).
        """
        outputs, targets, mask = trajectory.outputs, trials.targets, trials.mask
        if not outputs.shape == targets.shape == mask.shape:
            shapes = ", ".join(str(tuple(x.shape)) for x in (outputs, targets, mask))
            raise ValueError(f"outputs, targets and mask must have the same shape (B, T, O), got {shapes}")
        return F.mse_loss(mask * outputs, mask * targets)  # the fastest form: one fused backward kernel
