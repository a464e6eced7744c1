"""Gathers the runs below a directory into tables and pictures."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.errors import UserError
from rnnexp.saved.choosing import chosen, column
from rnnexp.saved.tables import group_columns, group_table, main_metric, run_table, table_text

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


def collect(
    directory: str | Path,
    metric: str | None = None,
    where: Sequence[str] = (),
    sort: str | None = None,
    group_by: Sequence[str] = (),
    out: str | Path | None = None,
    write: bool = True,
) -> Collection:
    """Gather the runs below a directory into results.csv, results_by_group.csv, tables for a paper, and pictures.

    There is a comparison; where a number was varied a curve of the metric against it too, such as
    plots/lesion_curve.png, where two were a heat map, and of trainings their learning curves; each with the table
    behind it. The runs themselves are only read, and into a single run nothing is written.

    Args:
        directory: a sweep, a run, or a directory above runs.
        metric: column to compare by; None takes the test accuracy, d_stsp of a time series, a loss, or
            the largest Lyapunov exponent, whichever there is first.
        where: conditions on the runs, see `rnnexp.saved.choosing.chosen`.
        sort: column by which the rows are ordered.
        group_by: columns that tell groups apart; none: all settings in which the runs differ, seeds apart.
        out: where the files go, a directory without results; None: the directory itself.
        write: whether there are files at all.

    Raises:
        UserError: there is nothing to gather, no such metric or column, or the files cannot be written.
    """
    from rnnexp.plots.album import Album
    from rnnexp.saved.sweep_pictures import draw_sweep

    directory = Path(directory)
    table = chosen(run_table(directory), where, sort)
    if not len(table):
        raise UserError(f"--where {' '.join(where)}: holds for none of the runs")
    overrides = [name for name in table.columns if name in table.attrs["overrides"]]
    summary = [name for name in table.columns if name in table.attrs["summary"]]
    keys = [column(table, key, "--group-by") for key in group_by] or group_columns(table, overrides)
    metric = main_metric(table, metric)
    groups = group_table(table, keys, summary)
    folder = directory if out is None else _new(Path(out))
    files: list[Path] = []
    collection = Collection(table, groups, keys, metric, files)
    if not write or (out is None and (directory / "run.json").exists()):
        return collection
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in (("results.csv", table), ("results_by_group.csv", groups)):
            files.append(_write(folder / name, frame.to_csv(index=False)))
        if out is not None:
            for ending, form in (("md", "markdown"), ("tex", "latex")):
                text = table_text(collection, form=form)
                files.append(_write(folder / f"results_by_group.{ending}", text + "\n"))
        if metric is not None:
            album = Album(folder / "plots")
            draw_sweep(table, keys, metric, album)
            files += album.files
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from error
    return collection


def _new(folder: Path) -> Path:
    """Return a folder into which nothing was gathered yet.

    Raises:
        UserError: there are results in it, or it is a run.
    """
    taken = [
        name
        for name in ("results.csv", "results_by_group.csv", "plots", "run.json")
        if (folder / name).exists()
    ]
    if taken:
        raise UserError(
            f"--out {folder}: holds {taken[0]} already, which is not overwritten; name another folder"
        )
    return folder


def _write(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path
