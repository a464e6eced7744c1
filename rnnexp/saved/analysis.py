"""The dynamics of a trained network without data: attractor, fixed points, cycles, exponents.

Letters: S state, O outputs, n states.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnexp.analysis.cycles import Cycle
from rnnexp.analysis.lyapunov import kaplan_yorke_dimension
from rnnexp.analysis.weight_spectra import weight_spectra
from rnnexp.errors import UserError
from rnnexp.models import RNN
from rnnexp.saved.dynamics import Dynamics, dynamics_of
from rnnexp.saved.free_run_analysis import Findings, find
from rnnexp.saved.model import SavedModel
from rnnexp.saved.trial_analysis import TrialAnalysis, analyze_trials
from rnnexp.tasks.base import Task
from rnnexp.tasks.no_task import NoTask
from rnnexp.tasks.units import DataUnits
from rnnexp.training.streams import stream

N_TRIALS = 16  # of the task, whose states the root finder may start from
Spectra = dict[tuple[str, str], np.ndarray]


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found.

    Attributes:
        findings: the free run, its linear regions, fixed points and cycles, Lyapunov exponents per step.
        dynamics: the network as a map on arrays; `dynamics.outputs(states)` are in the units asked for.
        spectra: singular values and eigenvalues of the weights, by name and kind.
        labels: O names of the outputs.
        dt: length of a step.
        units: "data" or "standardized" for a time series, else None.
        trials: what it does on trials of its task; None for a time series, or an imported network without a task.
        make: returns dynamics and first state of another network of the same run, such as an earlier checkpoint.
    """

    findings: Findings
    dynamics: Dynamics
    spectra: Spectra
    labels: list[str]
    dt: float
    units: str | None
    trials: TrialAnalysis | None
    make: Callable[[RNN], tuple[Dynamics, np.ndarray]]

    @property
    def summary(self) -> dict[str, float | int | None]:
        """Flat numbers, as in summary.json of `rnnexp analyze`: lyapunov, fixed_points, cycles, ..."""
        on_trials = {} if self.trials is None else self.trials.summary
        return {**summary_of(self.findings, self.dt, self.spectra), **on_trials}

    @property
    def fixed_points(self) -> list[Cycle]:
        """Fixed points with their stability and eigenvalues, stable ones first."""
        return self.findings.fixed_points

    @property
    def states(self) -> np.ndarray:
        """(n, S), the free run after its transient, or all of one that diverges."""
        run = self.findings.run
        return run.path if run.states is None else run.states

    @property
    def outputs(self) -> np.ndarray:
        """(n, O), the outputs at these states."""
        return self.dynamics.outputs(self.states)


def prepared(saved: SavedModel, settings: dict[str, Any]) -> Callable[[], Analysis]:
    """Check the settings of an analysis against a network; the function that is returned makes it.

    Args:
        saved: float64, on the CPU.
        settings: start, input, n_transient, n_steps, interval, n_exponents, max_order, max_candidates, n_starts,
            tolerance, units and seed of conf/analyze.yaml, checked.

    Raises:
        UserError: the input, the start or the number of exponents does not fit.
    """
    seed = saved.config["seed"] if settings["seed"] is None else settings["seed"]
    units, task = saved.units(settings["units"]), saved.task
    inputs = _constant_input(settings["input"], saved.model, units)
    _check_start(settings["start"], saved.model)
    _check_exponents(settings["n_exponents"], saved.model)

    def make(model: RNN) -> tuple[Dynamics, np.ndarray]:
        dynamics = dynamics_of(model, inputs, None if units is None else units.outputs)
        return dynamics, _start(model, settings["start"], task)

    def analyzed() -> Analysis:
        dynamics, z0 = make(saved.model)
        findings = find(dynamics, z0, _visited(saved, inputs, seed), _kind(saved.model), settings, seed)
        told = None if task.data_units is None else settings["units"]
        on_trials = None
        if task.kind != "time_series" and not isinstance(task, NoTask):
            given = inputs if settings["input"] else None
            on_trials = analyze_trials(
                saved.model, task, given, settings["n_starts"], settings["tolerance"], seed
            )
        return Analysis(
            findings,
            dynamics,
            _spectra(saved.model),
            list(task.output_labels),
            task.dt,
            told,
            on_trials,
            make,
        )

    return analyzed


