"""What a worker does with one job of a sweep: begin it, or go on where it was stopped."""

import logging
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from rnnexp.errors import reason_of
from rnnexp.sweeps.jobs import SweepJob, full_config
from rnnexp.sweeps.pruner import Study

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

log = logging.getLogger("rnnexp")
BEGUN = ".begun"  # lies in the directory of a job as long as a process is at it


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        error: why it failed, None if it did not.
        value: what it returned: of a training the best validation value.
    """

    error: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class Work:
    """Runs jobs of a sweep; goes to other processes by pickling.

    Args:
        command: "train", "eval", ...
        words: the command line as typed, for the records.
        hydra: Hydra's part of the configuration.
        changes: overrides of trainer.*, for trainings that go on.
        working_directory: of the line, in which relative paths are meant.
        study: that the jobs are trials of, if they are.
    """

    command: str
    words: Sequence[str]
    hydra: dict[str, Any]
    changes: list[str] = field(default_factory=list)
    working_directory: str = ""
    study: Study | None = None

    def __call__(self, job: SweepJob) -> Outcome:
        """Run one job; every error is an outcome, its traceback is in the log of the job."""
        from rnnexp.training.progress import without_bars

        watching = nullcontext() if self.study is None else self.study.watching(job.number)
        with self.working_there(), at_it(job.path), without_bars(), watching:
            if self.command == "train" and has_begun(job.path):
                return self._go_on(job)
            return self._begin(job)

    def checkpoint(self, job: SweepJob) -> Any:
        """Return what SLURM is to do with a job that it took off the machine: the same, which then goes on."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, job)

    def _begin(self, job: SweepJob) -> Outcome:
        from hydra.core.utils import JobStatus

        from rnnexp.config.console import logging_restored

        with logging_restored():
            result = self.run_with_hydra(job)
        if result.status is JobStatus.COMPLETED:
            value = result.return_value
            return Outcome(value=float(value) if isinstance(value, int | float) else None)
        return Outcome(error=reason_of(result._return_value))

    def run_with_hydra(
        self, job: SweepJob, function: Callable[[DictConfig], Any] | None = None
    ) -> "JobReturn":
        """Run a job with all that Hydra does around it; the log handlers stay.

        Args:
            job: to run.
            function: of its configuration, in the place of the job of the command.
        """
        from hydra._internal.callbacks import Callbacks
        from hydra.core.utils import JobRuntime, run_job, setup_globals

        from rnnexp.config.job import Job

        setup_globals()
        JobRuntime.instance().set("name", self.hydra["job"]["name"])
        config = full_config(self.hydra, job, job.overrides, job.number)
        if not config.hydra.verbose:
            _keep_log_in_file(config)
        return run_job(
            Job(self.command, self.words, function),
            config,
            "hydra.sweep.dir",
            "hydra.sweep.subdir",
            SimpleNamespace(callbacks=Callbacks(config)),
        )

    def _go_on(self, job: SweepJob) -> Outcome:
        from rnnexp.config.resuming import continued

        try:
            return Outcome(value=continued(job.path, self.changes, self.words))
        except Exception as error:
            return Outcome(error=reason_of(error))

    @contextmanager
    def working_there(self) -> Iterator[None]:
        """Be in the directory of the line inside the block."""
        before = os.getcwd()
        if self.working_directory and Path(self.working_directory).is_dir():
            os.chdir(self.working_directory)
        try:
            yield
        finally:
            os.chdir(before)


def has_begun(directory: Path) -> bool:
    """Whether a training was begun in a directory, so that it goes on instead of beginning again."""
    record = directory / "run.json"
    return record.is_file() and record.stat().st_size > 0


@contextmanager
def at_it(directory: Path) -> Iterator[None]:
    """Leave a file in a directory that says which process is at it; a kill leaves it there."""
    mark_begun(directory)
    try:
        yield
    finally:
        with suppress(OSError):
            (directory / BEGUN).unlink()


def mark_begun(directory: Path, name: str = BEGUN) -> None:
    """Leave the file that says that this process is at a job."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(f"{platform.node()} {os.getpid()}\n")


def _keep_log_in_file(config: Any) -> None:
    """Take the console from the log of a job that has a file."""
    root = config.hydra.job_logging.get("root")
    if root is not None and "file" in (root.get("handlers") or []):
        root.handlers = [name for name in root.handlers if name != "console"]
