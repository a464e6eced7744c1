"""The accuracy is PsychRNN's: the largest masked mean output against that of the targets."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.tasks import PerceptualDiscrim
from rnnexp.tasks.base import choice_accuracy, choices

GOLDEN = Path(__file__).parents[1] / "vectors" / "psychrnn" / "accuracy.npz"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_accuracy_is_that_of_psychrnn_with_a_tie_and_an_empty_mask(dtype):
    with np.load(GOLDEN) as archive:
        golden = {name: torch.from_numpy(archive[name]).to(dtype) for name in archive.files}
    outputs, targets, mask = (golden[name] for name in ("test_output", "correct_output", "output_mask"))

    assert choice_accuracy(outputs, targets, mask).item() == golden["accuracy"].item()
    correct = choices(outputs, mask) == choices(targets, mask)
    assert torch.equal(correct.to(dtype), golden["per_trial_correct"])


def test_ties_and_empty_masks_choose_the_first_output():
    outputs = torch.tensor([[[0.5, 0.5, 0.1]], [[0.1, 0.2, 0.3]]])
    mask = torch.tensor([[[1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0]]])
    assert choices(outputs, mask).tolist() == [0, 0]


def test_what_the_mask_hides_does_not_count():
    outputs = torch.tensor([[[9.0, 0.0], [0.0, 1.0]]])
    mask = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    assert choices(outputs, mask).tolist() == [1]


def test_the_targets_of_a_task_solve_it():
    task = PerceptualDiscrim()
    trials = task.sample(64, torch.Generator().manual_seed(0))
    assert task.metrics(trials.targets, trials) == {"accuracy": torch.tensor(1.0)}
    assert task.metrics(trials.targets.flip(2), trials) == {"accuracy": torch.tensor(0.0)}
