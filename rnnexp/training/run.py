"""One training, from a configuration to a finished run directory, begun or continued."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from rnnexp.building.parts import ancestor_of, build_parts
from rnnexp.config.instantiate import instantiate
from rnnexp.config.option_names import option_name
from rnnexp.config.schema import LOGGER
from rnnexp.config.validation import validate
from rnnexp.errors import UserError
from rnnexp.interop.parameters import weight_arrays
from rnnexp.plots.drawing import drawing
from rnnexp.saved.files import files_of, input_files, located
from rnnexp.tasks.no_task import refuse_no_task
from rnnexp.training.checkpoint import check_sizes, load_checkpoint, load_weights, resume_point
from rnnexp.training.evaluation import evaluate, leading
from rnnexp.training.history import History
from rnnexp.training.interruption import termination_as_interrupt
from rnnexp.training.records import read_record, set_aside
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.state import Parts, State, stage_column
from rnnexp.training.streams import globals_seeded, stream
from rnnexp.training.trainer import Trainer
from rnnexp.training.watchers import Watchers

log = logging.getLogger(__name__)
NO_BETTER = "no update was better than the start"


def resume(cfg: DictConfig, directory: Path) -> float:
    """Continue the run that lies in a directory, from its last checkpoint and in that directory.

    Args:
        cfg: the run's own configuration, changed values included.
        directory: the run directory.
    """
    validate(cfg, "train")
    record, remark = resume_point(directory)
    if remark is not None:
        log.warning("%s", remark)
    if record is None:
        log.warning("there is no checkpoint yet: the run starts from the beginning")
    config = OmegaConf.to_container(cfg, resolve=True)
    start = directory / "config.json"
    begun = record or (read_record(start) if start.exists() else {})
    files = files_of(begun, f"resume={directory}")
    return train(config, directory, [], resume_from=record, continues=True, files=files)


def train(
    config: dict[str, Any],
    directory: Path,
    overrides: list[str],
    resume_from: dict[str, Any] | None = None,
    continues: bool = False,
    files: list[dict[str, str]] | None = None,
    draws: bool = True,
) -> float:
    """Train and leave a run directory; returns the best validation value.

    Args:
        config, directory, overrides, resume_from, continues, files: see `Training`.
        draws: the pictures that trainer.plots asks for.

    Raises:
        UserError: a part refuses its arguments, or the training diverged; run.json says so too.
    """
    training = Training(config, directory, overrides, resume_from, continues, files)
    with training.recorded():
        training.build()
        with termination_as_interrupt():
            state, reason = training.trainer.fit(
                training.parts, training.run, config, config["seed"], resume_from
            )
            training.test(state)
    return training.close(state, reason, draws)


class Training:
    """A training in its run directory: opened, built, trained by somebody else, tested, closed.

    Args:
        config: resolved and validated configuration.
        directory: the run directory.
        overrides: what the command line changed, for run.json.
        resume_from: content of a checkpoint, or None to begin with the first update.
        continues: the directory holds the run already, even if there is no checkpoint.
        files: what the configuration read when the run began, see `input_files`; None looks for nothing elsewhere.

    Attributes:
        run: the directory.
        parts, trainer: once it is built.

    Raises:
        UserError: the directory is taken, or a file that the configuration names is missing.
    """

    parts: Parts
    trainer: Trainer

    def __init__(
        self,
        config: dict[str, Any],
        directory: Path,
        overrides: list[str],
        resume_from: dict[str, Any] | None = None,
        continues: bool = False,
        files: list[dict[str, str]] | None = None,
    ) -> None:
        self.config, self.resume_from = config, resume_from
        self._continues = continues or resume_from is not None
        if resume_from is not None:
            check_sizes(config, resume_from["model"], f"resume={directory}")
        self._with_files = config if files is None else located(config, files, directory.absolute())
        found = input_files(self._with_files, directory)
        self._ancestor = None if resume_from is not None else ancestor_of(self._with_files)
        self._tested: tuple[list[str], list[str]] = ([], [])
        self.run = RunDirectory(directory, resume=self._continues)
        facts = {} if self._ancestor is None else {"init_from": self._ancestor.facts(self.run.path)}
        self.run.start(config["seed"], overrides, config, found, **facts)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Let run.json say how the block ended, unless it ended well."""
        run, status = self.run, "failed"
        try:
            yield
            status = "going on"
        except KeyboardInterrupt as stop:
            status = "interrupted"
            if (run.checkpoints / "last.pt").exists():
                run.finish("interrupted", f"stopped by the user; continue with resume={run.given_path}")
                stop.add_note(f"continue with: rnnexp train resume={run.given_path}")
            else:
                run.finish("interrupted", "stopped by the user before the first checkpoint")
                stop.add_note(f"start again with: rnnexp train resume={run.given_path}")
            raise
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            if status != "going on":
                run.watchers.end(status)

    def build(self) -> None:
        """Build the parts and the trainer.

        Raises:
            UserError: one refuses its arguments.
        """
        config, run = self.config, self.run
        run.watchers = Watchers([instantiate(config.get("logger", LOGGER), key="logger")])
        if self._continues:
            set_damaged_aside(run, self.resume_from is None)
        with globals_seeded(config["seed"], "initialisation"):
            self.parts = build_parts(
                self._with_files, restoring=self.resume_from is not None, ancestor=self._ancestor
            )
        refuse_no_task(self.parts.task)
        self.trainer = instantiate(config["trainer"], key="trainer")
        names = [option_name(group, config[group]) for group in ("latent_step", "task")]
        log.info("training %s on %s in %s", *names, run.given_path)
        run.watchers.begin(
            run.path, config, 0 if self.resume_from is None else self.resume_from["state"]["step"]
        )

    def test(self, state: State) -> None:
        """Test the best network on fresh trials, and write summary.json and weights.npz."""
        self._tested = finish(self.parts, self.trainer, self.run, self.config, state)

    def close(self, state: State, reason: str, draws: bool = True) -> float:
        """Close the directory of a training that ended well; returns the best validation value.

        Args:
            state: how far it came.
            reason: why it ended, one sentence.
            draws: the pictures that trainer.plots asks for.
        """
        run, trainer = self.run, self.trainer
        run.finish("finished", reason if state.best_step or not state.step else f"{reason}; {NO_BETTER}")
        if trainer.plots and draws:
            draw(self.parts, run, *self._tested, self.config["seed"], state.best_step, trainer.plots)
        run.watchers.end("finished")
        log.info("run directory: %s", run.path)
        return state.best_value


