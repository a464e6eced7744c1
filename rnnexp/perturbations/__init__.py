"""What disturbs a movement: force fields, loads, changed vision, changed units."""

from rnnexp.perturbations.base import AsTrained, NoPerturbation, Perturbation
from rnnexp.perturbations.forces import ConstantForce, CurlField, Load
from rnnexp.perturbations.units import ClampedUnits, DrivenUnits
from rnnexp.perturbations.vision import CursorJump, VisualRotation

__all__ = [
    "AsTrained",
    "ClampedUnits",
    "ConstantForce",
    "CurlField",
    "CursorJump",
    "DrivenUnits",
    "Load",
    "NoPerturbation",
    "Perturbation",
    "VisualRotation",
]
