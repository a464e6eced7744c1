"""SpikeRNNLoss: the error of a whole trial as spikeRNN measures it."""

from __future__ import annotations

from collections.abc import Mapping

from rnnexp.losses.base import CompositeLoss
from rnnexp.losses.dynamics import ARConvergence
from rnnexp.losses.entries import TermLike
from rnnexp.losses.lambdas import with_user_terms
from rnnexp.losses.output import ErrorNorm
from rnnexp.losses.schedules import Lambda


class SpikeRNNLoss(CompositeLoss):
    """The loss of spikeRNN's rate networks: sum over terms of lambda_<key> * L_<key>.

    | key | L, computed for every trial, then averaged over trials           |
    |-----|------------------------------------------------------------------|
    | l1  | sum over t, o of | mask * (output - target) |                    |
    | l2  | sqrt( sum over t, o of (mask * (output - target))^2 )            |
    | ar  | AR convergence of the ALRNN                                      |

    Neither is divided by the number of steps, so a threshold on the loss (7 in spikeRNN) belongs to one
    duration of the trials. l1 instead of l2 is lambda_l2=0 lambda_l1=1. Terms with lambda 0 are not evaluated.

    Args:
        lambda_l1, lambda_l2, lambda_ar: weights, finite, >= 0, or schedules (see `Lambda`).
        terms: name -> further term, see RNNLoss.
        lambda_terms: name -> lambda of an entry of `terms`, a weight like these; 1 for names not given.

    Raises:
        ValueError: a lambda that is not allowed, all of them 0, a name of `terms` that a built-in
            term has, or a name of `lambda_terms` that `terms` lacks.

    Source: loss_op of spikeRNN; Kim, Li & Sejnowski, PNAS 2019.
    """

    def __init__(
        self,
        lambda_l1: Lambda = 0.0,
        lambda_l2: Lambda = 1.0,
        lambda_ar: Lambda = 0.0,
        terms: Mapping[str, TermLike] | None = None,
        lambda_terms: Mapping[str, Lambda] | None = None,
    ) -> None:
        built_in = {
            "l1": (lambda_l1, ErrorNorm("l1")),
            "l2": (lambda_l2, ErrorNorm("l2")),
            "ar": (lambda_ar, ARConvergence()),
        }
        super().__init__(*with_user_terms(built_in, terms, lambda_terms))
