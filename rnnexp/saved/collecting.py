"""Gathers the runs below a directory into tables and pictures."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.errors import UserError
from rnnexp.saved.tables import group_columns, group_table, main_metric, run_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Collection:
    """What was gathered.

    Attributes:
        table: a row per run.
        groups: a row per group of runs that differ by their seed only.
        keys: the columns that tell the groups apart.
        metric: the column that the picture compares, or None if no run left a number.
        files: what was written.
    """

    table: "pd.DataFrame"
    groups: "pd.DataFrame"
    keys: list[str]
    metric: str | None
    files: list[Path]


def collect(directory: str | Path, metric: str | None = None) -> Collection:
    """Write results.csv, results_by_group.csv and plots/comparison.png of the runs below a directory.

    Where a number was varied there is a curve of the metric against it too, such as plots/lesion_curve.png, where two
    were a heat map, and of trainings their learning curves; each with the table behind it.
    Files of these names are replaced; the runs themselves are only read.

    Args:
        directory: a sweep, a run, or a directory above runs.
        metric: column to compare by; None takes the test accuracy, d_stsp of a time series, a loss, or
            the largest Lyapunov exponent, whichever there is first.

    Raises:
        UserError: there is nothing to gather, no such metric, or the directory cannot be written.
    """
    from rnnexp.plots.album import Album
    from rnnexp.saved.sweep_pictures import draw_sweep

    directory = Path(directory)
    table = run_table(directory)
    overrides = [name for name in table.columns if name in table.attrs["overrides"]]
    summary = [name for name in table.columns if name in table.attrs["summary"]]
    keys = group_columns(table, overrides)
    groups = group_table(table, keys, summary)
    metric = main_metric(table, metric)
    files = [directory / "results.csv", directory / "results_by_group.csv"]
    try:
        for frame, path in zip((table, groups), files, strict=True):
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            frame.to_csv(temporary, index=False)
            temporary.replace(path)
        if metric is not None:
            album = Album(directory / "plots")
            draw_sweep(table, keys, metric, album)
            files += album.files
    except OSError as error:
        raise UserError(f"{directory}: cannot be written: {error.strerror}") from error
    return Collection(table, groups, keys, metric, files)
