"""When a measured value counts as having reached a threshold."""

import math

import pytest
import torch

from rnnexp.training.thresholds import reached


@pytest.mark.parametrize(
    ("value", "threshold", "mode", "is_reached"),
    [
        (0.9, 0.9, "max", True),
        (0.91, 0.9, "max", True),
        (0.89, 0.9, "max", False),
        (7.0, 7.0, "min", True),
        (6.9, 7.0, "min", True),
        (7.1, 7.0, "min", False),
        (-3.0, -3.0, "max", True),
        (-3.1, -3.0, "max", False),
        (0.0, 0.0, "max", True),
        (-1e-9, 0.0, "max", False),
        (math.nan, 0.9, "max", False),
        (math.nan, 7.0, "min", False),
    ],
)
def test_a_threshold_is_reached_at_it_and_beyond(value, threshold, mode, is_reached):
    assert reached(value, threshold, mode) is is_reached


@pytest.mark.parametrize("n_trials", [20, 50, 100, 128, 1000, 2048])
def test_a_share_of_trials_reaches_itself_in_float32_and_its_neighbour_does_not(n_trials):
    for n_correct in range(1, n_trials + 1):
        right = torch.arange(n_trials) < n_correct
        share = right.float().mean().item()
        assert reached(share, n_correct / n_trials, "max")
        assert not reached(share, (n_correct + 1) / n_trials, "max")


def test_a_mean_over_unequal_batches_reaches_the_share_of_all():
    right = torch.arange(100) < 96
    mean = sum(len(part) / 100 * part.float().mean().item() for part in right.split(7))
    assert reached(mean, 0.96, "max")
    assert reached(mean, 0.955, "max")
