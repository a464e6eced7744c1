"""A cluster with SLURM, or processes of this machine that are started the same way, by submitit."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from rnnexp.numbers import integer_at_least, one_of
from rnnexp.sweeps.jobs import SweepJob
from rnnexp.sweeps.launchers.base import KILLED, Function, Launcher, engine
from rnnexp.sweeps.working import Outcome

POLL_SECONDS = 0.2
COMMON = (  # what executors of submitit take; others are named after their cluster, slurm_...
    "name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "stderr_to_stdout",
)  # fmt: skip


class Submitit(Launcher):
    """hydra/launcher=submitit_slurm, submitit_local.

    Logs and scripts are in .submitit of the sweep's directory. A job that reaches its time limit is queued again, and
    goes on from its last checkpoint.

    Args:
        cluster: "slurm", "local" (a process each), "debug" (in this process).
        n_jobs: that run at once, >= 1; of a cluster the width of the job array.
        parameters: what submitit's executor takes: timeout_min, cpus_per_task, mem_gb, slurm_partition, ...; those of
            None are left to it.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self, cluster: Literal["slurm", "local", "debug"] = "local", n_jobs: int = 2, **parameters: Any
    ) -> None:
        self.cluster = one_of("cluster", cluster, ("slurm", "local", "debug"))
        self.n_at_once = integer_at_least("n_jobs", n_jobs, 1)
        self.parameters = {name: value for name, value in parameters.items() if value is not None}
        for name in self.parameters:
            if name not in COMMON and not name.startswith(f"{self.cluster}_"):
                raise ValueError(f"{name} must be one of {', '.join(COMMON)} or begin with {self.cluster}_")

    def check(self) -> None:
        """Look for submitit, and for SLURM; let the executor judge the parameters."""
        self._executor(Path(".submitit"))

    def _executor(self, folder: Path) -> Any:
        from rnnexp.errors import UserError

        key = f"hydra/launcher=submitit_{self.cluster}"
        submitit = engine("submitit", "slurm", key)
        try:
            executor = submitit.AutoExecutor(folder=folder, cluster=self.cluster)
            width = {"slurm_array_parallelism": self.n_at_once} if self.cluster == "slurm" else {}
            executor.update_parameters(**self.parameters, **width)
        except (RuntimeError, ValueError, NameError, TypeError) as error:
            raise UserError(f"{key}: {str(error).splitlines()[0]}") from error
        return executor

    def run(
        self, function: Function, jobs: Sequence[SweepJob], folder: Path
    ) -> Iterator[tuple[SweepJob, Outcome]]:
        """Submit jobs, all at once to a cluster, n_jobs at a time here, and wait for them."""
        executor = self._executor(folder / ".submitit")
        if self.cluster == "slurm":
            running = list(zip(executor.map_array(function, jobs), jobs, strict=True))
            waiting: list[SweepJob] = []
        else:
            running, waiting = [], list(jobs)
        try:
            while running or waiting:
                while waiting and len(running) < self.n_at_once:
                    job = waiting.pop(0)
                    running.append((executor.submit(function, job), job))
                ended = [(handle, job) for handle, job in running if handle.done()]
                for handle, job in ended:
                    running.remove((handle, job))
                    yield job, _outcome(handle)
                if not ended:
                    time.sleep(POLL_SECONDS)
        finally:
            for handle, _ in running:
                handle.cancel()


def _outcome(handle: Any) -> Outcome:
    import submitit

    try:
        return handle.result()
    except submitit.core.utils.FailedJobError as error:
        return Outcome(error=_reason(error))
    except submitit.core.utils.UncompletedJobError:
        return Outcome(error=f"{KILLED}; see {handle.paths.stderr}")


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
