"""A search for settings: the objective over the trials, and against each setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from rnnexp.plots import style
from rnnexp.plots.names import is_log_spaced, metric_label, setting_name

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = 3
PANEL_MM = 50.0


@style.styled
def search_picture(
    table: "pd.DataFrame", params: Sequence[str], objective: str, is_maximized: bool
) -> Figure:
    """Draw the objective of all trials in their order with the best so far, and against each setting.

    Args:
        table: columns trial, state (complete, pruned, fail, running), value (nan where there is none), the settings.
        params: columns of the settings.
        objective: what the values are, for the label.
        is_maximized: whether large values are the good ones.

    Returns:
        A page wide; a panel for the course and one per setting.
    """
    n_panels = 1 + len(params)
    rows = -(-n_panels // COLUMNS)
    figure = style.new_figure(style.PAGE_MM, PANEL_MM * rows + 4)
    panels = figure.subplots(rows, min(COLUMNS, n_panels), squeeze=False, sharey=True).ravel()
    for axes in panels[n_panels:]:
        axes.remove()
    values = table["value"].to_numpy(dtype=float, na_value=np.nan)
    complete = (table["state"] == "complete").to_numpy() & np.isfinite(values)
    trials = table["trial"].to_numpy(dtype=float)
    _course(panels[0], trials, values, complete, is_maximized)
    known = np.isfinite(values)
    best = None
    if complete.any():
        judged = np.where(complete, values, np.nan)
        best = int(np.nanargmax(judged) if is_maximized else np.nanargmin(judged))
    for axes, name in zip(panels[1:], params, strict=False):
        _against(axes, table[name], values, complete, name, best)
    if style.wants_log(values, ratio=30.0):
        style.log_axis(panels[0], "y", values[known])
    for index, axes in enumerate(panels[:n_panels]):
        if index % COLUMNS == 0:
            axes.set_ylabel(metric_label(objective))
    counts = {"pruned": "pruned", "fail": "failed", "running": "running"}
    told = [
        f"{(table['state'] == state).sum()} {word}"
        for state, word in counts.items()
        if (table["state"] == state).any()
    ]
    panels[0].set_title(
        ", ".join([f"{complete.sum()} of {len(table)} trials finished", *told]), color=style.FAINT
    )
    return figure


def _course(
    axes: Axes, trials: np.ndarray, values: np.ndarray, complete: np.ndarray, is_maximized: bool
) -> None:
    order = np.argsort(trials[complete])
    x, y = trials[complete][order], values[complete][order]
    _points(axes, trials, values, complete)
    if y.size:
        best = (np.maximum if is_maximized else np.minimum).accumulate(y)
        last = trials.max()
        axes.step(
            [*x, last], [*best, best[-1]], where="post", color=style.INK, linewidth=1.0, label="best so far"
        )
    for trial in trials[~np.isfinite(values)]:
        axes.axvline(trial, ymax=0.04, color=style.ALARM, linewidth=0.8)
    axes.legend(loc="best")
    axes.set_xlabel("trial")
    style.integer_ticks(axes, "x", 6)


def _points(axes: Axes, x: np.ndarray, values: np.ndarray, complete: np.ndarray) -> None:
    """Draw finished trials full, pruned ones, which might have done better later, as small rings."""
    pruned = ~complete & np.isfinite(values)
    ink = style.colour(0)
    axes.plot(
        x[complete], values[complete], "o", color=ink, markersize=3.6, markeredgewidth=0, label="finished"
    )
    if pruned.any():
        axes.plot(x[pruned], values[pruned], "o", color=style.FAINT, markersize=2.6, markerfacecolor="none",
                  markeredgewidth=0.7, label="pruned, last validation")  # fmt: skip


def _against(
    axes: Axes, setting: "pd.Series", values: np.ndarray, complete: np.ndarray, name: str, best: int | None
) -> None:
    import pandas as pd

    numbers = pd.to_numeric(setting, errors="coerce")
    if numbers.notna().all():
        x = numbers.to_numpy(dtype=float)
        if is_log_spaced(x) or (x.min() > 0 and x.max() / x.min() > 30):
            style.log_axis(axes, "x", x)
            axes.xaxis.set_major_locator(LogLocator())
    else:
        names = list(dict.fromkeys(setting.astype(str)))
        x = setting.astype(str).map(names.index).to_numpy(dtype=float)
        axes.set_xticks(range(len(names)), [style.shorten(text, 14) for text in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
    _points(axes, x, values, complete)
    if best is not None:
        axes.plot(x[best], values[best], "*", color=style.ALARM, markersize=8, markeredgecolor="white",
                  markeredgewidth=0.5)  # fmt: skip
    axes.set_xlabel(setting_name(name))
