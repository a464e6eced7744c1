"""Picture of a free run in the state space: its linear regions in colour, with fixed points and stable cycles."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D

from rnnexp.plots import style

MOST_REGIONS = 6  # with a colour of their own
MOSAIC_SHARE = 0.5  # of the steps that these must cover; below, all regions are coloured and colours repeat
MOST_CYCLES = 4  # stable ones that are drawn
SMALL_STEP = 0.12  # median step, as a share of the extent, below which states are joined by lines
MARKERS = {
    "stable": {"marker": "o", "markerfacecolor": style.INK},
    "saddle": {"marker": "^", "markerfacecolor": "white"},
    "unstable": {"marker": "o", "markerfacecolor": "white"},
    "neutral": {"marker": "s", "markerfacecolor": "white"},
}


class View(NamedTuple):
    """What is drawn, in the coordinates of the picture, d = 1 .. 3 of them.

    Attributes:
        states: (T, d).
        points: (F, d).
        cycles: each (k, d).
        names: of the axes.
        scale: size of the states before any projection.
    """

    states: np.ndarray
    points: np.ndarray
    cycles: list[np.ndarray]
    names: list[str]
    scale: float


@style.styled
def attractor(
    states: np.ndarray,
    names: Sequence[str],
    fixed_points: np.ndarray | None = None,
    stabilities: Sequence[str] = (),
    cycles: Sequence[np.ndarray] = (),
    symbols: np.ndarray | None = None,
) -> Figure:
    """Draw a free run in a plane and, from three coordinates on, in space; of one coordinate, the return map.

    More than three coordinates become their first three principal components. The view is that of the run, with a
    margin; what lies outside is counted in the title.

    Args:
        states: (T, D), T >= 2, finite: latents or outputs.
        names: D names of the coordinates, with units if they have any.
        fixed_points: (F, D).
        stabilities: F of "stable", "saddle", "unstable", "neutral".
        cycles: stable cycles, each (k, D).
        symbols: (T,), the linear region of every state, 0 for the most visited one; None draws one colour.

    Returns:
        The figure: a page wide with two panels, or a column with one.

    Raises:
        ValueError: shapes do not agree, or a stability is unknown.
    """
    states = np.asarray(states, dtype=float)
    points = (
        np.empty((0, states.shape[-1])) if fixed_points is None else np.asarray(fixed_points, dtype=float)
    )
    _check(states, names, points, stabilities, symbols)
    view = _view(
        states, points, [np.asarray(cycle, dtype=float) for cycle in cycles[:MOST_CYCLES]], list(names)
    )
    colours = _colours(len(states), symbols)
    if len(view.names) < 3:
        figure = style.new_figure(style.COLUMN_MM, 76)
        plane = figure.subplots()
    else:
        figure = style.new_figure(style.PAGE_MM, 84)
        left, right = figure.subfigures(1, 2, width_ratios=[1.0, 1.05])
        plane = left.subplots()
        _draw_space(right.add_subplot(projection="3d"), view, stabilities, colours)
    n_outside = _draw_plane(plane, view, stabilities, colours)
    if n_outside:
        plane.set_title(f"{n_outside} of {len(points)} fixed points outside the view", color=style.FAINT)
    handles = [*_region_handles(len(states), symbols), *_mark_handles(stabilities, view.cycles)]
    if handles:
        most = 3 if len(view.names) < 3 else 7
        n_rows = -(-len(handles) // most)
        figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(handles) // n_rows))
    return figure


def _check(
    states: np.ndarray,
    names: Sequence[str],
    points: np.ndarray,
    stabilities: Sequence[str],
    symbols: np.ndarray | None,
) -> None:
    if states.ndim != 2 or len(states) < 2 or len(names) != states.shape[1] or not np.isfinite(states).all():
        raise ValueError(
            f"states must be finite (T, D) with T >= 2 and D names, got shape {states.shape} and {len(names)} names"
        )
    if points.shape != (len(stabilities), states.shape[1]):
        raise ValueError(
            f"fixed_points must be ({len(stabilities)}, {states.shape[1]}), as many as stabilities, got {points.shape}"
        )
    unknown = [name for name in stabilities if name not in MARKERS]
    if unknown:
        raise ValueError(f"stabilities must be of {', '.join(MARKERS)}, got {unknown[0]!r}")
    if symbols is not None and np.shape(symbols) != states.shape[:1]:
        raise ValueError(f"symbols must be ({len(states)},), got shape {np.shape(symbols)}")


def _view(states: np.ndarray, points: np.ndarray, cycles: list[np.ndarray], names: list[str]) -> View:
    """Return everything in the coordinates of the picture."""
    scale = float(np.abs(states).max())
    if len(names) == 1:
        name = names[0]
        doubled = [np.concatenate((cycle, np.roll(cycle, -1, axis=0)), axis=1) for cycle in cycles]
        pairs = np.concatenate((states[:-1], states[1:]), axis=1)
        titles = [f"{name} at step t", f"{name} at step t + 1"]
        return View(pairs, np.repeat(points, 2, axis=1), doubled, titles, scale)
    if len(names) <= 3:
        return View(states, points, cycles, names, scale)
    mean = states.mean(axis=0)
    directions, variances, _ = np.linalg.svd((states - mean).T @ (states - mean), hermitian=True)
    directions = directions[:, :3]
    shares = variances[:3] / (variances.sum() or 1.0)
    titles = [f"PC{i + 1} ({100 * share:.0f} %)" for i, share in enumerate(shares)]
    states, points, *cycles = ((x - mean) @ directions for x in (states, points, *cycles))
    return View(states, points, cycles, titles, scale)


def _colours(n_states: int, symbols: np.ndarray | None) -> list[str]:
    if symbols is None:
        return [style.colour(0)] * n_states
    if _is_mosaic(symbols):
        return [style.colour(symbol) for symbol in symbols.tolist()]
    return [style.colour(symbol) if symbol < MOST_REGIONS else style.FAINT for symbol in symbols.tolist()]


def _is_mosaic(symbols: np.ndarray) -> bool:
    return bool((symbols < MOST_REGIONS).mean() < MOSAIC_SHARE)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Return the limits of an axis: what is drawn and a margin."""
    low, high = float(values.min()), float(values.max())
    margin = max(0.08 * (high - low), 1e-3 * max(abs(low), abs(high))) or 1.0
    return low - margin, high + margin


