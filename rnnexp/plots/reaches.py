"""Pictures of movements: paths of the hand, speeds, errors by direction, postures of an arm, adaptation, a film.

Letters: B trials, T time steps. Positions are m, speeds m/s, times ms.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnexp.plots import style
from rnnexp.plots.names import metric_label

if TYPE_CHECKING:
    import pandas as pd

MAX_PATHS = 64
MARKS = 10  # dots along a path, evenly spread in time


@style.styled
def hand_paths(
    start: np.ndarray, pos: np.ndarray, goal: np.ndarray, angle: np.ndarray | None, radius: float, T: float
) -> Figure:
    """Draw the paths of the hand over their goals, with a dot every tenth of the trial.

    Args:
        start: (B, 2), before the first step.
        pos: (B, T, 2).
        goal: (B, 2).
        angle: (B,), direction of each reach, degrees, which colours it; None for none.
        radius: that counts as having arrived, m.
        T: duration of a trial, ms.
    """
    shown = slice(0, MAX_PATHS)
    start, pos, goal = start[shown], pos[shown], goal[shown]
    inks = direction_colours(len(pos), None if angle is None else angle[shown])
    figure = style.new_figure(style.COLUMN_MM, style.COLUMN_MM)
    axes = figure.subplots()
    size = np.full(len(goal), 2 * radius)
    rings = EllipseCollection(
        size, size, np.zeros(len(goal)), units="xy", offsets=goal, offset_transform=axes.transData,
        facecolors="none", edgecolors=inks, linewidths=0.7, zorder=1,
    )  # fmt: skip
    axes.add_collection(rings)
    whole = np.concatenate((start[:, None], pos), 1)
    marks = np.unique(np.linspace(0, pos.shape[1], MARKS + 1).round().astype(int))
    for path, ink in zip(whole, inks, strict=True):
        axes.plot(path[:, 0], path[:, 1], color=ink, linewidth=0.9, zorder=2)
        axes.plot(path[marks, 0], path[marks, 1], ".", color=ink, markersize=2.4, zorder=2)
    axes.plot(start[:, 0], start[:, 1], "s", color=style.INK, markersize=2.6, zorder=3)
    corners = np.concatenate((whole.reshape(-1, 2), goal - radius, goal + radius))
    corners = corners[np.isfinite(corners).all(1)]
    if len(corners):
        low, high = corners.min(0), corners.max(0)
        margin = 0.06 * max(high - low)
        axes.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
    axes.set_aspect("equal")
    axes.set(xlabel="x (m)", ylabel="y (m)")
    count = f"{len(pos)} reaches"
    axes.set_title(f"{count}; dots every {T / MARKS:g} ms, rings {radius:g} m", color=style.FAINT)
    _square(axes)
    figure.legend(
        handles=[
            Line2D([], [], marker="s", linestyle="", color=style.INK, markersize=2.6, label="start"),
            Line2D([], [], marker="o", linestyle="", color=style.INK, markerfacecolor="none", label="goal"),
        ],
        loc="outside lower center", ncols=2,
    )  # fmt: skip
    return figure


@style.styled
def speed_profiles(
    speed: np.ndarray, dt: float, angle: np.ndarray | None, go: np.ndarray | None = None
) -> Figure:
    """Draw the speed of every reach, aligned to the go signal where there is one, and their mean.

    Args:
        speed: (B, T).
        dt: ms.
        angle: (B,), degrees, which colours it; None for none.
        go: (B,), ms; None where all may move from the start.
    """
    n_trials, n_steps = speed.shape
    shift = np.zeros(n_trials) if go is None else go
    inks = direction_colours(min(n_trials, MAX_PATHS), None if angle is None else angle[:MAX_PATHS])
    figure = style.new_figure(style.COLUMN_MM, 58)
    axes = figure.subplots()
    times = dt * np.arange(1, n_steps + 1)
    for row, first, ink in zip(speed[:MAX_PATHS], shift, inks, strict=False):
        axes.plot(times - first, row, color=ink, linewidth=0.6, alpha=0.75)
    grid = np.arange(-shift.min(), n_steps * dt - shift.max() + dt / 2, dt)
    rows = [np.interp(grid, times - first, row, left=0.0) for row, first in zip(speed, shift, strict=True)]
    if len(grid):
        axes.plot(grid, np.mean(rows, axis=0), color=style.INK, linewidth=1.4, label="mean")
        axes.legend(loc="upper right")
    if go is not None:
        axes.axvline(0, color=style.FAINT, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    axes.set(xlabel="time (ms)" if go is None else "time after go (ms)", ylabel="speed of the hand (m/s)")
    axes.set_ylim(bottom=0)
    axes.set_title(f"{n_trials} reaches", color=style.FAINT)
    return figure


@style.styled
def errors_by_direction(values: dict[str, np.ndarray], angle: np.ndarray) -> Figure:
    """Draw measures of reaches against their direction: a dot a reach, a line through the means.

    Args:
        values: by column of metrics.csv, (B,).
        angle: (B,), degrees.
    """
    figure = style.new_figure(style.PAGE_MM, 56)
    panels = style.panels(figure, [1.0] * len(values), 50, squeeze=False).ravel()
    angles = np.unique(angle)
    inks = dict(zip(angles, direction_colours(len(angles), angles), strict=True))
    for axes, (name, value) in zip(panels, values.items(), strict=True):
        means = []
        for one in angles:
            own = value[angle == one]
            own = own[np.isfinite(own)]
            means.append(own.mean() if len(own) else np.nan)
            axes.plot(np.full(len(own), one), own, "o", color=inks[one], markersize=3, markeredgewidth=0)
        axes.plot(angles, means, color=style.FAINT, linewidth=0.8, zorder=0)
        axes.set(xlabel="direction (degrees)", ylabel=metric_label(name), xlim=(-15, 375))
        axes.set_xticks([0, 90, 180, 270, 360])
        if name == "lateral_error":
            axes.axhline(0, color=style.FAINT, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        elif np.isfinite(value).any() and np.nanmin(value) >= 0 and name != "straightness":
            axes.set_ylim(0, 1.08 * np.nanmax(value) or 1.0)
    return figure


@style.styled
def arm_postures(joints: np.ndarray, hand: np.ndarray, goal: np.ndarray, dt: float) -> Figure:
    """Draw an arm at some times of single reaches, the later the darker.

    Args:
        joints: (B, T, 2, 2), elbow and hand, xy; the shoulder is at (0, 0).
        hand: (B, T, 2).
        goal: (B, 2).
        dt: ms.
    """
    n_shown = min(3, len(joints))
    figure = style.new_figure(style.PAGE_MM, 66)
    panels = style.panels(figure, [1.0] * n_shown, 60, squeeze=False, sharex=True, sharey=True).ravel()
    times = np.unique(np.linspace(0, joints.shape[1] - 1, 6).round().astype(int))
    for index, axes in enumerate(panels):
        for rank, t in enumerate(times):
            elbow, end = joints[index, t]
            shade = style.colour_map("Greys")(0.25 + 0.65 * rank / max(1, len(times) - 1))
            axes.plot(
                [0, elbow[0], end[0]], [0, elbow[1], end[1]], "-o", color=shade, linewidth=1.5, markersize=2.2
            )
        axes.plot(hand[index, :, 0], hand[index, :, 1], color=style.colour(0), linewidth=1.1)
        axes.plot(*goal[index], "+", color=style.ALARM, markersize=6)
        axes.set_aspect("equal")
        axes.set(xlabel="x (m)")
        axes.set_title(f"reach {index + 1}, {dt:g} to {joints.shape[1] * dt:g} ms", color=style.FAINT)
    panels[0].set_ylabel("y (m)")
    return figure


@style.styled
def adaptation_curve(metrics: "pd.DataFrame", name: str, start: int, stop: int | None, label: str) -> Figure:
    """Draw a measure of the validation reaches over updates, the time of a perturbation shaded, from shortly before it.

    Args:
        metrics: rows of metrics.csv: columns step, split and the measure.
        name: of the measure.
        start: first update with the perturbation.
        stop: first one without it again; None: to the end.
        label: what disturbs.
    """
    rows = metrics[metrics["split"] == "validation"]
    end = rows["step"].max() if stop is None else stop
    rows = rows[
        rows["step"] >= start - (end - start) / 2
    ]  # what a network does that is still untrained is far off
    steps, values = rows["step"].to_numpy(), rows[name].to_numpy()
    figure = style.new_figure(120, 58)
    axes = figure.subplots()
    axes.axvspan(start, end, color=style.SHADE, zorder=0, linewidth=0, label=label)
    axes.axhline(0, color=style.FAINT, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    axes.plot(steps, values, "-o", color=style.colour(0), markersize=1.8, linewidth=0.8)
    axes.set(xlabel="updates", ylabel=metric_label(name))
    axes.legend(loc="best")
    return figure


def film(
    start: np.ndarray, pos: np.ndarray, goal: np.ndarray, joints: np.ndarray | None, dt: float
) -> FuncAnimation:
    """Return a film of reaches, all at once; of an arm, of the first one.

    Args:
        start: (B, 2).
        pos: (B, T, 2).
        goal: (B, 2).
        joints: (B, T, 2, 2), elbow and hand of an arm, or None.
        dt: ms.
    """
    shown = slice(0, 1 if joints is not None else MAX_PATHS)
    whole, goal = np.concatenate((start[shown, None], pos[shown]), 1), goal[shown]
    figure = style.new_figure(style.COLUMN_MM, style.COLUMN_MM)
    axes = figure.subplots()
    axes.plot(goal[:, 0], goal[:, 1], "+", color=style.ALARM, markersize=6)
    lines = [axes.plot([], [], color=style.colour(i), linewidth=0.9)[0] for i in range(len(whole))]
    (hands,) = axes.plot([], [], "o", color=style.INK, markersize=3)
    (arm,) = axes.plot([], [], "-o", color=style.FAINT, linewidth=2, markersize=3)
    points = [whole.reshape(-1, 2), goal] + (
        [] if joints is None else [joints[0].reshape(-1, 2), np.zeros((1, 2))]
    )
    points = np.concatenate(points)
    points = points[np.isfinite(points).all(1)]
    low, high = points.min(0), points.max(0)
    margin = 0.08 * max(high - low)
    axes.set(
        xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin), xlabel="x (m)",
        ylabel="y (m)", aspect="equal",
    )  # fmt: skip

    def draw(t: int) -> Sequence[Line2D]:
        for line, path in zip(lines, whole, strict=True):
            line.set_data(path[: t + 1, 0], path[: t + 1, 1])
        hands.set_data(whole[:, t, 0], whole[:, t, 1])
        if joints is not None and t:
            elbow, end = joints[0, t - 1]
            arm.set_data([0, elbow[0], end[0]], [0, elbow[1], end[1]])
        axes.set_title(f"{t * dt:g} ms", color=style.FAINT)
        return [*lines, hands, arm]

    frames = np.unique(np.linspace(0, pos.shape[1], min(60, pos.shape[1]) + 1).round().astype(int))
    return FuncAnimation(figure, draw, frames=frames.tolist(), interval=max(33, dt), blit=False)


def direction_colours(n: int, angle: np.ndarray | None) -> list:
    """Return the colour of n reaches: by direction, around a circle of hues, or the first one for all."""
    if angle is None:
        return [style.colour(0)] * n
    wheel = matplotlib.colormaps["hsv"]
    colours = wheel((np.asarray(angle, dtype=float) % 360) / 360)
    colours[:, :3] *= 0.82  # bright yellow and green would vanish on white
    return list(colours)


def _square(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(nbins=6)
