"""A metric against one number that a sweep varied: a line per group of jobs, a point per job."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.names import is_log_spaced, is_share, metric_label, setting_name
from rnnexp.plots.sweep import group_label

if TYPE_CHECKING:
    import pandas as pd

WIDTH_MM = 120.0
HEIGHT_MM = 70.0


@style.styled
def metric_curve(
    table: "pd.DataFrame", x: str, metric: str, group_columns: Sequence[str] = (), max_groups: int = 8
) -> Figure:
    """Draw a metric of all jobs of a sweep against one of its settings.

    Points are jobs, lines are means over the jobs of a group at each x, the band is their sd. Where the metric spreads
    over more than two decades, its axis is logarithmic, and lines and bands are medians and quartiles.

    Args:
        table: a row per job with the columns x, metric and the group columns.
        x: column of numbers, the setting.
        metric: column of numbers.
        group_columns: columns that tell groups apart, x not among them; empty for one group of all jobs.
        max_groups: groups drawn, the first of the table, >= 1; the title says if there are more.

    Returns:
        The figure.

    Raises:
        ValueError: a column is missing, or the table is empty.
    """
    missing = [name for name in [x, *group_columns, metric] if name not in table.columns]
    if missing or not len(table):
        raise ValueError(f"table must have rows and the columns {', '.join(missing)}")
    groups = _split(table, group_columns)
    shown = groups[:max_groups]
    figure = style.new_figure(WIDTH_MM if len(groups) == 1 else style.PAGE_MM, HEIGHT_MM)
    axes = figure.subplots()
    places = [_numbers(rows, x) for _, rows in shown]
    values = [_numbers(rows, metric) for _, rows in shown]
    every_x, every = np.concatenate(places), np.concatenate(values)
    drawn = np.isfinite(every_x) & np.isfinite(every)
    log = style.wants_log(every[drawn], ratio=100.0)
    for index, ((name, _), place, value) in enumerate(zip(shown, places, values, strict=True)):
        known = np.isfinite(place) & np.isfinite(value)
        _draw_group(axes, place[known], value[known], style.colour(index), log, name, is_share(metric))
    _scale(axes, every_x[drawn], every[drawn], metric, log)
    axes.set_xlabel(setting_name(x))
    axes.set_ylabel(metric_label(metric))
    repeated = any(len(np.unique(place)) < len(place) for place in places)
    if len(groups) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), borderaxespad=0.0)
    remarks = [f"{'median, quartiles' if log else 'mean ± sd'} over jobs"] if repeated else []
    remarks += [f"the first {len(shown)} of {len(groups)} groups"] if len(groups) > len(shown) else []
    remarks += [f"{int((~drawn).sum())} of {len(drawn)} jobs without a value"] if not drawn.all() else []
    axes.set_title(", ".join(remarks), color=style.FAINT)
    return figure


def _split(table: "pd.DataFrame", columns: Sequence[str]) -> list[tuple[str, "pd.DataFrame"]]:
    """Return the groups, each with its name."""
    if not columns:
        return [("all jobs", table)]
    groups = []
    for key, rows in table.groupby(list(columns), sort=False, dropna=False):
        settings = dict(zip(columns, key if isinstance(key, tuple) else (key,), strict=True))
        groups.append((style.shorten(group_label(settings), 36), rows))
    return groups


def _numbers(rows: "pd.DataFrame", column: str) -> np.ndarray:
    return style.finite(rows[column].to_numpy(dtype=float, na_value=np.nan))


def _draw_group(
    axes: Axes, x: np.ndarray, values: np.ndarray, ink: str, log: bool, name: str, share: bool
) -> None:
    places = np.unique(x)
    at = [values[x == place] for place in places]
    if log:
        middle = np.array([np.median(jobs) for jobs in at])
        low, high = np.array([np.quantile(jobs, [0.25, 0.75]) for jobs in at]).reshape(-1, 2).T
    else:
        middle = np.array([jobs.mean() for jobs in at])
        spread = np.array([jobs.std(ddof=1) if len(jobs) > 1 else 0.0 for jobs in at])
        low, high = middle - spread, middle + spread
    if share:
        low, high = low.clip(min=0.0), high.clip(max=1.0)
    if len(x) > len(places):
        axes.fill_between(places, low, high, color=ink, alpha=0.15, linewidth=0)
        axes.plot(x, values, "o", color=ink, alpha=0.55, markersize=3.0, markeredgewidth=0)
    axes.plot(places, middle, color=ink, marker="o", markersize=3.4, markeredgewidth=0, label=name)


def _scale(axes: Axes, x: np.ndarray, values: np.ndarray, metric: str, log: bool) -> None:
    if not values.size:
        style.note(axes, f"no job has {metric}", style.ALARM)
        return
    if (x > 0).all() and (style.wants_log(x) or is_log_spaced(x)):
        style.log_axis(axes, "x", x)
    if log:
        style.log_axis(axes, "y", values)
    elif is_share(metric):
        axes.set_ylim(0.0, 1.03)
