"""The pictures of a network and its training, drawn from its metrics and from the model on fixed trials."""

import csv
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure

from rnnexp.analysis.task_variance import clusters_of_units
from rnnexp.models import RNN
from rnnexp.plots.album import Album
from rnnexp.plots.alignment import Alignment
from rnnexp.plots.by_task import metric_by_task
from rnnexp.plots.curriculum import curriculum_history
from rnnexp.plots.drawing import drawing
from rnnexp.plots.ei_weights import ei_weights
from rnnexp.plots.history import loss_history, metric_history
from rnnexp.plots.latents import latent_components, latents_over_time
from rnnexp.plots.outputs import outputs_by_condition
from rnnexp.plots.psychometric import psychometric_curve
from rnnexp.plots.rates import unit_rates
from rnnexp.plots.task_variance import task_variances
from rnnexp.plots.trials import sample_trials
from rnnexp.plots.weights import eigenvalues, weight_matrices
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.saved.movement_pictures import draw_adaptation, draw_movements
from rnnexp.saved.reconstruction_pictures import draw_reconstruction
from rnnexp.tasks.base import Task, Trials, choices
from rnnexp.tasks.multitask import Multitask
from rnnexp.tasks.time_series.remembered import RememberedSeries
from rnnexp.training.curriculum import Curriculum
from rnnexp.training.streams import globals_seeded, stream

if TYPE_CHECKING:
    import pandas as pd

    from rnnexp.tasks.time_series.base import TimeSeries

N_TRIALS = 200  # trials behind the pictures of latents
N_CURVE = 1000  # trials behind the picture of choices
N_SHOWN = 4  # trials shown one by one
N_STATES = 100  # states at which the Jacobian's eigenvalues are shown


def draw_run(
    model: RNN,
    task: Task,
    curriculum: Curriculum | None,
    run: Path,
    terms: list[str],
    metrics: list[str],
    seed: int,
    best_step: int,
    album: Album,
) -> None:
    """Draw the pictures of a finished training.

    Args:
        model: of the best checkpoint.
        task: with its data; of a time series whose data are gone what the checkpoint remembers, and then there is no
            picture of a free run.
        curriculum: of the training, if it had one.
        run: the run directory, with metrics.csv.
        terms: columns of metrics.csv with the weighted terms of the loss.
        metrics: those with the metrics.
        seed: of the run.
        best_step: of the best checkpoint.
        album: takes the pictures.
    """
    columns = cache(lambda: read_columns(run / "metrics.csv"))

    @cache
    def read() -> "pd.DataFrame":
        import pandas as pd  # which most trainings need for nothing

        return pd.read_csv(run / "metrics.csv")

    album.add(
        "loss_history",
        lambda: loss_history(columns(), terms, best_step, log_trials=model.loop is not None),
    )
    of_parts = tuple(f"_{group}" for group in _groups(task))
    for name in metrics:
        if name.endswith(of_parts) or name.startswith("raw_"):
            continue
        album.add(name, partial(lambda name: metric_history(columns(), [name], task.chance, best_step), name))
    if isinstance(task, Multitask):
        for name in metrics:
            if f"{name}_{next(iter(task.tasks))}" in metrics:
                album.add(
                    f"{name}_by_task",
                    partial(lambda name: metric_by_task(columns(), name, list(task.tasks), best_step), name),
                )
    if model.loop is not None:
        draw_adaptation(model, read, album)
    if curriculum is not None:
        metric, thresholds = curriculum.metric, curriculum.thresholds
        album.add("curriculum", lambda: curriculum_history(read(), metric, thresholds))
    if isinstance(task, RememberedSeries):
        _draw_weights(model, album)
        return
    if task.kind == "time_series":
        draw_free_run(model, task.for_split("test"), album)
        return
    with drawing("trials"):
        shown, like = task.for_split("validation"), model.z0
        with globals_seeded(seed, "validation_trials"):
            trials = shown.sample(N_CURVE, stream(seed, "validation_trials"), like.dtype).to(like.device)
        draw_model(model, shown, trials, album, stream(seed, "validation_noise"))


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a metrics.csv by name, numbers as float64, nan where there is none."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {}
    for name in rows[0] if rows else ():
        texts = [row[name] for row in rows]
        try:
            columns[name] = np.array([float(text or "nan") for text in texts])
        except ValueError:  # split, or how a metric was computed
            columns[name] = np.array(texts)
    return columns