def summary_of(findings: Findings, dt: float, spectra: Spectra) -> dict[str, float | int | None]:
    """Return the flat numbers of summary.json.

    Args:
        findings: what was found.
        dt: length of a step.
        spectra: of the weights.
    """
    run, regions, exponents = findings.run, findings.regions, findings.exponents
    is_whole = run.path.shape[1] == len(exponents)
    dimension = kaplan_yorke_dimension(exponents) if is_whole else None
    return {
        "diverged": int(run.states is None),
        "diverged_after": run.diverged_after,
        "steps": len(run.path) if run.states is None else len(run.states),
        "lyapunov": float(exponents[0]) / dt,
        "lyapunov_per_step": float(exponents[0]),
        "kaplan_yorke_dimension": dimension,
        "regions": None if regions is None else regions.n_regions,
        **counts("fixed_points", findings.fixed_points),
        **counts("cycles", findings.longer_cycles),
        "complete_up_to_order": findings.complete_up_to,
        **{
            f"spectral_radius_{name}": float(np.abs(values[0]))
            for (name, kind), values in spectra.items()
            if kind == "eigenvalue"
        },
    }


def counts(name: str, cycles: Sequence[Cycle]) -> dict[str, int]:
    """Return how many cycles there are and how many are stable."""
    return {name: len(cycles), f"stable_{name}": sum(cycle.stability == "stable" for cycle in cycles)}


def _visited(saved: SavedModel, inputs: Tensor | None, seed: int) -> np.ndarray:
    """Return states (V, S) of the network: on test trials of its task, or free runs from the data of a time series."""
    model, task = saved.model, saved.task
    with torch.no_grad():
        if task.kind == "time_series":
            starts = torch.from_numpy(task.starts)
            given = None if inputs is None else inputs.expand(len(starts), task.n_steps, -1)
            latents = model.free_run(starts, given, task.n_steps).latents
        else:
            trials = task.for_split("test").sample(N_TRIALS, stream(seed, "test_trials"), model.z0.dtype)
            latents = model(trials).latents
            if trials.lengths is not None:
                return latents[trials.is_real].numpy()
    return latents.flatten(0, 1).numpy()


def _start(model: RNN, start: str, task: Task) -> np.ndarray:
    """Return the state (S,) that the free run starts from."""
    from_data = None
    if start != "z0" and task.kind == "time_series":
        with torch.no_grad():
            from_data = model.start_from(torch.from_numpy(task.starts[:1]))
    return (model.z0.detach() if from_data is None else from_data[0]).numpy()


def _check_exponents(count: int | None, model: RNN) -> None:
    n_states = model.latent_step.state_dim
    if count is not None and count > n_states:
        raise UserError(
            f"n_exponents: {count}: the network has {n_states} states, must be from 1 to {n_states}, or null"
        )


def _check_start(start: str, model: RNN) -> None:
    if start == "data" and model.data_start is None:
        raise UserError("start: data: this network starts from a state of its own, z0; must be auto or z0")
    if start == "z0" and model.data_start is not None:
        raise UserError(
            "start: z0: this network starts from data and has no state of its own; must be auto or data"
        )


def _constant_input(value: float | list[float], model: RNN, units: DataUnits | None) -> Tensor | None:
    n_inputs = model.latent_step.input_dim
    values = value if isinstance(value, list) else [value] * n_inputs
    if len(values) != n_inputs or (not n_inputs and value):
        raise UserError(
            f"input: {value}: must be one number, or a list of {n_inputs}, as many as the network has inputs"
            if n_inputs
            else f"input: {value}: this network has no inputs; must be 0"
        )
    seen = values if units is None else units.inputs.apply(np.array(values, dtype=float))
    return torch.as_tensor(seen, dtype=model.z0.dtype) if n_inputs else None


def _kind(model: RNN) -> str:
    latent_step = model.latent_step
    activation = getattr(latent_step, "activation", None)
    return f"{type(latent_step).__name__}{f' with activation={activation}' if activation else ''}"


def _spectra(model: RNN) -> Spectra:
    """Return the spectra of all weights, and of the Jacobian of the PLRNN family where all units are active."""
    weights = {name: weight.numpy() for name, weight in model.weights().items()}
    matrices = [matrix.detach().numpy() for matrix in model.recurrent_matrices]
    recurrent = [name for name, w in weights.items() if any(np.array_equal(w, matrix) for matrix in matrices)]
    if {"A", "W"} <= weights.keys():
        weights["A_plus_W"] = np.diag(weights["A"]) + weights["W"]
    if {"A", "W1", "W2"} <= weights.keys():
        weights["A_plus_W1_W2"] = np.diag(weights["A"]) + weights["W1"] @ weights["W2"]
    return weight_spectra(weights, [*recurrent, "A_plus_W", "A_plus_W1_W2"])
