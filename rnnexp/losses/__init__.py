"""Losses: weighted sums of terms on outputs, weights and rates."""

from rnnexp.losses.activity import MeanSquaredRate, RateSpread, RateVariation, SummedSquaredRate
from rnnexp.losses.base import CompositeLoss, LossTerm
from rnnexp.losses.dsr import DSRLoss
from rnnexp.losses.dynamics import ARConvergence, LatentSize, ManifoldAttractor, OrientationReversal
from rnnexp.losses.loss_dict import LossDict
from rnnexp.losses.mean_rates import MeanRateLevel, MeanRateSpread
from rnnexp.losses.nn4n import NN4NLoss
from rnnexp.losses.output import (
    ErrorNorm,
    MaskedBinaryCrossEntropy,
    MaskedCrossEntropy,
    MaskedMeanSquaredError,
    ObservedMeanSquaredError,
)
from rnnexp.losses.population import HebbianDrive, RateEntropy, StatePrediction
from rnnexp.losses.psychrnn import PsychRNNLoss
from rnnexp.losses.rnn_loss import RNNLoss
from rnnexp.losses.schedules import WeightSchedule
from rnnexp.losses.spikernn import SpikeRNNLoss
from rnnexp.losses.weights import MeanSquaredWeight, ObservationCondition, WeightSize

__all__ = [
    "ARConvergence",
    "CompositeLoss",
    "DSRLoss",
    "ErrorNorm",
    "HebbianDrive",
    "LatentSize",
    "LossDict",
    "LossTerm",
    "ManifoldAttractor",
    "MaskedBinaryCrossEntropy",
    "MaskedCrossEntropy",
    "MaskedMeanSquaredError",
    "MeanRateLevel",
    "MeanRateSpread",
    "MeanSquaredRate",
    "MeanSquaredWeight",
    "NN4NLoss",
    "ObservationCondition",
    "ObservedMeanSquaredError",
    "OrientationReversal",
    "PsychRNNLoss",
    "RNNLoss",
    "RateEntropy",
    "RateSpread",
    "RateVariation",
    "SpikeRNNLoss",
    "StatePrediction",
    "SummedSquaredRate",
    "WeightSchedule",
    "WeightSize",
]
