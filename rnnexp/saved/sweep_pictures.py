"""The pictures of many runs, with the tables behind them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.errors import UserError
from rnnexp.plots.album import Album
from rnnexp.plots.names import split_and_metric
from rnnexp.saved.tables import group_columns, main_metric, run_table, varied_number

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def draw_runs(directory: Path, metric: str | None, album: Album) -> None:
    """Draw the runs below a directory.

    Raises:
        UserError: there is no run, no such metric, no number to compare by, or no such picture.
    """
    table = run_table(directory)
    found = main_metric(table, metric)
    if found is None:
        raise UserError(f"{directory}: no run has a number to compare by")
    keys = group_columns(table, [name for name in table.columns if name in table.attrs["overrides"]])
    draw_sweep(table, keys, found, album)
    album.check()


def draw_sweep(table: "pd.DataFrame", keys: Sequence[str], metric: str, album: Album) -> None:
    """Draw what can be drawn of runs: comparison, curve over a number, heat map over two, learning curves.

    Args:
        table: a row per run, with path; see `run_table`.
        keys: columns that tell groups apart.
        metric: column to compare by.
        album: takes the pictures; of files, the table behind each lies beside it as <name>.csv.
    """
    import pandas as pd

    from rnnexp.plots.curve import metric_curve
    from rnnexp.plots.heat_map import grid_table, heat_map
    from rnnexp.plots.learning_curves import curve_table, learning_curves
    from rnnexp.plots.sweep import comparison

    shown = [
        name for name in dict.fromkeys(["job", *keys, "seed", "status", metric]) if name in table.columns
    ]
    album.add("comparison", lambda: comparison(table, keys, metric), table[shown])
    numbers = [
        key
        for key in keys
        if pd.api.types.is_numeric_dtype(table[key]) and table.loc[table[metric].notna(), key].nunique() > 1
    ]
    varied = varied_number(table, list(keys), metric)
    if varied is not None:
        others = [key for key in keys if key != varied]
        album.add(curve_name(varied), lambda: metric_curve(table, varied, metric, others), table[shown])
    if len(numbers) == 2:
        x, y = varied, next(key for key in numbers if key != varied)
        grid = grid_table(table, x, y, metric)
        album.add("heat_map", lambda: heat_map(grid, x, y, metric), grid)
    histories, column = validations(table, keys, metric)
    if histories is not None:
        curves = curve_table(histories, keys, column)
        album.add("learning_curves", lambda: learning_curves(curves, keys, column), curves)


def curve_name(varied: str) -> str:
    """Name a curve by the group of what was varied for a lesion, else by its whole key."""
    group = varied.partition(".")[0]
    return f"{'lesion' if group == 'lesion' else varied.replace('.', '_')}_curve"


def validations(table: "pd.DataFrame", keys: Sequence[str], metric: str) -> tuple["pd.DataFrame | None", str]:
    """Return the validations of all runs that were trained, a row each, and the column of the metric in them.

    None where no run has any: evaluations and analyses are not trained.
    """
    import pandas as pd

    column = split_and_metric(metric)[1]
    frames = []
    for row in table.to_dict("records"):
        path = Path(row["path"]) / "metrics.csv"
        try:
            history = pd.read_csv(path)
        except (OSError, ValueError) as error:  # no training, or a file that is damaged
            log.debug("%s: %s", path, error)
            continue
        if not {"trials", "split", column} <= set(history.columns):
            continue
        history = history.loc[history["split"] == "validation", ["trials", column]]
        history = history.apply(pd.to_numeric, errors="coerce").dropna(subset="trials")
        if len(history) > 1:
            frames.append(history.assign(job=row["job"], **{key: row[key] for key in keys}))
    return (pd.concat(frames, ignore_index=True) if frames else None), column
