"""The tables and arrays that `rnnexp analyze` leaves in its directory."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnexp.analysis.cycles import Cycle
from rnnexp.analysis.linear_regions import VisitedRegions, pattern_text
from rnnexp.saved.analysis import Spectra, counts
from rnnexp.saved.dynamics import Dynamics
from rnnexp.saved.free_run_analysis import Findings
from rnnexp.saved.training_course import Moment
from rnnexp.saved.trial_analysis import TrialAnalysis, positions_along
from rnnexp.tasks.base import Task

MOST_DENSE_REGIONS = 1000  # with more, analysis.npz holds the transitions as a list only
SIGNS = {">": "gt", "<": "lt", "=": "eq", "+": "plus", "-": "minus"}


def write_tables(
    directory: Path,
    findings: Findings,
    dynamics: Dynamics,
    labels: Sequence[str],
    dt: float,
    spectra: Spectra,
) -> None:
    """Write the CSV files; one about which there is nothing to say holds its header only.

    Args:
        directory: where they go.
        findings: what was found.
        dynamics: gives the outputs at the states.
        labels: O names of the outputs.
        dt: length of a step.
        spectra: of the weights.
    """
    names = [f"z_{unit}" for unit in range(dynamics.state_dim)] + output_columns(labels)
    about = ["stability", "max_modulus", "n_unstable"]
    _write(
        directory / "fixed_points.csv",
        ["index", *about, "region", *names],
        (
            [index, *_about(cycle), *_place(cycle, 0, dynamics)]
            for index, cycle in enumerate(findings.fixed_points)
        ),
    )
    _write(
        directory / "cycles.csv",
        ["cycle", "order", "step", *about, "region", *names],
        (
            [index, cycle.order, step, *_about(cycle), *_place(cycle, step, dynamics)]
            for index, cycle in enumerate(findings.longer_cycles)
            for step in range(cycle.order)
        ),
    )
    _write_regions(directory, findings.regions)
    _write(
        directory / "lyapunov.csv",
        ["index", "per_step", "per_time"],
        ([i + 1, exponent, exponent / dt] for i, exponent in enumerate(findings.exponents)),
    )
    _write(
        directory / "weight_spectra.csv",
        ["matrix", "kind", "index", "real", "imag", "modulus"],
        (
            [name, kind, i + 1, value.real, value.imag, abs(value)]
            for (name, kind), values in spectra.items()
            for i, value in enumerate(values)
        ),
    )


def write_trial_tables(
    directory: Path, found: TrialAnalysis, outputs: Callable[[np.ndarray], np.ndarray], task: Task
) -> None:
    """Write slow_points.csv, input_effects.csv, selectivity.csv, task_variance.csv, demixed.csv and decoding.csv.

    As far as they exist.

    Args:
        directory: where they go.
        found: on trials of the task.
        outputs: returns the outputs (P, O) at states (P, S).
        task: names inputs and outputs.
    """
    n_states = found.states.shape[2]
    names = [f"z_{unit}" for unit in range(n_states)] + output_columns(task.output_labels)
    _write(
        directory / "slow_points.csv",
        ["inputs", "index", "kind", "speed", "q", "max_modulus", "n_unstable", "time_constant", "starts", *names],
        (
            [
                name, i, "fixed" if points.is_fixed[i] else "slow", points.speeds[i], points.q[i],
                np.abs(points.eigenvalues[i, 0]), int(points.n_unstable[i]), points.time_constants(task.dt)[i, 0],
                int(points.n_starts[i]), *points.states[i].tolist(), *outputs(points.states[i : i + 1])[0].tolist(),
            ]
            for name, points in found.slow_points.items()
            for i in range(len(points))
        ),
    )  # fmt: skip
    if found.slow_modes:
        places = positions_along(found)
        _write(
            directory / "input_effects.csv",
            ["inputs", "index", "place", "eigenvalue", *(f"effect_{k}" for k in _columns(found.input_names))],
            (
                [name, i, places[name][i], mode.eigenvalues[i], *mode.input_effects[i].tolist()]
                for name, mode in found.slow_modes.items()
                for i in range(len(mode.eigenvalues))
            ),
        )
    if found.selectivity is not None:
        share = found.selectivity
        _write(
            directory / "selectivity.csv",
            ["unit", "preferred", "mean_share", "largest_share", "time_of_largest"],
            (
                [unit, found.preferred[unit].item(), share[:, unit].mean(), share[:, unit].max(),
                 share[:, unit].argmax() * task.dt]
                for unit in range(share.shape[1])
            ),
        )  # fmt: skip
    if found.task_variance is not None:
        _write(
            directory / "task_variance.csv",
            ["unit", "group", *task.tasks],
            (
                [unit, int(group), *found.task_variance[:, unit].tolist()]
                for unit, group in enumerate(found.unit_groups)
            ),
        )
    if found.demixing is not None:
        _write(
            directory / "demixed.csv",
            ["part", "share_of_variance", "component", "explained"],
            (
                [name, found.demixing.variance[name], i, share]
                for name, part in found.demixing.components.items()
                for i, share in enumerate(part.explained)
            ),
        )
    if found.decoding is not None:
        _write(
            directory / "decoding.csv",
            ["time", "accuracy", "chance"],
            (
                [step * task.dt, found.decoding[i, i], found.chance]
                for i, step in enumerate(found.decoded_steps.tolist())
            ),
        )


def trial_arrays(found: TrialAnalysis) -> dict[str, np.ndarray]:
    """Return what analysis.npz holds of trials: their states and labels, points by input condition, the codes."""
    arrays = {"trial_states": found.states}
    if found.labels is not None:
        arrays["trial_labels"] = found.labels
    for name, points in found.slow_points.items():
        key = "_".join(re.findall(r"\w+", name))
        arrays |= {
            f"slow_points_{key}": points.states,
            f"slow_point_speeds_{key}": points.speeds,
            f"slow_point_eigenvalues_{key}": points.eigenvalues,
        }
        if name in found.slow_modes:
            mode = found.slow_modes[name]
            arrays |= {f"slow_directions_{key}": mode.directions, f"selection_vectors_{key}": mode.selection}
    if found.demixing is not None:
        for name, part in found.demixing.components.items():
            key = "_".join(re.findall(r"\w+", name))
            arrays |= {f"demixed_scores_{key}": part.scores, f"demixed_decoders_{key}": part.decoders}
    codes = {
        "selectivity": found.selectivity, "decoding": found.decoding,
        "task_variance": found.task_variance, "unit_groups": found.unit_groups,
    }  # fmt: skip
    return arrays | {name: values for name, values in codes.items() if values is not None}


def output_columns(labels: Sequence[str]) -> list[str]:
    """Return names of columns for the outputs, letters, digits and _ alone, each another: y_f1_gt_f2 of "f1 > f2"."""
    return _columns(labels, "y_")


def _columns(labels: Sequence[str], prefix: str = "") -> list[str]:
    columns: list[str] = []
    for label in labels:
        for sign, word in SIGNS.items():
            label = label.replace(sign, f" {word} ")
        name = prefix + "_".join(re.findall(r"\w+", label))
        while name in columns:
            name += "_"
        columns.append(name)
    return columns


def _write_regions(directory: Path, regions: VisitedRegions | None) -> None:
    visits: list[list[Any]] = []
    transitions: Iterable[tuple[Any, ...]] = ()
    if regions is not None:
        shares = regions.counts / regions.counts.sum()
        visits = [
            [symbol, _region(regions.bits(symbol)), int(count), share]
            for symbol, (count, share) in enumerate(zip(regions.counts, shares, strict=True))
        ]
        transitions = zip(
            regions.sources, regions.targets, regions.transition_counts, regions.transition_probabilities,
            strict=True,
        )  # fmt: skip
    _write(directory / "regions.csv", ["symbol", "region", "visits", "share"], visits)
    _write(directory / "transitions.csv", ["source", "target", "count", "probability"], transitions)


def analysis_arrays(
    findings: Findings, dynamics: Dynamics, dt: float, spectra: Spectra
) -> dict[str, np.ndarray]:
    """Return what analysis.npz holds, plain arrays only; see docs/analysis.md."""
    run, regions, fixed_points = findings.run, findings.regions, findings.fixed_points
    states = run.path if run.states is None else run.states
    longer = findings.longer_cycles
    n_units, n_bits = dynamics.state_dim, 0 if dynamics.system is None else dynamics.system.pattern_size
    arrays = {
        "dt": np.array(dt),
        "states": states,
        "outputs": dynamics.outputs(states),
        "fixed_points": _stacked([c.states[0] for c in fixed_points], n_units),
        "fixed_point_patterns": _stacked([c.patterns[0] for c in fixed_points], n_bits, np.int8),
        "fixed_point_eigenvalues": _stacked([c.eigenvalues for c in fixed_points], n_units, complex),
        "cycle_orders": np.array([c.order for c in longer], dtype=np.int64),
        "cycle_states": _stacked([z for c in longer for z in c.states], n_units),
        "cycle_patterns": _stacked([p for c in longer for p in c.patterns], n_bits, np.int8),
        "cycle_eigenvalues": _stacked([c.eigenvalues for c in longer], n_units, complex),
        "complete_orders": np.array(findings.search.complete_orders, dtype=np.int64),
        "lyapunov_per_step": findings.exponents,
        **{f"{kind}s_{name}": values for (name, kind), values in spectra.items()},
    }
    if regions is not None:
        arrays |= {
            "region_patterns": regions.patterns,
            "region_visits": regions.counts,
            "symbols": regions.symbols,
            "transition_sources": regions.sources,
            "transition_targets": regions.targets,
            "transition_counts": regions.transition_counts,
        }
        if regions.n_regions <= MOST_DENSE_REGIONS:
            arrays["transition_matrix"] = regions.transition_matrix()
    return arrays


def write_course(path: Path, moments: Sequence[Moment], dt: float) -> None:
    """Write a row for every checkpoint of a training: fixed points, and the largest exponent per time.

    Args:
        path: the CSV file.
        moments: in order.
        dt: length of a step.
    """
    columns = ["step", "fixed_points", "stable_fixed_points", "diverged", "lyapunov"]
    rows = (
        [m.step, *counts("", m.fixed_points).values(), int(not len(m.maxima)), m.exponent / dt]
        for m in moments
    )
    _write(path, columns, rows)


def _about(cycle: Cycle) -> list[Any]:
    return [cycle.stability, cycle.max_modulus, cycle.n_unstable]


def _place(cycle: Cycle, step: int, dynamics: Dynamics) -> list[Any]:
    state = cycle.states[step]
    return [
        _region(pattern_text(cycle.patterns[step])),
        *state.tolist(),
        *dynamics.outputs(state[None])[0].tolist(),
    ]


def _stacked(rows: Sequence[np.ndarray], width: int, dtype: type = float) -> np.ndarray:
    return np.array(rows, dtype=dtype).reshape(len(rows), width)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([float(value) if isinstance(value, np.floating) else value for value in row])


def _region(pattern: str) -> str:
    """Name a linear region so that a reader of the CSV file takes it for a text: 0010 would become the number 10."""
    return f"r{pattern}" if pattern else ""
