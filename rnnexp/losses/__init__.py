"""Losses: weighted sums of terms on outputs, weights and rates."""

from rnnexp.losses.activity import MeanSquaredRate, RateSpread, RateVariation
from rnnexp.losses.base import CompositeLoss, LossTerm
from rnnexp.losses.dynamics import ARConvergence
from rnnexp.losses.loss_dict import LossDict
from rnnexp.losses.output import MaskedMeanSquaredError
from rnnexp.losses.rnn_loss import RNNLoss
from rnnexp.losses.weights import MeanSquaredWeight

__all__ = [
    "ARConvergence",
    "CompositeLoss",
    "LossDict",
    "LossTerm",
    "MaskedMeanSquaredError",
    "MeanSquaredRate",
    "MeanSquaredWeight",
    "RNNLoss",
    "RateSpread",
    "RateVariation",
]
