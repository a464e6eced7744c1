"""Picture of how often data and free run take each value, dimension by dimension."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.series_pair import (
    DATA_INK,
    RUN_INK,
    check_pair,
    departure_note,
    hidden_dimensions,
    legend,
    limits,
    panels,
    steps_before_departure,
    title,
)


@style.styled
def value_histograms(
    data: np.ndarray,
    generated: np.ndarray,
    names: Sequence[str],
    dt: float,
    time_unit: str,
    n_bins: int = 50,
) -> Figure:
    """Draw the histogram of every dimension, a panel for each of the first six.

    Args:
        data: (T, N), nan where missing.
        generated: (S, N), counted until it diverges; what lies outside the range of the data is said.
        names: N names of the dimensions, with units if they have any.
        dt: time between two samples, in the time unit, > 0.
        time_unit: its name.
        n_bins: over the range of the data and a margin, >= 1.

    Returns:
        The figure, a column wide.

    Raises:
        ValueError: shapes do not agree.
    """
    data, generated = check_pair(data, generated, names)
    n_kept = steps_before_departure(data, generated)
    figure, axes_list = panels(data.shape[1], 3, 32.0)
    for axes, column, run, name in zip(axes_list, data.T, generated[:n_kept].T, names, strict=False):
        edges = np.linspace(*limits(column), n_bins + 1)
        known = column[np.isfinite(column)]
        shares = [np.histogram(values, edges)[0] / max(len(values), 1) for values in (known, run)]
        axes.stairs(shares[0], edges, fill=True, color=DATA_INK, alpha=0.3)
        axes.stairs(shares[0], edges, color=DATA_INK, linewidth=0.8)
        if len(run):
            axes.stairs(shares[1], edges, color=RUN_INK, linewidth=1.0)
        top = 2.5 * max(shares[0].max(), 1 / n_bins)  # a run at rest would flatten the data
        axes.set(
            xlabel=name,
            xlim=(edges[0], edges[-1]),
            ylim=(0.0, min(top, 1.1 * max(map(np.max, shares)) or 1.0)),
        )
        axes.locator_params(nbins=3)
        outside = 1 - shares[1].sum() if len(run) else 0.0
        if outside >= 0.005:
            axes.set_title(f"{100 * outside:.0f} % outside", color=style.ALARM, fontsize=style.FONT_PT - 0.5)
    figure.supylabel("share of samples", fontsize=style.FONT_PT)
    note = departure_note(len(generated), n_kept, dt, time_unit)
    title(figure, [note, hidden_dimensions(data.shape[1])], is_alarm=bool(note))
    legend(figure)
    return figure
