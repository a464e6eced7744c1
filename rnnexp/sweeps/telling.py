"""What a sweep says: a line for each job as it ends, a bar in a terminal, and at the end what came of it."""

import math
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from rnnexp.errors import UserError
from rnnexp.sweeps.jobs import Sweep, SweepJob
from rnnexp.sweeps.working import Outcome
from rnnexp.training.records import read_record

if TYPE_CHECKING:
    from rnnexp.saved.collecting import Collection

MOST_GROUPS = 20  # rows of the table at the end


class Teller:
    """Tells how the jobs of a sweep go; a context manager.

    Args:
        sweep: all jobs.
        jobs: those that run now.
        metric: column of the summaries to show; None takes the one that runs are compared by.
        n_at_once: jobs that run side by side.
    """

    def __init__(
        self, sweep: Sweep, jobs: Sequence[SweepJob], metric: str | None = None, n_at_once: int = 1
    ) -> None:
        self._sweep = sweep
        self._n_jobs = len(jobs)
        self._metric = metric
        self._n_at_once = n_at_once
        self._n_done = self._n_failed = 0
        self._best: tuple[float, int] | None = None
        self._bar = tqdm(
            total=len(jobs), unit="job", disable=not sys.stderr.isatty(), dynamic_ncols=True, smoothing=0.1
        )

    def __enter__(self) -> "Teller":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def ended(self, job: SweepJob, outcome: Outcome) -> None:
        """Tell of a job that ended."""
        self._n_done += 1
        self._n_failed += outcome.error is not None
        summary = {} if outcome.error is not None else read_summary(job)
        told = f"failed: {outcome.error}" if outcome.error is not None else self._values(job, summary)
        line = f"[{self._n_done}/{self._n_jobs}] job {job.number} ({self._sweep.telling(job)}): {told}"
        self._bar.write(line, file=sys.stderr) if not self._bar.disable else print(line, file=sys.stderr)
        self._bar.set_postfix_str(self._postfix(), refresh=False)
        self._bar.update()

    def _values(self, job: SweepJob, summary: dict[str, Any]) -> str:
        parts = []
        metric = metric_of(summary, self._metric)
        if metric is not None:
            value = float(summary[metric])
            parts.append(f"{metric} {value:.4g}")
            better = is_higher_better(metric)
            if better is not None and (self._best is None or (value > self._best[0]) == better):
                self._best = (value, job.number)
        if isinstance(summary.get("seconds"), int | float):
            parts.append(f"{summary['seconds']:.1f} s")
        return ", ".join(parts) or "done"

    def _postfix(self) -> str:
        best = f"best {self._best[0]:.4g} (job {self._best[1]})" if self._best else ""
        failed = f"{self._n_failed} failed" if self._n_failed else ""
        running = f"{min(self._n_at_once, self._n_jobs - self._n_done)} running"
        return ", ".join(text for text in (running, failed, best) if text)


def read_summary(job: SweepJob) -> dict[str, Any]:
    """Return the summary.json of a job; nothing if there is none that can be read."""
    try:
        return read_record(job.path / "summary.json")
    except UserError:
        return {}


def metric_of(summary: dict[str, Any], wanted: str | None) -> str | None:
    """Return the column to compare runs by, of those that have a finite number."""
    from rnnexp.saved.tables import METRICS

    known = [
        name for name, value in summary.items() if isinstance(value, int | float) and math.isfinite(value)
    ]
    return next((name for name in ([wanted] if wanted else METRICS) if name in known), None)


def is_higher_better(metric: str) -> bool | None:
    """Whether large values of a column are the good ones; None where neither are, as of an exponent."""
    from rnnexp.plots.names import lower_is_better, split_and_metric

    if lower_is_better(metric):
        return False
    bare = split_and_metric(metric)[1]
    return True if "accuracy" in bare or bare in ("psc", "success", "prediction_horizon") else None


def best_line(collection: "Collection") -> str | None:
    """Name the best run of a collection; None where no value is better than another."""
    table, metric = collection.table, collection.metric
    better = None if metric is None else is_higher_better(metric)
    if better is None or not table[metric].notna().any():
        return None
    row = table.loc[table[metric].idxmax() if better else table[metric].idxmin()]
    return f"best: job {row['job']}, {metric} {row[metric]:.4g}: {row['path']}"


def ending(sweep: Sweep, collection: "Collection", problems: Sequence[str]) -> str:
    """Return what is said at the end: the table by group, the best run, where everything lies."""
    from rnnexp.saved.tables import table_text

    lines = [table_text(collection, MOST_GROUPS)]
    if best := best_line(collection):
        lines.append(best)
    n_done = int((collection.table["status"] == "finished").sum())
    lines.append(f"{n_done} of {len(sweep.jobs)} jobs finished; tables and pictures: {sweep.directory}")
    if problems:
        lines.append(f"run the others again with: {continuing_line(sweep)}")
    return "\n".join(lines)


def continuing_line(sweep: Sweep) -> str:
    """Return the line that continues a sweep."""
    import shlex

    return f"rnnexp {sweep.command} -m resume={shlex.quote(sweep.directory)}"
