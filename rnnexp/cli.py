"""The `rnnexp` command: finds the sub-command and turns every error into a sentence and an exit code.

Imports neither hydra nor torch: help, version and a mistyped command answer at once.
"""

import gc
import importlib
import os
import sys
import traceback

from rnnexp.config.help import COMMANDS, HYDRA_COMMANDS, PLAIN_COMMANDS, command_help, general_help
from rnnexp.config.suggestions import did_you_mean
from rnnexp.errors import UserError, is_of_the_machine, reason_of

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
NEW_OBJECTS = (
    200_000  # after which Python looks for unused cycles; with its own 700 a start takes 10 % longer
)


def main(argv: list[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: the words after `rnnexp`; sys.argv if not given.

    Returns:
        0 all went well, 1 a run failed or a configuration is wrong, 2 the command line is wrong,
        130 interrupted.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    gc.set_threshold(NEW_OBJECTS)
    try:
        return answer(words)
    finally:
        if argv is None:
            gc.freeze()  # as it ends Python would look through all objects for cycles, which takes 1 s with torch


def answer(words: list[str]) -> int:
    """Run one command line; returns the exit code, see `main`."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    name = f"rnnexp {words[0]}" if words and words[0] in COMMANDS else "rnnexp"
    try:
        return dispatch(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else OK if end.code is None else FAILED
    except KeyboardInterrupt as stop:
        print("; ".join([f"{name}: interrupted", *getattr(stop, "__notes__", [])]), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if wants_traceback:
            traceback.print_exc()
        return report(name, error, wants_traceback)


def dispatch(words: list[str]) -> int:
    """Run the sub-command that the words begin with; returns the exit code."""
    command, rest = (words[0], words[1:]) if words else ("--help", [])
    if command in ("-h", "--help"):
        print(general_help())
    elif command == "--version":
        print(versions())
    elif command in ("-sc", "--shell-completion"):
        from rnnexp.config.completion import answer as complete

        complete(rest)
    elif command in HYDRA_COMMANDS:
        run_command(command, rest)
    elif command in PLAIN_COMMANDS:
        return importlib.import_module(f"rnnexp.commands.{command}").main(rest)
    elif command == "list":
        from rnnexp.commands.list_options import main as list_options

        return list_options(rest)
    elif command == "completion":
        from rnnexp.config.completion import print_script

        print_script(rest)
    else:
        from rnnexp.config.arguments import UsageError

        kind = "flag" if command.startswith("-") else "command"
        known = ["--help", "--version"] if kind == "flag" else list(COMMANDS)
        raise UsageError(f"{command}: unknown {kind}{did_you_mean(command, known)}")
    return OK


def run_command(command: str, words: list[str]) -> None:
    """Run a command with a configuration.

    Args:
        command: one of `HYDRA_COMMANDS`, such as "train".
        words: what follows it.
    """
    from rnnexp.config.arguments import parse
    from rnnexp.config.paths import announce, user_directories

    if "--version" in words:
        print(versions())
        return
    arguments = parse(words)
    directories = user_directories(arguments.config_dir)
    if arguments.help:
        print(command_help(command, directories))
        return
    from rnnexp.config import launch, resuming, with_hydra

    if command == "train" and resuming.is_automatic(arguments) and not arguments.only_shows:
        arguments.overrides = [text for text in arguments.overrides if not text.startswith("resume=")]
        if resuming.resume_same(words, arguments, directories):
            return
    elif command == "train" and resuming.names_a_run(arguments) and arguments.cfg in (None, "job"):
        resuming.resume(words, arguments, directories)
        return
    announce(directories)
    if arguments.only_shows:
        with_hydra.show_with_hydra(command, words, arguments, directories)
    else:
        launch.launch(command, words, arguments, directories)


def versions() -> str:
    """Return the versions of rnnexp, torch, hydra and python, one line each; torch is not imported."""
    from importlib import metadata

    from rnnexp import __version__

    lines = [f"rnnexp {__version__}"]
    for package in ("torch", "hydra-core"):
        try:
            lines.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{package} is not installed")
    return "\n".join([*lines, f"python {sys.version.split()[0]}"])


def report(name: str, error: Exception, traceback_was_shown: bool) -> int:
    """Print an error as sentences on stderr; returns the exit code."""
    from rnnexp.config.arguments import UsageError

    if isinstance(error, UserError):
        for line in str(error).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else FAILED
    print(f"{name}: {reason_of(error)}", file=sys.stderr)
    if not traceback_was_shown and not is_of_the_machine(error):
        hint = getattr(error, "__notes__", ["set HYDRA_FULL_ERROR=1 for the traceback"])[-1]
        print(f"{name}: {hint}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
