"""`rnnexp analyze`: the dynamics of a trained network without data: attractor, fixed points, cycles, exponents."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnexp.commands.analysis_files import (
    analysis_arrays,
    trial_arrays,
    write_course,
    write_tables,
    write_trial_tables,
)
from rnnexp.commands.array_files import write_npz
from rnnexp.commands.export import EXACT
from rnnexp.config.validation import validate
from rnnexp.plots.drawing import drawing
from rnnexp.saved.analysis import Analysis, prepared
from rnnexp.saved.analysis_pictures import draw_course, draw_findings, draw_trial_analysis
from rnnexp.saved.model import SavedModel, load_model
from rnnexp.saved.training_course import checkpoints_beside, course_of_training
from rnnexp.training.checkpoint_file import checkpoint_paths, run_directory
from rnnexp.training.run_directory import RunDirectory

log = logging.getLogger(__name__)


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
    config = {**config, "checkpoint": str(run_directory(config["checkpoint"]))}  # "latest" is settled once
    saved = load_model({**config, "device": EXACT})
    analyzed = prepared(saved, config)
    out = RunDirectory(directory)
    seed = saved.config["seed"] if config["seed"] is None else config["seed"]
    about = {} if saved.task.data_units is None else {"units": config["units"]}
    out.start(seed, overrides, **about, **checkpoint_paths(config["checkpoint"], out.path))
    try:
        analysis = analyzed()
        _write(saved, analysis, config, seed, out)
    except BaseException as error:
        out.fail(error)
        raise
    out.finish("finished", "analyzed")
    summary = analysis.summary
    width = max(map(len, summary))
    for name, value in summary.items():
        print(f"{name:<{width}}  {'-' if value is None else f'{value:.6g}'}")
    if about:
        log.info(
            "outputs are in %s",
            "the units of the data" if config["units"] == "data" else "standardised units",
        )
    log.info("results: %s", out.path)
    return None if summary["diverged"] else summary["lyapunov"]


def _write(
    saved: SavedModel, analysis: Analysis, config: dict[str, Any], seed: int, out: RunDirectory
) -> None:
    """Write tables, arrays, summary and pictures, and analyse the checkpoints of the training in short."""
    findings, dynamics, spectra = analysis.findings, analysis.dynamics, analysis.spectra
    task, plots = saved.task, out.plots
    write_tables(out.path, findings, dynamics, task.output_labels, task.dt, spectra)
    about = {} if analysis.units is None else {"units": np.array(analysis.units)}
    on_trials = analysis.trials
    arrays = about | analysis_arrays(findings, dynamics, task.dt, spectra)
    if on_trials is not None:
        write_trial_tables(out.path, on_trials, dynamics.outputs, task)
        arrays |= trial_arrays(on_trials)
    write_npz(out.path / "analysis.npz", arrays)
    out.write_summary(analysis.summary)
    for note in findings.notes:
        log.info(note)
    if config["plots"]:
        with drawing("plots"):
            plots.mkdir(exist_ok=True)
            draw_findings(findings, dynamics, task, spectra, plots)
            if on_trials is not None:
                draw_trial_analysis(on_trials, task, plots)
    files = checkpoints_beside(config["checkpoint"], config["n_checkpoints"])
    if len(files) > 1:
        moments = course_of_training(files, saved.model, analysis.make, config, seed)
        write_course(out.path / "training.csv", moments, task.dt)
        if config["plots"]:
            with drawing("training_bifurcation.png"):
                draw_course(moments, task, plots)
