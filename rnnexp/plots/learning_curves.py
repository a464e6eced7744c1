"""A metric over the trials of training: a line per group of jobs, the mean over its seeds, with their spread."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.names import is_share, metric_label
from rnnexp.plots.sweep import group_label

if TYPE_CHECKING:
    import pandas as pd

MOST_GROUPS = 8
HEIGHT_MM = 70.0


def curve_table(histories: "pd.DataFrame", keys: Sequence[str], metric: str) -> "pd.DataFrame":
    """Return the spread of a metric over the jobs of each group at each number of trials.

    Args:
        histories: a row per validation of each job: trials, metric, and the columns that tell groups apart.
        keys: these columns; empty for one group of all jobs.
        metric: column of numbers.

    Returns:
        Columns keys, trials, n, mean, sd (ddof 1, nan for one job), min, max, median, q25, q75. Jobs that ended before
        keep their last value, so that a line ends with all jobs of its group in it.
    """
    import pandas as pd

    rows = []
    groups = histories.groupby(list(keys), sort=False, dropna=False) if keys else [((), histories)]
    for key, group in groups:
        settings = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        wide = group.pivot_table(index="trials", columns="job", values=metric).ffill()
        for trials, values in wide.iterrows():
            known = values.dropna()
            quarters = known.quantile([0.25, 0.5, 0.75]).to_numpy()
            rows.append(
                {**settings, "trials": int(trials), "n": len(known), "mean": known.mean(), "sd": known.std(),
                 "min": known.min(), "max": known.max(), "median": quarters[1], "q25": quarters[0], "q75": quarters[2]}
            )  # fmt: skip
    columns = [*keys, "trials", "n", "mean", "sd", "min", "max", "median", "q25", "q75"]
    return pd.DataFrame(rows, columns=columns)


@style.styled
def learning_curves(table: "pd.DataFrame", keys: Sequence[str], metric: str) -> Figure:
    """Draw the mean over jobs with its sd, or where values spread over decades the median with the quartiles.

    Args:
        table: what `curve_table` returns, one row at least.
        keys: columns that tell groups apart.
        metric: what it is of, for the label.

    Raises:
        ValueError: the table is empty.
    """
    if not len(table):
        raise ValueError("table must have rows")
    groups = list(table.groupby(list(keys), sort=False, dropna=False)) if keys else [((), table)]
    shown = groups[:MOST_GROUPS]
    figure = style.new_figure(style.PAGE_MM if len(groups) > 1 else 120.0, HEIGHT_MM)
    axes = figure.subplots()
    every = style.finite(np.concatenate([rows["mean"].to_numpy(dtype=float) for _, rows in shown]))
    log = style.wants_log(every, ratio=100.0)
    for index, (key, rows) in enumerate(shown):
        settings = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        n = int(rows["n"].max())
        name = f"{style.shorten(group_label(settings), 36)} (n = {n})"
        trials, middle = rows["trials"].to_numpy(), rows["median" if log else "mean"].to_numpy(dtype=float)
        low, high = (
            (rows["q25"], rows["q75"]) if log else (rows["mean"] - rows["sd"], rows["mean"] + rows["sd"])
        )
        low, high = low.to_numpy(dtype=float), high.to_numpy(dtype=float)
        if is_share(metric):
            low, high = low.clip(min=0.0), high.clip(max=1.0)
        ink = style.colour(index)
        if n > 1:
            axes.fill_between(trials, low, high, color=ink, alpha=0.18, linewidth=0)
        axes.plot(trials, middle, color=ink, label=name)
    if log:
        style.log_axis(axes, "y", every)
    elif is_share(metric):
        axes.set_ylim(0.0, 1.03)
    axes.set_xlim(left=0)
    style.thousands(axes)
    axes.set(xlabel="trials", ylabel=metric_label(metric))
    spread = "median and quartiles" if log else "mean and sd"
    remarks = [f"validation, {spread} over jobs"]
    remarks += [f"the first {len(shown)} of {len(groups)} groups"] if len(groups) > len(shown) else []
    axes.set_title(", ".join(remarks), color=style.FAINT)
    if len(groups) > 1 or int(table["n"].max()) > 1:
        figure.legend(loc="outside right center")
    return figure
