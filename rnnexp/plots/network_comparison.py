"""Pictures of how alike several networks are.

Letters: K networks, B trials.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from rnnexp.plots import style
from rnnexp.plots.psychometric import Logistic, coherence_levels, wilson_interval

TITLES = {"cka": "linear CKA", "procrustes": "Procrustes", "dsa": "dynamics (DSA)"}
MOST_NAMED = 30  # networks with their names at the matrices
MOST_COLOURED = len(style.PALETTE)


@style.styled
def similarity_matrices(
    similarity: Mapping[str, np.ndarray], orders: Mapping[str, np.ndarray], names: Sequence[str]
) -> Figure:
    """Draw a matrix per measure, networks that are alike beside each other.

    Args:
        similarity: by measure, (K, K), at most 1.
        orders: by measure, (K,), numbers of the networks in the order of the picture.
        names: K.
    """
    figure = style.new_figure(style.PAGE_MM, 72)
    axes = np.atleast_1d(style.panels(figure, [1.0] * len(similarity), 75))
    for ax, (measure, matrix) in zip(axes, similarity.items(), strict=True):
        order = orders[measure]
        sorted_ = np.asarray(matrix)[np.ix_(order, order)]
        lowest = float(sorted_.min())
        lowest = lowest if lowest < 1 else 0.0
        image = ax.imshow(sorted_, aspect="auto", cmap=style.colour_map(), vmin=lowest, vmax=1)
        style.colour_bar(image, ax, "")
        ax.set_title(TITLES.get(measure, measure))
        if len(names) <= MOST_NAMED:
            shown = [style.shorten(names[index], 24) for index in order]
            ax.set_xticks(range(len(names)), shown, rotation=90)
            ax.set_yticks(range(len(names)), shown)
        else:
            ax.set(xlabel="network", ylabel="network")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    return figure


@style.styled
def networks_in_a_plane(
    places: Mapping[str, np.ndarray], kinds: Sequence[str], names: Sequence[str]
) -> Figure:
    """Draw networks such that their distances are close to the angular ones, a panel per measure.

    Args:
        places: by measure, (K, 2), radians.
        kinds: K, of networks with the same colour.
        names: K, written beside the points where all are of one kind, and few.
    """
    figure = style.new_figure(style.PAGE_MM, 70)
    axes = np.atleast_1d(style.panels(figure, [1.0] * len(places), 70))
    groups = list(dict.fromkeys(kinds))
    for ax, (measure, points) in zip(axes, places.items(), strict=True):
        for index, kind in enumerate(groups):
            rows = [row for row, own in enumerate(kinds) if own == kind]
            label = kind if ax is axes[0] else None
            ax.plot(
                *points[rows].T, "o", color=style.colour(index % MOST_COLOURED), markersize=4.5, label=label
            )
        if len(groups) == 1 and len(names) <= 8:  # of several kinds, networks of one lie on top of each other
            for name, point in zip(names, points, strict=True):
                text = style.shorten(name.rpartition(", ")[2], 12)
                ax.annotate(text, point, xytext=(3, 3), textcoords="offset points", color=style.FAINT)
        ax.set_title(TITLES.get(measure, measure))
        ax.set(xlabel="distance (rad)", ylabel="distance (rad)" if ax is axes[0] else "")
        ax.set_aspect("equal", adjustable="datalim")
        ax.margins(0.15)
        ax.locator_params(nbins=4)
    if len(groups) > 1:
        figure.legend(loc="outside lower center", ncols=3 if style.is_narrow() else 6)
    return figure


@style.styled
def psychometric_curves(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray, Logistic | None]], choice_name: str
) -> Figure:
    """Draw the psychometric curves of several networks over each other.

    Args:
        curves: by name, signed coherence (B,), choice (B,), 0 or 1, and the logistic curve, if one fits.
        choice_name: what a choice of 1 is.
    """
    figure = style.new_figure(style.PAGE_MM if len(curves) > 1 else style.COLUMN_MM, 72)
    axes = figure.subplots()
    for index, (name, (coherence, choice, curve)) in enumerate(curves.items()):
        ink = style.colour(index % MOST_COLOURED)
        members = coherence_levels(coherence)
        x = np.array([coherence[rows].mean() for rows in members])
        n = np.array([len(rows) for rows in members])
        up = np.array([choice[rows].sum() for rows in members])
        low, high = wilson_interval(up, n)
        axes.vlines(x, low, high, color=ink, linewidth=0.6, alpha=0.6)
        axes.plot(x, up / n, "o", color=ink, markersize=3, markeredgewidth=0)
        if curve is not None:
            line = np.linspace(coherence.min(), coherence.max(), 200)
            axes.plot(line, curve(line), color=ink, linewidth=1.0)
        axes.plot([], [], color=ink, marker="o", markersize=3, label=style.shorten(name, 30))
    axes.axhline(0.5, color=style.FAINT, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
    axes.set(xlabel="signed coherence", ylabel=f"P({style.shorten(choice_name, 24)})", ylim=(-0.03, 1.03))
    axes.set_title("bars: 95 % interval", color=style.FAINT)
    figure.legend(loc="outside right center")
    return figure
