"""`rnnexp eval`: metrics and plots of a trained network on fresh trials."""

import logging
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnexp.commands.lesion import lesion
from rnnexp.config.validation import validate
from rnnexp.plots.album import Album, first_kinds
from rnnexp.plots.drawing import drawing
from rnnexp.saved.evaluation import evaluated, noise_of
from rnnexp.saved.files import input_files
from rnnexp.saved.model import SavedModel, load_model
from rnnexp.saved.pictures import N_CURVE, draw_model
from rnnexp.tasks.no_task import refuse_no_task
from rnnexp.training.checkpoint_file import checkpoint_paths, run_directory
from rnnexp.training.history import History
from rnnexp.training.run_directory import RunDirectory

log = logging.getLogger(__name__)


def job(cfg: DictConfig) -> float:
    """Evaluate a checkpoint; returns the loss, for sweepers."""
    validate(cfg, "eval")
    hydra = HydraConfig.get()
    config = OmegaConf.to_container(cfg, resolve=True)
    overrides = [text.removeprefix("++") for text in hydra.overrides.task]
    return run(config, Path(hydra.runtime.output_dir), overrides)


def run(config: dict[str, Any], directory: Path, overrides: list[str]) -> float:
    """Evaluate a checkpoint and leave metrics.csv, summary.json and plots in a directory.

    Args:
        config: resolved and validated configuration of `rnnexp eval`.
        directory: where the results go.
        overrides: what the command line changed, for run.json.

    Returns:
        The loss.

    Raises:
        UserError: the checkpoint cannot be used, or a change to the task is refused.
    """
    config = {**config, "checkpoint": str(run_directory(config["checkpoint"]))}  # "latest" is settled once
    saved = load_model(config, config["task"], needs_data=True)
    refuse_no_task(saved.task)
    seed = saved.config["seed"] if config["seed"] is None else config["seed"]
    out = RunDirectory(directory)
    files = input_files({"task": config["task"]}, out.path)
    out.start(seed, overrides, files=files, **checkpoint_paths(config["checkpoint"], out.path))
    try:
        lesioned = lesion(saved.model, config["lesion"], seed)
        row = _evaluate(saved, config, seed, out, lesioned)
    except BaseException as error:
        out.fail(error)
        raise
    out.finish("finished", "evaluated")
    print(_table(row))
    log.info("results: %s", out.path)
    return row["loss"]


def _evaluate(
    saved: SavedModel, config: dict[str, Any], seed: int, out: RunDirectory, lesioned: dict[str, int]
) -> dict[str, Any]:
    """Run the model on fresh trials, write what came out, and return the row of metrics.csv.

    Args:
        lesioned: how much of the network was lesioned, for summary.json.
    """
    split = config["split"]
    result = evaluated(saved, config["n_trials"], split, seed, config["batch_size"])
    values, task = result.values, result.task
    row = {
        "step": saved.step,
        "trials": result.trials.n_trials,
        "split": split,
        **values,
        **task.metric_notes,
    }
    History(out.path / "metrics.csv").append(row)
    out.write_summary({f"{split}_{name}": value for name, value in values.items()} | lesioned)
    if config["plots"]:
        with drawing("plots"):
            album = Album(out.plots, first_kinds(config["plots"]))
            draw_model(saved.model, task, result.trials[:N_CURVE], album, noise_of(seed, split))
    return row


def _table(row: dict[str, Any]) -> str:
    width = max(map(len, row))
    return "\n".join(
        f"{name:<{width}}  {value:.6g}" if isinstance(value, float) else f"{name:<{width}}  {value}"
        for name, value in row.items()
    )