def _groups(task: Task) -> list[str]:
    """Return the groups of trials whose metrics have columns of their own."""
    if isinstance(task, Multitask):
        return list(task.tasks)
    if task.kind != "reaching":
        return []
    shown = task.for_split("validation")
    return list(shown.metric_groups(shown.sample(10**6, torch.Generator())))


def draw_model(
    model: RNN, task: Task, trials: Trials, album: Album, noise: torch.Generator | None = None
) -> None:
    """Draw a model on trials: inputs and outputs, latents, rates, weights and eigenvalues, and choices.

    Of a model of a time series, a free run is drawn instead, see `draw_free_run`.

    Args:
        trials: at least one; the first N_TRIALS are behind all pictures but that of the choices.
        album: takes the pictures.
        noise: where the network's noise comes from in the picture of the choices; the others are without noise.
    """
    if task.kind == "time_series":
        draw_free_run(model, task, album)
        return
    few = trials[:N_TRIALS]
    with torch.no_grad():
        trajectory = model(few)
    labels = None
    if task.condition in few.conditions:
        labels = _array(few.conditions[task.condition])
    latents, rates = _array(trajectory.latents), _array(trajectory.rates)
    lengths = None if few.lengths is None else _array(few.lengths)
    label_name = task.condition or "all trials"
    alignments = _alignments(task, few)
    if model.loop is not None:
        draw_movements(model, task, few, trajectory, album)
    else:
        album.add("trials", lambda: _single_trials(task, few, trajectory, labels))
    output_labels = task.output_labels
    if model.loop is not None:
        output_labels = [f"command {k + 1}" for k in range(model.loop.plant.command_dim)]
    album.add(
        "outputs",
        lambda: outputs_by_condition(
            _array(trajectory.outputs), labels, task.dt, output_labels, label_name, task.condition_names,
            alignments, lengths,
        ),
    )  # fmt: skip
    first = latents[:1] if lengths is None else latents[:1, : lengths[0]]
    album.add("latents", lambda: latents_over_time(first, dt=task.dt))
    album.add(
        "components",
        lambda: latent_components(
            latents,
            labels,
            task.dt,
            label_name,
            task.condition_names,
            alignments[-1] if alignments else None,
            lengths,
        ),
    )
    if rates.shape != latents.shape or not np.array_equal(rates, latents, equal_nan=True):
        album.add("rates", lambda: unit_rates(rates, task.dt, _signs(model), lengths=lengths))
    _draw_weights(model, album)
    visited = trajectory.latents.flatten(0, 1) if lengths is None else trajectory.latents[few.is_real]
    album.add("eigenvalues", lambda: _jacobians(model, visited, "trials"))
    album.add("psychometric", lambda: _choices(model, task, trials, noise))
    if isinstance(task, Multitask):
        album.add("task_variance", lambda: _task_variance(model, task))


def _task_variance(model: RNN, task: Multitask) -> Figure:
    from rnnexp.saved.trial_analysis import variance_in_tasks  # has what only analyses need

    variance = variance_in_tasks(model, task, 0)
    return task_variances(variance, clusters_of_units(variance), list(task.tasks))


def draw_free_run(model: RNN, task: "TimeSeries", album: Album) -> None:
    """Draw a free run against the data that a task shows, the weights, and the eigenvalues along the run."""
    with drawing("free run"):
        states = draw_reconstruction(model, task, album)
        album.add("eigenvalues", lambda: _jacobians(model, states, "free run"))
    _draw_weights(model, album)


def _alignments(task: Task, trials: Trials) -> list[Alignment]:
    """Return the events of trials that are not at the same time in all of them."""
    found = []
    for name, times in task.events(trials).items():
        steps = (times / task.dt).round().long().clamp(0, trials.n_steps - 1)
        if trials.n_steps > 1 and len(steps.unique()) > 1:
            found.append(Alignment(name, _array(steps)))
    return found


def _single_trials(task: Task, trials: Trials, trajectory: Trajectory, labels: np.ndarray | None) -> Figure:
    """Return the picture of single trials, as many conditions as there is room for."""
    chosen = _varied(labels, trials.n_trials)
    shown = trials[chosen]
    return sample_trials(
        *(_array(x) for x in (shown.inputs, shown.targets, shown.mask, trajectory.outputs[chosen])),
        dt=task.dt,
        input_labels=task.input_labels,
        output_labels=task.output_labels,
        titles=_titles(
            task, shown, trajectory.outputs[chosen], None if labels is None else labels[chosen.numpy()]
        ),
        lengths=None if shown.lengths is None else _array(shown.lengths),
    )


