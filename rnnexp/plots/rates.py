"""Picture of the rates of all units: over time, averaged over trials, and their means."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnexp.plots import style


@style.styled
def unit_rates(
    rates: np.ndarray,
    dt: float,
    signs: np.ndarray | None = None,
    name: str = "rate r",
    lengths: np.ndarray | None = None,
) -> Figure:
    """Draw the mean rate of every unit: a heat map over time, and beside it the mean over time as well.

    Units are sorted by their mean rate, the largest first; excitatory units come before inhibitory ones. The bar is
    the sd of the unit's mean rate over trials.

    Args:
        rates: (B,T,M), B, T, M >= 1.
        dt: length of a step, ms, > 0.
        signs: (M,), > 0 for excitatory and < 0 for inhibitory units; None for units without types.
        name: what the values are, for the labels.
        lengths: (B,), steps of each trial, from 1 to T; None where all have T.

    Returns:
        The figure, a page wide.

    Raises:
        ValueError: the shapes do not fit together.
    """
    rates = np.asarray(rates)
    if rates.ndim != 3 or 0 in rates.shape:
        raise ValueError(f"rates must be (B,T,M) with B, T, M >= 1, got shape {rates.shape}")
    n_units = rates.shape[2]
    if signs is not None and np.shape(signs) != (n_units,):
        raise ValueError(f"signs must be ({n_units},), one per unit, got shape {np.shape(signs)}")
    over_time = style.finite(_mean_of_real(rates, lengths, axis=0))
    by_trial = style.finite(_mean_of_real(rates, lengths, axis=1))
    means, spread = by_trial.mean(axis=0), by_trial.std(axis=0)
    kind = np.zeros(n_units) if signs is None else np.asarray(signs) < 0
    order = np.lexsort((-np.nan_to_num(means, nan=-np.inf), kind))
    figure = style.new_figure(style.PAGE_MM, 72)
    heat, profile = style.panels(figure, [1.5, 1.0], 62, sharey=True)
    _draw_heat(heat, over_time[:, order].T, dt, f"mean {name}")
    colours = np.full(n_units, style.colour(0), dtype=object)
    if signs is not None:
        colours = np.where(kind, style.INHIBITORY, style.EXCITATORY)
    _draw_profile(profile, means[order], spread[order], colours[order], f"mean {name}")
    if style.is_narrow():
        profile.set_ylim(heat.get_ylim())
        profile.set_ylabel("unit")
        style.integer_ticks(profile, "y", 5)
        profile.tick_params(axis="y", labelleft=True)
    if signs is not None:
        _draw_types(heat, profile, int((~kind).sum()), n_units)
    heat.set(
        xlabel="time (ms)", ylabel="unit, sorted by mean rate" if signs is None else "unit, by type and mean rate"
    )  # fmt: skip
    heat.locator_params(axis="x", nbins=5)
    style.integer_ticks(heat, "y", 5)
    lost = int((~np.isfinite(means)).sum())
    if lost:
        heat.set_title(f"{lost} of {n_units} units not finite", color=style.ALARM)
    return figure


def _mean_of_real(rates: np.ndarray, lengths: np.ndarray | None, axis: int) -> np.ndarray:
    """Return the mean of rates (B,T,M) over trials or steps, padding left out; nan where no trial is left."""
    if lengths is None:
        return rates.mean(axis=axis, dtype=float)
    is_real = np.arange(rates.shape[1]) < np.asarray(lengths)[:, None]
    summed = np.where(is_real[:, :, None], rates, 0.0).sum(axis=axis, dtype=float)
    with np.errstate(invalid="ignore"):
        return summed / is_real.sum(axis=axis)[:, None]


def _draw_heat(axes: Axes, values: np.ndarray, dt: float, label: str) -> None:
    n_units, n_steps = values.shape
    known = values[np.isfinite(values)]
    signed = bool(known.size and known.min() < 0 < known.max())
    top = style.magnitude(values)
    robust = float(np.quantile(np.abs(known), 0.995)) if known.size else top
    cut = 0 < 2.0 * robust < top
    top = robust if cut else top
    low, high = -top, top
    if not signed and known.size:
        low, high = (0.0, top) if known.min() >= 0 else (-top, 0.0)
    image = axes.imshow(
        values, aspect="auto", cmap=style.colour_map(style.DIVERGING if signed else style.SEQUENTIAL),
        vmin=low, vmax=high, extent=(0.0, n_steps * dt, n_units + 0.5, 0.5),
    )  # fmt: skip
    axes.spines[:].set_visible(True)
    extend = "neither" if not cut else "both" if signed else "max" if low == 0.0 else "min"
    style.colour_bar(image, axes, label, pad=0.02, extend=extend)


def _draw_profile(axes: Axes, means: np.ndarray, spread: np.ndarray, colours: np.ndarray, label: str) -> None:
    rows = np.arange(1, len(means) + 1)
    size = 2.6 if len(means) <= 100 else 1.4
    axes.hlines(rows, means - spread, means + spread, colors=list(colours), linewidth=0.8, alpha=0.5)
    axes.scatter(means, rows, s=size**2, c=list(colours), linewidths=0, zorder=3)
    axes.axvline(0.0, color=style.FAINT, linewidth=0.5, zorder=0)
    axes.set_xlabel(f"{label} ± sd over trials")
    axes.tick_params(axis="y", labelleft=False)
    axes.locator_params(axis="x", nbins=5)
    if not np.isfinite(means).any():
        style.note(axes, "no finite rate", style.ALARM)


def _draw_types(heat: Axes, profile: Axes, n_excitatory: int, n_units: int) -> None:
    """Separate the types by a line and name them above the profile."""
    if 0 < n_excitatory < n_units:
        heat.axhline(n_excitatory + 0.5, color="white", linewidth=1.0)
        profile.axhline(n_excitatory + 0.5, color=style.FAINT, linewidth=0.5, linestyle=(0, (1, 2)))
    counts = (
        ("excitatory", n_excitatory, style.EXCITATORY),
        ("inhibitory", n_units - n_excitatory, style.INHIBITORY),
    )
    handles = [
        Line2D([], [], color=ink, marker="o", linewidth=0.8, markeredgewidth=0, label=f"{count} {word}")
        for word, count, ink in counts
        if count
    ]
    profile.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2,
    )  # fmt: skip
