"""Terms on the rates of a network: their level, their spread over units, and the two in relation.

Most have two variants: "documented" is the formula that nn4n's documentation gives; "nn4n_1_2" is what the
code of nn4n 1.2.0 computes, for runs that are to match it.

B trials, T time steps, M units. rates r (B, T, M); r_i = mean of r over b, t; mu = mean over everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch.nn.functional as F
from torch import Tensor

from rnnexp.losses.base import LossTerm, scaled

if TYPE_CHECKING:
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

Variant = Literal["documented", "nn4n_1_2"]
VARIANTS: tuple[Variant, ...] = ("documented", "nn4n_1_2")

SILENT_RATE = 1e-6
"""Smallest mean rate that fr_cv divides by; above it the coefficient of variation is exact."""


def checked_variant(variant: str) -> Variant:
    """The variant itself.

    Raises:
        ValueError: if it is not one of VARIANTS.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
    return variant


class MeanSquaredRate(LossTerm):
    """Level of activity.

        documented: mean over b, t, i of r^2          nn4n_1_2: mean over i of r_i^2

    Args:
        variant: see the top of this file.

    Source: L_fr of nn4n's RNNLoss.
    """

    label = "Mean squared rate"
    key = "fr"

    def __init__(self, variant: Variant = "documented") -> None:
        self.variant = checked_variant(variant)

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The level as a 0-d tensor."""
        rates = trajectory.rates
        if self.variant == "nn4n_1_2":
            return scaled(rates.mean((0, 1)), trials).square().mean()
        # distance to an expanded zero: one fused backward kernel, and no copy if rates are a transposed view
        return scaled(F.mse_loss(rates, rates.new_zeros(()).expand_as(rates)), trials)


class SummedSquaredRate(LossTerm):
    """Level of activity of a whole trial: sum over t, i of r^2, one value per trial.

    Unlike the mean it grows with the duration of a trial and the number of units, but not with the number of
    trials. Source: L2_firing_rate as PsychRNN's documentation has it, a norm; its code takes the mean.
    """

    label = "Summed squared rate"
    key = "fr_sum"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The sums (B,)."""
        return trajectory.rates.square().sum((1, 2))


class RateSpread(LossTerm):
    """Standard deviation of the mean rates r_i over units; 0 with zero gradient if all are equal.

        documented: divided by M          nn4n_1_2: divided by M - 1 (by 1 for a single unit)

    Args:
        variant: see the top of this file.

    Source: L_fr_sd of nn4n's RNNLoss.
    """

    label = "Standard deviation of rates"
    key = "fr_sd"

    def __init__(self, variant: Variant = "documented") -> None:
        self.variant = checked_variant(variant)

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The standard deviation as a 0-d tensor."""
        return _spread(scaled(trajectory.rates.mean((0, 1)), trials), self.variant)


class RateVariation(LossTerm):
    """Coefficient of variation over units: standard deviation of the mean rates over the size of their mean.

        documented: sd(r_i) / |mu|, sd divided by M
        nn4n_1_2:   sd(a_i) / mean(a_i) with a_i = mean over b, t of |r|, sd divided by M - 1

    Where the mean is smaller than SILENT_RATE, SILENT_RATE takes its place, so that silent networks have
    finite values and gradients. The size |mu| differs from mu only for signed rates with a negative mean,
    whose ratio would otherwise fall without bound.

    Args:
        variant: see the top of this file.

    Source: L_fr_cv of nn4n's RNNLoss.
    """

    label = "Coefficient of variation of rates"
    key = "fr_cv"

    def __init__(self, variant: Variant = "documented") -> None:
        self.variant = checked_variant(variant)

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The coefficient as a 0-d tensor."""
        rates = trajectory.rates if self.variant == "documented" else trajectory.rates.abs()
        mean_rates = scaled(rates.mean((0, 1)), trials)
        return _spread(mean_rates, self.variant) / mean_rates.mean().abs().clamp_min(SILENT_RATE)


def _spread(mean_rates: Tensor, variant: Variant) -> Tensor:
    """Standard deviation over units of mean rates (M,)."""
    correction = 0 if variant == "documented" else min(1, mean_rates.numel() - 1)
    return mean_rates.std(correction=correction)
