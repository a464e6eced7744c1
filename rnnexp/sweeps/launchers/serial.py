"""One job after the other, in this process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rnnexp.sweeps.jobs import SweepJob
from rnnexp.sweeps.launchers.base import Function, Launcher
from rnnexp.sweeps.working import Outcome


class Serial(Launcher):
    """The launcher that needs nothing: hydra/launcher=basic."""

    def check(self) -> None:
        """Always works."""

    def run(
        self, function: Function, jobs: Sequence[SweepJob], folder: Path
    ) -> Iterator[tuple[SweepJob, Outcome]]:
        """Run jobs in order."""
        for job in jobs:
            yield job, function(job)

    def stop(self, jobs: Sequence[SweepJob], seconds: float = 10.0) -> None:
        """Nothing is left to wait for."""
