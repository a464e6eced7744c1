"""RNNLoss: task error, weight and rate penalties and the user's own terms, each with a lambda."""

from __future__ import annotations

from collections.abc import Mapping

from rnnexp.losses.activity import MeanSquaredRate, RateSpread, RateVariation, Variant
from rnnexp.losses.base import CompositeLoss
from rnnexp.losses.dynamics import ARConvergence
from rnnexp.losses.entries import TermLike
from rnnexp.losses.lambdas import with_user_terms
from rnnexp.losses.output import MaskedMeanSquaredError
from rnnexp.losses.schedules import Lambda
from rnnexp.losses.weights import MeanSquaredWeight


class RNNLoss(CompositeLoss):
    """The loss of task-trained networks: sum over terms of lambda_<key> * L_<key>.

    | key   | L                                                                                      |
    |-------|----------------------------------------------------------------------------------------|
    | mse   | mean over b, t, o of (mask * (output - target))^2                                      |
    | in    | mean squared entry of the input matrix: C of the PLRNN family                          |
    | hid   | mean squared entry of the recurrent matrices: W of PLRNN and ALRNN, W1 and W2 together |
    |       | of the shallow pair                                                                    |
    | out   | mean squared entry of the observation matrix B                                         |
    | fr    | mean over b, t, i of the squared rate                                                  |
    | fr_sd | population standard deviation over units of the rate averaged over b, t                |
    | fr_cv | the same standard deviation divided by the mean rate                                   |
    | ar    | AR convergence of the ALRNN, || relu(A + diag(W) - (1 - ar_epsilon)) ||_2              |

    For other latent steps, in and hid act on their input_matrix and recurrent_matrices (W_in and W_rec of the
    leaky networks). Weights are the effective ones (signed, masked). The weight penalties leave out the
    diagonal A of the PLRNN family and all biases. Terms with lambda 0 are not evaluated. The terms are not
    scaled to similar size.

    Args:
        lambda_mse, lambda_in, lambda_hid, lambda_out, lambda_fr, lambda_fr_sd, lambda_fr_cv, lambda_ar:
            weights, finite, >= 0, or schedules (see `Lambda`).
        variant: "documented" for the formulas above; "nn4n_1_2" for fr, fr_sd and fr_cv as the code of nn4n
            1.2.0 computes them: fr from the rates averaged over b, t; standard deviations unbiased; fr_cv
            from absolute rates.
        terms: name -> further term: a LossTerm, a composite loss (its terms are called `<name>_<term>`), or
            any callable(trajectory, trials) or callable(trajectory, trials, model).
        lambda_terms: name -> lambda of an entry of `terms`, a weight like these; 1 for names not given.

    Raises:
        ValueError: a lambda that is not allowed, all of them 0, an unknown variant, a name of
            `terms` that a built-in term has, or a name of `lambda_terms` that `terms` lacks.

    Source: RNNLoss of nn4n, with PsychRNN's mask; the AR convergence of ALRNN-DSR.
    """

    def __init__(
        self,
        lambda_mse: Lambda = 1.0,
        lambda_in: Lambda = 0.0,
        lambda_hid: Lambda = 0.0,
        lambda_out: Lambda = 0.0,
        lambda_fr: Lambda = 0.0,
        lambda_fr_sd: Lambda = 0.0,
        lambda_fr_cv: Lambda = 0.0,
        lambda_ar: Lambda = 0.0,
        variant: Variant = "documented",
        terms: Mapping[str, TermLike] | None = None,
        lambda_terms: Mapping[str, Lambda] | None = None,
    ) -> None:
        built_in = {
            "mse": (lambda_mse, MaskedMeanSquaredError()),
            "in": (lambda_in, MeanSquaredWeight("input")),
            "hid": (lambda_hid, MeanSquaredWeight("recurrent")),
            "out": (lambda_out, MeanSquaredWeight("output")),
            "fr": (lambda_fr, MeanSquaredRate(variant)),
            "fr_sd": (lambda_fr_sd, RateSpread(variant)),
            "fr_cv": (lambda_fr_cv, RateVariation(variant)),
            "ar": (lambda_ar, ARConvergence()),
        }
        super().__init__(*with_user_terms(built_in, terms, lambda_terms))
