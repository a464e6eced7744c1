"""Pictures of a training over its trials: the loss by term, and task metrics such as accuracy."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnexp.plots import style
from rnnexp.plots.names import metric_label

if TYPE_CHECKING:
    import pandas as pd

Columns: TypeAlias = "pd.DataFrame | Mapping[str, np.ndarray]"
HEIGHT_MM = 58.0
AXES_MM = 40.0


@style.styled
def loss_history(
    metrics: Columns, terms: Sequence[str], best_step: int | None = None, log_trials: bool = False
) -> Figure:
    """Draw the total loss, and each weighted term, over trials.

    Args:
        metrics: metrics.csv, a table or its columns by name: step, trials, split (train, validation, test), loss, and
            one per term.
        terms: names of the term columns, in the order of their colours.
        best_step: step of the best checkpoint; None takes the lowest validation loss.
        log_trials: put trials on a logarithmic axis, on which 0 trials is not.

    Returns:
        One panel, or two where terms add something to the total.

    Raises:
        ValueError: a column is missing.
    """
    _require(metrics, ["step", "trials", "split", "loss", *terms])
    active = [name for name in terms if np.any(style.finite(metrics[name]) != 0) and _known(metrics, name)]
    silent = [name for name in terms if name not in active]
    by_term = bool(active) and not (len(active) == 1 and _same(metrics, active[0], "loss"))
    figure = style.new_figure(style.PAGE_MM if by_term else style.COLUMN_MM, HEIGHT_MM)
    panels = style.panels(figure, [1.0, 1.0] if by_term else [1.0], HEIGHT_MM, squeeze=False).ravel()
    best = _best_trials(metrics, best_step)
    _draw_splits(panels[0], metrics, "loss", best)
    _finish(panels[0], metrics, ["loss"], best)
    panels[0].set_ylabel("total loss")
    _legend(panels[0])
    if by_term:
        for index, name in enumerate(active):
            _draw_splits(panels[1], metrics, name, None, colour=style.colour(index))
        _finish(panels[1], metrics, active, best)
        panels[1].set_ylabel("weighted term")
        ends = [
            (_last(metrics, name), style.shorten(name, 24), style.colour(index))
            for index, name in enumerate(active)
        ]
        style.label_lines(panels[1], ends, AXES_MM)
        title = f"zero throughout: {', '.join(silent)}" if silent else ""
        panels[1].set_title(style.shorten(title, 60), color=style.FAINT, fontsize=style.FONT_PT - 0.5)
    if log_trials:
        _log_trials(panels, metrics)
    return figure


def _log_trials(panels: np.ndarray, metrics: Columns) -> None:
    trials = np.asarray(metrics["trials"], dtype=float)
    if style.wants_log(trials, ratio=5.0):
        for axes in panels:
            style.log_axis(axes, "x", trials)


@style.styled
def metric_history(
    metrics: Columns,
    names: Sequence[str] = ("accuracy",),
    chance: dict[str, float] | None = None,
    best_step: int | None = None,
) -> Figure:
    """Draw task metrics over trials, one panel each, with the test value as a diamond.

    Args:
        metrics: metrics.csv, a table or its columns by name: step, trials, split, loss and the metrics.
        names: the metric columns; one whose name holds "accuracy" gets an axis from 0 to 1.
        chance: level of a guess per metric name, drawn as a dashed line.
        best_step: step of the best checkpoint; None takes the lowest validation loss.

    Returns:
        A row of panels.

    Raises:
        ValueError: a column is missing, or `names` is empty.
    """
    if not names:
        raise ValueError("names must hold at least one metric, got none")
    _require(metrics, ["step", "trials", "split", "loss", *names])
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure = style.new_figure(style.COLUMN_MM if columns == 1 else style.PAGE_MM, HEIGHT_MM * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    best = _best_trials(metrics, best_step)
    for axes, name in zip(panels, names, strict=False):
        _draw_splits(axes, metrics, name, best)
        _finish(axes, metrics, [name], best)
        axes.set_ylabel(metric_label(name))
        if "accuracy" in name:
            axes.set_yscale("linear")
            axes.set_ylim(0.0, 1.03)
        ends = _test_label(metrics, name)
        if chance and name in chance:
            axes.axhline(chance[name], color=style.FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
            ends.append((chance[name], "chance", style.FAINT))
        style.label_lines(axes, ends, AXES_MM)
        _legend(axes)
    for axes in panels[len(names) :]:
        axes.remove()
    return figure


def _require(metrics: Columns, columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in metrics]
    if missing:
        raise ValueError(f"metrics must have the columns {', '.join(missing)}, got {', '.join(metrics)}")


def _rows(metrics: Columns, split: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Give trials and values of one split, rows in which the column was left empty by the split left out."""
    chosen = np.asarray(metrics["split"]) == split
    trials, values = np.asarray(metrics["trials"], dtype=float)[chosen], style.finite(metrics[name])[chosen]
    order = np.argsort(trials, kind="stable")
    trials, values = trials[order], values[order]
    return (trials, values) if np.isfinite(values).any() else (trials[:0], values[:0])


