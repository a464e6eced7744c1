"""Pictures of the latents: every unit over one trial, and the principal components of many trials."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnexp.plots import style
from rnnexp.plots.alignment import Alignment, mean_and_sd
from rnnexp.plots.groups import NO_NAMES, TrialGroups, group_trials, name_groups
from rnnexp.plots.padding import blanked

TRIALS_PER_CLASS = 8
ENDS = {"first step": (0, "o"), "last step": (-1, "s")}
MARKER = {"markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.6}


@style.styled
def latents_over_time(
    latents: np.ndarray, dt: float, trial: int = 0, n_traces: int = 5, name: str = "latent z"
) -> Figure:
    """Draw all units of one trial as a heat map, sorted by the time of their peak, and the liveliest as lines.

    Args:
        latents: latents or rates (B,T,M), B, T, M >= 1.
        dt: length of a step, ms, > 0.
        trial: which trial, 0 <= trial < B.
        n_traces: number of units drawn as lines, those with the largest sd over time, >= 1.
        name: what the values are, for the labels.

    Returns:
        The figure, a page wide.

    Raises:
        ValueError: the shape is wrong, or there is no such trial.
    """
    latents = np.asarray(latents)
    _check(latents)
    if not 0 <= trial < len(latents):
        raise ValueError(f"trial must be from 0 to {len(latents) - 1}, got {trial}")
    values = style.finite(latents[trial])
    n_steps, n_units = values.shape
    times = style.step_times(n_steps, dt)
    figure = style.new_figure(style.PAGE_MM, 62)
    heat, lines = style.panels(figure, [1.15, 1.0], 50)
    changes = values - _known_mean(values) if n_steps > 1 else values
    centred = np.abs(np.nan_to_num(changes))
    order = np.argsort(centred.argmax(axis=0), kind="stable")
    top = _robust_top(changes)
    image = heat.imshow(
        changes[:, order].T, aspect="auto", origin="upper", cmap=style.colour_map(style.DIVERGING), vmin=-top, vmax=top,
        extent=(0.0, n_steps * dt, n_units + 0.5, 0.5),
    )  # fmt: skip
    heat.set(xlabel="time (ms)", ylabel="unit, sorted by time of largest change")
    heat.spines[:].set_visible(True)
    style.integer_ticks(heat, "y", 5)
    heat.set_title(f"trial {trial + 1}")
    shown = f"{name.split()[-1]} - mean" if n_steps > 1 else name
    style.colour_bar(
        image, heat, shown, pad=0.02, extend="both" if style.magnitude(changes) > top else "neither"
    )
    liveliest = np.argsort(-centred.std(axis=0), kind="stable")[: min(n_traces, n_units)]
    for rank, unit in enumerate(liveliest):
        lines.plot(times, values[:, unit], color=style.colour(rank), marker="o" if n_steps == 1 else None)
    lines.set(xlabel="time (ms)", ylabel=name, xlim=(0.0, n_steps * dt))
    lines.set_title(
        "all units" if len(liveliest) == n_units else f"the {len(liveliest)} units that change most"
    )
    for axes in (heat, lines):
        axes.locator_params(axis="x", nbins=5)
    lines.margins(y=0.06)
    lines.autoscale_view(scalex=False)
    ends = [(values[-1, unit], f"unit {unit}", style.colour(rank)) for rank, unit in enumerate(liveliest)]
    style.label_lines(lines, ends, 48)
    if not np.isfinite(latents[trial]).all():
        lines.set_title("some values are not finite", color=style.ALARM)
    return figure


@style.styled
def latent_components(
    latents: np.ndarray,
    labels: Sequence | np.ndarray | None,
    dt: float,
    label_name: str = "condition",
    value_names: Mapping[float, str] = NO_NAMES,
    alignment: Alignment | None = None,
    lengths: np.ndarray | None = None,
) -> Figure:
    """Draw trials in the plane of their first two principal components, and the first three over time.

    Where an event is at another time in each trial, averages are taken around it.

    Thick lines are averages over the trials of a condition, thin lines single trials; a circle marks the first step,
    a square the last. Up to 8 conditions get a legend, up to 16 a colour bar; more are binned into 8 quantiles.

    Args:
        latents: latents or rates (B,T,M), B, T, M >= 1; trials that are not finite throughout are left out.
        labels: condition of every trial (B,), numbers or strings; nan for a trial without one. None for no conditions.
        dt: length of a step, ms, > 0.
        label_name: what the labels are, with their unit.
        value_names: what numbers among the labels mean.
        alignment: the event; None for times from the start of the trial.
        lengths: (B,), steps of each trial, from 1 to T; None where all have T.

    Returns:
        The figure, a page wide: the plane (if M > 1), and the components over time (if T > 1).

    Raises:
        ValueError: the shape is wrong, or `labels` does not hold one label per trial.
    """
    latents = np.asarray(latents)
    _check(latents)
    labels = np.zeros(len(latents)) if labels is None else np.asarray(labels)
    if labels.shape != (len(latents),):
        raise ValueError(f"labels must be ({len(latents)},), one per trial, got shape {labels.shape}")
    latents, whole = blanked(latents, lengths)
    figure = style.new_figure(style.PAGE_MM, 78)
    if not whole.any():
        style.note(figure.subplots(), "no trial with finite latents", style.ALARM)
        return figure
    scores, explained = principal_components(latents[whole], 3)
    groups = group_trials(labels[whole], value_names)
    plane, panels = _lay_out(figure, n_steps=scores.shape[1], n_components=scores.shape[2])
    names = [f"PC{i + 1} ({100 * share:.0f} %)" for i, share in enumerate(explained)]
    averaged, times = scores, style.step_times(scores.shape[1], dt)
    if alignment is not None and len(panels):
        averaged, times = alignment.of(np.flatnonzero(whole)).apply(scores, dt)
    means = [mean_and_sd(averaged[members])[0] for members in groups.members]
    if plane is not None:
        _draw_plane(plane, scores, means, groups, names)
    for index, axes in enumerate(panels):
        for mean, ink in zip(means, groups.colours, strict=True):
            axes.plot(times, mean[:, index], color=ink)
        axes.set_ylabel(names[index])
        axes.set_xlim(times[0], times[-1] + dt)
        if alignment is not None:
            axes.axvline(0.0, color=style.FAINT, linewidth=0.7, zorder=0)
        axes.locator_params(axis="y", nbins=3)
        axes.label_outer()
    if len(panels):
        panels[-1].set_xlabel("time (ms)" if alignment is None else f"time from {alignment.name} (ms)")
        figure.align_ylabels(panels)
    name_groups(figure, groups, label_name)
    if not whole.all():
        figure.axes[0].set_title(f"{(~whole).sum()} trials not finite", color=style.ALARM)
    return figure


def principal_components(latents: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Project trials on the principal components of all their steps taken together.

    Args:
        latents: (B,T,M), finite, or nan in all units where a trial has ended.
        count: number of components, >= 1; no more than M are given.

    Returns:
        Scores (B,T,min(count,M)), nan where a trial has ended, and the share of the variance that each explains, 0 if
        there is no variance. The sign of a component is such that its largest weight is positive.
    """
    flat = np.asarray(latents, dtype=float).reshape(-1, latents.shape[2])
    known = flat[np.isfinite(flat[:, 0])]
    centre = known.mean(axis=0)
    flat, known = flat - centre, known - centre
    # the covariance is M x M, however many trials there are; its singular vectors are those of the data
    directions, variances, _ = np.linalg.svd(known.T @ known, hermitian=True)
    directions = directions[:, :count]
    directions = directions * np.where(
        directions[np.abs(directions).argmax(0), range(directions.shape[1])] < 0, -1, 1
    )
    total = variances.sum()
    explained = variances[:count] / total if total > 0 else np.zeros(directions.shape[1])
    return (flat @ directions).reshape(*latents.shape[:2], -1), explained


