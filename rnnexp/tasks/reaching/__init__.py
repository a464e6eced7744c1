"""Movements of an effector in a plane: a file per task."""

from rnnexp.tasks.reaching.base import ReachingTask
from rnnexp.tasks.reaching.delayed_reaches import DelayedReaches
from rnnexp.tasks.reaching.random_reaches import RandomReaches
from rnnexp.tasks.reaching.simple_reaches import SimpleReaches
from rnnexp.tasks.reaching.stabilization import Stabilization

__all__ = ["DelayedReaches", "RandomReaches", "ReachingTask", "SimpleReaches", "Stabilization"]
