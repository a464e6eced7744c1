"""Picture of how the dynamics of a free run change in the course of a training."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnexp.plots import style
from rnnexp.plots.attractor import MARKERS


@style.styled
def training_bifurcation(
    steps: Sequence[int],
    maxima: Sequence[np.ndarray],
    fixed_points: Sequence[np.ndarray],
    stabilities: Sequence[Sequence[str]],
    exponents: Sequence[float],
    name: str,
    exponent_unit: str,
) -> Figure:
    """Draw, for every checkpoint, the local maxima of a free run and its fixed points, and its largest exponent.

    Args:
        steps: S >= 1 numbers of updates, rising.
        maxima: S arrays, the local maxima of one output in the free run, or its last value where it has come to rest.
        fixed_points: S arrays, the same output at the fixed points.
        stabilities: S lists of "stable", "saddle", "unstable", "neutral", one for each of the fixed points.
        exponents: S largest Lyapunov exponents; nan where the run diverges.
        name: of the output, with its unit if it has one.
        exponent_unit: such as "1/ms".

    Returns:
        The figure, a page wide: output above, exponent below. The limits are those of the maxima, with a margin.

    Raises:
        ValueError: the lengths do not agree, or there is no checkpoint.
    """
    lengths = {len(part) for part in (steps, maxima, fixed_points, stabilities, exponents)}
    if len(lengths) != 1 or not len(steps):
        raise ValueError(
            f"all arguments must hold one entry for each checkpoint, got lengths {sorted(lengths)}"
        )
    figure = style.new_figure(style.PAGE_MM, 100)
    outputs, growth = figure.subplots(2, 1, sharex=True, height_ratios=[1.7, 1.0])
    n_outside = _draw_outputs(outputs, steps, maxima, fixed_points, stabilities)
    outputs.set_ylabel(name)
    exponents = np.asarray(exponents, dtype=float)
    growth.axhline(0.0, color=style.FAINT, linewidth=0.7, zorder=0)
    growth.plot(steps, style.finite(exponents), color=style.colour(0), marker="o", markeredgewidth=0)
    growth.set(xlabel="updates", ylabel=f"largest exponent\n({exponent_unit})")
    style.thousands(growth)
    lost = [step for step, exponent in zip(steps, exponents, strict=True) if np.isnan(exponent)]
    if lost:
        low = growth.get_ylim()[0]
        growth.plot(lost, [low] * len(lost), "x", color=style.ALARM, markersize=4, clip_on=False)
        growth.set_title(f"{len(lost)} of {len(steps)} free runs diverge (crosses)", color=style.FAINT)
        growth.set_ylim(bottom=low)
    figure.align_ylabels([outputs, growth])
    present = {stability for row in stabilities for stability in row}
    handles = [
        Line2D(
            [],
            [],
            color=style.colour(0),
            linestyle="none",
            marker="o",
            markersize=3,
            label="maxima of the free run",
        )
    ]
    look = {"color": "none", "markeredgecolor": style.INK, "markeredgewidth": 0.7, "markersize": 3.6}
    handles += [
        Line2D([], [], label=f"{name} fixed point", **look, **marker)
        for name, marker in MARKERS.items()
        if name in present
    ]
    if n_outside:
        handles.append(Line2D([], [], linestyle="none", label=f"({n_outside} outside the view)"))
    outputs.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.02), ncols=len(handles), borderaxespad=0.0
    )
    return figure


def _draw_outputs(
    axes: Axes,
    steps: Sequence[int],
    maxima: Sequence[np.ndarray],
    fixed_points: Sequence[np.ndarray],
    stabilities: Sequence[Sequence[str]],
) -> int:
    """Draw maxima and fixed points; returns how many fixed points are outside of the view."""
    x = np.concatenate([np.full(len(values), step) for step, values in zip(steps, maxima, strict=True)])
    heights = np.concatenate([np.asarray(values, dtype=float) for values in maxima])
    axes.plot(
        x, heights, "o", color=style.colour(0), markersize=3.0, markeredgewidth=0, alpha=0.6, rasterized=True
    )
    rows = [
        (step, float(value), stability)
        for step, values, names in zip(steps, fixed_points, stabilities, strict=True)
        for value, stability in zip(values, names, strict=True)
    ]
    known = (
        heights[np.isfinite(heights)] if np.isfinite(heights).any() else np.array([row[1] for row in rows])
    )
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    margin = 0.6 * (high - low) or 0.5 * max(abs(high), 1.0)
    axes.set_ylim(low - margin, high + margin)
    inside = [row for row in rows if low - margin <= row[1] <= high + margin]
    for stability, marker in MARKERS.items():
        chosen = [row for row in inside if row[2] == stability]
        axes.plot(
            [row[0] for row in chosen], [row[1] for row in chosen], linestyle="none", markersize=3.6,
            markeredgecolor=style.INK, markeredgewidth=0.7, zorder=4, **marker,
        )  # fmt: skip
    return len(rows) - len(inside)
