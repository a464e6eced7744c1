"""Errors that a user caused and can mend: shown as one sentence, without a traceback."""

import errno
import re

OUT_OF_MEMORY = re.compile("can't allocate memory|not enough memory|out of memory")


class UserError(Exception):
    """What the user asked for cannot be done; the message names the key, the value and what is allowed."""


class ConfigError(UserError):
    """One or more entries of the configuration are wrong.

    Args:
        problems: one line each, `key: value: what is allowed`.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[list[str]]]:
        return type(self), (self.problems,)


def is_of_the_machine(error: BaseException) -> bool:
    """Whether an error tells of files or memory, and not of a fault in a program."""
    return isinstance(error, OSError | MemoryError) or bool(OUT_OF_MEMORY.search(str(error)))


def reason_of(error: BaseException) -> str:
    """Return why something failed: the message of an error that is meant for the user, else with its type."""
    if isinstance(error, UserError):
        return str(error)
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{error.filename or 'a file'}: cannot be written: the disk is full"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: cannot be read or written: {error.strerror}"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and OUT_OF_MEMORY.search(text)):
        return f"not enough memory{_wanted(text)}: fewer time steps, units or trials at once need less"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _wanted(text: str) -> str:
    """Say how much memory an error message complains about, if it tells."""
    found = re.search(r"allocate ([\d.]+) ?([kKMGTPE]i?B|bytes)", text)
    if found is None:
        return ""
    amount, unit = found.groups()
    return f" for {float(amount) / 1e9:,.3g} GB" if unit == "bytes" else f" for {amount} {unit}"
