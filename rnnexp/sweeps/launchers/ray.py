"""A Ray cluster, one that runs already or one of this machine alone."""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnexp.errors import UserError, reason_of
from rnnexp.numbers import integer_at_least, non_negative
from rnnexp.sweeps.jobs import SweepJob
from rnnexp.sweeps.launchers.base import KILLED, Function, Launcher, engine
from rnnexp.sweeps.working import Outcome

SECONDS = 10.0  # to answer


class Ray(Launcher):
    """hydra/launcher=ray.

    The machines of a cluster need the same version of rnnexp, and the directory of the sweep on a disk that they share.

    Args:
        address: of a running cluster, "auto" for that of this machine; None starts one of this machine, for the sweep.
        num_cpus: of each job, >= 1; it runs with as many threads.
        num_gpus: of each job, >= 0, also a share such as 0.25.
        resources: further resources of each job, name -> amount, as Ray names them.
        init: further arguments of ray.init.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        address: str | None = None,
        num_cpus: int = 1,
        num_gpus: float = 0,
        resources: dict[str, float] | None = None,
        init: dict[str, Any] | None = None,
    ) -> None:
        self.address = address
        self.num_cpus = integer_at_least("num_cpus", num_cpus, 1)
        self.num_gpus = non_negative("num_gpus", num_gpus)
        self.resources = dict(resources or {})
        self.init = dict(init or {})

    def check(self) -> None:
        """Look for Ray, and for the cluster."""
        ray = engine("ray", "ray", "hydra/launcher=ray")
        self._knock()
        variables = {
            "PYTHONPATH": os.pathsep.join([*os.environ.get("PYTHONPATH", "").split(os.pathsep), "."])
        }
        settings = {
            "log_to_driver": False,
            "logging_level": "ERROR",
            "include_dashboard": None if self.address else False,
            "runtime_env": {"env_vars": variables},
        }
        try:
            ray.init(address=self.address, ignore_reinit_error=True, **{**settings, **self.init})
        except Exception as error:  # of the network, the machine, or the settings
            raise UserError(f"hydra/launcher=ray: address={self.address}: {reason_of(error)}") from error
        self.n_at_once = max(1, int(ray.cluster_resources().get("CPU", 1)) // self.num_cpus)

    def _knock(self) -> None:
        """Refuse an address where nothing listens, since Ray would wait for minutes.

        Raises:
            UserError: there is nothing.
        """
        found = re.fullmatch(r"([\w.-]+):(\d+)", self.address or "")
        if found is None:
            return
        try:
            socket.create_connection((found[1], int(found[2])), timeout=SECONDS).close()
        except (OSError, OverflowError) as error:
            raise UserError(
                f"hydra/launcher=ray: address={self.address}: nothing answers there ({error})"
            ) from error

    def run(
        self, function: Function, jobs: Sequence[SweepJob], folder: Path
    ) -> Iterator[tuple[SweepJob, Outcome]]:
        """Run jobs as Ray finds room for them; one whose worker was killed goes on once."""
        import ray

        remote = ray.remote(
            num_cpus=self.num_cpus, num_gpus=self.num_gpus, resources=self.resources, max_retries=1
        )(_call)
        shared = ray.put(function)
        pending = {remote.remote(shared, job): job for job in jobs}
        try:
            while pending:
                (reference,), _ = ray.wait(list(pending), num_returns=1)
                job = pending.pop(reference)
                yield job, _outcome(reference)
        finally:
            for reference in pending:
                ray.cancel(reference, recursive=False)

    def close(self) -> None:
        """Leave the cluster."""
        import ray

        ray.shutdown()


def _call(function: Function, job: SweepJob) -> Outcome:
    return function(job)


def _outcome(reference: Any) -> Outcome:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.WorkerCrashedError:
        return Outcome(error=f"{KILLED}, twice")
    except ray.exceptions.RayError as error:
        return Outcome(error=reason_of(error))
