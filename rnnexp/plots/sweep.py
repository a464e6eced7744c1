"""The picture of a sweep: one metric by group, a point per job, with the mean over seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.names import is_share, metric_label

if TYPE_CHECKING:
    import pandas as pd

LABEL_LENGTH = 44
ROW_MM = 5.0


@style.styled
def comparison(
    table: "pd.DataFrame", group_columns: Sequence[str], metric: str, max_groups: int = 60
) -> Figure:
    """Draw a metric of all jobs of a sweep, a row per group of jobs that differ only by seed.

    Groups that share their first setting stand together, in the order of the table.
    Points are jobs, the bar is their mean and sd. Where values spread over more than two decades the axis is
    logarithmic and the bar is the median with the quartiles. Jobs without the metric are counted in the row's label.

    Args:
        table: a row per job: `metric`, the group columns and, where there is one, status.
        group_columns: columns that tell groups apart; empty for one group of all jobs.
        metric: the column to draw.
        max_groups: groups drawn, the first of the table, >= 1; the title says if there are more.

    Returns:
        The figure, a page wide, as high as it has groups.

    Raises:
        ValueError: a column is missing, or the table is empty.
    """
    missing = [name for name in [*group_columns, metric] if name not in table.columns]
    if missing or not len(table):
        raise ValueError(f"table must have rows and the columns {', '.join(missing)}")
    groups = _split(table, group_columns)
    shown = groups[:max_groups]
    names = [group_label(dict(zip(group_columns, key, strict=True))) for key, _ in shown]
    values = [style.finite(rows[metric].to_numpy(dtype=float, na_value=np.nan)) for _, rows in shown]
    colours = _colours([key for key, _ in shown])
    figure = style.new_figure(style.PAGE_MM, 16 + ROW_MM * max(len(shown), 3))
    axes = figure.subplots()
    every = np.concatenate(values)
    log = style.wants_log(every, ratio=100.0)
    labels, repeated = [], any(len(jobs) > 1 for jobs in values)
    for row, (name, jobs, ink) in enumerate(zip(names, values, colours, strict=True)):
        n_known = int(np.isfinite(jobs).sum())
        labels.append(
            style.shorten(name, LABEL_LENGTH)
            + _without_value(shown[row][1], jobs)
            + (f", n = {n_known}" if repeated else "")
        )
        _draw_group(axes, row, jobs[np.isfinite(jobs)], ink, log, is_share(metric))
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=style.SHADE, linewidth=0.6)
    axes.set_axisbelow(True)
    if not np.isfinite(every).any():
        style.note(axes, f"no job has {metric}", style.ALARM)
    elif log:
        style.log_axis(axes, "x", every)
    spread = "median and quartiles" if log else "mean ± sd"
    axes.set_xlabel(f"{metric_label(metric)}{f', {spread}' if repeated else ''}")
    if len(groups) > len(shown):
        axes.set_title(f"the first {len(shown)} of {len(groups)} groups", color=style.FAINT)
    return figure


def group_label(settings: dict[str, Any]) -> str:
    """Name a group by its settings, in few words.

    Args:
        settings: key -> value; the option of a config group (a word under a key without dots) stands alone, anything
            else is shown with the last part of its key. Missing values are left out.

    Returns:
        Such as "ALRNN, lr 0.01"; "all jobs" where there is nothing to tell.
    """
    parts = []
    ends = [key.rsplit(".", 1)[-1] for key in settings]
    for key, end in zip(settings, ends, strict=True):
        value = settings[key]
        if value is None or value != value or value == "":
            continue
        text = f"{value:g}" if isinstance(value, float) else str(value)
        alone = isinstance(value, str) and "." not in key and text not in ("true", "false", "null")
        parts.append(text if alone else f"{end if ends.count(end) == 1 else key} {text}")
    return ", ".join(parts) or "all jobs"


def _split(table: "pd.DataFrame", columns: Sequence[str]) -> list[tuple[tuple, "pd.DataFrame"]]:
    if not columns:
        return [((), table)]
    groups = [
        (key if isinstance(key, tuple) else (key,), rows)
        for key, rows in table.groupby(list(columns), sort=False, dropna=False)
    ]
    kinds = list(dict.fromkeys(str(key[0]) for key, _ in groups))
    return sorted(groups, key=lambda group: kinds.index(str(group[0][0])))


def _colours(keys: list[tuple]) -> list[str]:
    """Colour groups by their first setting, where it repeats and takes few values."""
    first = [str(key[0]) if key else "" for key in keys]
    kinds = list(dict.fromkeys(first))
    if not 1 < len(kinds) <= 7 or len(kinds) == len(keys):
        return [style.colour(0)] * len(keys)
    return [style.colour(kinds.index(kind)) for kind in first]


def _without_value(rows: "pd.DataFrame", values: np.ndarray) -> str:
    """Say how many jobs of a group have no value, and why."""
    lost = ~np.isfinite(values)
    if not lost.any():
        return ""
    status = rows["status"].to_numpy()[lost] if "status" in rows.columns else np.full(lost.sum(), "finished")
    counts = {
        "running": int((status == "running").sum()),
        "failed": int((~np.isin(status, ["running", "finished"])).sum()),
        "no value": int((status == "finished").sum()),
    }
    return f" ({', '.join(f'{n} of {len(values)} {why}' for why, n in counts.items() if n)})"


def _draw_group(axes: "Any", row: int, values: np.ndarray, ink: str, log: bool, share: bool) -> None:
    if not values.size:
        return
    if values.size == 1:
        axes.plot(values, [row], "o", color=ink, markersize=4, markeredgewidth=0)
        return
    offsets = np.linspace(-0.14, 0.14, values.size)
    axes.plot(values, row + offsets, "o", color=ink, alpha=0.6, markersize=3.2, markeredgewidth=0, zorder=3)
    if log:
        middle = float(np.median(values))
        low, high = np.quantile(values, [0.25, 0.75])
    else:
        middle = float(values.mean())
        spread = float(values.std(ddof=1))
        low, high = middle - spread, middle + spread
    if share:
        low, high = max(low, 0.0), min(high, 1.0)
    axes.plot([low, high], [row, row], color=ink, linewidth=1.4, solid_capstyle="butt", zorder=1)
    axes.plot(middle, row, "|", color=style.INK, markersize=8, markeredgewidth=1.4)
