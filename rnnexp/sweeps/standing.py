"""How the jobs of a sweep stand, from the files that they leave."""

import os
import platform
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rnnexp.errors import UserError
from rnnexp.saved.run_facts import RunFacts
from rnnexp.sweeps.jobs import SWEEP_FILE, Sweep, SweepJob
from rnnexp.sweeps.working import BEGUN
from rnnexp.training.records import read_record

STATES = ("finished", "running", "waiting", "failed", "interrupted", "killed", "unreadable")


@dataclass(frozen=True)
class Standing:
    """How a job stands.

    Attributes:
        number: of the job.
        what: in which it differs from the others.
        state: one of STATES; a job that says that it runs while its process is gone was killed.
        step: updates done, n_steps: of how many; None where it is not told.
        n_steps: see step.
        seconds: since it began, or that it took.
        reason: why it did not finish.
        directory: of the job.
    """

    number: int
    what: str
    state: str
    step: int | None
    n_steps: int | None
    seconds: float | None
    reason: str | None
    directory: str

    def record(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def standing(directory: str | Path) -> list[Standing]:
    """Return how the jobs of a sweep stand.

    Raises:
        UserError: the directory is no sweep.
    """
    directory = Path(directory)
    if not (directory / SWEEP_FILE).is_file():
        raise UserError(f"{directory}: is no sweep: it has no {SWEEP_FILE}; rnnexp ls lists runs")
    sweep = Sweep.load(directory)
    if sweep.search is not None:
        sweep.jobs = _of_search(directory.absolute(), sweep.search["fixed"])
    return [
        Standing(job.number, sweep.telling(job), *_state(job.path), directory=job.directory)
        for job in sweep.jobs
    ]


def _of_search(directory: Path, fixed: list[str]) -> list[SweepJob]:
    """Return the jobs that a search has begun so far."""
    jobs = []
    for path in sorted(
        (path for path in directory.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)
    ):
        overrides = list(RunFacts(path, directory).typed.items())
        texts = [f"{key}={value}" for key, value in overrides if f"{key}={value}" not in fixed]
        jobs.append(SweepJob(int(path.name), texts, {}, {}, str(path)))
    return jobs


def _state(path: Path) -> tuple[str, int | None, int | None, float | None, str | None]:
    if not (path / "run.json").is_file():
        return ("running" if is_alive(path) else "waiting"), None, None, None, None
    try:
        record = read_record(path / "run.json")
    except UserError as error:
        return ("running" if is_alive(path) else "unreadable"), None, None, None, str(error)
    state = str(record.get("status"))
    if state == "running" and not is_alive(path):
        state = "killed"
    step, n_steps = _steps(path)
    begin, end = record.get("start"), record.get("end")
    seconds = None
    if begin:
        until = datetime.fromisoformat(end).timestamp() if end else time.time()
        seconds = round(until - datetime.fromisoformat(begin).timestamp(), 1)
    return (
        state,
        step,
        n_steps,
        seconds,
        None if state in ("finished", "running") else record.get("exit_reason"),
    )


def is_alive(path: Path, name: str = BEGUN) -> bool:
    """Whether a process is at a job by its mark of this name; that of another machine is believed."""
    try:
        host, _, pid = (path / name).read_text().strip().rpartition(" ")
    except OSError:
        return False
    if host != platform.node():
        return True
    try:
        os.kill(int(pid), 0)
    except ValueError:
        return False
    except OSError:
        return False
    return True


def _steps(path: Path) -> tuple[int | None, int | None]:
    """Return the last step in metrics.csv, and how many there will be."""
    step = n_steps = None
    try:
        with (path / "metrics.csv").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 20_000))
            lines = file.read().splitlines()
        steps = [int(line.partition(b",")[0]) for line in lines if line.partition(b",")[0].isdigit()]
        step = max(steps, default=None)
        trainer = read_record(path / "config.json")["config"]["trainer"]
        n_steps = trainer["n_steps"] or -(-trainer["n_trials"] // trainer["batch_size"])
    except (OSError, UserError, KeyError, TypeError):
        return step, n_steps
    return step, n_steps


def told(directory: str | Path, jobs: list[Standing]) -> str:
    """Return what `rnnexp status` prints: a line for each job that is not finished, the counts, the time left."""
    lines = []
    for job in jobs:
        if job.state in ("finished", "waiting"):
            continue
        at = f", step {job.step} of {job.n_steps}" if job.state == "running" and job.step is not None else ""
        after = f", {job.seconds:.0f} s" if job.state == "running" and job.seconds is not None else ""
        why = f": {job.reason}" if job.reason else ""
        lines.append(f"job {job.number} ({job.what}): {job.state}{at}{after}{why}")
    counts = {state: sum(job.state == state for job in jobs) for state in STATES}
    lines.append(
        f"{len(jobs)} jobs: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    )
    if (left := _seconds_left(jobs)) is not None:
        lines.append(f"about {left / 60:.0f} min left" if left >= 90 else f"about {left:.0f} s left")
    elif counts["running"] == 0 and counts["finished"] < len(jobs):
        lines.append(f"nothing is at it; continue with: rnnexp train -m resume={directory}")
    return "\n".join(lines)


def _seconds_left(jobs: list[Standing]) -> float | None:
    """Return about how long those that run and wait will take, by what finished ones took; None if none runs."""
    running = [job for job in jobs if job.state == "running"]
    took = [job.seconds for job in jobs if job.state == "finished" and job.seconds is not None]
    if not running or not took:
        return None
    each = sorted(took)[len(took) // 2]
    begun = sum(min(job.seconds or 0.0, each) for job in running)
    waiting = sum(job.state == "waiting" for job in jobs)
    return max(0.0, (len(running) + waiting) * each - begun) / len(running)
