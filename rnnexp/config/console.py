"""Log lines: tracebacks belong into the log file; the command ends with a sentence on the console."""

import logging
import logging.config
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import OmegaConf

from rnnexp.config.paths import bundled_conf


class WithoutTracebacks(logging.Filter):
    """Keeps records with a traceback off a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        return record.exc_info is None


def log_to_file(path: Path, console: bool = True) -> None:
    """Set up the log of a job that Hydra does not start: lines are added to a file and, if wanted, shown on stderr."""
    config = OmegaConf.load(bundled_conf() / "hydra" / "job_logging" / "stderr.yaml")
    config.handlers.file.filename = str(path)
    if not console:
        config.root.handlers = ["file"]
    logging.config.dictConfig(OmegaConf.to_container(config))


@contextmanager
def logging_restored() -> Iterator[None]:
    """Close the handlers that were added inside the block and put the former ones back.

    A line that cannot be written, because the disk is full, is left out without a traceback of its own.
    """
    root = logging.getLogger()
    handlers, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    logging.raiseExceptions = False
    try:
        yield
    finally:
        logging.raiseExceptions = raises
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
