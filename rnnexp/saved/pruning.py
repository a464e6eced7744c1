"""Chooses what of runs can be removed."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnexp.errors import UserError
from rnnexp.saved.choosing import chosen
from rnnexp.saved.tables import main_metric, run_table

What = Literal["steps", "checkpoints", "runs"]


@dataclass(frozen=True)
class Pruning:
    """What would be removed.

    Attributes:
        paths: files, or directories of runs.
        kept: the best runs, of which nothing is removed.
        n_bytes: of all files.
    """

    paths: list[Path]
    kept: list[Path]
    n_bytes: int

    def text(self) -> str:
        """Return a line for each, and the sum."""
        lines = [str(path) for path in self.paths]
        lines += [f"kept as the best: {path}" for path in self.kept]
        return "\n".join([*lines, f"{len(self.paths)} to remove, {self.n_bytes / 1e6:.1f} MB"])

    def remove(self) -> None:
        """Remove all.

        Raises:
            UserError: one cannot be removed.
        """
        for path in self.paths:
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            except OSError as error:
                raise UserError(f"{path}: cannot be removed: {error.strerror}") from error


def plan_pruning(
    directory: Path, what: What, where: Sequence[str], sort: str | None, keep: int, metric: str | None
) -> Pruning:
    """Choose what can be removed; runs that are running and the best of those that are chosen are left alone.

    Args:
        directory: a sweep, a run, or a directory above runs.
        what: "steps": checkpoints/step_*.pt; "checkpoints": last.pt and what is kept behind it too; "runs": whole
            directories, of finished runs only where conditions choose them.
        where: conditions on the runs.
        sort: order in which they are listed.
        keep: best runs that stay as they are, >= 0.
        metric: by which they are the best; None takes the one that runs are compared by.

    Raises:
        UserError: there is no run, no such metric, or a condition cannot be read.
    """
    from rnnexp.sweeps.telling import is_higher_better

    table = chosen(run_table(directory), where, sort)
    metric = main_metric(table, metric)
    better = None if metric is None else is_higher_better(metric)
    best: list[str] = []
    if better is not None and keep:
        ordered = table.dropna(subset=[metric]).sort_values(metric, ascending=not better, kind="stable")
        best = ordered["path"].head(keep).tolist()
    rows = table[~table["path"].isin(best) & (table["status"] != "running")]
    if what == "runs" and not where:
        rows = rows[rows["status"] != "finished"]
    paths: list[Path] = []
    for run in map(Path, rows["path"]):
        if what == "runs":
            paths.append(run)
        else:
            patterns = ["step_*.pt"] if what == "steps" else ["step_*.pt", "last.pt", ".previous.pt"]
            paths += sorted(file for name in patterns for file in (run / "checkpoints").glob(name))
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return Pruning(paths, [Path(path) for path in best], size)