def _varied(labels: np.ndarray | None, n_trials: int) -> torch.Tensor:
    """Choose N_SHOWN trials, the first ones but for repeats of a condition that others have not had yet."""
    if labels is None:
        return torch.arange(min(N_SHOWN, n_trials))
    repeats = [int((labels[:index] == label).sum()) for index, label in enumerate(labels)]
    return torch.from_numpy(np.argsort(repeats, kind="stable")[:N_SHOWN])


def _titles(task: Task, trials: Trials, outputs: torch.Tensor, labels: np.ndarray | None) -> list[str]:
    """Name trials by their condition, and by whether the answer is right, where the task tells."""
    titles = []
    for index in range(trials.n_trials):
        one = slice(index, index + 1)
        title = f"trial {index + 1}"
        if labels is not None:
            value = labels[index].item()
            title = task.condition_names.get(value, f"{task.condition} {value:g}")
        accuracy = task.metrics(outputs[one], trials[one]).get("accuracy")
        if accuracy is not None and accuracy.item() in (0.0, 1.0):
            title += ": right" if accuracy.item() else ": wrong"
        titles.append(title)
    return titles


def _signs(model: RNN) -> np.ndarray | None:
    """Return the signs of the units (M,), None if they have no types."""
    signs = model.latent_step.unit_signs
    return None if signs is None else _array(signs)


def _draw_weights(model: RNN, album: Album) -> None:
    """Draw all weights, and where there is one square recurrent matrix its spectrum and the types of its units."""
    weights = {name: _array(weight) for name, weight in model.weights().items()}
    album.add("weights", lambda: weight_matrices(weights))
    matrices = [_array(matrix) for matrix in model.recurrent_matrices]
    if "A" in weights and len(matrices) in (1, 2):  # the PLRNN family: the Jacobian with all units active
        product = matrices[0] if len(matrices) == 1 else matrices[0] @ matrices[1]
        name = "A + W" if len(matrices) == 1 else "A + W1 W2"
        whole = np.diag(weights["A"]) + product
        if np.isfinite(whole).all():
            album.add("spectrum", lambda: _spectrum(whole, name))
        return
    if len(matrices) != 1 or matrices[0].shape[0] != matrices[0].shape[1]:
        return
    (matrix,) = matrices
    name = next((name for name, weight in weights.items() if np.array_equal(weight, matrix)), "matrix")
    signs = _signs(model)
    if np.isfinite(matrix).all():
        album.add("spectrum", lambda: _spectrum(matrix, name))
    if signs is not None:
        album.add("ei_weights", lambda: ei_weights(matrix, signs, name))


def _spectrum(matrix: np.ndarray, name: str) -> Figure:
    values = np.linalg.eigvals(matrix)
    return eigenvalues(values, title=f"{name}, spectral radius {np.abs(values).max():.3g}")


def _choices(model: RNN, task: Task, trials: Trials, noise: torch.Generator | None) -> Figure | None:
    """Return choices against coherence for tasks in which a direction, 0 or 1, is told by one of two outputs."""
    if task.output_dim != 2 or not {"coherence", "direction"} <= trials.conditions.keys():
        return None
    noise = noise if model.test_noise else None
    parts = [trials[start : start + N_TRIALS] for start in range(0, trials.n_trials, N_TRIALS)]
    with torch.no_grad():
        outputs = torch.cat([model(part, noise).outputs for part in parts])
    direction = trials.conditions["direction"]
    choice = choices(outputs, trials.mask).double()
    is_lost = ~outputs.isfinite().all(dim=(1, 2)) | (trials.mask == 0).all(dim=(1, 2))
    choice[is_lost] = torch.nan
    return psychometric_curve(
        _array((2 * direction - 1) * trials.conditions["coherence"]),
        _array(choice),
        _array(choice == direction),
        choice_name=task.output_labels[1],
    )


def _jacobians(model: RNN, states: torch.Tensor, along: str) -> Figure | None:
    """Return the eigenvalues of the Jacobians at up to N_STATES of the finite states (n, S), evenly spread."""
    states = states[states.isfinite().all(dim=1)]
    if len(states) == 0:
        return None
    chosen = torch.linspace(0, len(states) - 1, min(N_STATES, len(states)), device=states.device).long()
    with torch.no_grad():
        jacobians = _array(model.latent_step.jacobian(states[chosen]))
    jacobians = jacobians[np.isfinite(jacobians).all(axis=(1, 2))]
    if len(jacobians) == 0:
        return None
    return eigenvalues(np.linalg.eigvals(jacobians), title=f"Jacobian along the {along}")


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.numpy(force=True)
