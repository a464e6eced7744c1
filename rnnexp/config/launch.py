"""Runs what a command line asks for: one job, the jobs of a sweep, or the rest of an interrupted run."""

import importlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rnnexp.config.arguments import Arguments
from rnnexp.config.composition import Composer, composer
from rnnexp.config.console import logging_restored
from rnnexp.config.fine_tuning import ancestor_as_base
from rnnexp.config.messages import diagnose
from rnnexp.config.paths import ConfigDirectory, bundled_conf, make_working_directory_importable
from rnnexp.config.plain_data import read_yaml
from rnnexp.config.planning import (
    Plan,
    counted_in_trials,
    counts_trials,
    is_search,
    job_line,
    make_plan,
    rewritten,
)
from rnnexp.config.run_directories import claim, pattern
from rnnexp.config.search_path import use_directories
from rnnexp.config.targets import is_own, targets
from rnnexp.errors import ConfigError, UserError, reason_of
from rnnexp.training.checkpoint_file import checkpoint_file

if TYPE_CHECKING:
    from rnnexp.sweeps.jobs import Sweep
    from rnnexp.sweeps.launchers import Launcher
    from rnnexp.sweeps.search import Search

log = logging.getLogger("rnnexp")
WRITES_ONE_FILE = ("simulate", "export")  # and no run directory


def module_of(command: str) -> str:
    """Return the name of the module in `rnnexp.commands` that holds the job of a command."""
    return "import_weights" if command == "import" else command


class JobFailedError(UserError):
    """A job of a sweep failed; the message is the reason, the same in every process."""


class Job:
    """What Hydra calls for every job; goes to other processes by pickling.

    Args:
        command: one of `HYDRA_COMMANDS`, such as "train".
        words: the command line as typed, for the records.
    """

    def __init__(self, command: str, words: Sequence[str]) -> None:
        self.command = command
        self.words = list(words)

    def __call__(self, cfg: DictConfig) -> Any:
        """Run one job; its traceback goes to the log of the job."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        hydra = HydraConfig.get()
        is_sweep = hydra.mode == RunMode.MULTIRUN
        try:
            with typed_command_line([self.command, *self.words]):
                return importlib.import_module(f"rnnexp.commands.{module_of(self.command)}").job(cfg)
        except Exception as error:
            reason = reason_of(error)
            log.error("failed: %s", reason, exc_info=True)
            if hydra.output_subdir is not None:
                record_failure(Path(hydra.runtime.output_dir), reason)
            if not is_sweep:
                log_file = Path(hydra.runtime.output_dir) / f"{hydra.job.name}.log"
                if log_file.is_file():  # commands that write one file keep no log
                    error.add_note(f"the traceback is in {log_file}")
                raise
            log.warning("job %s failed: %s", hydra.job.num, reason)
            raise JobFailedError(reason) from error


def record_failure(directory: Path, reason: str) -> None:
    """Leave a run.json in the directory of a job that failed before it could write one itself."""
    record = {"status": "failed", "exit_reason": reason}
    try:
        with (directory / "run.json").open("x") as file:
            json.dump(record, file, indent=2)
    except FileExistsError:
        return


@contextmanager
def typed_command_line(words: Sequence[str]) -> Iterator[None]:
    """Let sys.argv be what the user typed."""
    previous = sys.argv
    sys.argv = ["rnnexp", *words]
    try:
        yield
    finally:
        sys.argv = previous


@contextmanager
def errors_raised() -> Iterator[None]:
    """Make Hydra raise errors instead of printing and exiting."""
    previous = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if previous is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = previous


class _WithoutHydrasNote:
    """stderr without Hydra's "Error executing job with overrides", since the reason itself follows."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return (
            len(text) if text.startswith("Error executing job with overrides:") else self._stream.write(text)
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def run_hydra(command: str, words: Sequence[str], arguments: Arguments, extra: tuple[str, ...] = ()) -> None:
    """Hand a command line over to Hydra.

    Args:
        command: one of `HYDRA_COMMANDS`, such as "train".
        words: the command line as typed.
        arguments: the same, sorted.
        extra: further overrides.
    """
    import hydra

    main = hydra.main(version_base="1.3", config_path=str(bundled_conf()), config_name=command)
    previous_argv, previous_stderr = sys.argv, sys.stderr
    sys.argv = [f"rnnexp {command}", *arguments.for_hydra(extra)]
    sys.stderr = _WithoutHydrasNote(previous_stderr)
    try:
        with errors_raised(), logging_restored():
            main(Job(command, words))()
    finally:
        sys.argv, sys.stderr = previous_argv, previous_stderr


