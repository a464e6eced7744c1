"""Several processes on this machine, by joblib and its loky workers, which stay warm from job to job."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from rnnexp.numbers import integer_at_least
from rnnexp.sweeps.jobs import SweepJob
from rnnexp.sweeps.launchers.base import KILLED, Function, Launcher, engine
from rnnexp.sweeps.working import BEGUN, Outcome

SECONDS_TO_STOP = 10.0
MOST_IN_VAIN = 3  # times that all workers end before one of them has begun a job
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Joblib(Launcher):
    """hydra/launcher=joblib.

    When a worker is killed, as for want of memory, the jobs that were running go on afterwards, one at a time; the one
    that is killed again has failed.

    Args:
        n_jobs: at once, >= 1; -1: one per core.
        threads: of each job, >= 1; None: the cores of the machine shared among n_jobs.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, n_jobs: int = -1, threads: int | None = None) -> None:
        self.n_jobs = -1 if n_jobs == -1 else integer_at_least("n_jobs", n_jobs, 1)
        self.threads = None if threads is None else integer_at_least("threads", threads, 1)

    def check(self) -> None:
        """Look for joblib."""
        self.n_at_once = engine("joblib", "joblib", "hydra/launcher=joblib").effective_n_jobs(self.n_jobs)

    def run(
        self, function: Function, jobs: Sequence[SweepJob], folder: Path
    ) -> Iterator[tuple[SweepJob, Outcome]]:
        """Run jobs side by side."""
        for job in jobs:
            with suppress(OSError):
                (job.path / BEGUN).unlink()  # of an earlier start that was killed
        suspects: list[SweepJob] = []
        waiting, n_in_vain = list(jobs), 0
        while waiting and n_in_vain < MOST_IN_VAIN:
            left = []
            for job, outcome in self._side_by_side(function, waiting, self.n_at_once):
                if outcome is not None:
                    yield job, outcome
                else:
                    (suspects if _was_begun(job) else left).append(job)
            n_in_vain = n_in_vain + 1 if len(left) == len(waiting) else 0
            waiting = left
        for job in (*suspects, *waiting):
            for _, outcome in self._side_by_side(function, [job], 1):
                _was_begun(job)
                yield job, outcome or Outcome(error=f"{KILLED}, twice")

    def _side_by_side(
        self, function: Function, jobs: Sequence[SweepJob], n_jobs: int
    ) -> Iterator[tuple[SweepJob, Outcome | None]]:
        """Run jobs; yields None in the place of an outcome for those that ended with the workers, or did not begin."""
        from joblib.externals.loky import as_completed, get_reusable_executor
        from joblib.externals.loky.process_executor import BrokenProcessPool, ShutdownExecutorError

        threads = self.threads or max(1, (os.cpu_count() or 1) // n_jobs)
        limits = dict.fromkeys(THREADS, str(threads))
        executor = get_reusable_executor(
            max_workers=n_jobs, timeout=600, env=limits, initializer=_end_with, initargs=(os.getpid(),)
        )
        futures = {}
        try:
            for job in jobs:
                futures[executor.submit(function, job)] = job
        except (BrokenProcessPool, ShutdownExecutorError):  # killed while the others were handed over
            yield from ((job, None) for job in jobs[len(futures) :])
        try:
            for future in as_completed(list(futures)):
                job = futures.pop(future)
                try:
                    outcome = future.result()
                except (BrokenProcessPool, ShutdownExecutorError):
                    outcome = None
                yield job, outcome
        finally:
            if futures:  # interrupted
                for future in futures:
                    future.cancel()
                executor.shutdown(wait=False, kill_workers=True)


def _end_with(parent: int) -> None:
    """Let a worker end soon after the process of the sweep was killed; a training writes its checkpoint before."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SECONDS_TO_STOP)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _was_begun(job: SweepJob) -> bool:
    """Whether a worker was at a job when it was killed; its mark is removed."""
    mark = job.path / BEGUN
    begun = mark.exists()
    mark.unlink(missing_ok=True)
    return begun
