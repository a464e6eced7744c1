"""What is left to Hydra itself: showing configurations, and sweeps by sweepers and launchers of its plugins."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from rnnexp.config.arguments import Arguments
from rnnexp.config.composition import composer
from rnnexp.config.console import logging_restored
from rnnexp.config.fine_tuning import ancestor_as_base
from rnnexp.config.job import Job, JobFailedError
from rnnexp.config.messages import diagnose
from rnnexp.config.paths import ConfigDirectory, bundled_conf
from rnnexp.config.plain_data import read_yaml
from rnnexp.config.planning import counted_in_trials, counts_trials, job_line, rewritten
from rnnexp.config.search_path import use_directories
from rnnexp.errors import ConfigError, UserError, reason_of


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
