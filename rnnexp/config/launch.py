"""Runs what a command line asks for: one job, the jobs of a sweep, or the rest of an interrupted run."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rnnexp.config.arguments import Arguments
from rnnexp.config.composition import composer
from rnnexp.config.console import logging_restored
from rnnexp.config.fine_tuning import ancestor_as_base
from rnnexp.config.job import Job
from rnnexp.config.paths import ConfigDirectory, make_working_directory_importable
from rnnexp.config.planning import (
    Plan,
    job_line,
    make_plan,
)
from rnnexp.config.run_directories import claim, pattern
from rnnexp.config.targets import is_own, targets
from rnnexp.config.with_hydra import run_with_hydras_sweeper
from rnnexp.errors import ConfigError, UserError
from rnnexp.training.checkpoint_file import checkpoint_file

WRITES_ONE_FILE = ("simulate", "export")  # and no run directory


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
        launcher = None
        if plan.is_sweep:
            from rnnexp.sweeps import planned

            launcher = planned.own_launcher(plan)
            if launcher is not None and command == "train":
                launcher.check_jobs([OmegaConf.to_container(cfg, resolve=True) for cfg in plan.job_configs])
        searched = planned.prepared_search(plan) if launcher is not None and plan.jobs is None else ()
        is_claimed = plan.is_sweep or command not in WRITES_ONE_FILE
        claimed = claim(plan.cfg, kind) if is_claimed else None
        sweep = None
        if launcher is not None and plan.jobs is not None:
            sweep = planned.planned_sweep(plan, arguments.overrides, claimed.path)
        elif launcher is not None:
            try:
                planned.search(composing, plan, *searched, arguments.overrides, claimed.path, launcher, words)
            finally:
                claimed.release()
            return claimed.path
    if "callbacks" in plan.cfg.hydra and plan.cfg.hydra.callbacks:
        make_working_directory_importable()  # Hydra imports these classes itself
    try:
        if sweep is not None:
            from rnnexp.sweeps.running import run_sweep

            planned.write_line(plan.cfg, sweep.overrides, claimed.path)
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
