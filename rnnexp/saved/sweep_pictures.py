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
    from rnnexp.plots.term_curves import term_curves

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
    histories, settings = validations(table, keys)
    column = split_and_metric(metric)[1]

    def spread_of(column: str) -> pd.DataFrame:
        values = settings.assign(trials=histories["trials"], value=histories[column])
        return curve_table(values, keys, "value")

    if column in histories and histories[column].notna().any():
        curves = spread_of(column)
        album.add("learning_curves", lambda: learning_curves(curves, keys, column), curves)
    if terms := _terms(list(histories)):
        by_term = pd.concat([spread_of(term).assign(term=term) for term in ("loss", *terms)])
        album.add("loss_terms", lambda: term_curves(by_term, keys), by_term)


def curve_name(varied: str) -> str:
    """Name a curve by the group of what was varied for a lesion, else by its whole key."""
    group = varied.partition(".")[0]
    return f"{'lesion' if group == 'lesion' else varied.replace('.', '_')}_curve"


def _terms(columns: list[str]) -> list[str]:
    """Return the weighted terms of a loss that lists their raw values after them in metrics.csv; else nothing."""
    raw = next((place for place, name in enumerate(columns) if name.startswith("raw_")), None)
    return [] if raw is None else columns[columns.index("loss") + 1 : raw]


def validations(table: "pd.DataFrame", keys: Sequence[str]) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Return the validations of all runs that were trained, a row each, and beside them job and keys.

    Evaluations and analyses have none, so there may be no row. Columns that not all runs have are nan for the others.
    """
    import pandas as pd

    histories, settings = [pd.DataFrame()], [pd.DataFrame()]
    for row in table.to_dict("records"):
        path = Path(row["path"]) / "metrics.csv"
        try:
            history = pd.read_csv(path)
        except (OSError, ValueError) as error:  # no training, or a file that is damaged
            log.debug("%s: %s", path, error)
            continue
        if not {"trials", "split"} <= set(history.columns):
            continue
        history = history.loc[history["split"] == "validation"].drop(columns="split")
        history = history.apply(pd.to_numeric, errors="coerce").dropna(subset="trials")
        if len(history) > 1:
            histories.append(history)
            settings.append(
                pd.DataFrame([{"job": row["job"], **{key: row[key] for key in keys}}] * len(history))
            )
    return pd.concat(histories, ignore_index=True), pd.concat(settings, ignore_index=True)