def _known(metrics: Columns, name: str) -> bool:
    return bool(np.isfinite(style.finite(metrics[name])).any())


def _same(metrics: Columns, left: str, right: str) -> bool:
    values = [style.finite(metrics[name]) for name in (left, right)]
    return bool(np.allclose(values[0], values[1], rtol=1e-4, equal_nan=True))


def _last(metrics: Columns, name: str) -> float:
    for split in ("validation", "train", "test"):
        values = _rows(metrics, split, name)[1]
        if values.size:
            return float(values[np.isfinite(values)][-1])
    return float("nan")


def _best_trials(metrics: Columns, best_step: int | None) -> float | None:
    """Give the trials at which the best checkpoint was made, or None if there is no validation."""
    chosen = np.asarray(metrics["split"]) == "validation"
    if best_step is not None:
        chosen &= np.asarray(metrics["step"]) == best_step
    losses = style.finite(metrics["loss"])[chosen]
    if not losses.size or (best_step is None and not np.isfinite(losses).any()):
        return None
    trials = np.asarray(metrics["trials"], dtype=float)[chosen]
    return float(trials[np.nanargmin(losses) if best_step is None else 0])


def _draw_splits(
    axes: Axes, metrics: Columns, name: str, best: float | None, colour: str = style.PALETTE[0]
) -> None:
    """Draw train thin, validation full, the best checkpoint as a star, the test value as a diamond."""
    for split, width, alpha in (("train", 0.8, 0.45), ("validation", 1.3, 1.0)):
        trials, values = _rows(metrics, split, name)
        few = np.isfinite(values).sum() <= 12
        axes.plot(
            trials, values, color=colour, linewidth=width, alpha=alpha, marker="o" if few else None, label=split,
            markersize=2.5, markeredgewidth=0,
        )  # fmt: skip
    trials, values = _rows(metrics, "validation", name)
    at = np.flatnonzero(trials == best) if best is not None else np.array([], dtype=int)
    if at.size:
        axes.plot(
            trials[at[:1]], values[at[:1]], "*", color=style.INK, markersize=7, markeredgecolor="white",
            markeredgewidth=0.5, label="best checkpoint", zorder=5,
        )  # fmt: skip
    trials, values = _rows(metrics, "test", name)
    axes.plot(
        trials[-1:], values[-1:], "D", markerfacecolor="white", markeredgecolor=colour, markeredgewidth=1.0,
        markersize=4, label="test", zorder=4, clip_on=False,
    )  # fmt: skip


def _finish(axes: Axes, metrics: Columns, names: Sequence[str], best: float | None) -> None:
    """Set limits and scale, mark the best checkpoint and the place from which values are not finite."""
    values = np.concatenate(
        [_rows(metrics, split, name)[1] for split in ("train", "validation") for name in names]
    )
    trials = np.asarray(metrics["trials"], dtype=float)
    first, last = (float(trials.min()), float(trials.max())) if len(trials) else (0.0, 0.0)
    start = 0.0 if first < 0.25 * last or first == last else first
    span = (last - start) or 1.0
    axes.set_xlim(start - 0.02 * span, last + 0.03 * span)
    axes.set_xlabel("trials")
    style.thousands(axes)
    if style.wants_log(values):
        style.log_axis(axes, "y", values)
    if best is not None:
        axes.axvline(best, color=style.FAINT, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
    is_curve = np.isin(np.asarray(metrics["split"], dtype=str), ["train", "validation"])
    # a metric may be left empty for a split on purpose, a loss never is
    broken = trials[is_curve & ~np.isfinite(np.asarray(metrics["loss"], dtype=float))]
    if not np.isfinite(values).any():
        style.note(axes, "no finite value", style.ALARM if len(broken) else style.FAINT)
    elif len(broken):
        axes.axvspan(
            float(broken.min()), axes.get_xlim()[1], color=style.ALARM, alpha=0.15, linewidth=0, zorder=0
        )
        axes.text(
            0.98, 0.97, "loss not finite", transform=axes.transAxes, ha="right", va="top", color=style.ALARM
        )


def _test_label(metrics: Columns, name: str) -> list[tuple[float, str, str]]:
    values = _rows(metrics, "test", name)[1]
    return [(float(values[-1]), f"test {values[-1]:.3g}", style.PALETTE[0])] if values.size else []


def _legend(axes: Axes) -> None:
    """Put the legend above the axes, where it covers nothing."""
    handles = [line for line in axes.get_lines() if not line.get_label().startswith("_") and _drawn(line)]
    if handles:
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, borderaxespad=0.1)


def _drawn(line: Line2D) -> bool:
    return bool(np.isfinite(np.asarray(line.get_ydata(), dtype=float)).any())
