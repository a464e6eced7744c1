"""Pictures of what units and linear decoders tell of a condition over time.

Letters: T time steps, M units, D decoded steps.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from rnnexp.analysis.demixed import Demixing
from rnnexp.plots import style

LINES = ("-", "--", ":", "-.")


@style.styled
def unit_selectivity(share: np.ndarray, dt: float, condition: str) -> Figure:
    """Draw the share of each unit's variance that a condition explains: over time, and its greatest value.

    Args:
        share: (T, M), from 0 to 1.
        dt: length of a step, ms, > 0.
        condition: its name.

    Raises:
        ValueError: the shape is wrong.
    """
    share = np.asarray(share, dtype=float)
    if share.ndim != 2 or 0 in share.shape:
        raise ValueError(f"share must be (T, M), T, M >= 1, got shape {share.shape}")
    n_steps, n_units = share.shape
    order = np.argsort(share.argmax(axis=0), kind="stable")
    figure = style.new_figure(style.PAGE_MM, 72)
    heat, mean = style.panels(figure, [1.5, 1.0], 62)
    image = heat.imshow(
        share[:, order].T, aspect="auto", cmap=style.colour_map(), vmin=0, vmax=1,
        extent=(0, n_steps * dt, n_units - 0.5, -0.5),
    )  # fmt: skip
    style.colour_bar(image, heat, f"variance explained by {condition}")
    heat.set(xlabel="time (ms)", ylabel="unit, sorted by time of peak")
    style.integer_ticks(heat, "y", 5)
    mean.hist(share.max(axis=0), bins=np.linspace(0, 1, 21), color=style.colour(0))
    mean.set(xlabel="largest share of a unit", ylabel="units", xlim=(0, 1))
    style.integer_ticks(mean, "y", 5)
    return figure


@style.styled
def demixed_over_time(demixing: Demixing, dt: float, names: Sequence[str]) -> Figure:
    """Draw the first demixed component of each part of the rates over time, a line for each combination of factors.

    Args:
        demixing: of trials.
        dt: length of a step, ms, > 0.
        names: of the combinations.
    """
    parts = demixing.components
    figure = style.new_figure(style.PAGE_MM, 60)
    axes = np.atleast_1d(style.panels(figure, [1.0] * len(parts), 50))
    firsts = list(dict.fromkeys(combination[0] for combination in demixing.combinations))
    rests = list(dict.fromkeys(combination[1:] for combination in demixing.combinations))
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        times = style.step_times(part.scores.shape[1], dt)
        for label, combination, scores in zip(names, demixing.combinations, part.scores, strict=True):
            dashes = LINES[rests.index(combination[1:]) % len(LINES)]
            ink = style.colour(firsts.index(combination[0]))
            ax.plot(times, scores[:, 0], color=ink, linestyle=dashes, label=label if ax is axes[0] else None)
        ax.set_title(f"{name}: {100 * part.explained[0]:.0f} %")
        ax.set_xlabel("time (ms)")
        ax.locator_params(nbins=4)
    axes[0].set_ylabel("first component")
    figure.legend(loc="outside lower center", ncols=3 if style.is_narrow() else 8)
    return figure


@style.styled
def decoding_over_time(
    accuracy: np.ndarray, times: np.ndarray, chance: float, condition: str, n_trials: int
) -> Figure:
    """Draw how well a condition is decoded: over time, and by decoders that were fitted at another time.

    Args:
        accuracy: (D, D), rows fit, columns test.
        times: (D,), ms.
        chance: accuracy of always saying the most frequent condition.
        condition: its name.
        n_trials: behind it.

    Raises:
        ValueError: the shapes do not fit together.
    """
    accuracy, times = np.asarray(accuracy, dtype=float), np.asarray(times, dtype=float)
    if times.ndim != 1 or accuracy.shape != (len(times), len(times)):
        raise ValueError(f"accuracy must be (D, D) and times (D,), got {accuracy.shape} and {times.shape}")
    figure = style.new_figure(style.PAGE_MM, 66)
    line, square = style.panels(figure, [1.2, 1.0], 66)
    line.plot(times, np.diag(accuracy), color=style.colour(0))
    line.axhline(chance, color=style.FAINT, linewidth=0.8, linestyle="--")
    line.annotate("chance", (times[-1], chance), ha="right", va="bottom", color=style.FAINT)
    line.set(
        xlabel="time (ms)", ylabel=f"decoding accuracy of {condition}", ylim=(min(0.0, chance), 1.03),
        title=f"{n_trials} trials, cross-validated",
    )  # fmt: skip
    edge = (times[1] - times[0]) / 2 if len(times) > 1 else 0.5
    image = square.imshow(
        accuracy, origin="lower", cmap=style.colour_map(), vmin=min(chance, accuracy.min()), vmax=1,
        extent=(times[0] - edge, times[-1] + edge) * 2,
    )  # fmt: skip
    style.colour_bar(image, square, "")
    square.set(title="accuracy", xlabel="tested at (ms)", ylabel="fitted at (ms)")
    square.locator_params(nbins=5)
    return figure
