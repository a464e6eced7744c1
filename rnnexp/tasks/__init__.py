"""Tasks: what a trial is, and who makes them."""

from rnnexp.tasks.base import Reach, Task, Trials
from rnnexp.tasks.cognitive.delayed_discrim import DelayedDiscrim
from rnnexp.tasks.cognitive.go_nogo import GoNogo
from rnnexp.tasks.cognitive.mante import Mante
from rnnexp.tasks.cognitive.match_to_category import MatchToCategory
from rnnexp.tasks.cognitive.perceptual_discrim import PerceptualDiscrim
from rnnexp.tasks.cognitive.simple_pd import SimplePD
from rnnexp.tasks.cognitive.xor import XOR
from rnnexp.tasks.psychrnn_style import PsychRNNTask
from rnnexp.tasks.reaching import DelayedReaches, RandomReaches, ReachingTask, SimpleReaches, Stabilization

__all__ = [
    "XOR",
    "DelayedDiscrim",
    "DelayedReaches",
    "GoNogo",
    "Mante",
    "MatchToCategory",
    "PerceptualDiscrim",
    "PsychRNNTask",
    "RandomReaches",
    "Reach",
    "ReachingTask",
    "SimplePD",
    "SimpleReaches",
    "Stabilization",
    "Task",
    "Trials",
]
