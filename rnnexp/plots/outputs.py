"""Picture of the outputs: the mean over the trials of each condition, with their spread."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.alignment import Alignment, mean_and_sd
from rnnexp.plots.groups import NO_NAMES, TrialGroups, group_trials, name_groups
from rnnexp.plots.padding import blanked

MAX_PANELS = 6
PANEL_MM = 44.0
PER_ROW = 3


@style.styled
def outputs_by_condition(
    outputs: np.ndarray,
    labels: np.ndarray | None,
    dt: float,
    output_labels: Sequence[str],
    label_name: str = "condition",
    value_names: Mapping[float, str] = NO_NAMES,
    alignments: Sequence[Alignment] = (),
    lengths: np.ndarray | None = None,
) -> Figure:
    """Draw every output over time: mean over the trials of a condition (line) and sd (band).

    Where events are at another time in each trial, there is a row of panels for each of them, with the event at time 0.

    Conditions are told apart as `rnnexp.plots.groups.group_trials` says.

    Args:
        outputs: (B,T,O), B, T, O >= 1; trials that are not finite throughout are left out.
        labels: condition of every trial (B,), numbers or words; None for no conditions.
        dt: length of a step, ms, > 0.
        output_labels: O names.
        label_name: what the labels are, with their unit.
        value_names: what numbers among the labels mean.
        alignments: events; none for times from the start of the trial.
        lengths: (B,), steps of each trial, from 1 to T; None where all have T.

    Returns:
        The figure, a page wide, a panel for each of the first six outputs, three where there are events.

    Raises:
        ValueError: the shapes or the number of names do not fit together.
    """
    outputs = np.asarray(outputs)
    if outputs.ndim != 3 or 0 in outputs.shape:
        raise ValueError(f"outputs must be (B,T,O) with B, T, O >= 1, got shape {outputs.shape}")
    n_trials, n_steps, n_outputs = outputs.shape
    if len(output_labels) != n_outputs:
        raise ValueError(f"output_labels must name {n_outputs} outputs, got {len(output_labels)}")
    labels = np.zeros(n_trials) if labels is None else np.asarray(labels)
    if labels.shape != (n_trials,):
        raise ValueError(f"labels must be ({n_trials},), one per trial, got shape {labels.shape}")
    count = min(n_outputs, PER_ROW if alignments else MAX_PANELS)
    outputs, whole = blanked(outputs, lengths)
    columns = min(count, 1 if style.is_narrow() else PER_ROW)
    panels = [(None, index) for index in range(count)]
    if alignments and whole.any():
        panels = [(event.of(np.flatnonzero(whole)), index) for event in alignments for index in range(count)]
    rows = -(-len(panels) // columns)
    width = style.PAGE_MM if count > 1 else 1.3 * style.COLUMN_MM
    figure = style.new_figure(width, 12 + PANEL_MM * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex="row" if alignments else True, sharey=True)
    groups = _counted(group_trials(labels[whole], value_names))
    for place, axes in enumerate(grid.flat):
        if place >= len(panels):
            axes.remove()
            continue
        event, index = panels[place]
        _draw_panel(axes, outputs[whole][:, :, index], groups, dt, event)
        axes.set_title(style.shorten(f"output: {output_labels[index]}", 36))
        if event is not None or place + columns >= len(panels):
            axes.set_xlabel("time (ms)" if event is None else f"time from {event.name} (ms)")
            axes.tick_params(axis="x", labelbottom=True)
        axes.locator_params(nbins=5)
    for axes in grid[:, 0]:
        axes.set_ylabel("mean ± sd")
    if not alignments:
        grid[0, 0].set_xlim(0.0, n_steps * dt)
    if whole.any():
        name_groups(figure, groups, label_name)
    _remark(figure, n_outputs, count, int((~whole).sum()), n_trials)
    return figure


def _counted(groups: TrialGroups) -> TrialGroups:
    """Return groups whose names say how many trials they hold."""
    names = [
        f"{name} (n = {len(members)})" for name, members in zip(groups.names, groups.members, strict=True)
    ]
    return replace(groups, names=names)


def _draw_panel(
    axes: Axes, outputs: np.ndarray, groups: TrialGroups, dt: float, event: Alignment | None
) -> None:
    """Draw one output, (B,T), from the start of the trials or around an event."""
    times = style.step_times(outputs.shape[1], dt)
    if event is not None:
        outputs, times = event.apply(outputs, dt)
        axes.axvline(0.0, color=style.FAINT, linewidth=0.7, zorder=0)
        axes.set_xlim(times[0], times[-1])
    axes.axhline(0.0, color=style.SHADE, linewidth=0.7, zorder=0)
    if not len(outputs):
        style.note(axes, "no trial with finite outputs", style.ALARM)
        return
    for members, ink in zip(groups.members, groups.colours, strict=True):
        mean, spread = mean_and_sd(outputs[members])
        axes.fill_between(times, mean - spread, mean + spread, color=ink, alpha=0.18, linewidth=0)
        axes.plot(times, mean, color=ink, linewidth=1.2, marker="o" if len(times) == 1 else None)


def _remark(figure: Figure, n_outputs: int, n_shown: int, n_lost: int, n_trials: int) -> None:
    remarks = [f"the first {n_shown} of {n_outputs} outputs"] if n_outputs > n_shown else []
    remarks += [f"{n_lost} of {n_trials} trials not finite"] if n_lost else []
    if remarks:
        figure.suptitle(
            ", ".join(remarks), x=0.01, ha="left", fontsize=style.FONT_PT, color=style.ALARM if n_lost else style.FAINT
        )  # fmt: skip
