"""Picture of a metric of several tasks over a training.

Letters: N tasks.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.history import Columns
from rnnexp.plots.names import metric_name


@style.styled
def metric_by_task(metrics: Columns, name: str, tasks: Sequence[str], best_step: int | None = None) -> Figure:
    """Draw the validation values of a metric in each task over trials as colours, and the test values beside them.

    Args:
        metrics: metrics.csv, a table or its columns by name: step, trials, split, and `<name>_<task>` of each task.
        name: of the metric.
        tasks: N names.
        best_step: step of the best checkpoint, marked by a line; None marks none.

    Returns:
        The figure, a page wide.

    Raises:
        ValueError: a column is missing.
    """
    columns = [f"{name}_{task}" for task in tasks]
    missing = [column for column in ("step", "trials", "split", *columns) if column not in metrics]
    if missing:
        raise ValueError(f"metrics must have the columns {', '.join(missing)}, got {', '.join(metrics)}")
    split = np.asarray(metrics["split"])
    rows, tested = split == "validation", np.flatnonzero(split == "test")[-1:]
    trials = np.asarray(metrics["trials"], dtype=float)[rows]
    values = np.stack([style.finite(metrics[column])[rows] for column in columns])
    figure = style.new_figure(style.PAGE_MM, 24 + 3.8 * len(tasks))
    axes = figure.subplots()
    if not trials.size:
        style.note(axes, "no validation")
        return figure
    low, high = (0.0, 1.0) if "accuracy" in name else (None, None)
    span = max(trials[-1] - trials[0], 1.0)
    edges = np.append(trials, trials[-1] + span / max(len(trials) - 1, 1))  # a value stays until the next one
    image = axes.pcolormesh(
        edges, np.arange(len(tasks) + 1) - 0.5, values, cmap=style.colour_map(), vmin=low, vmax=high
    )
    axes.set_yticks(range(len(tasks)), tasks)
    axes.invert_yaxis()
    axes.set_xlabel("trials")
    style.thousands(axes)
    for row, column in enumerate(columns if tested.size else ()):
        value = style.finite(metrics[column])[tested[0]]
        axes.text(
            1.01, row, f"{value:.3g}", transform=axes.get_yaxis_transform(), va="center", color=style.INK
        )
    if tested.size:
        axes.text(1.01, -1.0, "test", transform=axes.get_yaxis_transform(), va="center", color=style.FAINT)
    at = np.flatnonzero(np.asarray(metrics["step"])[rows] == best_step) if best_step is not None else []
    if len(at):
        axes.axvline(trials[at[0]], color="white", linewidth=0.8, linestyle=(0, (1, 2)))
    bar = style.colour_bar(image, axes, "", pad=0.07)
    bar.ax.set_title(metric_name(name), fontsize=style.FONT_PT, loc="right")
    return figure
