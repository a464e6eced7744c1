"""`rnnexp train -m resume=SWEEP`: runs what is missing of a sweep, longer if asked for, and jobs added to it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rnnexp.config.arguments import Arguments, UsageError
from rnnexp.config.composition import Composer, composer, without_hydra
from rnnexp.config.fine_tuning import ancestor_as_base
from rnnexp.config.launch import build_jobs
from rnnexp.config.paths import ConfigDirectory
from rnnexp.config.plain_data import read_yaml
from rnnexp.config.planning import is_search, make_plan
from rnnexp.config.resuming import parse_override
from rnnexp.config.targets import check_trusted
from rnnexp.errors import ConfigError, UserError
from rnnexp.saved.differences import flat
from rnnexp.sweeps.jobs import OF_HYDRA, SWEEP_FILE, Sweep, SweepJob, identities, place, plain
from rnnexp.sweeps.planned import fixed_overrides, planned_sweep, prepared_search
from rnnexp.sweeps.running import make_launcher, run_sweep
from rnnexp.sweeps.trusted import checked, of_hydra
from rnnexp.sweeps.working import has_begun
from rnnexp.training.records import read_record

CHANGED = "the configuration is not what it was when the sweep began"
OF_SWEEPER = ("hydra/sweeper=", "hydra.sweeper.")
OF_LAUNCHER = ("hydra/launcher=", "hydra.launcher.", "+hydra.launcher.", "++hydra.launcher.")


def continue_sweep(
    directory: Path, words: Sequence[str], arguments: Arguments, directories: Sequence[ConfigDirectory]
) -> None:
    """Continue a sweep in its own directory.

    Jobs that finished stay as they are, unless trainer.* makes them longer. Others go on from their last checkpoint or
    begin, with what they were composed to when the sweep began. Words that change what the line of the sweep says,
    such as seed='range(10)', add jobs; none is taken away.

    Args:
        directory: of the sweep.
        words: the command line as typed.
        arguments: the same, sorted; resume=DIRECTORY among its overrides.
        directories: where configurations are looked up.

    Raises:
        UserError: the sweep cannot go on so; nothing was changed on disk.
    """
    if not arguments.multirun:
        raise UsageError(
            f"resume: {directory}: is a sweep, which goes on with -m: rnnexp train -m resume={directory}"
        )
    if arguments.config_name is not None:
        raise UsageError(
            "resume: a sweep goes on with its own configuration, not together with --config-name"
        )
    typed = [text for text in arguments.overrides if not text.lstrip("+").startswith("resume=")]
    trusted = "trust=true" in [text.lower() for text in typed]
    typed = [text for text in typed if not text.startswith("trust=")]
    changes = [text for text in typed if text.startswith("trainer.")]
    launching = [text for text in typed if text.startswith(OF_LAUNCHER)]
    refused = [text for text in typed if text.startswith(OF_HYDRA) and text not in launching]
    refused = [text for text in refused if not text.startswith("hydra.sweeper.n_trials=")]
    if refused:
        raise ConfigError(
            [f"{text}: a sweep goes on where it is; only hydra/launcher may change" for text in refused]
        )
    added = [text for text in typed if text not in changes and text not in launching]
    with composer("train", directories) as composing:
        sweep = load_sweep(directory, composing)
        before = [text for text in of_hydra(sweep, trusted) if not text.startswith(OF_SWEEPER)]
        if any(text.startswith("hydra/launcher=") for text in launching):  # whose settings are others
            before = [text for text in before if not text.startswith(OF_LAUNCHER)]
        sweep.hydra = plain(composing.compose([*before, *launching]).hydra)
        sweep.hydra["sweep"]["dir"] = sweep.directory
        if sweep.search is not None:
            _continue_search(sweep, typed, trusted, composing, words, arguments)
            return
        if added:
            sweep = with_added(sweep, added, composing, directories)
        changes_parsed = [parse_override(text) for text in changes]
        sweep.jobs = [checked(sweep, job, trusted, changes_parsed) for job in sweep.jobs]
    _run_rest(sweep, words, arguments, changes)


def _continue_search(
    sweep: Sweep,
    typed: Sequence[str],
    is_trusted: bool,
    composing: Composer,
    words: Sequence[str],
    arguments: Arguments,
) -> None:
    """Run more trials of a search, by what its line said; hydra.sweeper.n_trials may change.

    Raises:
        UserError: something else is to change, or classes from outside are not trusted.
    """
    from rnnexp.sweeps.search import SearchedJobs, run_search

    changes = [text for text in typed if text.startswith("hydra.sweeper.n_trials=")]
    others = [text for text in typed if text not in changes and not text.startswith(OF_LAUNCHER)]
    if others:
        told = "a search goes on as it was; only hydra.sweeper.n_trials may change"
        raise ConfigError([f"{text}: {told}" for text in others])
    line = [text for text in sweep.overrides if not text.startswith("hydra.sweep.dir=")]
    line = [
        *(text for text in line if not (changes and text.startswith("hydra.sweeper.n_trials="))),
        *changes,
    ]
    sweep.overrides = line
    plan = make_plan(composing, "train", Arguments(overrides=line, multirun=True))
    if not is_search(plan.cfg):
        raise UserError(f"resume: {sweep.directory}: its line is none of a search")
    settings, space = prepared_search(plan)
    check_trusted(OmegaConf.to_container(without_hydra(plan.cfg), resolve=True), is_trusted)
    fixed = fixed_overrides(composing, plan, space)
    if change := _change(sweep.search["config"], plain(without_hydra(plan.cfg))):
        print(f"rnnexp: {CHANGED} ({change}): further trials take the new one", file=sys.stderr)
    if arguments.dry_run or arguments.check:
        print(f"ok: up to {settings.n_trials} trials in all" if arguments.check else sweep.directory)
        return
    run_search(
        settings,
        space,
        SearchedJobs(composing, fixed, sweep, plan.swept),
        make_launcher(sweep.hydra["launcher"]),
        words,
    )


def continue_same(planned: Sweep, words: Sequence[str], arguments: Arguments) -> None:
    """Continue the sweep that the same line has begun in the same directory; jobs that are new are added.

    Args:
        planned: what the line says today.
        words: the command line as typed.
        arguments: the same, sorted.

    Raises:
        UserError: there is the sweep of another line.
    """
    sweep = Sweep.load(planned.directory)
    known = identities(planned.jobs)
    others = [job for job in sweep.jobs if job.identity not in known]
    if others or sweep.command != planned.command:
        told = sweep.telling(others[0]) if others else f"rnnexp {sweep.command}"
        raise UserError(f"resume=auto: {sweep.directory}: holds the sweep of another line, with {told}")
    sweep.hydra = planned.hydra
    _run_rest(joined(sweep, planned), words, arguments, [])


def _run_rest(sweep: Sweep, words: Sequence[str], arguments: Arguments, changes: Sequence[str]) -> None:
    """Run the jobs that are not finished, all where trainings become longer, or list them."""
    jobs = [job for job in sweep.jobs if changes or status_of(job) != "finished"]
    if arguments.dry_run:
        for job in jobs:
            print(f"{job.number}: {sweep.telling(job)}: {'goes on' if has_begun(job.path) else 'begins'}")
        return
    if arguments.check:
        print(f"ok: {len(jobs)} of {len(sweep.jobs)} jobs")
        return
    launcher = make_launcher(sweep.hydra["launcher"])
    told = f"{len(sweep.jobs) - len(jobs)} of {len(sweep.jobs)} jobs are finished"
    print(f"rnnexp: {told}, {len(jobs)} to run in {sweep.directory}", file=sys.stderr)
    run_sweep(sweep, jobs, launcher, words, changes)


def load_sweep(directory: Path, composing: Composer) -> Sweep:
    """Return the jobs of a sweep; of one begun by an earlier version those that its line says.

    Raises:
        UserError: its files are damaged, or it is none of trainings.
    """
    directory = directory.absolute()
    if (directory / SWEEP_FILE).exists():
        sweep = Sweep.load(directory)
    else:
        line = OmegaConf.select(
            OmegaConf.create(read_yaml(directory / "multirun.yaml") or {}), "hydra.overrides.task"
        )
        if not line:
            raise UserError(f"resume: {directory}: holds neither sweep.json nor the line in multirun.yaml")
        arguments = Arguments(overrides=list(line), multirun=True)
        sweep = planned_sweep(make_plan(composing, "train", arguments), list(line), directory)
    if sweep.command != "train":
        raise UserError(f"resume: {directory}: is a sweep of rnnexp {sweep.command}; only trainings go on")
    return sweep


def with_added(
    sweep: Sweep, added: Sequence[str], composing: Composer, directories: Sequence[ConfigDirectory]
) -> Sweep:
    """Return a sweep with the jobs that its line has when some words of it are changed.

    Jobs that are there keep their numbers and configurations; if they would be composed to something else today,
    because a file of the configuration changed, that is told.

    Raises:
        UserError: the line does not make sense, or has no further job.
    """
    overrides = _merged(sweep.overrides, added)
    with ancestor_as_base("train", Arguments(overrides=overrides, multirun=True)) as arguments:
        if arguments.config_name is None:
            plan = make_plan(composing, "train", arguments)
        else:
            with composer(arguments.config_name, directories) as of_ancestor:
                plan = make_plan(of_ancestor, "train", arguments)
    if plan.jobs is None:
        raise ConfigError(["hydra/sweeper: only the jobs of Hydra's basic sweeper can be added to"])
    build_jobs(plan.job_configs)
    longer = joined(sweep, planned_sweep(plan, overrides, Path(sweep.directory)))
    if len(longer.jobs) == len(sweep.jobs):
        raise ConfigError([f"resume: {sweep.directory}: has all jobs of {' '.join(overrides)} already"])
    return longer


def joined(sweep: Sweep, planned: Sweep) -> Sweep:
    """Return a sweep with those jobs of a planned one that it does not have yet."""
    known = identities(sweep.jobs)
    for job in planned.jobs:
        if job.identity in known and (change := _change(known[job.identity].config, job.config)):
            print(
                f"rnnexp: {CHANGED} ({change}): jobs that are there go on as they were, those that are added take "
                "the new one",
                file=sys.stderr,
            )
            break
    new = [job for job in planned.jobs if job.identity not in known]
    jobs, number = list(sweep.jobs), len(sweep.jobs)
    for job in new:
        numbered = replace(job, number=number)
        while place(sweep.hydra, numbered).exists():  # of a job that is not in the list
            number += 1
            numbered = replace(job, number=number)
        jobs.append(replace(numbered, directory=str(place(sweep.hydra, numbered))))
        number += 1
    return replace(sweep, overrides=planned.overrides, jobs=jobs)


def _change(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Name a setting that two configurations do not share; None if they are the same."""
    before, now = flat(before), flat(now)
    for key in {**before, **now}:
        if before.get(key) != now.get(key):
            return f"{key}: {json.dumps(before.get(key))} became {json.dumps(now.get(key))}"
    return None


def _merged(line: Sequence[str], added: Sequence[str]) -> list[str]:
    """Return a line in which words stand in the place of those for the same key."""
    keys = {_key(text) for text in added}
    return [*(text for text in line if _key(text) not in keys and not text.startswith(OF_HYDRA)), *added]


def _key(text: str) -> str:
    return text if text.startswith("zip(") else text.partition("=")[0].lstrip("+~?")


def status_of(job: SweepJob) -> str | None:
    """Return how a job stands by its run.json; None if it has none."""
    if not has_begun(job.path):
        return None
    try:
        return read_record(job.path / "run.json").get("status")
    except UserError:
        return "unreadable"
