"""Tasks: what a trial is, and who makes them."""

from rnnexp.tasks.base import Reach, Task, Trials
from rnnexp.tasks.cognitive.bandit import TwoArmedBandit
from rnnexp.tasks.cognitive.delayed_discrim import DelayedDiscrim
from rnnexp.tasks.cognitive.flip_flop import FlipFlop
from rnnexp.tasks.cognitive.go_nogo import GoNogo
from rnnexp.tasks.cognitive.intervals import IntervalReproduction, ReadySetGo
from rnnexp.tasks.cognitive.mante import Mante
from rnnexp.tasks.cognitive.match_to_category import MatchToCategory
from rnnexp.tasks.cognitive.multisensory import MultisensoryIntegration
from rnnexp.tasks.cognitive.n_back import NBack
from rnnexp.tasks.cognitive.perceptual_discrim import PerceptualDiscrim
from rnnexp.tasks.cognitive.simple_pd import SimplePD
from rnnexp.tasks.cognitive.xor import XOR
from rnnexp.tasks.cognitive.yang import YangTask, YangTasks
from rnnexp.tasks.multitask import Multitask
from rnnexp.tasks.phases import Phase, PhasedTask
from rnnexp.tasks.psychrnn_style import PsychRNNTask
from rnnexp.tasks.reaching import DelayedReaches, RandomReaches, ReachingTask, SimpleReaches, Stabilization
from rnnexp.tasks.recorded_trials import RecordedTrials

__all__ = [
    "XOR",
    "DelayedDiscrim",
    "DelayedReaches",
    "FlipFlop",
    "GoNogo",
    "IntervalReproduction",
    "Mante",
    "MatchToCategory",
    "MultisensoryIntegration",
    "Multitask",
    "NBack",
    "PerceptualDiscrim",
    "Phase",
    "PhasedTask",
    "PsychRNNTask",
    "RandomReaches",
    "Reach",
    "ReachingTask",
    "ReadySetGo",
    "RecordedTrials",
    "SimplePD",
    "SimpleReaches",
    "Stabilization",
    "Task",
    "Trials",
    "TwoArmedBandit",
    "YangTask",
    "YangTasks",
]