def launch(
    command: str, words: Sequence[str], arguments: Arguments, directories: Sequence[ConfigDirectory]
) -> Path | None:
    """Check a command line, then run it, or list what it would run.

    Returns:
        The directory of the run or sweep; None where there is none.

    Raises:
        ConfigError: something is wrong with it; nothing was run.
        UserError: the run or jobs of a sweep failed.
    """
    with ancestor_as_base(command, arguments) as based:
        return _launch(command, words, based, directories)


def _launch(
    command: str, words: Sequence[str], arguments: Arguments, directories: Sequence[ConfigDirectory]
) -> Path | None:
    with composer(arguments.config_name or command, directories) as composing:
        plan = make_plan(composing, command, arguments)
        if arguments.dry_run:
            show(plan)
            return None
        kind = "sweep" if plan.is_sweep else "run"
        if command == "train":
            build_jobs(plan.job_configs)
        for job_config in plan.job_configs:
            if "checkpoint" in job_config:
                checkpoint_file(job_config.checkpoint)
        if arguments.check:
            count = 1 if not plan.is_sweep else "?" if plan.jobs is None else len(plan.jobs)
            print(f"ok: {count} job{'' if count == 1 else 's'}")
            return None
        launcher = _own_launcher(plan)
        searched = prepared_search(plan) if launcher is not None and plan.jobs is None else ()
        is_claimed = plan.is_sweep or command not in WRITES_ONE_FILE
        claimed = claim(plan.cfg, kind) if is_claimed else None
        sweep = None
        if launcher is not None and plan.jobs is not None:
            sweep = planned_sweep(plan, arguments.overrides, claimed.path)
        elif launcher is not None:
            try:
                search(composing, plan, *searched, arguments.overrides, claimed.path, launcher, words)
            finally:
                claimed.release()
            return claimed.path
    if "callbacks" in plan.cfg.hydra and plan.cfg.hydra.callbacks:
        make_working_directory_importable()  # Hydra imports these classes itself
    try:
        if sweep is not None:
            from rnnexp.sweeps.running import run_sweep

            write_line(plan.cfg, sweep.overrides, claimed.path)
            run_sweep(sweep, sweep.jobs, launcher, words)
        elif plan.is_sweep:
            checked = replace(arguments, overrides=plan.overrides, multirun=True)
            run_with_hydras_sweeper(command, words, checked, claimed.path, claimed.overrides())
        else:
            run_one(plan, words, claimed.path if claimed else None)
    finally:
        if claimed is not None:
            claimed.release()
    return claimed.path if claimed else None


