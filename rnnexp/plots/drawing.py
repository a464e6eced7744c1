"""A picture that cannot be drawn is a warning, never the end of a training or an evaluation."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rnnexp.errors import reason_of

log = logging.getLogger(__name__)


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """Turn an error inside the block into a warning with the name of the picture and the reason.

    The traceback goes to the log file; Ctrl-C and SIGTERM go through.
    """
    try:
        yield
    except Exception as error:
        log.warning("%s was not drawn: %s", name, reason_of(error))
        log.info("%s", name, exc_info=True)  # for the log file; the console leaves tracebacks out
