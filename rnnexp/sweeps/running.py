"""Runs the jobs of a sweep and gathers what they left, whatever happened."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from rnnexp.config.sweep import BASIC_LAUNCHER
from rnnexp.errors import ConfigError, UserError, reason_of
from rnnexp.sweeps.jobs import Sweep, SweepJob
from rnnexp.sweeps.launchers import Launcher, Serial
from rnnexp.sweeps.telling import Teller, continuing_line, ending, is_higher_better
from rnnexp.sweeps.working import Outcome, Work
from rnnexp.training.records import read_record, write_record

if TYPE_CHECKING:
    from rnnexp.saved.collecting import Collection

N_BEST = 3  # runs whose pictures are drawn where not all are
LAUNCHERS = (
    BASIC_LAUNCHER,
    *(f"rnnexp.sweeps.launchers.{name.lower()}.{name}" for name in ("Ensemble", "Joblib", "Submitit", "Ray")),
)


class SweepFailedError(UserError):
    """Some jobs of a sweep failed; one line each."""


def is_own(launcher: dict[str, Any]) -> bool:
    """Whether a hydra.launcher is one of ours, or the one of Hydra whose place Serial takes."""
    return launcher.get("_target_") in LAUNCHERS


def make_launcher(settings: dict[str, Any]) -> Launcher:
    """Build a launcher and check that it can work here.

    Raises:
        ConfigError: it is none of ours, or an argument is out of its range.
        UserError: a package or a cluster is missing.
    """
    from rnnexp.config.instantiate import instantiate

    if not is_own(settings):
        raise ConfigError([f"hydra.launcher._target_: {settings.get('_target_')}: is no launcher of rnnexp"])
    launcher = (
        Serial() if settings["_target_"] == BASIC_LAUNCHER else instantiate(settings, key="hydra.launcher")
    )
    launcher.check()
    return launcher


def run_sweep(
    sweep: Sweep,
    jobs: Sequence[SweepJob],
    launcher: Launcher,
    words: Sequence[str],
    changes: Sequence[str] = (),
    metric: str | None = None,
) -> None:
    """Run jobs of a sweep, then gather the results of all.

    Args:
        sweep: all its jobs; sweep.json is written.
        jobs: those that are to run.
        launcher: where.
        words: the command line as typed.
        changes: overrides of trainer.* for trainings that go on.
        metric: of the summaries, to show and compare by.

    Raises:
        SweepFailedError: jobs failed; the reason of each is told.
        KeyboardInterrupt: its notes name the line that continues the sweep.
    """
    from rnnexp.training.interruption import termination_as_interrupt

    directory = Path(sweep.directory)
    work = Work(sweep.command, list(words), sweep.hydra, list(changes), sweep.working_directory)
    problems: dict[int, str] = {}
    with only_process(directory):
        sweep.save()
        try:
            with (
                termination_as_interrupt(),
                closing(launcher),
                Teller(sweep, jobs, metric, launcher.n_at_once) as teller,
            ):
                for job, outcome in outcomes(launcher, work, jobs, directory):
                    teller.ended(job, outcome)
                    if outcome.error is not None:
                        problems[job.number] = f"job {job.number} ({sweep.telling(job)}): {outcome.error}"
        except KeyboardInterrupt as stop:
            gather(sweep, list(problems.values()), metric)
            if sweep.command == "train":
                stop.__notes__ = [f"continue with: {continuing_line(sweep)}"]
            raise
        gather(sweep, list(problems.values()), metric, launcher.draws_best)
    if problems:
        raise SweepFailedError("\n".join(problems[number] for number in sorted(problems)))


def outcomes(
    launcher: Launcher, work: Work, jobs: Sequence[SweepJob], folder: Path
) -> Iterator[tuple[SweepJob, Outcome]]:
    """Run jobs and yield how each ended; one that was killed has that in its run.json.

    Raises:
        KeyboardInterrupt: after those that were running have written their checkpoints.
    """
    results = launcher.run(work, jobs, folder)
    try:
        for job, outcome in results:
            if outcome.error is not None:
                note_failure(job, outcome.error)
            yield job, outcome
    except KeyboardInterrupt:
        launcher.stop(jobs)
        raise
    finally:
        results.close()


def note_failure(job: SweepJob, reason: str) -> None:
    """Let run.json of a job whose process was killed say so; what a job wrote itself stays."""
    from rnnexp.config.job import record_failure

    path = job.path / "run.json"
    try:
        record = read_record(path) if path.exists() else {}
    except UserError:
        return
    if not record:
        record_failure(job.path, reason)
    elif record.get("status") == "running":
        write_record(path, {**record, "status": "failed", "exit_reason": reason})


@contextmanager
def only_process(directory: Path) -> Iterator[None]:
    """Keep other processes off a sweep.

    Raises:
        UserError: one is at it.
    """
    lock = FileLock(directory / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"{directory}: another process is running this sweep; wait for it, or stop it"
        ) from error
    except OSError as error:
        raise UserError(f"{directory}: cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def draw_best(sweep: Sweep, collection: "Collection", choices: Sequence[str]) -> None:
    """Draw the pictures of the best runs among those whose trainer.plots is one of these."""
    from rnnexp.plots.album import Album, first_kinds
    from rnnexp.plots.drawing import drawing
    from rnnexp.saved.drawing import draw_saved

    asked = {
        job.directory: job for job in sweep.jobs if job.config.get("trainer", {}).get("plots") in choices
    }
    table, metric = collection.table, collection.metric
    better = None if metric is None else is_higher_better(metric)
    if metric is not None and better is not None:
        table = table.sort_values(metric, ascending=not better, kind="stable")
    table = table[table["status"] == "finished"]
    for path in [path for path in map(str, table["path"]) if path in asked][:N_BEST]:
        checkpoint = Path(path) / "checkpoints" / "best.pt"
        device = {**asked[path].config["device"], "name": "cpu"}
        command = {"checkpoint": str(checkpoint), "trust": True, "device": device}
        with drawing("plots"):
            draw_saved(command, Path(path), Album(Path(path) / "plots", first_kinds("few")), asks=False)


def gather(sweep: Sweep, problems: Sequence[str], metric: str | None, draws_best: bool | None = None) -> None:
    """Collect the results of a sweep and tell of them; what goes wrong with that makes no finished job a failed one.

    Args:
        sweep, metric: as of `run_sweep`.
        problems: of jobs that failed.
        draws_best: whether trainer.plots=few means the best runs; None draws no pictures of runs.
    """
    from rnnexp.saved.collecting import collect

    directory = Path(sweep.directory)
    if not any(job.path.is_dir() for job in sweep.jobs):
        return
    try:
        collection = collect(directory, metric)
        if draws_best is not None:
            draw_best(sweep, collection, ("best", "few") if draws_best else ("best",))
        print(ending(sweep, collection, problems), file=sys.stderr)
    except Exception as error:
        print(f"rnnexp: the results were not collected: {reason_of(error)}", file=sys.stderr)
        print(f"rnnexp: rnnexp collect {directory} does it again", file=sys.stderr)
