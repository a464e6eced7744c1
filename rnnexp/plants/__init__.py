"""What a network can move: a file per plant, the equations in its docstring."""

from rnnexp.plants.base import NoPlant, Plant
from rnnexp.plants.point_mass import PointMass
from rnnexp.plants.two_link_arm import TwoLinkArm

__all__ = ["NoPlant", "Plant", "PointMass", "TwoLinkArm"]
