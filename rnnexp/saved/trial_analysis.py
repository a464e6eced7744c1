"""The inside of a network on trials of its task: slow points, input selection, selectivity and decoding.

Letters: B trials, T time steps, S state, M units, K inputs, O outputs.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from rnnexp.analysis.decoding import chance, decoding_accuracy, selectivity
from rnnexp.analysis.demixed import Demixing, demixed_components
from rnnexp.analysis.input_selection import SlowMode, slow_modes
from rnnexp.analysis.slow_points import SlowPoints, find_slow_points
from rnnexp.analysis.task_variance import clusters_of_units, task_variance
from rnnexp.models import RNN
from rnnexp.saved.dynamics import dynamics_of
from rnnexp.tasks.base import InputCondition, Task, Trials
from rnnexp.tasks.multitask import Multitask
from rnnexp.training.streams import globals_seeded, stream

N_TRIALS = 256  # behind everything here
N_ALIKE = 100  # of each of many tasks
N_FOLDS = 5
DIFFERENCE = 1e-5  # of an input, for its effect
MOST_VALUES = 8  # of a factor
MOST_DECODED_STEPS = 100  # more are thinned out


@dataclass(frozen=True, eq=False)
class TrialAnalysis:
    """What was found; the trials are those of `rnnexp eval`, run without the network's own noise.

    Attributes:
        states: (B, T, S), nan where a trial has ended.
        input_names: what the network receives: the inputs of the task, and after them the feedback of a plant.
        labels: (B,), the task's condition of each trial; None where it has none, or one value only.
        conditions: the constant inputs at which slow points were sought, by name.
        members: numbers of the trials that belong to each of them.
        slow_points: by the same names.
        slow_modes: the slowest mode at these points; where there are points, and inputs.
        selectivity: (T, M), T the steps that all trials have: share of the variance that the condition explains; None
            without labels.
        preferred: (M,), the condition in whose trials a unit is most active.
        decoded_steps: numbers of the time steps between which the condition was decoded.
        decoding: (D, D), cross-validated accuracy; rows fit, columns test; None where a condition has under 5 trials.
        chance: accuracy of always saying the most frequent condition.
        demixing: demixed components of the rates, by the condition and those that tell the input conditions apart;
            None without labels, or where these have many values.
        task_variance: (N, M), of each unit in each of many tasks, by the names of the rules; None for a single task.
        unit_groups: (M,), units that take part in the same tasks, see `rnnexp.analysis.task_variance`.
    """

    states: np.ndarray
    input_names: list[str]
    labels: np.ndarray | None
    conditions: dict[str, InputCondition]
    members: dict[str, np.ndarray]
    slow_points: dict[str, SlowPoints]
    slow_modes: dict[str, SlowMode]
    selectivity: np.ndarray | None = None
    preferred: np.ndarray | None = None
    decoded_steps: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    decoding: np.ndarray | None = None
    chance: float | None = None
    demixing: Demixing | None = None
    task_variance: np.ndarray | None = None
    unit_groups: np.ndarray | None = None

    @property
    def summary(self) -> dict[str, float | int | None]:
        """Flat numbers: fixed and slow points of all input conditions, and the best decoding accuracy."""
        points = self.slow_points.values()
        n_fixed = sum(int(found.is_fixed.sum()) for found in points)
        best = None if self.decoding is None else float(np.diag(self.decoding).max())
        return {
            "trial_fixed_points": n_fixed,
            "trial_slow_points": sum(map(len, points)) - n_fixed,
            "trial_decoding_accuracy": best,
        }


def analyze_trials(
    model: RNN, task: Task, inputs: Tensor | None, n_starts: int, tolerance: float, seed: int
) -> TrialAnalysis:
    """Look into a network on trials of its task.

    Args:
        model: float64, on the CPU.
        task: not a time series.
        inputs: (K,), constant, at which slow points are sought; None takes the conditions that the task names.
        n_starts: states of trials from which they are sought, in each condition, >= 1.
        tolerance: largest q of a slow point, see `find_slow_points`.
        seed: of the trials and the choice of states.
    """
    with globals_seeded(seed, "test_trials"):
        trials = task.for_split("test").sample(N_TRIALS, stream(seed, "test_trials"), model.z0.dtype)
    with torch.no_grad():
        trajectory = model(trials)
    states, rates = trajectory.latents.numpy(), trajectory.rates.numpy()
    if trials.lengths is not None:  # codes are compared at steps that all trials have
        states = np.where(trials.is_real[:, :, None].numpy(), states, np.nan)
        rates = rates[:, : trials.lengths.min()]
    if inputs is not None:
        conditions = {"given input": InputCondition(tuple(inputs.tolist()))}
    elif model.loop is not None:
        conditions = _resting_at_goals(model, trials)
    else:
        conditions = task.input_conditions
    members = {name: _members(trials, condition) for name, condition in conditions.items()}
    conditions = {name: condition for name, condition in conditions.items() if len(members[name])}
    rng = np.random.default_rng(seed)
    points, modes = {}, {}
    for name, condition in conditions.items():
        visited = states[members[name]].reshape(-1, states.shape[2])
        visited = visited[np.isfinite(visited).all(axis=1)]
        if not len(visited):
            continue
        chosen = visited[rng.choice(len(visited), min(n_starts, len(visited)), replace=False)]
        constant = (
            torch.tensor(condition.inputs, dtype=model.z0.dtype) if model.latent_step.input_dim else None
        )
        dynamics = dynamics_of(model, constant)
        points[name] = found = find_slow_points(dynamics.step, dynamics.jacobian, chosen, tolerance)
        if len(found) and constant is not None:
            in_inputs = _input_jacobians(model, constant, found.states)
            modes[name] = slow_modes(dynamics.jacobian(found.states), in_inputs)
    return TrialAnalysis(
        states,
        _input_names(model, task),
        _labels(task, trials),
        conditions,
        members,
        points,
        modes,
        **_codes(task, trials, rates),
        **_parts_in_tasks(model, task, seed),
    )


def _parts_in_tasks(model: RNN, task: Task, seed: int) -> dict[str, np.ndarray]:
    """Return what of a `TrialAnalysis` is about many tasks."""
    if not isinstance(task, Multitask):
        return {}
    variance = variance_in_tasks(model, task, seed)
    return {"task_variance": variance, "unit_groups": clusters_of_units(variance, seed=seed)}


def variance_in_tasks(model: RNN, task: Multitask, seed: int) -> np.ndarray:
    """Return the task variance of each unit (N, M), without noise, from trials of the same durations.

    Args:
        model: on any device.
        task: N tasks.
        seed: of the trials.
    """
    generator, rates = stream(seed, "test_trials"), []
    for name in task.tasks:
        trials = task.sample_of(name, N_ALIKE, generator, model.z0.dtype).to(model.z0.device)
        with torch.no_grad():
            own = model(trials).rates
        own = own if trials.lengths is None else own[:, : trials.lengths.min()]
        rates.append(own.numpy(force=True))
    return task_variance(rates)


def _demixing(task: Task, trials: Trials, rates: np.ndarray) -> Demixing | None:
    """Return the demixed components of rates, None where there is not a trial for every combination of the factors."""
    told_apart = (name for condition in task.input_conditions.values() for name in condition.where)
    names = [name for name in dict.fromkeys((task.condition, *told_apart)) if name in trials.conditions]
    factors = {name: trials.conditions[name].numpy() for name in names}
    factors = {name: labels for name, labels in factors.items() if 2 <= len(np.unique(labels)) <= MOST_VALUES}
    try:
        return demixed_components(rates, dict(list(factors.items())[:3]))
    except ValueError:  # no factor, too few trials for some combination, or rates that do not vary
        return None


def positions_along(found: TrialAnalysis) -> dict[str, np.ndarray]:
    """Return where the points of each input condition lie along their mean slowest direction, (P,), by its name."""
    places = {}
    for name, mode in found.slow_modes.items():
        axis = mode.directions.mean(axis=0)
        axis = axis / max(np.linalg.norm(axis), 1e-300)
        states = found.slow_points[name].states
        places[name] = (states - states.mean(axis=0)) @ axis
    return places


def _input_names(model: RNN, task: Task) -> list[str]:
    """Return what a network receives, in its order."""
    if model.loop is None:
        return list(task.input_labels)
    sizes = model.loop.plant.observables
    channels = [channel.name for channel in model.loop.feedback.channels]
    return [*task.input_labels, *(f"{name} {k}" for name in channels for k in range(sizes[name]))]


def _resting_at_goals(model: RNN, trials: Trials) -> dict[str, InputCondition]:
    """Return what a network receives while its effector rests at the goal, by the direction of the reach."""
    loop, goals = model.loop, trials.targets[:, -1]
    shown = loop.plant.observe(loop.plant.start(goals, torch.zeros_like(goals)))
    told = [shown[channel.name] for channel in loop.feedback.channels]
    received = torch.cat((trials.inputs[:, -1], *told), 1)
    if "direction" not in trials.conditions or trials.reach.hold.all():
        return {
            f"goal {index + 1}": InputCondition(tuple(row.tolist())) for index, row in enumerate(received[:8])
        }
    found = {}
    for angle, row in zip(trials.conditions["direction"].tolist(), received[:8], strict=False):
        found.setdefault(
            f"goal at {angle:.0f}\N{DEGREE SIGN}", InputCondition(tuple(row.tolist()), {"direction": angle})
        )
    return found


def _members(trials: Trials, condition: InputCondition) -> np.ndarray:
    """Return the numbers of the trials that a condition is about."""
    is_member = torch.ones(trials.n_trials, dtype=torch.bool)
    for name, value in condition.where.items():
        is_member &= trials.conditions[name] == value
    return np.flatnonzero(is_member.numpy())


def _labels(task: Task, trials: Trials) -> np.ndarray | None:
    if task.condition not in trials.conditions:
        return None
    labels = trials.conditions[task.condition].numpy()
    return labels if len(np.unique(labels)) > 1 else None


def _codes(task: Task, trials: Trials, rates: np.ndarray) -> dict[str, object]:
    """Return what of a `TrialAnalysis` is about what units and decoders tell of the condition."""
    labels = _labels(task, trials)
    if labels is None or not np.isfinite(rates).all():
        return {}
    share, preferred = selectivity(rates, labels)
    found: dict[str, object] = {"selectivity": share, "preferred": preferred, "chance": chance(labels)}
    found["demixing"] = _demixing(task, trials, rates)
    if min(np.unique(labels, return_counts=True)[1]) >= N_FOLDS:
        n_steps = rates.shape[1]
        steps = np.linspace(0, n_steps - 1, min(n_steps, MOST_DECODED_STEPS)).round().astype(int)
        found |= {"decoded_steps": steps, "decoding": decoding_accuracy(rates[:, steps], labels, N_FOLDS)}
    return found


def _input_jacobians(model: RNN, inputs: Tensor, states: np.ndarray) -> np.ndarray:
    """Return how one step depends on the inputs (K,), at states (P, S): (P, S, K), by central differences."""
    z = torch.from_numpy(states)
    with torch.no_grad():
        moves = [
            model.latent_step.step(z, (inputs + move).expand(len(z), -1))
            - model.latent_step.step(z, (inputs - move).expand(len(z), -1))
            for move in DIFFERENCE * torch.eye(len(inputs), dtype=z.dtype)
        ]
    return (torch.stack(moves, dim=2) / (2 * DIFFERENCE)).numpy()
