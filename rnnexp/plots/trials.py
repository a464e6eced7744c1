"""Pictures of single trials: what came in, what was wanted, what came out, and when it counted."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rnnexp.plots import style
from rnnexp.plots.padding import blanked

MAX_INPUT_LINES = 4
MAX_OUTPUT_LINES = 6
LABEL_LENGTH = 18
WINDOW = 9  # steps of the moving mean of noisy inputs
LABELLED_CHANNELS = 8


@style.styled
def sample_trials(
    inputs: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray,
    outputs: np.ndarray,
    dt: float,
    input_labels: Sequence[str],
    output_labels: Sequence[str],
    titles: Sequence[str] | None = None,
    max_trials: int = 4,
    lengths: np.ndarray | None = None,
) -> Figure:
    """Draw a few trials side by side: inputs above, target where it is scored (dashed) and output (solid) below.

    Up to four inputs and six outputs are drawn as lines, more as images over time and channel. The steps at which
    any channel of the mask is above zero are shaded.

    Args:
        inputs: (B,T,K); K may be 0.
        targets: (B,T,O).
        mask: (B,T,O), >= 0.
        outputs: (B,T,O).
        dt: length of a step, ms, > 0.
        input_labels: K names.
        output_labels: O names.
        titles: B short titles; None numbers the trials.
        max_trials: at most so many of the first trials are drawn, >= 1; two in a single column.
        lengths: (B,), steps of each trial, from 1 to T; None where all have T.

    Returns:
        The figure, a page wide.

    Raises:
        ValueError: shapes or the number of names do not fit together, or there is no trial or no step.
    """
    inputs, targets, mask, outputs = (np.asarray(array) for array in (inputs, targets, mask, outputs))
    _check(inputs, targets, mask, outputs, input_labels, output_labels, titles)
    count = min(len(inputs), 2 if style.is_narrow() else max_trials)
    ends = None if lengths is None else np.asarray(lengths)[:count]
    is_lost = ~blanked(outputs[:count], ends)[1]
    inputs, targets, outputs = (
        style.finite(blanked(array[:count], ends)[0]) for array in (inputs, targets, outputs)
    )
    as_images = outputs.shape[2] > MAX_OUTPUT_LINES
    heights = [1.0] * (inputs.shape[2] > 0) + ([1.0, 1.0] if as_images else [1.35])
    figure = style.new_figure(style.PAGE_MM if count > 1 else style.COLUMN_MM * 1.25, 14 + 27 * sum(heights))
    grid = figure.subplots(
        len(heights), count, squeeze=False, sharex=True, sharey="row", height_ratios=heights
    )
    for index, axes in enumerate(grid[0]):
        title = titles[index] if titles is not None else f"trial {index + 1}"
        axes.set_title(style.shorten(title, max(12, 96 // count)))
    if inputs.shape[2]:
        _draw_inputs(grid[0], inputs, mask, dt, input_labels)
    if as_images:
        limits = _limits(np.concatenate([targets, outputs]))
        for row, values, name in ((grid[-2], targets, "target"), (grid[-1], outputs, "output")):
            _draw_images(row, values, dt, output_labels, limits, name)
    else:
        _draw_outputs(grid[-1], targets, mask, outputs, is_lost, dt, output_labels)
    for axes in grid[-1]:
        axes.set_xlabel("time (ms)")
        axes.set_xlim(0.0, inputs.shape[1] * dt)
        axes.locator_params(axis="x", nbins=2 if style.is_narrow() else 4)
    figure.align_ylabels(grid[:, 0])
    return figure


def _check(
    inputs: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray,
    outputs: np.ndarray,
    input_labels: Sequence[str],
    output_labels: Sequence[str],
    titles: Sequence[str] | None,
) -> None:
    if inputs.ndim != 3 or not inputs.shape[0] or not inputs.shape[1]:
        raise ValueError(f"inputs must be (B,T,K) with B, T >= 1, got shape {inputs.shape}")
    for name, array in (("targets", targets), ("mask", mask), ("outputs", outputs)):
        if array.shape[:2] != inputs.shape[:2] or array.shape != targets.shape:
            raise ValueError(
                f"{name} must be (B,T,O) like inputs {inputs.shape} and targets, got {array.shape}"
            )
    for name, labels, size in (
        ("input_labels", input_labels, inputs.shape[2]),
        ("output_labels", output_labels, outputs.shape[2]),
    ):
        if len(labels) != size:
            raise ValueError(f"{name} must name {size} channels, got {len(labels)}")
    if titles is not None and len(titles) != len(inputs):
        raise ValueError(f"titles must name {len(inputs)} trials, got {len(titles)}")


def _draw_inputs(
    row: np.ndarray, inputs: np.ndarray, mask: np.ndarray, dt: float, labels: Sequence[str]
) -> None:
    if inputs.shape[2] > MAX_INPUT_LINES:
        _draw_images(row, inputs, dt, labels, _limits(inputs), "input")
        return
    for axes, values, window in zip(row, inputs, mask, strict=False):
        _shade(axes, window, dt)
        for channel in range(inputs.shape[2]):
            ink = style.colour(channel)
            smooth = _smoothed(values[:, channel])
            _line(
                axes, values[:, channel], dt, color=ink, linewidth=0.9, alpha=1.0 if smooth is None else 0.25
            )
            if smooth is not None:
                _line(axes, smooth, dt, color=ink, linewidth=1.2)
    _pad(row[0], inputs)
    row[0].set_ylabel("input")
    handles = [
        Line2D([], [], color=style.colour(channel), linewidth=1.2, label=style.shorten(label, LABEL_LENGTH))
        for channel, label in enumerate(labels)
    ]
    _legend_beside(row[-1], handles)


def _smoothed(values: np.ndarray) -> np.ndarray | None:
    """Return the moving mean of an input whose noise would hide it: steps as large as all of it; else None."""
    n_steps, values = len(values), values[np.isfinite(values)]
    spread = values.std() if len(values) else np.nan
    if len(values) < 4 * WINDOW or not np.isfinite(spread) or np.diff(values).std() < spread:
        return None
    padded = np.pad(values, WINDOW // 2, mode="edge")
    smooth = np.convolve(padded, np.full(WINDOW, 1 / WINDOW), mode="valid")[: len(values)]
    return np.pad(smooth, (0, n_steps - len(smooth)), constant_values=np.nan)


def _draw_outputs(
    row: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray,
    outputs: np.ndarray,
    is_lost: np.ndarray,
    dt: float,
    labels: Sequence[str],
) -> None:
    for axes, wanted, given, window, lost in zip(row, targets, outputs, mask, is_lost, strict=False):
        _shade(axes, window, dt)
        for channel in range(outputs.shape[2]):
            ink = style.colour(channel)
            _line(axes, given[:, channel], dt, color=ink, linewidth=1.2)
            scored = np.where(window[:, channel] > 0, wanted[:, channel], np.nan)
            _line(axes, scored, dt, color=ink, linewidth=1.2, linestyle=(0, (3.5, 2)))
        if lost:
            axes.text(
                0.98,
                0.97,
                "output not finite",
                transform=axes.transAxes,
                ha="right",
                va="top",
                color=style.ALARM,
            )
    _pad(row[0], np.concatenate([targets, outputs]))
    row[0].set_ylabel("output")
    many = outputs.shape[2] > 1
    handles = [
        Line2D([], [], color=style.colour(channel), linewidth=1.2, label=style.shorten(label, LABEL_LENGTH))
        for channel, label in enumerate(labels if many else ())
    ]
    ink = style.INK if many else style.colour(0)
    handles += [
        Line2D(
            [],
            [],
            color=ink,
            linewidth=1.2,
            label="output" if many else style.shorten(labels[0], LABEL_LENGTH),
        ),
        Line2D([], [], color=ink, linewidth=1.0, linestyle=(0, (3.5, 2)), label="target, where scored"),
        Patch(facecolor=style.SHADE, label="scored"),
    ]
    _legend_beside(row[-1], handles)


def _draw_images(
    row: np.ndarray,
    values: np.ndarray,
    dt: float,
    labels: Sequence[str],
    limits: tuple[float, float, str],
    name: str,
) -> None:
    low, high, colours = limits
    image: AxesImage | None = None
    channels = values.shape[2]
    for axes, trial in zip(row, values, strict=False):
        image = axes.imshow(
            trial.T, aspect="auto", origin="lower", cmap=style.colour_map(colours), vmin=low, vmax=high,
            extent=(0.0, len(trial) * dt, -0.5, channels - 0.5),
        )  # fmt: skip
    if channels <= LABELLED_CHANNELS:
        row[0].set_yticks(range(channels), [style.shorten(label, LABEL_LENGTH) for label in labels])
        row[0].set_ylabel(name)
    else:
        style.integer_ticks(row[0], "y", 4)
        row[0].set_ylabel(f"{name} channel")
    bar = row[-1].figure.colorbar(image, ax=list(row), pad=0.01, aspect=14, label=name)
    bar.outline.set_linewidth(0.4)
    bar.ax.locator_params(nbins=4)


def _line(axes: Axes, values: np.ndarray, dt: float, **look: object) -> None:
    """Draw one channel over time, or one marker if there is only one step."""
    axes.plot(style.step_times(len(values), dt), values, marker="o" if len(values) == 1 else None, **look)


def _shade(axes: Axes, window: np.ndarray, dt: float) -> None:
    """Shade the steps (T,O) at which any channel counts."""
    counts = np.concatenate([[False], (window > 0).any(axis=1), [False]])
    edges = np.flatnonzero(counts[1:] != counts[:-1])
    for start, stop in edges.reshape(-1, 2):
        axes.axvspan(start * dt, stop * dt, color=style.SHADE, linewidth=0, zorder=0)


def _pad(axes: Axes, values: np.ndarray) -> None:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    margin = 0.07 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)
    axes.locator_params(axis="y", nbins=4)


def _limits(values: np.ndarray) -> tuple[float, float, str]:
    """Give low and high of the colours and the map: diverging around zero only if values have both signs."""
    known = values[np.isfinite(values)]
    if known.size and known.min() < 0 < known.max():
        top = style.magnitude(values)
        return -top, top, style.DIVERGING
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high, style.SEQUENTIAL) if high > low else (low - 0.5, low + 0.5, style.SEQUENTIAL)


def _legend_beside(axes: Axes, handles: list[Line2D | Patch]) -> None:
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.02, 0.5), borderaxespad=0.0)
