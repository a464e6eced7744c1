"""The job of a command: what Hydra, or a worker of a sweep, calls with a composed configuration."""

import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnexp.errors import UserError, reason_of

log = logging.getLogger("rnnexp")


def module_of(command: str) -> str:
    """Return the name of the module in `rnnexp.commands` that holds the job of a command."""
    return "import_weights" if command == "import" else command


class JobFailedError(UserError):
    """A job of a sweep failed; the message is the reason, the same in every process."""


class Job:
    """What Hydra calls for every job; goes to other processes by pickling.

    Args:
        command: one of `HYDRA_COMMANDS`, such as "train".
        words: the command line as typed, for the records.
        function: of the configuration, in the place of the job of the command.
    """

    def __init__(
        self, command: str, words: Sequence[str], function: Callable[[DictConfig], Any] | None = None
    ) -> None:
        self.command = command
        self.words = list(words)
        self.function = function

    def __call__(self, cfg: DictConfig) -> Any:
        """Run one job; its traceback goes to the log of the job."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        hydra = HydraConfig.get()
        is_sweep = hydra.mode == RunMode.MULTIRUN
        try:
            with typed_command_line([self.command, *self.words]):
                if self.function is not None:
                    return self.function(cfg)
                return importlib.import_module(f"rnnexp.commands.{module_of(self.command)}").job(cfg)
        except Exception as error:
            reason = reason_of(error)
            log.error("failed: %s", reason, exc_info=True)
            if hydra.output_subdir is not None:
                record_failure(Path(hydra.runtime.output_dir), reason)
            if not is_sweep:
                log_file = Path(hydra.runtime.output_dir) / f"{hydra.job.name}.log"
                if log_file.is_file():  # commands that write one file keep no log
                    error.add_note(f"the traceback is in {log_file}")
                raise
            log.warning("job %s failed: %s", hydra.job.num, reason)
            raise JobFailedError(reason) from error


def arguments_of_training(cfg: DictConfig) -> tuple[dict[str, Any], Path, list[str]]:
    """Return the configuration of the training that Hydra runs, its directory and the overrides of the line.

    Raises:
        ConfigError: something is wrong with it.
    """
    from hydra.core.hydra_config import HydraConfig

    from rnnexp.config.plain_data import refuse_interpolations
    from rnnexp.config.validation import validate

    validate(cfg, "train")
    hydra = HydraConfig.get()
    config = OmegaConf.to_container(cfg, resolve=True)
    refuse_interpolations(config, "train")  # a text such as \\${x} could not be read back
    return config, Path(hydra.runtime.output_dir), list(hydra.overrides.task)


def record_failure(directory: Path, reason: str) -> None:
    """Leave a run.json in the directory of a job that failed before it could write one itself."""
    path = directory / "run.json"
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        path.write_text(json.dumps({"status": "failed", "exit_reason": reason}, indent=2))


@contextmanager
def typed_command_line(words: Sequence[str]) -> Iterator[None]:
    """Let sys.argv be what the user typed."""
    previous = sys.argv
    sys.argv = ["rnnexp", *words]
    try:
        yield
    finally:
        sys.argv = previous