def draw(
    parts: Parts,
    run: RunDirectory,
    terms: list[str],
    metrics: list[str],
    seed: int,
    best_step: int,
    plots: bool | str,
) -> None:
    """Draw the pictures of a training that is finished and stays so, whatever happens to them."""
    try:
        with termination_as_interrupt(), drawing("plots"):
            from rnnexp.plots.album import Album, first_kinds  # has matplotlib, which nothing before needs
            from rnnexp.saved.pictures import draw_run

            album = Album(run.plots, first_kinds(plots))
            draw_run(
                parts.model,
                parts.task,
                parts.curriculum,
                run.path,
                terms,
                metrics,
                seed,
                best_step,
                album,
            )
            album.tell_of_others(run.path)
            run.watchers.pictures(album.files)
    except KeyboardInterrupt as stop:
        stop.add_note(f"the training is finished, rnnexp plot {run.path} draws its pictures")
        raise


def set_damaged_aside(run: RunDirectory, begins_anew: bool) -> None:
    """Keep files of a run under other names that cannot be used and would be overwritten.

    Args:
        run: it goes on.
        begins_anew: there is no checkpoint, so that rows of metrics.csv have nothing to go on from.
    """
    for name in ("last.pt", "best.pt"):
        path = run.checkpoints / name
        if path.exists():
            try:
                load_checkpoint(path)
            except UserError as error:
                log.warning("%s; kept as %s", error, set_aside(path).name)
    metrics = run.path / "metrics.csv"
    if begins_anew and metrics.exists():
        set_aside(metrics)


