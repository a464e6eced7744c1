"""Picture of the state space: the data on the left, a free run on the right, in the same view."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D

from rnnexp.plots import style
from rnnexp.plots.series_pair import (
    DATA_INK,
    RUN_INK,
    check_pair,
    departure_note,
    limits,
    steps_before_departure,
    title,
)

SMALL_STEP = 0.12  # median step, as a share of the extent, below which samples are joined by lines
LONGEST_LAG = 0.1  # of the delay in one dimension, as a share of the data


@style.styled
def state_space(
    data: np.ndarray, generated: np.ndarray, names: Sequence[str], dt: float, time_unit: str
) -> Figure:
    """Draw data and free run side by side: in a plane (N = 2), in space (N = 3), in the first three principal
    components of the data (N > 3), or against itself some steps before (N = 1).

    Args:
        data: (T, N), nan where missing.
        generated: (S, N), drawn until it diverges.
        names: N names of the dimensions, with units if they have any.
        dt: time between two samples, in the time unit, > 0.
        time_unit: its name.

    Returns:
        The figure, a column wide.

    Raises:
        ValueError: shapes do not agree.
    """
    data, generated = check_pair(data, generated, names)
    n_kept = steps_before_departure(data, generated)
    kept, axis_names = [data, generated[:n_kept]], list(names)
    remark = ""
    if len(names) == 1:
        kept, axis_names = _delayed(kept, names[0])
    elif len(names) > 3:
        kept, shares = _components(kept)
        axis_names = [f"PC{i + 1}" for i in range(3)]
        remark = f"principal components of the data: {', '.join(f'{100 * s:.0f}' for s in shares)} %"
    is_space = len(axis_names) == 3
    note = departure_note(len(generated), n_kept, dt, time_unit)
    figure, pair = _lay_out(is_space, has_title=bool(note or remark))
    is_flow = _is_flow(kept[0])
    for axes, series, ink, name in zip(pair, kept, (DATA_INK, RUN_INK), ("data", "free run"), strict=True):
        _draw(axes, series, ink, is_flow)
        (_frame_space if is_space else _frame_plane)(axes, kept[0], axis_names)
        axes.set_title(name, color=ink, y=0.94 if is_space else None)
    title(figure, [note, remark], is_alarm=bool(note))
    return figure


def _lay_out(is_space: bool, has_title: bool) -> tuple[Figure, Sequence[Axes]]:
    """Make two panels; those in perspective are placed by hand, since their labels stand inside them."""
    if not is_space:
        figure = style.new_figure(style.COLUMN_MM, 46.0)
        return figure, figure.subplots(1, 2, sharex=True, sharey=True)
    figure = style.new_figure(style.COLUMN_MM, 46.0)
    figure.set_layout_engine("none")
    height = 0.86 if has_title else 0.94
    places = ((0.0, 0.02, 0.47, height), (0.5, 0.02, 0.47, height))
    return figure, [figure.add_axes(place, projection="3d") for place in places]


def _delayed(pair: list[np.ndarray], name: str) -> tuple[list[np.ndarray], list[str]]:
    """Pair every sample of one dimension with the one a lag before, at which the autocorrelation falls to 1/e."""
    known = pair[0][np.isfinite(pair[0])]
    centred = known - known.mean() if known.size else known
    longest = max(1, int(LONGEST_LAG * len(centred)))
    variance = float(centred @ centred)
    lag = 1
    while lag < longest and centred[lag:] @ centred[:-lag] > variance / np.e:
        lag += 1
    steps = "1 step" if lag == 1 else f"{lag} steps"
    delayed = [np.concatenate((x[:-lag], x[lag:]), axis=1) for x in pair]
    return delayed, [f"{steps} before", name]


def _components(pair: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return both series in the first three principal components of the data, and the shares of variance of these."""
    complete = pair[0][np.isfinite(pair[0]).all(axis=1)]
    complete = complete if len(complete) else np.nan_to_num(pair[0])
    mean = complete.mean(axis=0)
    directions, variances, _ = np.linalg.svd((complete - mean).T @ (complete - mean), hermitian=True)
    return [(x - mean) @ directions[:, :3] for x in pair], variances[:3] / (variances.sum() or 1.0)


def _is_flow(data: np.ndarray) -> bool:
    """Whether successive samples are so close that a line between them shows the motion."""
    steps = np.linalg.norm(np.diff(data, axis=0), axis=1)
    steps = steps[np.isfinite(steps)]
    extent = np.linalg.norm([np.ptp(limits(column, 0.0)) for column in data.T])
    return bool(steps.size and np.median(steps) <= SMALL_STEP * extent)


def _draw(axes: Axes, series: np.ndarray, ink: str, is_flow: bool) -> None:
    if not np.isfinite(series).all(axis=1).any():
        if not isinstance(axes, Axes3D):
            style.note(axes, "nothing to draw", style.ALARM)
        return
    if is_flow:
        segments = np.stack((series[:-1], series[1:]), axis=1)
        segments = segments[np.isfinite(segments).all(axis=(1, 2))]
        collection = Line3DCollection if isinstance(axes, Axes3D) else LineCollection
        add = axes.add_collection3d if isinstance(axes, Axes3D) else axes.add_collection
        add(collection(segments, colors=ink, linewidths=0.35, rasterized=True))
    else:
        axes.scatter(*series.T, s=1.4, c=ink, linewidths=0, rasterized=True)
    resting = series[-min(len(series), 50) :]
    extent = np.ptp(resting, axis=0)
    if np.isfinite(extent).all() and (extent <= 1e-3 * np.maximum(np.abs(resting).max(axis=0), 1e-9)).all():
        axes.plot(*(column[-1:] for column in series.T), "o", color=ink, markersize=4)  # it has come to rest


def _frame_plane(axes: Axes, data: np.ndarray, names: Sequence[str]) -> None:
    axes.set(xlim=limits(data[:, 0]), ylim=limits(data[:, 1]), xlabel=names[0], ylabel=names[1])
    axes.locator_params(nbins=4)
    axes.label_outer()


def _frame_space(axes: Axes3D, data: np.ndarray, names: Sequence[str]) -> None:
    for which, name, values in zip("xyz", names, data.T, strict=True):
        getattr(axes, f"set_{which}lim")(*limits(values, 0.02))
        axis = getattr(axes, f"{which}axis")
        if which == "z":  # its label would stand outside
            axes.text2D(0.9, 0.76, name, transform=axes.transAxes, ha="center")
        else:
            axis.set_label_text(name)
            axis.labelpad = -9
        axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
        axis.line.set_color(style.FAINT)
        axis._axinfo["grid"].update(color=style.SHADE, linewidth=0.4)
    axes.tick_params(pad=-4.5, labelsize=style.FONT_PT - 1.5)
    axes.locator_params(nbins=3)
    axes.view_init(elev=20, azim=-58)
    axes.patch.set_visible(False)
    axes.set_box_aspect(None, zoom=1.0)
