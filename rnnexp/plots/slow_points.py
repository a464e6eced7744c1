"""Pictures of trials among the fixed and slow points of a network, and of what inputs do there.

Letters: B trials, T time steps, S state, K inputs, P points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnexp.plots import style
from rnnexp.plots.groups import NO_NAMES, TrialGroups, group_trials

TRIALS_SHOWN = 8  # of each class in a panel
PANELS_A_ROW = 3
KINDS: Mapping[str, dict] = MappingProxyType(
    {
        "stable fixed point": {"marker": "o", "markerfacecolor": style.INK, "markersize": 4.5},
        "unstable fixed point": {"marker": "o", "markerfacecolor": "white", "markersize": 4.5},
        "slow point": {"marker": "D", "markerfacecolor": style.FAINT, "markersize": 2.5},
    }
)


@dataclass(frozen=True, eq=False)
class PointsPanel:
    """What one panel shows.

    Args:
        name: of the input condition.
        members: numbers of its trials.
        points: (P, S).
        is_fixed: (P,), fixed and not only slow.
        is_stable: (P,), no eigenvalue outside the unit circle.
        directions: (P, S), unit vectors drawn as short lines; None draws none.
    """

    name: str
    members: np.ndarray
    points: np.ndarray
    is_fixed: np.ndarray
    is_stable: np.ndarray
    directions: np.ndarray | None = field(default=None)


@style.styled
def trials_among_points(
    states: np.ndarray,
    panels: Sequence[PointsPanel],
    labels: np.ndarray | None = None,
    label_name: str = "condition",
    value_names: Mapping[float, str] = NO_NAMES,
) -> Figure:
    """Draw trials and points in the plane of the two first principal components of all trials, a panel a condition.

    Args:
        states: (B, T, S), nan where a trial has ended; trials that are infinite anywhere are left out.
        panels: at least one.
        labels: (B,), condition that gives the trials their colours; None for one colour.
        label_name: of that condition.
        value_names: of its values.

    Raises:
        ValueError: there is no panel, or shapes do not agree.
    """
    states = np.asarray(states, dtype=float)
    if states.ndim != 3 or not panels:
        raise ValueError(f"states must be (B, T, S), with one panel at least, got shape {states.shape}")
    labels = np.zeros(len(states)) if labels is None else np.asarray(labels)
    if labels.shape != states.shape[:1]:
        raise ValueError(f"labels must be ({len(states)},), one per trial, got shape {labels.shape}")
    whole = np.isfinite(states[:, 0]).all(axis=1) & ~np.isinf(states).any(axis=(1, 2))
    n_rows = -(-len(panels) // PANELS_A_ROW)
    figure = style.new_figure(style.PAGE_MM, 12 + 62 * n_rows)
    axes = _grid(figure, len(panels), n_rows)
    if not whole.any():
        style.note(axes[0], "no trial with finite states", style.ALARM)
        return figure
    visited = states[whole].reshape(-1, states.shape[2])
    centre, plane, shares = _principal_plane(visited[np.isfinite(visited).all(axis=1)])
    groups = group_trials(labels, value_names)
    for ax, panel in zip(axes, panels, strict=False):
        _draw_trials(ax, (states - centre) @ plane, groups, set(panel.members[whole[panel.members]].tolist()))
        _draw_points(ax, panel, centre, plane)
        n_fixed = int(panel.is_fixed.sum())
        ax.set_title(f"{panel.name}: {n_fixed} fixed, {len(panel.points) - n_fixed} slow points")
        ax.set_xlabel(f"PC1 ({100 * shares[0]:.0f} %)")
        ax.set_ylabel(f"PC2 ({100 * shares[1]:.0f} %)" if len(shares) > 1 else "")
        ax.set_aspect("equal", adjustable="datalim")
        ax.locator_params(nbins=5)
    _legend(figure, groups, label_name)
    return figure


def _grid(figure: Figure, count: int, n_rows: int) -> list[Axes]:
    """Return axes for `count` panels, in one column where the figure is narrow."""
    columns = min(count, PANELS_A_ROW)
    if figure.get_figwidth() < style.PAGE_MM / 25.4 * 0.7:
        n_rows, columns = count, 1
        figure.set_figheight((20 + 70 * count) / 25.4)
    axes = figure.subplots(n_rows, columns, squeeze=False).ravel().tolist()
    for ax in axes[count:]:
        ax.set_axis_off()
    return axes[:count]


def _principal_plane(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean (S,), two directions (S, 2) at most, and the share of the variance along each."""
    centre = flat.mean(axis=0)
    directions, variances, _ = np.linalg.svd((flat - centre).T @ (flat - centre), hermitian=True)
    total = variances.sum()
    if flat.shape[1] == 1:
        directions = np.hstack((directions, np.zeros((1, 1))))
    return centre, directions[:, :2], variances[:2] / (total if total > 0 else 1.0)


