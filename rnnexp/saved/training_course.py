"""How the dynamics of a network changed in its training, from the checkpoints step_*.pt of its run."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnexp.analysis.cycles import Cycle, find_fixed_points
from rnnexp.analysis.lyapunov import maximal_exponent
from rnnexp.analysis.slow_points import find_fixed_points_from
from rnnexp.models import RNN
from rnnexp.saved.dynamics import Dynamics
from rnnexp.saved.free_run_analysis import FreeRun, run_freely, starting_points
from rnnexp.training.checkpoint import load_checkpoint, load_weights

MOST_STEPS = 2000  # of a free run
MOST_CANDIDATES = 4000  # of a search for fixed points
MOST_STARTS = 16  # of a root finder
AT_REST = 1e-6  # an output that varies by less than this share of its size has come to rest


@dataclass(frozen=True, eq=False)
class Moment:
    """The network at one checkpoint.

    Attributes:
        step: updates so far.
        maxima: (n,), local maxima of the first output in the free run; its last value if it is at rest, none if the
            run diverges.
        fixed_points: found at constant input.
        fixed_outputs: (F,), the first output there.
        exponent: the largest Lyapunov exponent per step; nan if the run diverges.
    """

    step: int
    maxima: np.ndarray
    fixed_points: list[Cycle]
    fixed_outputs: np.ndarray
    exponent: float


def checkpoints_beside(checkpoint: str, count: int) -> list[Path]:
    """Return up to count of the step_*.pt of the run of a checkpoint, evenly spread, the last one included.

    Args:
        checkpoint: a file, or a run directory.
        count: >= 0.
    """
    path = Path(checkpoint)
    files = sorted((path / "checkpoints" if path.is_dir() else path.parent).glob("step_*.pt"))
    if count == 0 or not files:
        return []
    chosen = np.linspace(len(files) - 1, 0, min(count, len(files))).round().astype(int)
    return [files[index] for index in sorted(chosen)]


def course_of_training(
    files: list[Path],
    model: RNN,
    make: Callable[[RNN], tuple[Dynamics, np.ndarray]],
    config: dict[str, Any],
    seed: int,
) -> list[Moment]:
    """Analyse every checkpoint in short.

    Args:
        files: checkpoints of one run, in order.
        model: of that run; it is copied.
        make: returns the dynamics of a model, and the state (S,) that its free run starts from.
        config: n_transient, n_steps.
        seed: of the searches.

    Raises:
        UserError: a checkpoint cannot be read or does not fit the model.
    """
    model = copy.deepcopy(model)
    moments = []
    for path in files:
        record = load_checkpoint(path)
        load_weights(model, record["model"], origin=f"checkpoint={path}")
        dynamics, z0 = make(model)
        run = run_freely(dynamics, z0, config["n_transient"], min(config["n_steps"], MOST_STEPS))
        points = _fixed_points(dynamics, run, np.random.default_rng(seed))
        states = np.array([point.states[0] for point in points]).reshape(-1, dynamics.state_dim)
        moments.append(
            Moment(record["state"]["step"], _maxima(dynamics, run), points, dynamics.outputs(states)[:, 0],
                   _exponent(dynamics, run))
        )  # fmt: skip
    return moments


def _fixed_points(dynamics: Dynamics, run: FreeRun, rng: np.random.Generator) -> list[Cycle]:
    if dynamics.system is not None:
        return find_fixed_points(dynamics.system, run.path, MOST_CANDIDATES, rng).cycles
    starts = starting_points(run, run.path[:0], MOST_STARTS, rng)
    return find_fixed_points_from(dynamics.step, dynamics.jacobian, starts)


def _exponent(dynamics: Dynamics, run: FreeRun) -> float:
    if run.states is None or len(run.states) < 2:
        return float("nan")
    return maximal_exponent(dynamics.jacobian, run.states)


def _maxima(dynamics: Dynamics, run: FreeRun) -> np.ndarray:
    if run.states is None:
        return np.empty(0)
    output = dynamics.outputs(run.states)[:, 0]
    inner = output[1:-1]
    maxima = inner[(inner > output[:-2]) & (inner >= output[2:])]
    is_at_rest = np.ptp(output) <= AT_REST * max(np.abs(output).max(), 1e-12)
    return output[-1:] if is_at_rest or not len(maxima) else maxima
