"""Several networks on the same trials: how alike their states and flows are, and what else tells them apart.

Letters: K networks, B trials, T time steps, M units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rnnexp.analysis.dynamical_similarity import flow_similarity, linear_flow
from rnnexp.analysis.similarity import linear_cka, procrustes_similarity
from rnnexp.config.option_names import option_name
from rnnexp.errors import UserError
from rnnexp.numbers import integer_at_least
from rnnexp.plots.psychometric import Logistic, fit_logistic
from rnnexp.saved.model import SavedModel, load_model
from rnnexp.saved.trial_analysis import analyze_trials
from rnnexp.tasks.base import Trials, choices
from rnnexp.tasks.no_task import refuse_no_task
from rnnexp.training.checkpoint_file import checkpoint_file, run_directory, run_directory_of
from rnnexp.training.records import read_record
from rnnexp.training.streams import globals_seeded, stream

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("cka", "procrustes", "dsa")
N_JUDGED = 512  # trials for metrics and psychometric curves
N_STARTS = 64  # of the search for fixed points
TOLERANCE = 1e-5
MOST_FLOW_STEPS = 50  # of the states whose flow is compared; more are thinned out
N_DELAYS, RANK = 4, 16


@dataclass(frozen=True, eq=False)
class Choices:
    """Choices of a network against coherence, for a psychometric curve; see `rnnexp.plots.psychometric`."""

    coherence: np.ndarray
    choice: np.ndarray
    curve: Logistic | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """What was found of K networks.

    Attributes:
        table: a row per network: name, path, what it is, metrics on common trials and of its own test, fixed points.
        similarity: by measure, a DataFrame (K, K), names on both sides, from 0 (cka and procrustes) or -1 (dsa) to 1.
        choices: by name, where the task has coherences and two outputs.
        choice_name: of the output that the curves are about.
    """

    table: "pd.DataFrame"
    similarity: dict[str, "pd.DataFrame"]
    choices: dict[str, Choices]
    choice_name: str | None

    def distances(self, measure: str) -> np.ndarray:
        """Return the angular distances (K, K), arccos of the similarities, radians."""
        return np.arccos(np.clip(self.similarity[measure].to_numpy(), -1.0, 1.0))


def compared(
    paths: Sequence[str | Path], n_trials: int = 64, measures: Sequence[str] = MEASURES, trust: bool = False
) -> Comparison:
    """Compare networks on trials of the task of the first one.

    Args:
        paths: runs, checkpoints, and directories above runs, which stand for all finished runs in them.
        n_trials: B >= 2, test trials on which states are compared, at the steps that all have; metrics and choices are
            of N_JUDGED at least. All without the networks' own noise.
        measures: of "cka", "procrustes", "dsa".
        trust: build classes from outside rnnexp that the checkpoints name.

    Raises:
        UserError: there are fewer than two networks, one cannot be loaded, or their trials differ in what they hold.
    """
    import pandas as pd

    _check(n_trials, measures)
    files = _files(paths)
    saved = [_loaded(file, trust, needs_data=index == 0) for index, file in enumerate(files)]
    names = _names(files, saved)
    first = saved[0]
    refuse_no_task(first.task)
    task, seed = first.task.for_split("test"), first.config["seed"]
    with globals_seeded(seed, "test_trials"):
        trials = task.sample(max(n_trials, N_JUDGED), stream(seed, "test_trials"), torch.float64)
    rows, states, found_choices = [], [], {}
    for name, file, network in zip(names, files, saved, strict=True):
        _check_fit(network, first, file)
        with torch.no_grad():
            trajectory = network.model(trials)
            loss = network.loss(trajectory, trials, network.model).total.item()
        n_steps = trials.n_steps if trials.lengths is None else trials.lengths.min()  # that all trials have
        states.append(trajectory.latents[:n_trials, :n_steps].numpy())
        if not np.isfinite(states[-1]).all():
            raise UserError(f"{file}: its states on the trials are not finite")
        metrics = {key: value.item() for key, value in task.metrics(trajectory.outputs, trials).items()}
        choice = _choices(trajectory.outputs, trials)
        if choice is not None:
            found_choices[name] = choice
        curve = None if choice is None else choice.curve
        psychometric = {} if curve is None else {"bias": curve.bias, "slope": curve.slope}
        rows.append({**_identity(name, file, network), "loss": loss, **metrics, **psychometric,
                     **_fixed_points(network, task, seed), **_own_test(file)})  # fmt: skip
    similarity = {measure: pd.DataFrame(_matrix(states, measure), names, names) for measure in measures}
    choice_name = task.output_labels[1] if found_choices else None
    return Comparison(pd.DataFrame(rows), similarity, found_choices, choice_name)


def _check(n_trials: int, measures: Sequence[str]) -> None:
    try:
        integer_at_least("n_trials", n_trials, 2)
    except ValueError as error:
        raise UserError(str(error)) from error
    for measure in measures:
        if measure not in MEASURES:
            raise UserError(f"{measure}: no such measure: must be one of {', '.join(MEASURES)}")
    if not measures:
        raise UserError(f"measures: must be some of {', '.join(MEASURES)}")


def _files(paths: Sequence[str | Path]) -> list[Path]:
    """Return the checkpoint files that paths stand for, each once.

    Raises:
        UserError: a path leads to none, or there are fewer than two in all.
    """
    found: list[Path] = []
    for given in paths:
        path = run_directory(given)
        inner = []
        if path.is_dir() and not (path / "checkpoints").is_dir():
            inner = sorted(
                file for file in path.rglob("checkpoints/best.pt") if _is_finished(file.parents[1])
            )
            if not inner:
                raise UserError(f"{path}: holds no finished run")
        found += [file.absolute() for file in inner] or [checkpoint_file(path, "run").absolute()]
    files = list(dict.fromkeys(found))
    if len(files) < 2:
        raise UserError(f"a comparison needs two networks at least, got {len(files)}")
    return files


def _is_finished(run: Path) -> bool:
    try:
        return read_record(run / "run.json").get("status") == "finished"
    except UserError:
        return False


def _loaded(file: Path, trust: bool, needs_data: bool) -> SavedModel:
    device = {"name": "cpu", "dtype": "float64", "threads": "auto"}
    return load_model({"checkpoint": str(file), "trust": trust, "device": device}, needs_data=needs_data)


def _names(files: Sequence[Path], saved: Sequence[SavedModel]) -> list[str]:
    """Return a short name for each network: what it is and its seed, and where that is not enough its directory."""
    kinds = [
        f"{option_name('latent_step', network.config['latent_step'])}, seed {network.config['seed']}"
        for network in saved
    ]
    if len(set(kinds)) == len(kinds):
        return kinds
    steps = [file.stem if file.stem != "best" else "" for file in files]
    places = [
        f"{run_directory_of(file).name}{step and '/' + step}" for file, step in zip(files, steps, strict=True)
    ]
    if len(set(places)) == len(places):
        return [f"{place}: {kind}" for place, kind in zip(places, kinds, strict=True)]
    return [f"{number}: {kind}" for number, kind in enumerate(kinds)]


def _check_fit(network: SavedModel, first: SavedModel, file: Path) -> None:
    """Refuse a network that cannot run on the trials of the first one."""
    for what in ("input_dim", "output_dim"):
        own, needed = getattr(network.task, what), getattr(first.task, what)
        if own != needed:
            raise UserError(
                f"{file}: its task has {what} {own}, that of the first network {needed}: not comparable"
            )
    if network.task.dt != first.task.dt:
        raise UserError(
            f"{file}: its task has dt {network.task.dt:g}, that of the first network {first.task.dt:g}"
        )


def _identity(name: str, file: Path, network: SavedModel) -> dict[str, Any]:
    config = network.config
    return {
        "name": name,
        "path": str(file),
        "task": option_name("task", config["task"]),
        "latent_step": option_name("latent_step", config["latent_step"]),
        "latent_dim": config["latent_dim"],
        "seed": config["seed"],
        "step": network.step,
        "n_parameters": sum(p.numel() for p in network.model.parameters() if p.requires_grad),
    }


def _own_test(file: Path) -> dict[str, Any]:
    """Return the test metrics that the run was left with, if it is one and the checkpoint its best."""
    path = run_directory_of(file) / "summary.json"
    if file.name != "best.pt" or not path.is_file():
        return {}
    return {key: value for key, value in read_record(path).items() if key.startswith("test_")}


def _fixed_points(network: SavedModel, task: Any, seed: int) -> dict[str, int]:
    if task.kind == "time_series":
        return {}
    found = analyze_trials(network.model, task, None, N_STARTS, TOLERANCE, seed).slow_points
    stable = sum(int((points.is_fixed & (points.n_unstable == 0)).sum()) for points in found.values())
    fixed = sum(int(points.is_fixed.sum()) for points in found.values())
    slow = sum(map(len, found.values())) - fixed
    return {"fixed_points": fixed, "stable_fixed_points": stable, "slow_points": slow}


def _choices(outputs: torch.Tensor, trials: Trials) -> Choices | None:
    if outputs.shape[2] != 2 or not {"coherence", "direction"} <= trials.conditions.keys():
        return None
    direction = trials.conditions["direction"].double()
    coherence = ((2 * direction - 1) * trials.conditions["coherence"]).numpy()
    choice = choices(outputs, trials.mask).double().numpy()
    return Choices(coherence, choice, fit_logistic(coherence, choice))


def _matrix(states: Sequence[np.ndarray], measure: str) -> np.ndarray:
    """Return the similarities (K, K) of states (B, T, M_k)."""
    if measure == "dsa":
        stride = -(-states[0].shape[1] // MOST_FLOW_STEPS)
        thinned = [each[:, ::stride] for each in states]
        delays = min(N_DELAYS, thinned[0].shape[1] - 1)
        things: Sequence[np.ndarray] = [linear_flow(each, delays, RANK) for each in thinned]
    else:
        things = states
    alike: Callable[[np.ndarray, np.ndarray], float] = {
        "cka": linear_cka, "procrustes": procrustes_similarity, "dsa": flow_similarity,
    }[measure]  # fmt: skip
    count = len(things)
    matrix = np.eye(count)
    for i in range(count):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = alike(things[i], things[j])
    return matrix