def _inside(view: View) -> np.ndarray:
    """Whether the fixed points (F,) are in the view, which reaches half the extent of the run beyond it."""
    low, high = view.states.min(axis=0), view.states.max(axis=0)
    reach = 0.5 * (high - low) + 1e-2 * view.scale
    return ((view.points >= low - reach) & (view.points <= high + reach)).all(axis=1)


def _is_flow(states: np.ndarray) -> bool:
    """Whether successive states are so close that a line between them shows the motion."""
    extent = np.linalg.norm(np.ptp(states, axis=0))
    return bool(np.median(np.linalg.norm(np.diff(states, axis=0), axis=1)) <= SMALL_STEP * extent)


def _point_size(states: np.ndarray) -> float:
    """Return the area of a point, larger for a run that has come to rest or to a cycle."""
    extent = np.ptp(states, axis=0).max() or 1.0
    n_places = len(np.unique(np.round(states / extent, 3), axis=0))
    return 9.0 if n_places <= 200 else 1.4


def _draw_plane(axes: Axes, view: View, stabilities: Sequence[str], colours: list[str]) -> int:
    """Draw the first two coordinates; returns how many fixed points are outside."""
    xy = view.states[:, :2]
    if view.states.shape[1] > 1 and _is_flow(view.states):
        segments = np.stack((xy[:-1], xy[1:]), axis=1)
        axes.add_collection(
            LineCollection(segments, colors=colours[: len(segments)], linewidths=0.35, rasterized=True)
        )
    else:
        axes.scatter(*xy.T, s=_point_size(xy), c=colours[: len(xy)], linewidths=0, rasterized=True)
    shown = _inside(view)
    for point, stability in zip(
        view.points[shown], np.asarray(stabilities)[shown] if len(shown) else (), strict=True
    ):
        _mark(axes, point[:2], stability)
    for cycle in view.cycles:
        axes.plot(*cycle[:, :2].T, linestyle="none", **_cycle_look())
    everything = np.concatenate((xy, view.points[shown][:, :2], *(c[:, :2] for c in view.cycles)))
    axes.set(
        xlim=_limits(everything[:, 0]),
        ylim=_limits(everything[:, 1]),
        xlabel=view.names[0],
        ylabel=view.names[1],
    )
    axes.locator_params(nbins=5)
    return int((~shown).sum())


