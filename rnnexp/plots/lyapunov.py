"""Picture of a Lyapunov spectrum."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnexp.plots import style

NEUTRAL_SHARE = (
    0.02  # of the largest |exponent| among the first three, below which an exponent counts as zero
)
MOST_LEADING = 6


@style.styled
def lyapunov_spectrum(exponents: np.ndarray, unit: str, dimension: float | None = None) -> Figure:
    """Draw all exponents in falling order, and the leading ones enlarged where the others dwarf them.

    Args:
        exponents: (Q,), Q >= 1, in falling order; entries that are not finite are left out.
        unit: of the exponents, such as "1/ms".
        dimension: Kaplan-Yorke dimension, for the title; None or nan leaves it out.

    Returns:
        The figure, a column wide, or a page with the second panel.

    Raises:
        ValueError: there is no exponent.
    """
    exponents = np.asarray(exponents, dtype=float)
    if exponents.ndim != 1 or not len(exponents):
        raise ValueError(f"exponents must be (Q,), Q >= 1, got shape {exponents.shape}")
    leading = exponents[: min(MOST_LEADING, len(exponents))]
    finite = exponents[np.isfinite(exponents)]
    enlarge = (
        len(exponents) > 2
        and finite.size > 1
        and np.abs(finite).max() > 8 * max(np.abs(finite[:2]).max(), 1e-12)
    )
    figure = style.new_figure(style.PAGE_MM if enlarge else style.COLUMN_MM, 60)
    panels = figure.subplots(1, 2 if enlarge else 1, squeeze=False)[0]
    for axes, values in zip(panels, (exponents, leading), strict=False):
        _draw(axes, values, unit)
    panels[0].set_title(_title(exponents, unit, dimension))
    if enlarge:
        if np.isfinite(leading[:2]).all():
            reach = 1.8 * np.abs(leading[:2]).max() or 1.0
            panels[1].set_ylim(-reach, reach)
            below = np.flatnonzero(leading < -reach) + 1
        else:
            below = np.empty(0, dtype=int)
        cut = f", from {below[0]} on below the axis" if len(below) else ""
        panels[1].set_title(f"enlarged{cut}", color=style.FAINT)
    return figure


def _draw(axes: Axes, exponents: np.ndarray, unit: str) -> None:
    ranks = np.arange(1, len(exponents) + 1)
    known = np.isfinite(exponents)
    axes.axhline(0.0, color=style.FAINT, linewidth=0.7, zorder=0)
    axes.vlines(ranks[known], 0.0, exponents[known], color=style.colour(0), linewidth=0.9)
    size = 4.0 if len(exponents) <= 30 else 2.4
    positive = known & (exponents > 0)
    for chosen, ink in ((known & ~positive, style.colour(0)), (positive, style.colour(1))):
        axes.plot(ranks[chosen], exponents[chosen], "o", color=ink, markersize=size, markeredgewidth=0)
    axes.set(xlabel="index", ylabel=f"Lyapunov exponent ({unit})", xlim=(0.4, len(exponents) + 0.6))
    style.integer_ticks(axes, "x", 8)
    axes.locator_params(axis="y", nbins=6)
    if not known.any():
        style.note(axes, "no finite exponent", style.ALARM)


def _title(exponents: np.ndarray, unit: str, dimension: float | None) -> str:
    parts = [f"largest {exponents[0]:.3g} {unit}"] if np.isfinite(exponents[0]) else []
    if dimension is not None and np.isfinite(dimension):
        parts.append(f"Kaplan-Yorke dimension {dimension:.2f}")
    lost = int((~np.isfinite(exponents)).sum())
    if lost:
        parts.append(f"{lost} of {len(exponents)} not finite")
    return ", ".join(parts)
