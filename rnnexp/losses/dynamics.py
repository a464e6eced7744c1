"""Loss terms on the dynamics of a latent step.

M units, J the Jacobian d z_{t+1} / d z_t.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from rnnexp.losses.base import LossTerm, lengths_of
from rnnexp.numbers import integer_at_least, positive_fraction

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

MARVariant = Literal["squared", "l1", "norm"]
MAR_VARIANTS: tuple[MARVariant, ...] = ("squared", "l1", "norm")


class ARConvergence(LossTerm):
    """Keeps the linear part of an ALRNN contracting: || relu(A + diag(W) - (1 - epsilon)) ||_2.

    One-sided: a unit whose autoregressive weight A_i + W_ii is below 1 - epsilon costs nothing. epsilon is
    the latent step's `ar_epsilon`. Source: ALRNN-DSR (Brenner, Hemmer et al. 2024), where epsilon is 0.95.
    """

    needs_trajectory = False
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


class ManifoldAttractor(LossTerm):
    """Manifold attractor regularisation: draws the last units towards keeping their value, z_i' = z_i.

        squared: sum (A_i - 1)^2 + sum W_ij^2 + sum h_i^2          l1: the same with absolute values
        norm:    || A - 1 || + || W || + || h ||, not squared

    i runs over the last units, those that are not read out, and j over all entries of a row of the effective W. Their
    number is floor(ratio * M) with norm. Else both groups, ratio * M and the rest, are rounded, halves to even; where
    they do not add up to M, the one that was rounded by more makes up for it, of two equals the drawn one. In the
    shallow pair W1 and h1, which drive the units, take the place of W and h.

    Args:
        ratio: share of the units, in (0, 1].
        variant: one of the three.

    Raises:
        ValueError: an argument is out of its range.

    Source: Schmidt et al. 2021; squared and l1 as in dendPLRNN (Brenner et al. 2022), norm as in the code of
    Hess et al. 2023. Neither covers the shallow pair.
    """

    needs_trajectory = False
    label = "Manifold attractor"
    key = "mar"

    def __init__(self, ratio: float = 0.5, variant: MARVariant = "squared") -> None:
        if variant not in MAR_VARIANTS:
            raise ValueError(f"mar_variant must be one of {', '.join(MAR_VARIANTS)}, got {variant!r}")
        self.ratio, self.variant = positive_fraction("mar_ratio", ratio), variant

    def n_units(self, latent_dim: int) -> int:
        """Return how many of the units are drawn."""
        drawn = self.ratio * latent_dim
        if self.variant == "norm":
            return math.floor(drawn)
        others = latent_dim - drawn
        n_drawn, n_others = round(drawn), round(others)
        makes_up = abs(drawn - n_drawn) >= abs(others - n_others)
        return latent_dim - n_others if makes_up else n_drawn

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """Return the term, 0-d."""
        A, W, h = _drives(model, "lambda_mar")
        first = len(A) - self.n_units(len(A))
        parts = (A[first:] - 1, W[first:], h[first:])
        if self.variant == "norm":
            return sum(torch.linalg.vector_norm(part) for part in parts)
        return sum((part.square() if self.variant == "squared" else part.abs()).sum() for part in parts)

    def check_model(self, model: RNN) -> None:
        """Refuse a latent step outside the PLRNN family, and a ratio that draws no unit.

        Raises:
            ValueError: saying so.
        """
        A, _, _ = _drives(model, "lambda_mar")
        if self.n_units(len(A)) == 0:
            raise ValueError(
                f"mar_ratio must be large enough to draw one of the {len(A)} units, got {self.ratio}, which draws none"
            )


class LatentSize(LossTerm):
    """Size of all parameters of a PLRNN, counted from the map that keeps its state.

        sum (1 - A_i)^2 + sum of the squares of W, h (W1, W2, h1, h2 of the shallow pair) and, if it is trained, C

    Source: lat_model_regularization of Hess et al. 2023.
    """

    needs_trajectory = False
    label = "Latent size"
    key = "latent_l2"

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """Return the term, 0-d."""
        A, _, _ = _drives(model, "lambda_latent_l2")
        others = {name: weight for name, weight in model.latent_step.weights().items() if name != "A"}
        if "C" in others and not _learns(others["C"]):
            del others["C"]
        return (1 - A).square().sum() + sum(weight.square().sum() for weight in others.values())

    def check_model(self, model: RNN) -> None:
        """Refuse a latent step outside the PLRNN family.

        Raises:
            ValueError: saying so.
        """
        _drives(model, "lambda_latent_l2")


class OrientationReversal(LossTerm):
    """Keeps the map invertible: mean over states of max(0, -det J).

    A piecewise-linear map whose pieces all have det J > 0 never folds. J is taken at states of the trials, evenly
    spaced over all trials and steps; there is no gradient through the states.

    Args:
        n_states: number of states, >= 1; all if there are fewer.

    Raises:
        ValueError: n_states is not an integer >= 1.

    Source: "Detecting Invariant Manifolds in ReLU RNNs" (ICLR 2026), there over sampled linear regions.
    """

    label = "Orientation reversal"
    key = "invert"

    def __init__(self, n_states: int = 100) -> None:
        self.n_states = integer_at_least("invert_states", n_states, 1)

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """Return the term, 0-d."""
        states = trajectory.latents.detach().flatten(0, 1)
        n_states = min(self.n_states, len(states))
        if lengths_of(trials) is None:
            chosen = torch.linspace(0, len(states) - 1, n_states, device=states.device).long()
        else:
            rank = trials.is_real.flatten().cumsum(0)  # of each state among those that count, from 1
            places = torch.linspace(0, 1, n_states, dtype=torch.float64, device=states.device)
            chosen = torch.searchsorted(rank, (places * (rank[-1] - 1)).long() + 1)
        return torch.relu(-torch.linalg.det(model.latent_step.jacobian(states[chosen]))).mean()


def _learns(weight: Tensor) -> bool:
    """Whether a weight has a gradient, also under `torch.vmap`, which hides that."""
    while torch._C._functorch.is_functorch_wrapped_tensor(weight):
        weight = torch._C._functorch.get_unwrapped(weight)
    return weight.requires_grad


def _drives(model: RNN, lambda_key: str) -> tuple[Tensor, Tensor, Tensor]:
    """What a unit of the PLRNN family is driven by: A (M,), the rows of W or W1 (M, ...), h or h1 (M,).

    Raises:
        ValueError: the latent step has no such weights.
    """
    step = model.latent_step
    weights = step.weights()
    found = weights.get("A"), weights.get("W", weights.get("W1")), weights.get("h", weights.get("h1"))
    if any(weight is None for weight in found):
        raise ValueError(
            f"{lambda_key} must be 0 for {type(step).__name__}: it acts on A, W and h of PLRNN, ALRNN, shPLRNN or "
            "clipped_shPLRNN"
        )
    return found
