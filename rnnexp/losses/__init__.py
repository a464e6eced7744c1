"""Losses: weighted sums of terms on outputs, weights and rates."""

from rnnexp.losses.activity import MeanSquaredRate, RateSpread, RateVariation, SummedSquaredRate
from rnnexp.losses.base import CompositeLoss, LossTerm
from rnnexp.losses.dynamics import ARConvergence
from rnnexp.losses.loss_dict import LossDict
from rnnexp.losses.mean_rates import MeanRateLevel, MeanRateSpread
from rnnexp.losses.nn4n import NN4NLoss
from rnnexp.losses.output import (
    ErrorNorm,
    MaskedBinaryCrossEntropy,
    MaskedCrossEntropy,
    MaskedMeanSquaredError,
)
from rnnexp.losses.population import HebbianDrive, RateEntropy, StatePrediction
from rnnexp.losses.psychrnn import PsychRNNLoss
from rnnexp.losses.rnn_loss import RNNLoss
from rnnexp.losses.spikernn import SpikeRNNLoss
from rnnexp.losses.weights import MeanSquaredWeight, WeightSize

__all__ = [
    "ARConvergence",
    "CompositeLoss",
    "ErrorNorm",
    "HebbianDrive",
    "LossDict",
    "LossTerm",
    "MaskedBinaryCrossEntropy",
    "MaskedCrossEntropy",
    "MaskedMeanSquaredError",
    "MeanRateLevel",
    "MeanRateSpread",
    "MeanSquaredRate",
    "MeanSquaredWeight",
    "NN4NLoss",
    "PsychRNNLoss",
    "RNNLoss",
    "RateEntropy",
    "RateSpread",
    "RateVariation",
    "SpikeRNNLoss",
    "StatePrediction",
    "SummedSquaredRate",
    "WeightSize",
]