def _check(latents: np.ndarray) -> None:
    if latents.ndim != 3 or 0 in latents.shape:
        raise ValueError(f"latents must be (B,T,M) with B, T, M >= 1, got shape {latents.shape}")


def _known_mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _robust_top(values: np.ndarray) -> float:
    """Give a colour limit that one runaway unit does not stretch."""
    known = np.abs(values[np.isfinite(values)])
    if not known.size:
        return 1.0
    top = float(np.quantile(known, 0.99))
    return top if 0 < 2.0 * top < known.max() else style.magnitude(values)


def _lay_out(figure: Figure, n_steps: int, n_components: int) -> tuple[Axes | None, list[Axes]]:
    """Make the plane left and a column of components right, or one of them where the other would say nothing."""
    if n_steps == 1 or n_components == 1:
        if n_steps == 1:
            return figure.subplots(), []
        return None, [figure.subplots()]
    if style.is_narrow():
        figure.set_figheight(150 / 25.4)
        left, right = figure.subfigures(2, 1)
    else:
        left, right = figure.subfigures(1, 2, width_ratios=[1.0, 1.1])
    panels = right.subplots(n_components, 1, sharex=True)
    return left.subplots(), list(panels)


def _draw_plane(
    axes: Axes, scores: np.ndarray, means: list[np.ndarray], groups: TrialGroups, names: list[str]
) -> None:
    x, y = scores[:, :, 0], scores[:, :, min(1, scores.shape[2] - 1)]
    if scores.shape[2] == 1:
        y = np.zeros_like(x)
    for members, ink in zip(groups.members, groups.colours, strict=True):
        if scores.shape[1] == 1:
            axes.plot(x[members, 0], y[members, 0], "o", color=ink, alpha=0.6, markeredgewidth=0)
            continue
        for row in members[:TRIALS_PER_CLASS]:
            axes.plot(x[row], y[row], color=ink, linewidth=0.5, alpha=0.35)
    for mean, ink in zip(means, groups.colours, strict=True):
        if scores.shape[1] > 1:
            mean_x = mean[:, 0]
            mean_y = mean[:, 1] if mean.shape[1] > 1 else np.zeros_like(mean_x)
            mean_x, mean_y = mean_x[np.isfinite(mean_x)], mean_y[np.isfinite(mean_x)]
            axes.plot(mean_x, mean_y, color=ink, linewidth=1.6)
            for step, shape in ENDS.values():
                axes.plot(mean_x[step], mean_y[step], shape, color=ink, zorder=4, **MARKER)
    if scores.shape[1] > 1:
        handles = [
            Line2D([], [], color=style.FAINT, marker=shape, linestyle="none", label=name, **MARKER)
            for name, (_, shape) in ENDS.items()
        ]
        axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, handlelength=0.8)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1] if len(names) > 1 else "")
    axes.set_aspect("equal", adjustable="datalim")
    axes.locator_params(nbins=5)
