"""The maps from states to outputs."""

from rnnexp.observation.affine import Affine, Linear
from rnnexp.observation.base import Observation
from rnnexp.observation.identity import Identity
from rnnexp.observation.logistic import Logistic

__all__ = ["Affine", "Identity", "Linear", "Logistic", "Observation"]
