"""The plots of a run directory, drawn from its metrics and from the model on fixed trials."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rnnexp.models import RNN
from rnnexp.plots.history import loss_history, metric_history
from rnnexp.plots.latents import latent_components, latents_over_time
from rnnexp.plots.style import save
from rnnexp.plots.trials import sample_trials
from rnnexp.plots.weights import eigenvalues, weight_matrices
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.tasks.base import Task, Trials
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.state import Parts
from rnnexp.training.streams import stream

N_TRIALS = 200  # trials behind the pictures of latents
N_SHOWN = 4  # trials shown one by one
N_STATES = 100  # states at which the Jacobian's eigenvalues are shown


def draw_run(parts: Parts, run: RunDirectory, terms: list[str], metrics: list[str], seed: int) -> None:
    """Draw all plots of a finished training into plots/."""
    history = pd.read_csv(run.path / "metrics.csv")
    run.plots.mkdir(exist_ok=True)
    save(loss_history(history, terms), run.plots / "loss_history.png")
    for name in metrics:
        save(metric_history(history, [name]), run.plots / f"{name}.png")
    trials = parts.task.sample(N_TRIALS, stream(seed, "validation_trials"), parts.dtype).to(parts.device)
    draw_model(parts.model, parts.task, trials, run.plots)


def draw_model(model: RNN, task: Task, trials: Trials, directory: Path) -> None:
    """Draw a model on trials: inputs and outputs, latents, weights and eigenvalues."""
    with torch.no_grad():
        trajectory = model(trials)
    shown = trials[:N_SHOWN]
    figure = sample_trials(
        *(_array(x) for x in (shown.inputs, shown.targets, shown.mask, trajectory.outputs[:N_SHOWN])),
        dt=task.dt,
        input_labels=task.input_labels,
        output_labels=task.output_labels,
    )
    save(figure, directory / "trials.png")
    latents = _array(trajectory.latents)
    save(latents_over_time(latents, dt=task.dt), directory / "latents.png")
    if task.condition in trials.conditions:
        labels = _array(trials.conditions[task.condition])
    else:
        labels = np.zeros(len(latents))
    figure = latent_components(latents, labels, dt=task.dt, label_name=task.condition or "all trials")
    save(figure, directory / "components.png")
    weights = {name: _array(weight) for name, weight in model.weights().items()}
    save(weight_matrices(weights), directory / "weights.png")
    values = np.linalg.eigvals(_array(_jacobians(model, trajectory)))
    save(eigenvalues(values, title="Jacobian along the trials"), directory / "eigenvalues.png")


def _jacobians(model: RNN, trajectory: Trajectory) -> torch.Tensor:
    """Return the Jacobians (S, M, M) of up to N_STATES states, spread over trials and time."""
    states = trajectory.latents.flatten(0, 1)
    chosen = torch.linspace(0, len(states) - 1, min(N_STATES, len(states)), device=states.device).long()
    with torch.no_grad():
        return model.latent_step.jacobian(states[chosen])


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.numpy(force=True)
