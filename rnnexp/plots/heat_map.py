"""A metric over two numbers that a sweep varied."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.names import is_share, metric_label, setting_name

if TYPE_CHECKING:
    import pandas as pd

MOST_WRITTEN = 60  # cells with their number in them


def grid_table(table: "pd.DataFrame", x: str, y: str, metric: str) -> "pd.DataFrame":
    """Return a row per combination of two settings: x, y, n jobs with a value, their mean, sd and median."""
    known = table[table[metric].notna()]
    grouped = known.groupby([y, x], sort=True)[metric]
    return grouped.agg(n="count", mean="mean", sd="std", median="median").reset_index()[
        [x, y, "n", "mean", "sd", "median"]
    ]


@style.styled
def heat_map(grid: "pd.DataFrame", x: str, y: str, metric: str) -> Figure:
    """Draw the mean of a metric over two settings, the median where values spread over decades.

    Args:
        grid: what `grid_table` returns, one row at least.
        x, y: its settings.
        metric: what it is of, for the label.

    Raises:
        ValueError: the grid is empty.
    """
    if not len(grid):
        raise ValueError("grid must have rows")
    means = grid["mean"].to_numpy(dtype=float)
    log = style.wants_log(means, ratio=100.0)
    cells = grid.pivot_table(index=y, columns=x, values="median" if log else "mean")
    values = cells.to_numpy(dtype=float)
    figure = style.new_figure(min(style.PAGE_MM, 60 + 12 * cells.shape[1]), 30 + 9 * max(cells.shape[0], 3))
    axes = figure.subplots()
    norm = LogNorm(np.nanmin(values[values > 0]), np.nanmax(values)) if log else None
    image = axes.imshow(values, aspect="auto", origin="lower", cmap=style.colour_map(), norm=norm)
    if norm is None and is_share(metric):
        image.set_clim(min(0.5, float(np.nanmin(values))), 1.0)
    bar = figure.colorbar(image, ax=axes, label=metric_label(metric))
    bar.outline.set_linewidth(0.4)
    axes.set_xticks(range(cells.shape[1]), [f"{value:g}" for value in cells.columns])
    axes.set_yticks(range(cells.shape[0]), [f"{value:g}" for value in cells.index])
    axes.set(xlabel=setting_name(x), ylabel=setting_name(y))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if values.size <= MOST_WRITTEN:
        for row, column in np.ndindex(values.shape):
            if np.isfinite(values[row, column]):
                share = float(image.norm(values[row, column]))
                ink = style.INK if share > 0.6 else "white"
                axes.text(column, row, f"{values[row, column]:.3g}", ha="center", va="center", color=ink)
    n = grid["n"]
    counted = f"n = {n.min()}" if n.min() == n.max() else f"n = {n.min()} to {n.max()}"
    axes.set_title(f"{'median' if log else 'mean'} over jobs, {counted}", color=style.FAINT)
    return figure