def _draw_space(axes: Axes3D, view: View, stabilities: Sequence[str], colours: list[str]) -> None:
    """Draw three coordinates in perspective."""
    if _is_flow(view.states):
        segments = np.stack((view.states[:-1], view.states[1:]), axis=1)
        axes.add_collection3d(
            Line3DCollection(segments, colors=colours[: len(segments)], linewidths=0.3, rasterized=True)
        )
    else:
        axes.scatter(*view.states.T, s=_point_size(view.states), c=colours, linewidths=0, rasterized=True)
    shown = _inside(view)
    for point, stability in zip(
        view.points[shown], np.asarray(stabilities)[shown] if len(shown) else (), strict=True
    ):
        _mark(axes, point, stability)
    for cycle in view.cycles:
        axes.plot(*cycle.T, linestyle="none", **_cycle_look())
    everything = np.concatenate((view.states, view.points[shown], *view.cycles))
    for which, name, values in zip("xyz", view.names, everything.T, strict=True):
        getattr(axes, f"set_{which}lim")(*_limits(values))
        axis = getattr(axes, f"{which}axis")
        axis.set_label_text(name)
        axis.labelpad = -7
        axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
        axis.line.set_color(style.FAINT)
        axis._axinfo["grid"].update(color=style.SHADE, linewidth=0.4)
    axes.tick_params(pad=-3.5)
    axes.locator_params(nbins=4)
    axes.view_init(elev=22, azim=-58)
    axes.set_box_aspect(None, zoom=0.95)


def _mark(axes: Axes, point: np.ndarray, stability: str) -> None:
    coordinates = ([value] for value in point)
    axes.plot(
        *coordinates, linestyle="none", markersize=4.5, markeredgecolor=style.INK, markeredgewidth=0.9, zorder=10,
        **MARKERS[stability],
    )  # fmt: skip


def _cycle_look() -> dict[str, object]:
    return {
        "marker": "D", "markersize": 5.0, "markerfacecolor": "none", "markeredgecolor": style.INK,
        "markeredgewidth": 0.6, "zorder": 9,
    }  # fmt: skip


def _region_handles(n_states: int, symbols: np.ndarray | None) -> list[Artist]:
    if symbols is None:
        return []
    counts = np.bincount(symbols)
    if _is_mosaic(symbols):
        return [Line2D([], [], linestyle="none", label=f"{len(counts)} linear regions, colours repeat")]
    named = [
        (style.colour(region), f"region {region} ({_percent(count / n_states)})")
        for region, count in enumerate(counts[:MOST_REGIONS])
    ]
    rest = len(counts) - len(named)
    if rest:
        named.append((style.FAINT, f"{rest} others ({_percent(counts[MOST_REGIONS:].sum() / n_states)})"))
    return [Line2D([], [], color=ink, linewidth=2.0, label=label) for ink, label in named]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


def _mark_handles(stabilities: Sequence[str], cycles: Sequence[np.ndarray]) -> list[Artist]:
    look = {"color": "none", "markeredgecolor": style.INK, "markeredgewidth": 0.9, "markersize": 4.5}
    handles = [
        Line2D([], [], label=f"{name} fixed point", **look, **marker)
        for name, marker in MARKERS.items()
        if name in stabilities
    ]
    if len(cycles):
        handles.append(Line2D([], [], color="none", label="stable cycle", **_cycle_look()))
    return handles
