"""Those who watch a training: loggers, which pass on what it writes, and searches, which may end it early.

A training writes its own files whoever watches. A watcher that fails is told of once and is not called again.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from rnnexp.errors import UserError, reason_of

log = logging.getLogger(__name__)


class Watcher:
    """Is told what a training writes; every method may be left as it is, which does nothing."""

    def check(self) -> None:
        """Say before the training begins whether this can work.

        Raises:
            UserError: a package is missing.
        """

    def begin(self, directory: Path, config: dict[str, Any], step: int) -> None:
        """The training begins, or goes on.

        Args:
            directory: of the run, absolute.
            config: resolved configuration, plain data.
            step: updates so far, 0 at the beginning.
        """

    def row(self, row: dict[str, Any]) -> None:
        """A row was written to metrics.csv: step, trials, seconds, split, and numbers; None where there is none."""

    def reason_to_stop(self) -> str | None:
        """Return why the training should end after the validation that was just told of, None if it goes on."""
        return None

    def summary(self, summary: dict[str, Any]) -> None:
        """summary.json was written."""

    def pictures(self, files: Sequence[Path]) -> None:
        """Pictures were drawn."""

    def end(self, status: str) -> None:
        """The training ended: "finished", "failed", "interrupted". Called last, and always."""


_of_search: ContextVar[Watcher | None] = ContextVar("_of_search", default=None)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Let a watcher watch the training that runs inside the block."""
    token = _of_search.set(watcher)
    try:
        yield
    finally:
        _of_search.reset(token)


class Watchers:
    """All that watch one training; none of them can stop it by an error.

    Args:
        watchers: of the configuration; that of `watched_by` joins them.

    Raises:
        UserError: one cannot work here.
    """

    def __init__(self, watchers: Sequence[Watcher] = ()) -> None:
        search = _of_search.get()
        self._watchers = [*watchers, *([] if search is None else [search])]
        for watcher in self._watchers:
            watcher.check()

    def begin(self, directory: Path, config: dict[str, Any], step: int) -> None:
        """See `Watcher.begin`."""
        self._each(lambda watcher: watcher.begin(directory, config, step))

    def row(self, row: dict[str, Any]) -> None:
        """See `Watcher.row`."""
        self._each(lambda watcher: watcher.row(row))

    def reason_to_stop(self) -> str | None:
        """Return the first reason of any watcher."""
        reasons = self._each(lambda watcher: watcher.reason_to_stop())
        return next((reason for reason in reasons if reason), None)

    def summary(self, summary: dict[str, Any]) -> None:
        """See `Watcher.summary`."""
        self._each(lambda watcher: watcher.summary(summary))

    def pictures(self, files: Sequence[Path]) -> None:
        """See `Watcher.pictures`."""
        self._each(lambda watcher: watcher.pictures(files))

    def end(self, status: str) -> None:
        """See `Watcher.end`."""
        self._each(lambda watcher: watcher.end(status))

    def _each(self, call: Callable[[Watcher], Any]) -> list[Any]:
        results = []
        for watcher in list(self._watchers):
            try:
                results.append(call(watcher))
            except Exception as error:
                self._watchers.remove(watcher)
                log.warning(
                    "%s: %s; the training goes on without it", type(watcher).__name__, reason_of(error)
                )
        return results


def package(name: str, extra: str, logger: str) -> None:
    """Refuse a logger whose package is not installed.

    Raises:
        UserError: it is not.
    """
    import importlib.util

    if importlib.util.find_spec(name) is None:
        raise UserError(f"logger={logger}: {name} is not installed: pip install 'rnnexp[{extra}]'")
