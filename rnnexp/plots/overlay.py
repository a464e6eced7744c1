"""Picture of a free run over the data from their common start, with the horizon up to which it predicts them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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
    time_label,
    title,
)


@style.styled
def overlay(
    data: np.ndarray,
    generated: np.ndarray,
    names: Sequence[str],
    dt: float,
    time_unit: str,
    horizon: int | None = None,
) -> Figure:
    """Draw every dimension over time, a panel for each of the first six.

    Args:
        data: (T, N), nan where missing; row t is at the time (t + 1) dt after the start.
        generated: (T, N), drawn until it diverges.
        names: N names of the dimensions, with units if they have any.
        dt: time between two samples, in the time unit, > 0.
        time_unit: its name.
        horizon: steps up to which the run predicts the data, see `rnnexp.analysis.prediction_horizon`; None draws
            none.

    Returns:
        The figure, a column wide.

    Raises:
        ValueError: shapes do not agree.
    """
    data, generated = check_pair(data, generated, names)
    if data.shape != generated.shape:
        raise ValueError(f"generated must be {data.shape}, as the data, got {generated.shape}")
    n_kept = steps_before_departure(data, generated)
    n_dimensions = data.shape[1]
    figure, axes_list = panels(n_dimensions, 1, 17.0 if n_dimensions > 1 else 34.0, sharex=True)
    times = (np.arange(len(data)) + 1) * dt
    marker = "." if len(data) == 1 else None
    for axes, true, run, name in zip(axes_list, data.T, generated.T, names, strict=False):
        axes.plot(times, true, color=DATA_INK, linewidth=1.6, alpha=0.6, marker=marker)
        axes.plot(times[:n_kept], run[:n_kept], color=RUN_INK, linewidth=0.9, marker=marker)
        axes.set(ylabel=name, xlim=(0.0, times[-1]), ylim=limits(true, 0.12))
        axes.locator_params(axis="y", nbins=3)
        if horizon is not None and horizon < len(data):
            axes.axvline(horizon * dt, color=style.INK, linewidth=0.8, linestyle=(0, (2, 2)))
    axes_list[-1].set_xlabel(time_label(time_unit))
    figure.align_ylabels(axes_list)
    note = departure_note(len(generated), n_kept, dt, time_unit)
    frames = [limits(true, 0.12) for true in data.T]
    beyond = np.any(
        [(run < low) | (run > high) for run, (low, high) in zip(generated[:n_kept].T, frames, strict=True)],
        axis=0,
    )
    outside = f"free run outside the frame at {beyond.sum()} of {len(data)} steps" if beyond.any() else ""
    title(figure, [note, outside, hidden_dimensions(n_dimensions)], is_alarm=bool(note))
    legend(figure, *_horizon_handles(horizon, len(data), dt, time_unit))
    return figure


def _horizon_handles(horizon: int | None, n_steps: int, dt: float, time_unit: str) -> list[Line2D]:
    if horizon is None:
        return []
    if horizon >= n_steps:
        return [
            Line2D([], [], linestyle="none", label=f"prediction horizon > {n_steps * dt:.4g} {time_unit}")
        ]
    look = {"color": style.INK, "linewidth": 0.8, "linestyle": (0, (2, 2))}
    return [Line2D([], [], label=f"prediction horizon {horizon * dt:.4g} {time_unit}", **look)]
