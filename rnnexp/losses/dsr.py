"""DSRLoss: the objective of dynamical-systems reconstruction, prediction error and regularisers, each with a lambda."""

from __future__ import annotations

from collections.abc import Mapping

from rnnexp.losses.base import CompositeLoss
from rnnexp.losses.dynamics import (
    ARConvergence,
    LatentSize,
    ManifoldAttractor,
    MARVariant,
    OrientationReversal,
)
from rnnexp.losses.entries import TermLike
from rnnexp.losses.lambdas import with_user_terms
from rnnexp.losses.output import ObservedMeanSquaredError
from rnnexp.losses.schedules import Lambda
from rnnexp.losses.weights import ObservationCondition


class DSRLoss(CompositeLoss):
    """The loss of networks that are to reconstruct a time series: sum over terms of lambda_<key> * L_<key>.

    | key       | L                                                                                         |
    |-----------|-------------------------------------------------------------------------------------------|
    | mse       | mean of (output - target)^2 over the observed entries, the prediction before forcing      |
    | mar       | manifold attractor regularisation of the last mar_ratio * M units: sum (A_i - 1)^2 +      |
    |           | sum W_ij^2 + sum h_i^2 over their rows (mar_variant squared)                              |
    | ar        | AR convergence of the ALRNN, || relu(A + diag(W) - (1 - ar_epsilon)) ||_2                 |
    | latent_l2 | sum (1 - A_i)^2 + squares of all W, h and C of the latent step                            |
    | obs       | (1 - s_max / (s_min + 1e-8))^2, s the singular values of the observation matrix B         |
    | invert    | mean over states of max(0, -det J), J the Jacobian of the latent step                     |

    mar and latent_l2 act on the PLRNN family, obs on a trained observation matrix; a model without what a term needs
    is refused. Terms with lambda 0 are not evaluated.

    Args:
        lambda_mse, lambda_mar, lambda_ar, lambda_latent_l2, lambda_obs, lambda_invert: weights, finite, >= 0, or
            schedules (see `Lambda`).
        mar_ratio: share of the units that mar draws, in (0, 1], counted from the last.
        mar_variant: "squared", "l1" or "norm", see `ManifoldAttractor`.
        invert_states: states of the trials at which invert takes J, >= 1.
        terms: name -> further term, see RNNLoss.
        lambda_terms: name -> lambda of an entry of `terms`, a weight like these; 1 for names not given.

    Raises:
        ValueError: a lambda that is not allowed, all of them 0, another argument out of its range, a name of `terms`
            that a built-in term has, or a name of `lambda_terms` that `terms` lacks.

    Source: Brenner et al. 2022 (dendPLRNN), Hess et al. 2023 (GTF), Brenner, Hemmer et al. 2024 (AL-RNN).
    """

    def __init__(
        self,
        lambda_mse: Lambda = 1.0,
        lambda_mar: Lambda = 0.0,
        lambda_ar: Lambda = 0.0,
        lambda_latent_l2: Lambda = 0.0,
        lambda_obs: Lambda = 0.0,
        lambda_invert: Lambda = 0.0,
        mar_ratio: float = 0.5,
        mar_variant: MARVariant = "squared",
        invert_states: int = 100,
        terms: Mapping[str, TermLike] | None = None,
        lambda_terms: Mapping[str, Lambda] | None = None,
    ) -> None:
        built_in = {
            "mse": (lambda_mse, ObservedMeanSquaredError()),
            "mar": (lambda_mar, ManifoldAttractor(mar_ratio, mar_variant)),
            "ar": (lambda_ar, ARConvergence()),
            "latent_l2": (lambda_latent_l2, LatentSize()),
            "obs": (lambda_obs, ObservationCondition()),
            "invert": (lambda_invert, OrientationReversal(invert_states)),
        }
        super().__init__(*with_user_terms(built_in, terms, lambda_terms))
