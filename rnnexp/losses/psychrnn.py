"""PsychRNNLoss: the task errors and regularisers of PsychRNN, each with a lambda."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rnnexp.losses.activity import MeanSquaredRate, SummedSquaredRate
from rnnexp.losses.base import CompositeLoss, LossTerm
from rnnexp.losses.dynamics import ARConvergence
from rnnexp.losses.entries import TermLike
from rnnexp.losses.lambdas import with_user_terms
from rnnexp.losses.output import MaskedBinaryCrossEntropy, MaskedMeanSquaredError
from rnnexp.losses.schedules import Lambda
from rnnexp.losses.weights import MeanSquaredWeight, WeightSize

Reduction = Literal["mean", "sum"]

WEIGHTS = {"in": "input", "rec": "recurrent", "out": "output"}


class PsychRNNLoss(CompositeLoss):
    """The loss of PsychRNN: sum over terms of lambda_<key> * L_<key>.

    | key                      | in PsychRNN          | L                                               |
    |--------------------------|----------------------|-------------------------------------------------|
    | mse                      | mean_squared_error   | mean over b, t, o of (mask * (output - y))^2    |
    | bce                      | binary_cross_entropy | mean over b, t, o of mask * cross entropy of y  |
    |                          |                      | and the output, which is taken as probability   |
    | l1_in, l1_rec, l1_out    | L1_in, L1_rec, L1_out| mean absolute entry of the input, recurrent,    |
    |                          |                      | output matrix                                   |
    | l2_in, l2_rec, l2_out    | L2_in, L2_rec, L2_out| mean squared entry of the same                  |
    | l2_firing_rate           | L2_firing_rate       | mean over b, t, i of the squared rate           |
    | ar                       | none                 | AR convergence of the ALRNN                     |

    loss_function="binary_cross_entropy" there is lambda_mse=0 lambda_bce=1 here; a custom loss or regulariser
    is an entry of `terms`. Weights are the effective ones (masked, signed); masked entries count in the
    means, biases and initial states are not penalised, there is no factor 1/2. In the PLRNN family input,
    recurrent and output matrix are C, W (W1 and W2 together in the shallow pair) and B; never the diagonal A.
    Terms with lambda 0 are not evaluated.

    Args:
        lambda_mse, lambda_bce, lambda_l1_in, lambda_l1_rec, lambda_l1_out, lambda_l2_in, lambda_l2_rec,
            lambda_l2_out, lambda_l2_firing_rate, lambda_ar: weights, finite, >= 0, or schedules (see `Lambda`).
        reduction: "mean" as in PsychRNN's code, for which published coefficients are tuned; "sum" turns the
            means of l1_* and l2_* into sums over entries, and that of l2_firing_rate into a sum over t, i
            (and a mean over trials). The task errors are means either way.
        terms: name -> further term, see RNNLoss.
        lambda_terms: name -> lambda of an entry of `terms`, a weight like these; 1 for names not given.

    Raises:
        ValueError: a lambda that is not allowed, all of them 0, an unknown reduction, a name of
            `terms` that a built-in term has, or a name of `lambda_terms` that `terms` lacks.

    Source: LossFunction and Regularizer of PsychRNN.
    """

    def __init__(
        self,
        lambda_mse: Lambda = 1.0,
        lambda_bce: Lambda = 0.0,
        lambda_l1_in: Lambda = 0.0,
        lambda_l1_rec: Lambda = 0.0,
        lambda_l1_out: Lambda = 0.0,
        lambda_l2_in: Lambda = 0.0,
        lambda_l2_rec: Lambda = 0.0,
        lambda_l2_out: Lambda = 0.0,
        lambda_l2_firing_rate: Lambda = 0.0,
        lambda_ar: Lambda = 0.0,
        reduction: Reduction = "mean",
        terms: Mapping[str, TermLike] | None = None,
        lambda_terms: Mapping[str, Lambda] | None = None,
    ) -> None:
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction must be one of mean, sum, got {reduction!r}")
        built_in = {
            "mse": (lambda_mse, MaskedMeanSquaredError()),
            "bce": (lambda_bce, MaskedBinaryCrossEntropy()),
            "l1_in": (lambda_l1_in, _l1("in", reduction)),
            "l1_rec": (lambda_l1_rec, _l1("rec", reduction)),
            "l1_out": (lambda_l1_out, _l1("out", reduction)),
            "l2_in": (lambda_l2_in, _l2("in", reduction)),
            "l2_rec": (lambda_l2_rec, _l2("rec", reduction)),
            "l2_out": (lambda_l2_out, _l2("out", reduction)),
            "l2_firing_rate": (
                lambda_l2_firing_rate,
                MeanSquaredRate() if reduction == "mean" else SummedSquaredRate(),
            ),
            "ar": (lambda_ar, ARConvergence()),
        }
        super().__init__(*with_user_terms(built_in, terms, lambda_terms))


def _l1(name: str, reduction: Reduction) -> LossTerm:
    return WeightSize(WEIGHTS[name], f"{reduction}_abs", f"lambda_l1_{name}")


def _l2(name: str, reduction: Reduction) -> LossTerm:
    if reduction == "mean":
        return MeanSquaredWeight(WEIGHTS[name], f"lambda_l2_{name}")
    return WeightSize(WEIGHTS[name], "sum_square", f"lambda_l2_{name}")
