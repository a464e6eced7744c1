"""Which trials the pictures of a run show, and what they are called."""

import numpy as np

from rnnexp.commands.pictures import N_SHOWN, _titles, _varied
from rnnexp.tasks import DelayedDiscrim, PerceptualDiscrim


def test_every_condition_is_shown_before_one_is_repeated():
    assert _varied(np.array([0, 0, 0, 0, 1, 2, 0]), 7).tolist() == [0, 4, 5, 1]
    assert _varied(np.array([0.3, 0.1, 0.7]), 3).tolist() == [0, 1, 2]
    assert _varied(None, 9).tolist() == list(range(N_SHOWN))


def test_trials_are_called_by_their_condition():
    assert _titles(DelayedDiscrim(), np.array([1, 0])) == ["trial 1: f1 < f2", "trial 2: f1 > f2"]
    assert _titles(PerceptualDiscrim(), np.array([1])) == ["trial 1: direction 1"]
