"""The terms of a loss over the trials of training, both axes logarithmic: the median over jobs, with the quartiles."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.sweep import group_label

if TYPE_CHECKING:
    import pandas as pd

MOST_GROUPS = 4
PANEL_MM = 62.0


@style.styled
def term_curves(curves: "pd.DataFrame", keys: Sequence[str]) -> Figure:
    """Draw the loss and its weighted terms, a panel per group of jobs.

    Args:
        curves: columns keys, term, trials, n, median, q25, q75, as `rnnexp.plots.learning_curves.curve_table` gives
            them for each term; values at 0 trials are drawn at the left edge.
        keys: columns that tell groups apart; empty for one group of all jobs.

    Raises:
        ValueError: the table is empty.
    """
    if not len(curves):
        raise ValueError("curves must have rows")
    groups = list(curves.groupby(list(keys), sort=False, dropna=False)) if keys else [((), curves)]
    shown = groups[:MOST_GROUPS]
    terms = list(dict.fromkeys(curves["term"]))
    figure = style.new_figure(
        style.PAGE_MM if len(shown) > 1 else 120.0, PANEL_MM * (1 if len(shown) < 3 else 2) + 4
    )
    panels = figure.subplots(-(-len(shown) // 2), min(len(shown), 2), squeeze=False, sharex=True, sharey=True)
    every = curves[["q25", "median", "q75"]].to_numpy(dtype=float)
    seen = curves["trials"].to_numpy(dtype=float)
    for axes in panels.ravel()[len(shown) :]:
        axes.remove()
    for axes, (key, rows) in zip(panels.ravel(), shown, strict=False):
        settings = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        for index, term in enumerate(terms):
            line = rows[rows["term"] == term]
            trials = np.maximum(line["trials"].to_numpy(dtype=float), seen[seen > 0].min(initial=np.inf) / 2)
            ink = style.INK if term == "loss" else style.colour(index - 1)
            low, middle, high = (line[name].to_numpy(dtype=float) for name in ("q25", "median", "q75"))
            axes.fill_between(trials, low, high, color=ink, alpha=0.18, linewidth=0)
            axes.plot(trials, middle, color=ink, linewidth=1.6 if term == "loss" else 1.0, label=term)
        name = style.shorten(group_label(settings), 40) if settings else "validation"
        axes.set_title(f"{name}, n = {int(rows['n'].max())}", color=style.INK)
        if style.wants_log(seen, ratio=5.0):
            style.log_axis(axes, "x", np.maximum(seen, seen[seen > 0].min() / 2))
        if style.wants_log(every.ravel(), ratio=1.0):
            style.log_axis(axes, "y", every.ravel())
    for axes in panels[:, 0]:
        axes.set_ylabel("loss and weighted terms")
    for axes in panels.ravel()[: len(shown)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("trials")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    labels = ["total" if label == "loss" else label.replace("_", " ") for label in labels]
    figure.legend(handles, labels, loc="outside right center")
    remark = "validation, median and quartiles over jobs"
    if len(groups) > len(shown):
        remark += f", the first {len(shown)} of {len(groups)} groups"
    figure.suptitle(remark, color=style.FAINT, fontsize=style.FONT_PT, x=0.01, ha="left")
    return figure
