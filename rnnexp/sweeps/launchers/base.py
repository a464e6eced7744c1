"""What a launcher is."""

import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from rnnexp.errors import UserError
from rnnexp.sweeps.jobs import SweepJob
from rnnexp.sweeps.working import BEGUN, Outcome

Function = Callable[[SweepJob], Outcome]
KILLED = "its process was killed"


class Launcher(ABC):
    """Runs the jobs of a sweep."""

    n_at_once = 1
    draws_best = False  # pictures of the best runs only, where trainer.plots leaves it open

    @abstractmethod
    def check(self) -> None:
        """Say before anything is run whether this can work here, and set n_at_once.

        Raises:
            UserError: a package is missing.
        """

    def check_jobs(self, configs: Sequence[Mapping[str, Any]]) -> None:
        """Say before anything is run whether jobs of these configurations, resolved, can run here.

        Raises:
            UserError: they cannot.
        """
        del configs

    @abstractmethod
    def run(
        self, function: Function, jobs: Sequence[SweepJob], folder: Path
    ) -> Iterator[tuple[SweepJob, Outcome]]:
        """Run jobs; yields each with its outcome as they end.

        Args:
            function: runs one, can be pickled.
            jobs: in the order in which they begin.
            folder: for files of the engine's own, such as logs of a cluster.
        """

    def close(self) -> None:
        """Let go of the engine once no more jobs will be run."""
        return

    def stop(self, jobs: Sequence[SweepJob], seconds: float = 10.0) -> None:
        """Wait until the jobs that were interrupted have written their checkpoints, a while at most."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and any((job.path / BEGUN).exists() for job in jobs):
            time.sleep(0.05)


def engine(package: str, extra: str, key: str) -> ModuleType:
    """Import the package that a launcher works with.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(f"{key}: {package} is not installed: pip install 'rnnexp[{extra}]'") from error