def run_one(plan: Plan, words: Sequence[str], directory: Path | None) -> None:
    """Run the job of a line that is no sweep, as Hydra does, with the configuration that was composed and checked.

    Args:
        plan: of the line.
        words: the command line as typed.
        directory: that the run has claimed; None leaves it to Hydra, for commands without one.

    Raises:
        Exception: the job failed.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra.core.utils import JobRuntime, JobStatus, run_job, setup_globals

    setup_globals()
    config = plan.cfg
    JobRuntime.instance().set("name", config.hydra.job.name)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.mode = RunMode.RUN
        if directory is not None:
            config.hydra.run.dir = str(directory)
    callbacks = Callbacks(config)
    callbacks.on_run_start(config=config, config_name=plan.command)
    with logging_restored():
        result = run_job(
            Job(plan.command, words), config, "hydra.run.dir", None, SimpleNamespace(callbacks=callbacks)
        )
    callbacks.on_run_end(config=config, config_name=plan.command, job_return=result)
    if result.status is not JobStatus.COMPLETED:
        raise result._return_value


def show_with_hydra(
    command: str, words: Sequence[str], arguments: Arguments, directories: Sequence[ConfigDirectory]
) -> None:
    """Let Hydra print what --cfg, --info or --hydra-help ask for.

    Raises:
        ConfigError: the overrides cannot be used.
    """
    with ancestor_as_base(command, arguments) as based:
        _show_with_hydra(command, words, based, directories)


def _show_with_hydra(
    command: str, words: Sequence[str], arguments: Arguments, directories: Sequence[ConfigDirectory]
) -> None:
    use_directories(directories)
    shown = replace(arguments, overrides=rewritten(command, arguments.overrides))
    try:
        if counts_trials(shown.overrides):
            with composer(arguments.config_name or command, directories) as composing:
                shown.overrides.extend(counted_in_trials(composing, shown.overrides))
        run_hydra(command, words, shown)
    except Exception as error:
        with composer(arguments.config_name or command, directories) as composing:
            raise ConfigError(diagnose(composing, shown.overrides, False, error).problems) from error


def show(plan: Plan) -> None:
    """Print what a plan would run: a line for each job, or the directory of a single run."""
    if not plan.is_sweep:
        print(plan.cfg.out if plan.command in WRITES_ONE_FILE else pattern(plan.cfg, "run"))
    elif plan.jobs is None:
        print(f"the jobs are chosen by {plan.cfg.hydra.sweeper._target_} as it goes")
    else:
        for number, job in enumerate(plan.jobs):
            print(f"{number}: {job_line(job)}")


def build_jobs(job_configs: Sequence[DictConfig]) -> None:
    """Build the parts of every job once, since constructors know more ranges than the schema.

    So a wrong value in one job stops a sweep before its first job, and leaves no directory behind. Jobs with
    classes of the user are left out: these may take long to build.

    Raises:
        ConfigError: parts of some jobs refuse their arguments or do not fit together.
    """
    from rnnexp.building.parts import ancestor_of, build_parts

    problems: dict[str, None] = {}
    built = set()
    for cfg in job_configs:
        config = OmegaConf.to_container(cfg, resolve=True)
        config["device"]["name"] = "cpu"  # the jobs may run on another machine
        identity = json.dumps({**config, "seed": 0}, sort_keys=True, default=str)
        if identity in built or not all(is_own(target) for _, target in targets(config)):
            continue
        built.add(identity)
        try:
            build_parts(config, ancestor=ancestor_of(config))
        except UserError as error:
            problems[str(error)] = None
    if problems:
        raise ConfigError(list(problems))


def _own_launcher(plan: Plan) -> "Launcher | None":
    """Return what runs the jobs of a planned sweep; None where that is up to a plugin of Hydra, or there is one run.

    Raises:
        UserError: it cannot work here.
    """
    from rnnexp.sweeps.running import is_own as is_own_launcher
    from rnnexp.sweeps.running import make_launcher

    if not plan.is_sweep or (plan.jobs is None and not is_search(plan.cfg)):
        return None
    settings = OmegaConf.to_container(plan.cfg.hydra.launcher, resolve=True)
    return make_launcher(settings) if is_own_launcher(settings) else None


def prepared_search(plan: Plan) -> tuple["Search", dict[str, Any]]:
    """Return the settings of a search and what it searches.

    Raises:
        ConfigError: it is none of trainings, or one of them is wrong.
    """
    from rnnexp.config.instantiate import instantiate
    from rnnexp.sweeps.search import distributions

    if plan.command != "train":
        raise ConfigError(["hydra/sweeper=optuna: is for rnnexp train"])
    node = OmegaConf.to_container(plan.cfg.hydra.sweeper, resolve=True)
    return instantiate(node, key="hydra.sweeper"), distributions(plan.swept)


def search(
    composing: Composer,
    plan: Plan,
    settings: "Search",
    space: dict[str, Any],
    typed: Sequence[str],
    directory: Path,
    launcher: "Launcher",
    words: Sequence[str],
) -> None:
    """Run a search for settings in a directory.

    Raises:
        UserError: all its trials failed.
    """
    from rnnexp.sweeps.jobs import Sweep, plain
    from rnnexp.sweeps.search import SearchedJobs, run_search

    hydra = plain(plan.cfg.hydra)
    hydra["sweep"]["dir"] = str(directory.absolute())
    write_line(plan.cfg, typed, directory)
    sweep = Sweep(plan.command, list(typed), [], str(directory.absolute()), hydra)
    jobs = SearchedJobs(composing, fixed_overrides(composing, plan, space), sweep, plan.swept)
    run_search(settings, space, jobs, launcher, words)


def write_line(cfg: DictConfig, typed: Sequence[str], directory: Path) -> None:
    """Leave the multirun.yaml that Hydra's sweeper leaves, with the overrides of the line."""
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.overrides.task = [text for text in typed if not text.startswith(("hydra.", "hydra/"))]
    (directory / "multirun.yaml").write_text(OmegaConf.to_yaml(cfg))


