"""Picture of a curriculum: the checked metric over trials, coloured by stage, with the thresholds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.names import metric_name

if TYPE_CHECKING:
    import pandas as pd

WIDTH_MM = 110.0
HEIGHT_MM = 62.0
AXES_MM = 42.0
MOST_NAMED = 8  # stages that are named in the legend, and thresholds at the right


@style.styled
def curriculum_history(metrics: "pd.DataFrame", name: str, thresholds: Sequence[float]) -> Figure:
    """Draw the checks of a curriculum with the thresholds as dashed lines, and the test of the best checkpoint.

    Args:
        metrics: rows of metrics.csv: columns trials, split (curriculum, test, others), stage and the metric.
        name: the metric that was checked.
        thresholds: one per stage.

    Returns:
        One panel; colours go from dark to light with the stages, dotted lines are where a stage was passed.

    Raises:
        ValueError: a column is missing.
    """
    missing = [column for column in ("trials", "split", "stage", name) if column not in metrics.columns]
    if missing:
        raise ValueError(
            f"metrics must have the columns {', '.join(missing)}, got {', '.join(metrics.columns)}"
        )
    figure = style.new_figure(WIDTH_MM, HEIGHT_MM)
    axes = figure.subplots()
    checks = metrics[metrics["split"] == "curriculum"].sort_values("trials", kind="stable")
    axes.set_xlabel("trials")
    axes.set_ylabel(metric_name(name))
    if not len(checks):
        style.note(axes, "no check")
        return figure
    thresholds = thresholds[: int(checks["stage"].max()) + 1]
    tests = metrics[metrics["split"] == "test"].iloc[-1:]
    _draw_stages(axes, checks, name, thresholds)
    axes.plot(
        tests["trials"], tests[name], "D", markerfacecolor="white", markeredgecolor=style.INK, markeredgewidth=1.0,
        markersize=4, clip_on=False, zorder=5,
    )  # fmt: skip
    last = float(max([checks["trials"].max(), *tests["trials"]]))
    _scale(axes, name, np.concatenate([checks[name], tests[name], thresholds]), last)
    levels = list(dict.fromkeys(thresholds))
    ends = [(level, f"threshold {level:g}", style.FAINT) for level in levels if len(levels) <= MOST_NAMED]
    ends += [(float(value), f"test {value:.3g}", style.INK) for value in tests[name]]
    style.label_lines(axes, ends, AXES_MM)
    return figure


def _draw_stages(axes: Axes, checks: "pd.DataFrame", name: str, thresholds: Sequence[float]) -> None:
    """Draw the checks and the threshold of every stage that was trained, and where it was passed."""
    trials = checks["trials"].to_numpy(dtype=float)
    values = style.finite(checks[name].to_numpy(dtype=float))
    stages = checks["stage"].to_numpy(dtype=int)
    size = 3.0 if len(trials) <= 50 else 1.8
    start, handles = 0.0, []
    for stage, colour in enumerate(style.sequence_colours(len(thresholds))):
        here = stages == stage
        handles += axes.plot(
            trials[here], values[here], color=colour, linewidth=0.9, marker="o", markersize=size,
            markeredgewidth=0, label=f"{stage}", zorder=3,
        )  # fmt: skip
        end = float(trials[here][-1])
        level = thresholds[stage]
        axes.plot([start, end], [level, level], color=colour, linewidth=1.0, linestyle=(0, (4, 2)), zorder=2)
        if stage < len(thresholds) - 1:
            axes.axvline(end, color=style.FAINT, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
        start = end
    shown = handles if len(handles) <= MOST_NAMED else [handles[0], handles[-1]]
    axes.legend(
        handles=shown, title="stage", ncols=len(shown), loc="lower left", bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.1, alignment="left",
    )  # fmt: skip


def _scale(axes: Axes, name: str, values: np.ndarray, last: float) -> None:
    """Set limits and scale."""
    axes.set_xlim(-0.02 * last, 1.03 * last)
    style.thousands(axes)
    values = style.finite(values)
    if "accuracy" in name:
        axes.set_ylim(0.0, 1.03)
    elif style.wants_log(values):
        style.log_axis(axes, "y", values)
