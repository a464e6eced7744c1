"""Picture of how units take part in several tasks.

Letters: N tasks, M units.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from rnnexp.plots import style


@style.styled
def task_variances(variance: np.ndarray, groups: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw the variance of each unit in each task, divided by its largest, the units sorted by group.

    Args:
        variance: (N, M), see `rnnexp.analysis.task_variance.task_variance`.
        groups: (M,), group of each unit; -1 for units in none, which are left out.
        names: N, of the tasks.

    Returns:
        The figure, a page wide: the matrix, with a strip of the groups below.

    Raises:
        ValueError: the shapes do not agree.
    """
    variance, groups = np.asarray(variance, dtype=float), np.asarray(groups)
    if variance.ndim != 2 or variance.shape != (len(names), len(groups)):
        raise ValueError(f"variance must be ({len(names)}, {len(groups)}), got shape {variance.shape}")
    figure = style.new_figure(style.PAGE_MM, 24 + 3.6 * len(names))
    units = np.flatnonzero(groups >= 0)
    units = units[np.argsort(groups[units], kind="stable")]
    if not len(units):
        style.note(figure.subplots(), "no unit takes part in a task", style.ALARM)
        return figure
    n_groups = int(groups.max()) + 1
    heat, strip = figure.subplots(2, 1, height_ratios=[2.6 * len(names), 2.4], sharex=True)
    shown = variance[:, units] / variance[:, units].max(axis=0)
    image = heat.imshow(shown, aspect="auto", cmap=style.colour_map(), vmin=0, vmax=1)
    heat.set_yticks(range(len(names)), names)
    heat.spines[:].set_visible(True)
    bar = style.colour_bar(image, heat, "", pad=0.01)
    bar.ax.set_title("variance / largest", fontsize=style.FONT_PT, loc="right")
    borders = np.flatnonzero(np.diff(groups[units])) + 0.5
    heat.vlines(borders, -0.5, len(names) - 0.5, color="white", linewidth=0.8)
    colours = ListedColormap([style.colour(group) for group in range(n_groups)])
    strip.imshow(groups[units][None], aspect="auto", cmap=colours, vmin=-0.5, vmax=n_groups - 0.5)
    for group in range(n_groups):
        places = np.flatnonzero(groups[units] == group)
        strip.text(
            places.mean(),
            0,
            str(group + 1),
            ha="center",
            va="center",
            color="white",
            fontsize=style.FONT_PT - 1,
        )
    strip.set_yticks([])
    left_out = len(groups) - len(units)
    strip.set_xlabel(
        f"{len(units)} units in {n_groups} groups" + (f"; {left_out} in none" if left_out else "")
    )
    style.integer_ticks(strip, "x", 6)
    return figure