def finish(
    parts: Parts, trainer: Trainer, run: RunDirectory, config: dict[str, Any], state: State
) -> tuple[list[str], list[str]]:
    """Test the best checkpoint on fresh trials; write summary.json and weights.npz.

    Returns:
        The columns of metrics.csv with the terms of the loss, and those with the metrics.
    """
    last = dict(state.validation)
    best = load_checkpoint(run.checkpoints / "best.pt")
    load_weights(parts.model, best["model"], origin="best.pt")
    losses, metrics = _test(parts, trainer, run, config["seed"], state)
    if state.step and not best["state"]["step"]:
        log.warning(
            "no update made %s better than at the start, so the test is that of the initial network; a smaller "
            "optimizer.lr may help", trainer.best_metric,
        )  # fmt: skip
    n_trials = state.step * trainer.batch_size
    run.write_summary(
        {
            "steps": state.step,
            "trials": n_trials,
            "seconds": round(state.seconds, 3),
            "trials_per_second": round(n_trials / state.seconds, 1) if state.seconds else None,
            "n_parameters": sum(p.numel() for p in parts.model.parameters() if p.requires_grad),
            "best_step": best["state"]["step"],
            **({"n_nonfinite": state.n_nonfinite} if trainer.trouble.goes_on else {}),
            **_stages(parts, trainer, state),
            **{f"best_validation_{name}": value for name, value in best["state"]["validation"].items()},
            **{f"final_validation_{name}": value for name, value in last.items()},
            **{f"test_{name}": value for name, value in {**losses, **metrics}.items()},
        }
    )
    save_weights(parts, run.path / "weights.npz")
    return list(losses)[1:], list(metrics)


def _test(
    parts: Parts, trainer: Trainer, run: RunDirectory, seed: int, state: State
) -> tuple[dict[str, float], dict[str, float]]:
    """Write the test row of metrics.csv, of the best checkpoint on fresh trials; returns losses and metrics."""
    task = parts.task.for_split("test")
    with globals_seeded(seed, "test_trials"):
        trials = task.sample(trainer.n_test_trials, stream(seed, "test_trials"), parts.dtype)
    losses, metrics = evaluate(
        parts.model,
        task,
        parts.loss.at(state.best_step, trainer.n_steps),
        trials.to(parts.device),
        trainer.eval_batch_size,
        stream(seed, "test_noise"),
    )
    history = History(run.path / "metrics.csv", resume_step=state.step)
    history.append(
        {
            "step": state.best_step,
            "trials": state.best_step * trainer.batch_size,
            "seconds": round(state.seconds, 3),
            "split": "test",
            **stage_column(parts.curriculum.n_stages - 1 if parts.curriculum else None),
            **losses,
            **metrics,
            **task.metric_notes,
        }
    )
    shown = {**leading(metrics, task, trials), **losses}
    shown = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
    log.info("test (%d fresh trials, best checkpoint): %s", trials.n_trials, shown)
    return losses, metrics


def _stages(parts: Parts, trainer: Trainer, state: State) -> dict[str, int | None]:
    """Return how far the training came in its curriculum: the trials until each stage was passed."""
    if parts.curriculum is None:
        return {}
    n_open = parts.curriculum.n_stages - len(state.passed_at)
    trials = [step * trainer.batch_size for step in state.passed_at] + [None] * n_open
    passed = {f"stage_{stage}_passed_after_trials": count for stage, count in enumerate(trials)}
    return {"stages_passed": len(state.passed_at), **passed}


def save_weights(parts: Parts, path: Path) -> None:
    """Write the effective weights under their names; raw parameters that differ from them as `<name>_raw`."""
    np.savez(path, **weight_arrays(parts.model))
