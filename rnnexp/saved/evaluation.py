"""A trained network on fresh trials of its task."""

from dataclasses import dataclass

import torch

from rnnexp.numbers import integer_at_least, one_of
from rnnexp.saved.model import SavedModel
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.no_task import refuse_no_task
from rnnexp.tasks.time_series.recordings import SPLITS
from rnnexp.training.evaluation import evaluate
from rnnexp.training.streams import globals_seeded, stream


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a network does.

    Attributes:
        values: the loss, its weighted terms, and the metrics of the task by name.
        trials: what it was measured on.
        task: that made them, showing their split.
    """

    values: dict[str, float]
    trials: Trials
    task: Task


def evaluated(saved: SavedModel, n_trials: int, split: str, seed: int, batch_size: int) -> Evaluation:
    """Run a network on fresh trials.

    Args:
        saved: the network, with the data of its task.
        n_trials: >= 1.
        split: "test", "validation" or "training": of the data, and which random streams the trials come from.
        seed: of the trials and the network's noise.
        batch_size: trials that are run at once, >= 1.

    Raises:
        UserError: the network has no task.
        ValueError: a number or the split is not allowed.
    """
    refuse_no_task(saved.task)
    one_of("split", split, SPLITS)
    integer_at_least("batch_size", batch_size, 1)
    z0, task = saved.model.z0, saved.task.for_split(split)
    with globals_seeded(seed, f"{split}_trials"):
        trials = task.sample(n_trials, stream(seed, f"{split}_trials"), z0.dtype).to(z0.device)
    losses, metrics = evaluate(saved.model, task, saved.loss, trials, batch_size, noise_of(seed, split))
    return Evaluation({**losses, **metrics}, trials, task)


def noise_of(seed: int, split: str) -> torch.Generator:
    """Return where the noise of a network in an evaluation comes from."""
    return stream(seed, f"{split}_noise")
