"""From a command line to a checked plan: one run, or the jobs of a sweep. Nothing is written."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from rnnexp.config.arguments import Arguments
from rnnexp.config.composition import Composer, is_multirun, without_hydra
from rnnexp.config.messages import diagnose, needs_multirun, one_line
from rnnexp.config.option_names import OF_ANCESTOR
from rnnexp.config.sweep import (
    BASIC_SWEEPER,
    JobComposer,
    SweepWords,
    covering,
    expand,
    split_words,
    where_known,
)
from rnnexp.config.validation import find_problems
from rnnexp.errors import ConfigError, UserError

OWN_GROUPS = ("task", "latent_step")  # with an option for a class of the user
N_TRIALS, N_STEPS = "trainer.n_trials", "trainer.n_steps"
MOST_CHECKED_JOBS = 256  # of a larger sweep, jobs in which every value occurs at least once


@dataclass(frozen=True)
class Plan:
    """What a command line will do.

    Args:
        command: one of `HYDRA_COMMANDS`, such as "train".
        overrides: as Hydra shall get them.
        cfg: the composed configuration, Hydra's part included; of a sweep, without the values it sweeps over.
        is_sweep: whether several jobs are meant.
        jobs: overrides of every job of a sweep; None for a single run, or if the sweeper chooses as it goes.
        job_configs: the job configurations that were checked.
        swept: what a sweeper that chooses as it goes has to choose.
        composed: what each job of a sweep is composed to: option of every group, and the configuration.
    """

    command: str
    overrides: list[str]
    cfg: DictConfig
    is_sweep: bool
    jobs: list[list[str]] | None
    job_configs: list[DictConfig]
    composed: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    swept: list[Override] = field(default_factory=list)


def rewritten(command: str, overrides: Sequence[str]) -> list[str]:
    """Return overrides that mean what was typed.

    `rnnexp eval task.dt=5` has to work though the task is only known once the checkpoint is read, and
    `rnnexp train task._target_=my_lab.tasks.MyTask` though the default task has other arguments.
    """
    if command == "eval":
        return [added_to(text, ("task",)) for text in overrides]
    keys = {text.partition("=")[0].lstrip("+") for text in overrides}
    own = [group for group in OWN_GROUPS if f"{group}._target_" in keys and not {group, f"~{group}"} & keys]
    named_own = [group for group in OWN_GROUPS if f"{group}=own" in overrides]
    many = [text for text in overrides if listed_tasks(text) is not None]
    open_groups = (*own, *named_own, *(["task.tasks"] if many else []), "lr_of")
    typed = [f"++{text}" if text.startswith("lr_of={") else text for text in overrides if text not in many]
    chosen = [f"+task@task.tasks.{name}={name}" for text in many for name in listed_tasks(text) or ()]
    return [*(f"{group}=own" for group in own), *chosen, *(added_to(text, open_groups) for text in typed)]


def listed_tasks(text: str) -> list[str] | None:
    """Return the options that `task.tasks=[a,b]` names; None if the override is another one."""
    found = re.fullmatch(r"task\.tasks=\[\s*(\w+(?:\s*,\s*\w+)*)\s*\]", text)
    return None if found is None else [name.strip() for name in found[1].split(",")]


def added_to(text: str, groups: Sequence[str]) -> str:
    """Return the override of a setting such that it may be new, where it belongs to one of the groups."""
    return f"++{text}" if text.startswith(tuple(f"{group}." for group in groups)) else text


def counts_trials(overrides: Sequence[str]) -> bool:
    """Whether the length of the training was typed as a number of trials only."""
    typed = dict(text.lstrip("+").partition("=")[::2] for text in overrides)
    return typed.get(N_TRIALS, "null") != "null" and N_STEPS not in typed


def counted_in_trials(composing: Composer, overrides: list[str]) -> list[str]:
    """Let `trainer.n_trials=...` work, though an experiment counts the length of its training in steps.

    Args:
        composing: composes the overrides.
        overrides: of a single run, or those of a sweep that have one value.

    Returns:
        What to add to the overrides: nothing, or trainer.n_steps=null.

    Raises:
        Exception: the overrides do not compose.
    """
    n_steps = OmegaConf.select(composing.compose(overrides), N_STEPS)
    return [] if n_steps is None else [f"{N_STEPS}=null"]


def _without_effect(overrides: Sequence[str], job: DictConfig) -> list[str]:
    """The problem that a number of trials was typed where the number of steps counts."""
    typed = any(text.lstrip("+").startswith(f"{N_TRIALS}=") for text in overrides)
    n_trials, n_steps = (OmegaConf.select(job, key) for key in (N_TRIALS, N_STEPS))
    if not typed or n_trials is None or n_steps is None:
        return []
    return [
        f"{N_TRIALS}: {n_trials}: has no effect beside {N_STEPS}, which is {n_steps}; set one of them to null"
    ]


def make_plan(composing: Composer, command: str, arguments: Arguments) -> Plan:
    """Compose and check everything that a command line asks for.

    Raises:
        ConfigError: something is wrong; all problems are listed.
    """
    typed, words = split_words(arguments.overrides)
    typed = [f"hydra.sweeper.{text}" if text.startswith("objective=") else text for text in typed]
    overrides = rewritten(command, typed)
    try:
        parsed = [composing.parse(text) for text in overrides]
        swept = [override for override in parsed if override.is_sweep_override()]
        fixed = [override.input_line or "" for override in parsed if override not in swept]
        if counts_trials(overrides):
            added = counted_in_trials(composing, fixed)
            overrides, fixed = overrides + added, fixed + added
            parsed += [composing.parse(text) for text in added]
        cfg = composing.compose(fixed)
    except Exception as error:
        problems = _all_problems(composing, command, overrides, error, arguments.multirun)
        raise ConfigError(problems) from error
    if arguments.multirun or is_multirun(cfg):
        return _plan_sweep(composing, command, overrides, cfg, parsed, words)
    if not words.is_empty:
        raise ConfigError(["zip(...), jobs=FILE and ?key=value: are for sweeps, which need -m"])
    problems = [needs_multirun(override) for override in swept]
    job = without_hydra(cfg)
    problems += find_problems(job, command) + _without_effect(overrides, job)
    if cfg.get("resume") is not None:
        problems.append(f"resume: {cfg.resume}: must be given on the command line, resume=RUN_DIR")
    if cfg.get("init_from") is not None and composing.config_name != OF_ANCESTOR:
        problems.append(f"init_from: {cfg.init_from}: must be given on the command line, init_from=RUN")
    if problems:
        raise ConfigError(problems)
    return Plan(command, overrides, cfg, is_sweep=False, jobs=None, job_configs=[job])


def _all_problems(
    composing: Composer, command: str, overrides: Sequence[str], error: Exception, sweeps: bool = False
) -> list[str]:
    """Problems of overrides that Hydra refuses, and of the values that the others set."""
    diagnosis = diagnose(composing, overrides, sweeps, error)
    try:
        cfg = composing.compose(diagnosis.usable)
        others = [composing.parse(text) for text in (*diagnosis.usable, *diagnosis.swept)]
        jobs = (expand(composing, cfg, others) or []) if sweeps else []
    except Exception:  # only together do they not compose, and that is reported
        return diagnosis.problems
    problems = find_problems(without_hydra(cfg), command)
    return list(dict.fromkeys([*diagnosis.problems, *problems, *_check_jobs(composing, command, jobs)[1]]))


def _plan_sweep(
    composing: Composer,
    command: str,
    overrides: list[str],
    cfg: DictConfig,
    parsed: list[Override],
    words: SweepWords,
) -> Plan:
    swept = [override for override in parsed if override.is_sweep_override()]
    problems = [
        f"{o.input_line}: a sweep cannot go over Hydra's own settings" for o in swept if o.is_hydra_override()
    ]
    if cfg.hydra.sweeper._target_ == BASIC_SWEEPER:
        problems += [
            f"{o.input_line}: Hydra's basic sweeper takes listed values only, {o.key_or_group}=A,B; a range "
            f"of real numbers needs a sweeper such as hydra/sweeper=optuna"
            for o in swept
            if not o.is_discrete_sweep()
        ]
    if problems:
        raise ConfigError(problems)
    try:
        jobs = expand(composing, cfg, parsed, words)
    except UserError:
        raise
    except Exception as error:
        raise ConfigError([f"hydra.sweeper: {one_line(error)}"]) from error
    if jobs is None:
        if not words.is_empty:
            raise ConfigError(["zip(...), jobs=FILE and ?key=value: are for Hydra's basic sweeper"])
        swept += [
            composing.parse(f"{key}={value}")
            for key, value in (cfg.hydra.sweeper.get("params") or {}).items()
        ]
        problems = _without_swept(find_problems(without_hydra(cfg), command), swept)
        if problems:
            raise ConfigError(problems)
        if not swept and is_search(cfg):
            raise ConfigError(
                ["hydra/sweeper=optuna: no setting has several values, such as latent_dim=range(10,50)"]
            )
        return Plan(command, overrides, cfg, is_sweep=True, jobs=None, job_configs=[], swept=swept)
    if not jobs:
        raise ConfigError(["the sweep has no jobs: one of its ranges is empty"])
    _check_subdirectories(cfg, len(jobs))
    jobs_composing = JobComposer(composing)
    if words.where_known:
        jobs = _with_known(composing, command, jobs, words, jobs_composing)
    job_configs, problems = _check_jobs(composing, command, jobs, jobs_composing)
    if problems:
        raise ConfigError(problems)
    composed = [
        (
            jobs_composing.choices(job, number),
            OmegaConf.to_container(jobs_composing.compose(job, number), resolve=False, enum_to_str=True),
        )
        for number, job in enumerate(jobs)
    ]
    return Plan(command, overrides, cfg, True, jobs, job_configs, composed)


def _with_known(
    composing: Composer, command: str, jobs: list[list[str]], words: SweepWords, jobs_composing: JobComposer
) -> list[list[str]]:
    """Add what is for those jobs only that have the setting.

    Raises:
        ConfigError: no job has it, or the others do not compose.
    """

    def compose(job: Sequence[str]) -> DictConfig:
        try:
            return jobs_composing.compose(job, 0)
        except Exception as error:
            raise ConfigError(_all_problems(composing, command, job, error)) from error

    return where_known(jobs, words.where_known, compose)


def is_search(cfg: DictConfig) -> bool:
    """Whether the sweeper is our search."""
    return cfg.hydra.sweeper._target_ == "rnnexp.sweeps.search.Search"


def _check_jobs(
    composing: Composer, command: str, jobs: list[list[str]], jobs_composing: JobComposer | None = None
) -> tuple[list[DictConfig], list[str]]:
    """Return the job configurations of a sweep and their problems, one that several jobs share only once."""
    numbers = covering(jobs, MOST_CHECKED_JOBS)
    if len(numbers) < len(jobs):
        print(f"rnnexp: checking {len(numbers)} of {len(jobs)} jobs, every value among them", file=sys.stderr)
    problems: dict[str, None] = {}
    configs = []
    jobs_composing = jobs_composing or JobComposer(composing)
    for number in numbers:
        try:
            configs.append(jobs_composing.compose(jobs[number], number))
        except Exception as error:
            problems |= dict.fromkeys(_all_problems(composing, command, jobs[number], error))
            continue
        problems |= dict.fromkeys(find_problems(configs[-1], command))
        problems |= dict.fromkeys(_without_effect(jobs[number], configs[-1]))
    return configs, list(problems)


def _check_subdirectories(cfg: DictConfig, n_jobs: int) -> None:
    subdirectory = str(OmegaConf.to_container(cfg.hydra.sweep, resolve=False)["subdir"])
    if n_jobs > 1 and "${" not in subdirectory:
        raise ConfigError(
            [f"hydra.sweep.subdir: {subdirectory}: all jobs would share it; must hold ${{hydra.job.num}}"]
        )


def _without_swept(problems: list[str], swept: list[Override]) -> list[str]:
    """Problems of the configuration alone, without those of values that a sweep will set."""
    keys = {override.key_or_group for override in swept}
    return [problem for problem in problems if problem.split(": ")[0] not in keys]


def job_line(job: Sequence[str]) -> str:
    """Return what is particular to a job, for lists of jobs."""
    shown = [text.removeprefix("++") for text in job if not text.startswith(("hydra.", "hydra/"))]
    return " ".join(shown) or "(no overrides)"
