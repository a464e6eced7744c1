"""Tasks: what a trial is, and who makes them."""

from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.delayed_discrim import DelayedDiscrim
from rnnexp.tasks.cognitive.match_to_category import MatchToCategory
from rnnexp.tasks.cognitive.perceptual_discrim import PerceptualDiscrim
from rnnexp.tasks.cognitive.simple_pd import SimplePD
from rnnexp.tasks.psychrnn_style import PsychRNNTask

__all__ = [
    "DelayedDiscrim",
    "MatchToCategory",
    "PerceptualDiscrim",
    "PsychRNNTask",
    "SimplePD",
    "Task",
    "Trials",
]
