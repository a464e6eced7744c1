"""Progress of a training: a bar in a terminal, a few log lines elsewhere."""

import logging
import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

log = logging.getLogger(__name__)
LOG_LINES = 10
_bars_suit: ContextVar[bool] = ContextVar("_bars_suit", default=True)


class Progress:
    """Shows trials done, loss, accuracy and trials per second; a context manager.

    Args:
        n_steps: updates of the whole training.
        batch_size: trials of one update.
        first_step: where a resumed training starts.
        show_bar: True or False, or None: a bar if stderr is a terminal and this is no job of a sweep, which has a bar
            of its own.
    """

    def __init__(self, n_steps: int, batch_size: int, first_step: int, show_bar: bool | None) -> None:
        self._n_steps = n_steps
        self._next_line = first_step
        self._show_bar = _suits_a_bar() if show_bar is None else show_bar
        self._batch_size = batch_size
        self._redirect = logging_redirect_tqdm()
        self._bar = tqdm(
            total=n_steps * batch_size,
            initial=first_step * batch_size,
            unit=" trials",
            unit_scale=True,
            disable=not self._show_bar,
            dynamic_ncols=True,
            mininterval=0.2,
        )

    def __enter__(self) -> "Progress":
        if self._show_bar:
            self._redirect.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._show_bar:
            self._redirect.__exit__(kind, error, trace)

    def step(self) -> None:
        """Count one update."""
        self._bar.update(self._batch_size)

    def evaluated(self, step: int, loss: float, metrics: dict[str, float], trials_per_second: float) -> None:
        """Show the values of an evaluation: in the bar, and about ten times a training as a log line."""
        shown = {"loss": f"{loss:.4g}", **{name: f"{value:.3f}" for name, value in metrics.items()}}
        self._bar.set_postfix(shown, refresh=False)
        if step >= self._next_line or step == self._n_steps:
            self._next_line = step + self._n_steps / LOG_LINES
            values = ", ".join(f"{name} {value}" for name, value in shown.items())
            log.info(
                "step %d of %d: validation %s; %.0f trials/s", step, self._n_steps, values, trials_per_second
            )


@contextmanager
def without_bars() -> Iterator[None]:
    """Show no bar inside the block unless one is asked for."""
    token = _bars_suit.set(False)
    try:
        yield
    finally:
        _bars_suit.reset(token)


def _suits_a_bar() -> bool:
    return (
        _bars_suit.get() and sys.stderr.isatty() and multiprocessing.current_process().name == "MainProcess"
    )