def fixed_overrides(composing: Composer, plan: Plan, space: dict[str, Any]) -> list[str]:
    """Return the overrides that all jobs of a search share, without what is for Hydra."""
    parsed = [composing.parse(text) for text in plan.overrides]
    return [o.input_line or "" for o in parsed if o.key_or_group not in space and not o.is_hydra_override()]


def planned_sweep(plan: Plan, typed: Sequence[str], directory: Path) -> "Sweep":
    """Return the sweep that a plan describes, in a directory.

    Args:
        plan: of a sweep whose jobs are known.
        typed: overrides of the line.
        directory: which the sweep has claimed.
    """
    from dataclasses import replace as with_place

    from rnnexp.sweeps.jobs import Sweep, SweepJob, place, plain

    hydra = plain(plan.cfg.hydra)
    hydra["sweep"]["dir"] = str(directory.absolute())
    jobs = [
        SweepJob(number, overrides, choices, config, "")
        for number, (overrides, (choices, config)) in enumerate(zip(plan.jobs, plan.composed, strict=True))
    ]
    jobs = [with_place(job, directory=str(place(hydra, job))) for job in jobs]
    return Sweep(plan.command, list(typed), jobs, str(directory.absolute()), hydra)


def run_with_hydras_sweeper(
    command: str, words: Sequence[str], arguments: Arguments, directory: Path, extra: tuple[str, ...]
) -> None:
    """Let a sweeper or launcher of Hydra's plugins run the jobs, then gather their results whatever happened.

    Raises:
        UserError: jobs failed; the reason of each is told.
    """
    problems: list[str] = []
    cause: Exception | None = None
    try:
        run_hydra(command, words, arguments, extra)
    except JobFailedError as error:
        problems, cause = failures(directory) or [str(error)], error
    except Exception as error:  # a worker was killed, or the launcher itself failed
        problems, cause = [*failures(directory), f"the sweep stopped: {reason_of(error)}"], error
    finally:
        gather(directory)
    if problems:
        raise UserError("\n".join(problems)) from cause


def gather(directory: Path) -> None:
    """Collect the results of a sweep; what goes wrong with that is told, and makes no finished job a failed one."""
    if not any(directory.glob("**/.hydra")):
        return
    from rnnexp.saved.collecting import collect

    try:
        collect(directory)
    except Exception as error:
        print(f"rnnexp: the results were not collected: {reason_of(error)}", file=sys.stderr)
        print(f"rnnexp: rnnexp collect {directory} does it again", file=sys.stderr)


def failures(directory: Path) -> list[str]:
    """Return a line for every job of a sweep that did not finish: number, overrides that not all share, reason."""
    lines = []
    found = [path.parent.parent for path in directory.glob("**/.hydra/overrides.yaml")]
    jobs = {job: read_yaml(job / ".hydra" / "overrides.yaml") for job in found}
    shared = set.intersection(*map(set, jobs.values())) if len(jobs) > 1 else set()
    for job in sorted(jobs, key=lambda path: (len(path.name), path.name)):
        record = _read_record(job / "run.json")
        if record.get("status") == "finished":
            continue
        overrides = job_line([text for text in jobs[job] if text not in shared])
        reason = record.get("exit_reason") or "it ended without a reason: was its process killed?"
        lines.append(f"job {job.relative_to(directory)} ({overrides}): {reason}")
    return lines


def _read_record(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
