"""Terms on the rates of the units averaged over trials and time: their level and their spread over units.

They are those of nn4n's CompositeLoss, as its code computes them. M units. rates r (B, T, M); r_i = mean of r
over b, t; mu = mean of r_i over units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import Tensor

from rnnexp.losses.activity import SILENT_RATE
from rnnexp.losses.base import LossTerm, scaled

if TYPE_CHECKING:
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

LEVELS = {"l1": "Mean absolute rate", "l2": "Mean squared rate"}

SPREADS = {
    "sd": "Standard deviation of rates",
    "cv": "Coefficient of variation of rates",
    "mean_ad": "Mean absolute deviation of rates",
    "max_ad": "Largest absolute deviation of rates",
}


class MeanRateLevel(LossTerm):
    """Level of the mean rates.

        l1: mean over i of |r_i|          l2: mean over i of r_i^2

    Args:
        metric: one of the two.

    Raises:
        ValueError: for another metric.

    Source: fr of nn4n's CompositeLoss.
    """

    def __init__(self, metric: Literal["l1", "l2"] = "l2") -> None:
        self.metric = _checked(metric, LEVELS)
        self.label, self.key = LEVELS[metric], f"fr_{metric}"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The level as a 0-d tensor."""
        rates = scaled(trajectory.rates.mean((0, 1)), trials)
        return rates.abs().mean() if self.metric == "l1" else rates.square().mean()


class MeanRateSpread(LossTerm):
    """Spread of the mean rates over units; 0 with zero gradient if all are equal.

        sd: sqrt( sum over i of (r_i - mu)^2 / (M - 1) ), divided by 1 for a single unit
        cv: sd / |mu|                          mean_ad: mean over i of |r_i - mu|
                                               max_ad: largest |r_i - mu|

    In cv, SILENT_RATE takes the place of a smaller |mu|, so that silent networks have finite values and
    gradients. nn4n divides by mu itself, which differs only for signed rates with a negative mean, where its
    ratio falls without bound.

    Args:
        metric: one of the four.

    Raises:
        ValueError: for another metric.

    Source: fr_dist of nn4n's CompositeLoss.
    """

    def __init__(self, metric: Literal["sd", "cv", "mean_ad", "max_ad"] = "sd") -> None:
        self.metric = _checked(metric, SPREADS)
        self.label, self.key = SPREADS[metric], f"fr_{metric}"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """The spread as a 0-d tensor."""
        rates = scaled(trajectory.rates.mean((0, 1)), trials)
        mean = rates.mean()
        if self.metric in ("sd", "cv"):
            sd = rates.std(correction=min(1, rates.numel() - 1))
            return sd if self.metric == "sd" else sd / mean.abs().clamp_min(SILENT_RATE)
        deviations = (rates - mean).abs()
        return deviations.mean() if self.metric == "mean_ad" else deviations.amax()


def _checked(metric: str, allowed: dict[str, str]) -> str:
    if metric not in allowed:
        raise ValueError(f"metric must be one of {', '.join(allowed)}, got {metric!r}")
    return metric
