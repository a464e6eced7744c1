"""The pictures that `rnnexp analyze` leaves in plots/."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnexp.analysis.linear_regions import visited_regions
from rnnexp.analysis.lyapunov import kaplan_yorke_dimension
from rnnexp.plots.attractor import attractor
from rnnexp.plots.codes import decoding_over_time, demixed_over_time, unit_selectivity
from rnnexp.plots.drawing import drawing
from rnnexp.plots.lyapunov import lyapunov_spectrum
from rnnexp.plots.slow_points import PointsPanel, input_effects, trials_among_points
from rnnexp.plots.style import save
from rnnexp.plots.task_variance import task_variances
from rnnexp.plots.training_bifurcation import training_bifurcation
from rnnexp.plots.transitions import transition_graph
from rnnexp.plots.weights import eigenvalues
from rnnexp.saved.analysis import Spectra
from rnnexp.saved.dynamics import Dynamics
from rnnexp.saved.free_run_analysis import Findings
from rnnexp.saved.training_course import AT_REST, Moment
from rnnexp.saved.trial_analysis import TrialAnalysis, positions_along
from rnnexp.tasks.base import Task

MOST_MARKS = 60  # fixed points in a picture, the most stable ones
MOST_DRAWN_REGIONS = 1000


def draw_findings(
    findings: Findings, dynamics: Dynamics, task: Task, spectra: Spectra, directory: Path
) -> None:
    """Draw the attractor, transitions, exponents and eigenvalues, as far as they exist.

    Args:
        findings: what was found.
        dynamics: gives the outputs at the states.
        task: names the outputs; a time series is drawn in its own coordinates, other outputs in those of the latents.
        spectra: of the weights.
        directory: where the files go.
    """
    exponents, points = findings.exponents, findings.fixed_points[:MOST_MARKS]
    with drawing("attractor.png"):
        _draw_attractor(findings, dynamics, task, directory)
    if findings.regions is not None and findings.regions.n_regions <= MOST_DRAWN_REGIONS:
        with drawing("transitions.png"):
            counts = findings.regions.counts
            figure = transition_graph(findings.regions.transition_matrix(), counts / counts.sum())
            save(figure, directory / "transitions.png")
    if findings.run.states is not None:
        with drawing("lyapunov.png"):
            dimension = kaplan_yorke_dimension(exponents) if len(exponents) == dynamics.state_dim else None
            figure = lyapunov_spectrum(exponents / task.dt, rate_unit(task), dimension)
            save(figure, directory / "lyapunov.png")
    if points:
        with drawing("fixed_point_eigenvalues.png"):
            values = np.array([point.eigenvalues for point in points])
            title = f"Jacobians at {len(points)} fixed point{'s' if len(points) > 1 else ''}"
            save(eigenvalues(values, title=title), directory / "fixed_point_eigenvalues.png")
    for (name, kind), values in spectra.items():
        if kind == "eigenvalue":
            with drawing(f"spectrum_{name}.png"):
                title = f"{name}, spectral radius {np.abs(values[0]):.3g}"
                save(eigenvalues(values, title=title), directory / f"spectrum_{name}.png")


def draw_trial_analysis(found: TrialAnalysis, task: Task, directory: Path) -> None:
    """Draw trials among slow points, what inputs do there, selectivity and decoding, as far as they exist."""
    name = task.condition or "condition"
    if any(map(len, found.slow_points.values())):
        with drawing("slow_points.png"):
            figure = trials_among_points(
                found.states, points_panels(found), found.labels, name, task.condition_names
            )
            save(figure, directory / "slow_points.png")
    if found.slow_modes:
        with drawing("input_effects.png"):
            effects = {key: mode.input_effects for key, mode in found.slow_modes.items()}
            figure = input_effects(effects, positions_along(found), found.input_names)
            save(figure, directory / "input_effects.png")
    if found.selectivity is not None:
        with drawing("selectivity.png"):
            save(unit_selectivity(found.selectivity, task.dt, name), directory / "selectivity.png")
    if found.task_variance is not None:
        with drawing("task_variance.png"):
            figure = task_variances(found.task_variance, found.unit_groups, list(task.tasks))
            save(figure, directory / "task_variance.png")
    if found.demixing is not None:
        with drawing("demixed.png"):
            figure = demixed_over_time(found.demixing, task.dt, demixed_names(found, task))
            save(figure, directory / "demixed.png")
    if found.decoding is not None:
        with drawing("decoding.png"):
            times = found.decoded_steps * task.dt
            figure = decoding_over_time(found.decoding, times, found.chance, name, len(found.states))
            save(figure, directory / "decoding.png")


def demixed_names(found: TrialAnalysis, task: Task) -> list[str]:
    """Return names for the combinations of factors."""
    factors = found.demixing.factors
    return [
        ", ".join(
            task.condition_names[value]
            if factor == task.condition and value in task.condition_names
            else f"{factor} {value:g}"
            for factor, value in zip(factors, combination, strict=True)
        )
        for combination in found.demixing.combinations
    ]


def points_panels(found: TrialAnalysis) -> list[PointsPanel]:
    """Return what the panels of the picture of slow points show, a condition each."""
    panels = []
    for key, points in found.slow_points.items():
        mode = found.slow_modes.get(key)
        directions = None if mode is None else mode.directions
        stable = points.n_unstable == 0
        panels.append(
            PointsPanel(key, found.members[key], points.states, points.is_fixed, stable, directions)
        )
    return panels


def _draw_attractor(findings: Findings, dynamics: Dynamics, task: Task, directory: Path) -> None:
    """Draw the states after the transient, or the way there of a run that has come to rest."""
    states = findings.run.states
    if states is None or len(findings.run.path) < 2:
        return
    symbols = None if findings.regions is None else findings.regions.symbols
    if np.ptp(states, axis=0).max() <= AT_REST * np.abs(states).max():
        states = findings.run.path
        symbols = (
            None if dynamics.system is None else visited_regions(dynamics.system.pattern(states)).symbols
        )
    points = findings.fixed_points[:MOST_MARKS]
    fixed = np.array([point.states[0] for point in points]).reshape(-1, dynamics.state_dim)
    cycles = [cycle.states for cycle in findings.longer_cycles if cycle.stability == "stable"]
    names = [f"z{unit}" for unit in range(dynamics.state_dim)]
    if task.kind == "time_series":
        names = list(task.output_labels)
        states, fixed, *cycles = map(dynamics.outputs, (states, fixed, *cycles))
    figure = attractor(states, names, fixed, [point.stability for point in points], cycles, symbols)
    save(figure, directory / "attractor.png")


def rate_unit(task: Task) -> str:
    """Return the unit of an exponent per time, such as "1/ms"."""
    one = {"time units": "time unit", "steps": "step"}
    return f"1/{one.get(task.time_unit, task.time_unit)}"


def draw_course(moments: Sequence[Moment], task: Task, directory: Path) -> None:
    """Draw how fixed points, maxima and the largest exponent changed in the training."""
    figure = training_bifurcation(
        [moment.step for moment in moments],
        [moment.maxima for moment in moments],
        [moment.fixed_outputs for moment in moments],
        [[point.stability for point in moment.fixed_points] for moment in moments],
        [moment.exponent / task.dt for moment in moments],
        task.output_labels[0],
        rate_unit(task),
    )
    save(figure, directory / "training_bifurcation.png")
