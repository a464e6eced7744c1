"""What pictures of a free run beside the data share: colours, panels by dimension, and where a run leaves the data.

Letters: T samples of the data, S steps of the run, N observed dimensions.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnexp.plots import style

DATA_INK = "#4D4D4D"
RUN_INK = style.PALETTE[0]
MOST_DIMENSIONS = 6
FAR = 10.0  # a run this many times as far from the middle of the data as the data reach has left them


def check_pair(
    data: np.ndarray, generated: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return data (T, N) and run (S, N) as float64.

    Raises:
        ValueError: shapes or the number of names do not agree, or there is nothing to draw.
    """
    data, generated = np.asarray(data, dtype=float), np.asarray(generated, dtype=float)
    if data.ndim != 2 or generated.ndim != 2 or data.shape[1] != generated.shape[1] or not data.size:
        raise ValueError(
            f"data and generated must be (T, N) and (S, N) with T, N >= 1, got {data.shape} and {generated.shape}"
        )
    if len(names) != data.shape[1]:
        raise ValueError(f"names must be {data.shape[1]}, one per dimension, got {len(names)}")
    return data, generated


def steps_before_departure(data: np.ndarray, generated: np.ndarray) -> int:
    """Return how many steps a run (S, N) stays near the data (T, N): S, or those before it leaves.

    It has left where a value is not finite, or FAR times as far from the middle of the data as the data reach.
    """
    low, high = _range(data)
    middle, reach = (low + high) / 2, (high - low) / 2
    reach = np.where(reach > 0, reach, np.maximum(np.abs(middle), 1.0))
    with np.errstate(invalid="ignore", over="ignore"):
        is_near = (np.abs(generated - middle) <= FAR * reach).all(axis=1)
    return len(generated) if is_near.all() else int(is_near.argmin())


def departure_note(n_steps: int, n_kept: int, dt: float, time_unit: str) -> str:
    """Say when a run of `n_steps` that stays near the data for `n_kept` left them, "" if it did not."""
    return "" if n_kept == n_steps else f"free run diverged after {n_kept * dt:.4g} {time_unit}"


def limits(data: np.ndarray, margin: float = 0.08) -> tuple[float, float]:
    """Return limits of an axis for values (T,) of the data, with a margin as a share of their extent."""
    low, high = (float(bound[0]) for bound in _range(np.reshape(data, (-1, 1))))
    room = margin * (high - low) or 0.05 * max(abs(low), 1.0)
    return low - room, high + room


def panels(n_dimensions: int, per_row: int, height_mm: float, **sharing: bool) -> tuple[Figure, list[Axes]]:
    """Make a figure with a panel for each of the first MOST_DIMENSIONS dimensions, a column wide."""
    count = min(n_dimensions, MOST_DIMENSIONS)
    columns = min(per_row, count)
    rows = -(-count // columns)
    figure = style.new_figure(style.COLUMN_MM, height_mm * rows + 10)
    axes = figure.subplots(rows, columns, squeeze=False, **sharing).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, list(axes[:count])


def outer_ticks(axes_list: Sequence[Axes], per_row: int) -> None:
    """Leave the tick labels only at the left and where no panel follows below."""
    for index, axes in enumerate(axes_list):
        axes.tick_params(labelbottom=index + per_row >= len(axes_list), labelleft=index % per_row == 0)


def labelled(axes_list: Sequence[Axes], per_row: int) -> list[Axes]:
    """Return the panels that carry the label of a shared x axis: of three in a row that in the middle."""
    lowest = list(axes_list)[-per_row:] if len(axes_list) > per_row else list(axes_list)
    if len(axes_list) < 3 or per_row < 3:
        return lowest
    return [list(axes_list)[1::per_row][-1]]


def title(figure: Figure, remarks: Sequence[str], is_alarm: bool = False) -> None:
    """Write remarks that are not empty above all panels."""
    text = "; ".join(remark for remark in remarks if remark)
    if text:
        ink = style.ALARM if is_alarm else style.FAINT
        figure.suptitle(text, color=ink, fontsize=style.FONT_PT, x=0.02, ha="left")


def hidden_dimensions(n_dimensions: int) -> str:
    """Say how many dimensions are drawn, "" if all are."""
    return f"first {MOST_DIMENSIONS} of {n_dimensions} dimensions" if n_dimensions > MOST_DIMENSIONS else ""


def pair_handles() -> list[Line2D]:
    """Return the entries of a legend that tell data and free run apart."""
    return [
        Line2D([], [], color=DATA_INK, linewidth=1.6, alpha=0.6, label="data"),
        Line2D([], [], color=RUN_INK, linewidth=1.1, label="free run"),
    ]


def legend(figure: Figure, *more: Line2D) -> None:
    """Tell data and free run apart below all panels."""
    figure.legend(handles=[*pair_handles(), *more], loc="outside lower center", ncols=2 + len(more))


def time_label(time_unit: str) -> str:
    """Return the label of a time axis."""
    return "time" if time_unit == "time units" else f"time ({time_unit})"


def frequency_label(time_unit: str) -> str:
    """Return the label of a frequency axis."""
    one = {"steps": "step", "time units": "time unit"}.get(time_unit, time_unit)
    return f"frequency (1/{one})"


def _range(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest finite value of every column, 0 where there is none."""
    known = np.isfinite(data)
    low = np.where(known, data, np.inf).min(axis=0, initial=np.inf)
    high = np.where(known, data, -np.inf).max(axis=0, initial=-np.inf)
    return np.where(known.any(axis=0), low, 0.0), np.where(known.any(axis=0), high, 0.0)
