"""The stages of a curriculum and what passes them."""

import math

import pytest

from rnnexp.tasks.cognitive.match_to_category import MatchToCategory
from rnnexp.tasks.cognitive.perceptual_discrim import PerceptualDiscrim
from rnnexp.training.curriculum import Curriculum


def tasks(*coherences):
    return [PerceptualDiscrim(coherence=coherence) for coherence in coherences]


def test_stages_follow_one_another_and_the_last_one_stays():
    curriculum = Curriculum(tasks(0.7, 0.3, 0.1))
    assert curriculum.n_stages == 3
    assert [curriculum.stage(n_passed) for n_passed in range(4)] == [0, 1, 2, 2]


def test_one_threshold_is_for_all_stages_and_a_list_has_one_for_each():
    assert Curriculum(tasks(0.7, 0.1), thresholds=0.8).thresholds == (0.8, 0.8)
    curriculum = Curriculum(tasks(0.7, 0.1), thresholds=[0.6, 0.8])
    assert curriculum.is_passed(0, 0.7)
    assert not curriculum.is_passed(1, 0.7)


@pytest.mark.parametrize(("mode", "passing"), [("max", [0.5, 0.6]), ("min", [0.4, 0.5])])
def test_a_stage_is_passed_at_its_threshold_or_beyond(mode, passing):
    curriculum = Curriculum(tasks(0.7), metric="mse", thresholds=0.5, mode=mode)
    assert [value for value in (0.4, 0.5, 0.6, math.nan) if curriculum.is_passed(0, value)] == passing


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"tasks": []}, "stages must be at least one, got none"),
        ({"mode": "up"}, "mode must be max or min, got 'up'"),
        ({"check_every": 0}, "check_every must be a whole number >= 1, got 0"),
        ({"n_trials": 0}, "n_trials must be a whole number >= 1, got 0"),
        (
            {"thresholds": [0.9]},
            r"thresholds must be a finite number, or one for each of the 2 stages, got \[0.9\]",
        ),
        ({"thresholds": math.nan}, "thresholds must be a finite number, .* got nan"),
        ({"thresholds": [0.9, math.inf]}, r"thresholds must be a finite number, .* got \[0.9, inf\]"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        Curriculum(**{"tasks": tasks(0.7, 0.1), **arguments})


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (MatchToCategory(), "input_dim is 2 in stage 0 and 16 in stage 1"),
        (MatchToCategory(n_in=2, n_out=3), "output_dim is 2 in stage 0 and 3 in stage 1"),
        (PerceptualDiscrim(T=1000), "n_steps is 200 in stage 0 and 100 in stage 1"),
        (PerceptualDiscrim(dt=5, T=1000), "dt is 10 in stage 0 and 5 in stage 1"),
    ],
)
def test_stages_of_another_shape_are_refused(other, text):
    with pytest.raises(ValueError, match=f"stages must agree in .* but {text}"):
        Curriculum([PerceptualDiscrim(), other])
