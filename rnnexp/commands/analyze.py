"""`rnnexp analyze`: the dynamics of a trained network without data: attractor, fixed points, cycles, exponents."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from rnnexp.analysis.weight_spectra import weight_spectra
from rnnexp.commands.analysis_files import Spectra, analysis_arrays, summary_of, write_course, write_tables
from rnnexp.commands.analysis_pictures import draw_course, draw_findings
from rnnexp.commands.array_files import write_npz
from rnnexp.commands.dynamics import Dynamics, dynamics_of
from rnnexp.commands.export import EXACT
from rnnexp.commands.free_run_analysis import find
from rnnexp.commands.training_course import checkpoints_beside, course_of_training
from rnnexp.config.validation import validate
from rnnexp.errors import UserError
from rnnexp.models import RNN
from rnnexp.plots.drawing import drawing
from rnnexp.saved.model import SavedModel, load_model
from rnnexp.tasks.base import Task
from rnnexp.tasks.units import DataUnits
from rnnexp.training.checkpoint_file import checkpoint_paths
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.streams import stream

log = logging.getLogger(__name__)
N_TRIALS = 16  # of the task, whose states the root finder may start from


def job(cfg: DictConfig) -> float | None:
    """Analyse a checkpoint; returns the largest Lyapunov exponent, for sweepers, None if the free run diverges."""
    validate(cfg, "analyze")
    hydra = HydraConfig.get()
    config = OmegaConf.to_container(cfg, resolve=True)
    return run(config, Path(hydra.runtime.output_dir), list(hydra.overrides.task))


def run(config: dict[str, Any], directory: Path, overrides: list[str]) -> float | None:
    """Analyse a checkpoint and leave tables, analysis.npz, summary.json and plots in a directory.

    Args:
        config: resolved and validated configuration of `rnnexp analyze`.
        directory: where the results go.
        overrides: what the command line changed, for run.json.

    Returns:
        The largest exponent, 1 / time unit of the task; None if the free run diverges.

    Raises:
        UserError: the checkpoint, the input or the start cannot be used.
    """
    saved = load_model({**config, "device": EXACT})
    seed = saved.config["seed"] if config["seed"] is None else config["seed"]
    units = saved.units(config["units"])
    inputs = _constant_input(config["input"], saved.model, units)
    _check_start(config["start"], saved.model)
    _check_exponents(config["n_exponents"], saved.model)
    out = RunDirectory(directory)
    about = {} if saved.task.data_units is None else {"units": config["units"]}
    out.start(seed, overrides, **about, **checkpoint_paths(config["checkpoint"], out.path))
    try:
        summary = _analyze(saved, config, seed, inputs, units, out)
    except BaseException as error:
        out.fail(error)
        raise
    out.finish("finished", "analyzed")
    width = max(map(len, summary))
    for name, value in summary.items():
        print(f"{name:<{width}}  {'-' if value is None else f'{value:.6g}'}")
    if about:
        log.info("outputs are in %s", "the units of the data" if units else "standardised units")
    log.info("results: %s", out.path)
    return None if summary["diverged"] else summary["lyapunov"]


def _analyze(
    saved: SavedModel,
    config: dict[str, Any],
    seed: int,
    inputs: Tensor | None,
    units: DataUnits | None,
    out: RunDirectory,
) -> dict[str, float | int | None]:
    """Do all parts of the analysis, write what comes out, and return the summary."""

    def make(model: RNN) -> tuple[Dynamics, np.ndarray]:
        dynamics = dynamics_of(model, inputs, None if units is None else units.outputs)
        return dynamics, _start(model, config["start"], saved.task)

    dynamics, z0 = make(saved.model)
    visited = _visited(saved, inputs, seed)
    findings = find(dynamics, z0, visited, _kind(saved.model), config, seed)
    spectra = _spectra(saved.model)
    task, plots = saved.task, out.plots
    write_tables(out.path, findings, dynamics, task.output_labels, task.dt, spectra)
    about = {} if task.data_units is None else {"units": np.array(config["units"])}
    arrays = analysis_arrays(findings, dynamics, task.dt, spectra)
    write_npz(out.path / "analysis.npz", about | arrays)
    summary = summary_of(findings, task.dt, spectra)
    out.write_summary(summary)
    for note in findings.notes:
        log.info(note)
    if config["plots"]:
        with drawing("plots"):
            plots.mkdir(exist_ok=True)
            draw_findings(findings, dynamics, task, spectra, plots)
    files = checkpoints_beside(config["checkpoint"], config["n_checkpoints"])
    if len(files) > 1:
        moments = course_of_training(files, saved.model, make, config, seed)
        write_course(out.path / "training.csv", moments, task.dt)
        if config["plots"]:
            with drawing("training_bifurcation.png"):
                draw_course(moments, task, plots)
    return summary


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
