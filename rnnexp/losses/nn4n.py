"""NN4NLoss: the composable terms of nn4n's CompositeLoss, each with a lambda."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rnnexp.losses.base import CompositeLoss
from rnnexp.losses.dynamics import ARConvergence
from rnnexp.losses.entries import TermLike
from rnnexp.losses.lambdas import with_user_terms
from rnnexp.losses.mean_rates import MeanRateLevel, MeanRateSpread
from rnnexp.losses.output import MaskedCrossEntropy, MaskedMeanSquaredError
from rnnexp.losses.population import HebbianDrive, RateEntropy, StatePrediction
from rnnexp.losses.schedules import Lambda
from rnnexp.losses.weights import WeightSize

LAYERS = {"input": "input", "hidden": "recurrent", "readout": "output", "all": "all"}

CONN_SIZES = {"fro": "fro", "l1": "sum_abs"}


class NN4NLoss(CompositeLoss):
    """The newer terms of nn4n: sum over terms of lambda_<key> * L_<key>.

    r rates, r_i mean of r over b, t; mu mean of r_i over the M units; W effective weights.

    | key               | in nn4n              | L                                                          |
    |-------------------|----------------------|------------------------------------------------------------|
    | mse               | mse                  | mean over b, t, o of (mask * (output - target))^2          |
    | cross_entropy     | cross_entropy        | mean over b, t of - sum over o of mask * target * log p    |
    | fr_l1, fr_l2      | fr, metric           | mean over i of |r_i|, of r_i^2                             |
    | fr_sd, fr_cv      | fr_dist, metric      | sd of r_i over units (divided by M - 1); sd / |mu|         |
    | fr_mean_ad,       | fr_dist, metric      | mean over i of |r_i - mu|; the largest                     |
    | fr_max_ad         |                      |                                                            |
    | conn_input,       | rnn_conn, layer      | size of the input, recurrent, output matrix, or the sum of |
    | conn_hidden,      |                      | the three; conn_metric fro: sqrt(sum W_ij^2), l1: sum      |
    | conn_readout,     |                      | |W_ij|. Neither squared nor divided by the number of       |
    | conn_all          |                      | entries                                                    |
    | state_pred        | state_pred           | mean over b, i, t of (r_{t + state_pred_steps} - r_t)^2    |
    | hebbian           | hebbian              | mean over b, t of | sum over i, j of W_ij r_i r_j |        |
    | entropy           | entropy              | mean over b, t of the entropy of r over units              |
    |                   |                      | + entropy_reg * sum over i of r_i^2                        |
    | ar                | none                 | AR convergence of the ALRNN                                |

    Weights are the effective ones (signed, masked), without biases and the diagonal A of the PLRNN family;
    two recurrent matrices (W1, W2 of the shallow pair) count as one. fr_l2, fr_sd and fr_cv are what nn4n's
    code computes, loss=rnn_loss has its documented formulas. Terms with lambda 0 are not evaluated. A second
    term of one type, say a state prediction with other steps, is an entry of `terms`.

    Args:
        lambda_mse, lambda_cross_entropy, lambda_fr_l1, lambda_fr_l2, lambda_fr_sd, lambda_fr_cv,
            lambda_fr_mean_ad, lambda_fr_max_ad, lambda_conn_input, lambda_conn_hidden, lambda_conn_readout,
            lambda_conn_all, lambda_state_pred, lambda_hebbian, lambda_entropy, lambda_ar: weights, finite,
            >= 0, or schedules of weights (see `Lambda`).
        apply_softmax: p is the softmax of the outputs; False: the outputs themselves.
        conn_metric: "fro" or "l1".
        state_pred_steps: integer >= 1, smaller than the number of steps of a trial; nn4n's tau.
        entropy_reg: finite, >= 0; nn4n's reg.
        terms: name -> further term, see RNNLoss.
        lambda_terms: name -> lambda of an entry of `terms`, a weight like these; 1 for names not given.

    Raises:
        ValueError: a lambda that is not allowed, all of them 0, another argument out of its range,
            a name of `terms` that a built-in term has, or a name of `lambda_terms` that `terms` lacks.

    Source: CompositeLoss of nn4n 1.2.0, with PsychRNN's mask, the state prediction over time, and finite
    values for silent networks and signed rates.
    """

    def __init__(
        self,
        lambda_mse: Lambda = 1.0,
        lambda_cross_entropy: Lambda = 0.0,
        lambda_fr_l1: Lambda = 0.0,
        lambda_fr_l2: Lambda = 0.0,
        lambda_fr_sd: Lambda = 0.0,
        lambda_fr_cv: Lambda = 0.0,
        lambda_fr_mean_ad: Lambda = 0.0,
        lambda_fr_max_ad: Lambda = 0.0,
        lambda_conn_input: Lambda = 0.0,
        lambda_conn_hidden: Lambda = 0.0,
        lambda_conn_readout: Lambda = 0.0,
        lambda_conn_all: Lambda = 0.0,
        lambda_state_pred: Lambda = 0.0,
        lambda_hebbian: Lambda = 0.0,
        lambda_entropy: Lambda = 0.0,
        lambda_ar: Lambda = 0.0,
        apply_softmax: bool = True,
        conn_metric: Literal["fro", "l1"] = "fro",
        state_pred_steps: int = 1,
        entropy_reg: float = 10.0,
        terms: Mapping[str, TermLike] | None = None,
        lambda_terms: Mapping[str, Lambda] | None = None,
    ) -> None:
        if conn_metric not in CONN_SIZES:
            raise ValueError(f"conn_metric must be one of {', '.join(CONN_SIZES)}, got {conn_metric!r}")
        conn = {name: _connections(name, conn_metric) for name in LAYERS}
        built_in = {
            "mse": (lambda_mse, MaskedMeanSquaredError()),
            "cross_entropy": (lambda_cross_entropy, MaskedCrossEntropy(apply_softmax)),
            "fr_l1": (lambda_fr_l1, MeanRateLevel("l1")),
            "fr_l2": (lambda_fr_l2, MeanRateLevel("l2")),
            "fr_sd": (lambda_fr_sd, MeanRateSpread("sd")),
            "fr_cv": (lambda_fr_cv, MeanRateSpread("cv")),
            "fr_mean_ad": (lambda_fr_mean_ad, MeanRateSpread("mean_ad")),
            "fr_max_ad": (lambda_fr_max_ad, MeanRateSpread("max_ad")),
            "conn_input": (lambda_conn_input, conn["input"]),
            "conn_hidden": (lambda_conn_hidden, conn["hidden"]),
            "conn_readout": (lambda_conn_readout, conn["readout"]),
            "conn_all": (lambda_conn_all, conn["all"]),
            "state_pred": (lambda_state_pred, StatePrediction(state_pred_steps)),
            "hebbian": (lambda_hebbian, HebbianDrive()),
            "entropy": (lambda_entropy, RateEntropy(entropy_reg)),
            "ar": (lambda_ar, ARConvergence()),
        }
        super().__init__(*with_user_terms(built_in, terms, lambda_terms))


def _connections(layer: str, metric: str) -> WeightSize:
    return WeightSize(LAYERS[layer], CONN_SIZES[metric], f"lambda_conn_{layer}")
