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
from rnnexp.losses.reaching import (
    DelayedReachLoss,
    EffectorFinalVelocityLoss,
    EffectorFixationLoss,
    EffectorPositionLoss,
    EffectorStraightPathLoss,
    EffectorVelocityLoss,
    HoldLoss,
    ModelLoss,
    NetworkActivityLoss,
    NetworkOutputLoss,
    SimpleReachLoss,
    StopAtGoalLoss,
    TargetStateLoss,
    delayed_reach_loss,
    hold_loss,
    power_discount,
    simple_reach_loss,
)
from rnnexp.losses.rnn_loss import RNNLoss
from rnnexp.losses.schedules import WeightSchedule
from rnnexp.losses.spikernn import SpikeRNNLoss
from rnnexp.losses.weights import MeanSquaredWeight, ObservationCondition, WeightSize

__all__ = [
    "ARConvergence",
    "CompositeLoss",
    "DSRLoss",
    "DelayedReachLoss",
    "EffectorFinalVelocityLoss",
    "EffectorFixationLoss",
    "EffectorPositionLoss",
    "EffectorStraightPathLoss",
    "EffectorVelocityLoss",
    "ErrorNorm",
    "HebbianDrive",
    "HoldLoss",
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
    "ModelLoss",
    "NN4NLoss",
    "NetworkActivityLoss",
    "NetworkOutputLoss",
    "ObservationCondition",
    "ObservedMeanSquaredError",
    "OrientationReversal",
    "PsychRNNLoss",
    "RNNLoss",
    "RateEntropy",
    "RateSpread",
    "RateVariation",
    "SimpleReachLoss",
    "SpikeRNNLoss",
    "StatePrediction",
    "StopAtGoalLoss",
    "SummedSquaredRate",
    "TargetStateLoss",
    "WeightSchedule",
    "WeightSize",
    "delayed_reach_loss",
    "hold_loss",
    "power_discount",
    "simple_reach_loss",
]