def _draw_trials(axes: Axes, scores: np.ndarray, groups: TrialGroups, members: set[int]) -> None:
    for rows, ink in zip(groups.members, groups.colours, strict=True):
        for row in [row for row in rows.tolist() if row in members][:TRIALS_SHOWN]:
            axes.plot(*scores[row].T, color=ink, linewidth=0.5, alpha=0.45)
            last = np.flatnonzero(np.isfinite(scores[row, :, 0]))[-1]
            axes.plot(*scores[row, last], "o", color=ink, markersize=2.5, markeredgewidth=0)


def _draw_points(axes: Axes, panel: PointsPanel, centre: np.ndarray, plane: np.ndarray) -> None:
    places = (panel.points - centre) @ plane
    if panel.directions is not None and len(places):
        ends = panel.directions @ plane * 0.04 * max(np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim()))
        for place, end in zip(places, ends, strict=True):
            axes.plot(*np.stack((place - end, place + end)).T, color=style.INK, linewidth=0.7, zorder=3)
    kinds = {
        "slow point": ~panel.is_fixed,
        "unstable fixed point": panel.is_fixed & ~panel.is_stable,
        "stable fixed point": panel.is_fixed & panel.is_stable,
    }
    for kind, rows in kinds.items():
        look = KINDS[kind] | {"linestyle": "none", "markeredgecolor": style.INK, "markeredgewidth": 0.6}
        axes.plot(*places[rows].T, zorder=4, **look)


def _legend(figure: Figure, groups: TrialGroups, label_name: str) -> None:
    handles = [
        Line2D([], [], linestyle="none", markeredgecolor=style.INK, markeredgewidth=0.6, label=kind, **look)
        for kind, look in KINDS.items()
    ]
    handles.append(Line2D([], [], color=style.INK, linewidth=0.7, label="slowest direction"))
    if 1 < len(groups.members) <= 8:
        handles += [
            Line2D([], [], color=ink, linewidth=1.6, label=f"{label_name}: {name}")
            for name, ink in zip(groups.names, groups.colours, strict=True)
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2 if style.is_narrow() else 5)


@style.styled
def input_effects(
    effects: Mapping[str, np.ndarray], positions: Mapping[str, np.ndarray], names: Sequence[str]
) -> Figure:
    """Draw how far one step of a unit input moves the state along the slowest direction, a panel a condition.

    Args:
        effects: by the name of the input condition, (P, K).
        positions: of the points along the mean slowest direction, (P,), by the same names.
        names: of the K inputs.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not effects:
        raise ValueError("effects must hold one input condition at least")
    n_rows = -(-len(effects) // PANELS_A_ROW)
    figure = style.new_figure(style.PAGE_MM, 12 + 55 * n_rows)
    axes = _grid(figure, len(effects), n_rows)
    for ax, (name, values) in zip(axes, effects.items(), strict=True):
        order = np.argsort(positions[name])
        for index in range(values.shape[1]):
            ink = style.colour(index)
            ax.plot(
                positions[name][order],
                values[order, index],
                "o",
                color=ink,
                markersize=2.5,
                label=names[index],
            )
        ax.axhline(0, color=style.FAINT, linewidth=0.5, zorder=0)
        top = 2.0 * float(np.quantile(np.abs(values), 0.9))
        outside = int((np.abs(values).max(axis=1) > top).sum()) if top > 0 else 0
        if (
            outside
        ):  # two modes about to become a complex pair: the projection on one of them grows without bounds
            ax.set_ylim(-1.05 * top, 1.05 * top)
        ax.set_title(f"{name}, {outside} of {len(values)} points outside" if outside else name)
        ax.set_xlabel("place along the slowest direction")
        ax.locator_params(nbins=5)
    axes[0].set_ylabel("effect of a unit input, per step")
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, texts, loc="outside lower center", ncols=min(len(names), 3 if style.is_narrow() else 6)
    )
    return figure
