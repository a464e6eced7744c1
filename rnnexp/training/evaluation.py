"""Loss and task metrics of a model on given trials, without gradients."""

from collections import defaultdict

import torch

from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.tasks.base import Task, Trials


def evaluate(
    model: RNN, task: Task, loss: CompositeLoss, trials: Trials, batch_size: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Run the model on trials, in batches.

    Args:
        trials: B trials on the model's device.
        batch_size: trials run at once; every value is the mean over batches, weighted by their size.

    Returns:
        The loss ("loss", then every weighted term by its key), and the task's metrics by name.
    """
    losses: dict[str, float] = defaultdict(float)
    metrics: dict[str, float] = defaultdict(float)
    with torch.no_grad():
        for start in range(0, trials.n_trials, batch_size):
            batch = trials[start : start + batch_size]
            share = batch.n_trials / trials.n_trials
            trajectory = model(batch)
            values = loss(trajectory, batch, model)
            losses["loss"] += share * values.total.item()
            for key, value in values.items():
                losses[key] += share * value.item()
            for name, value in task.metrics(trajectory.outputs, batch).items():
                metrics[name] += share * float(value)
    return dict(losses), dict(metrics)
