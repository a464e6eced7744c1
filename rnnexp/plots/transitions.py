"""Picture of symbolic dynamics: which linear region follows which."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

from rnnexp.plots import style
from rnnexp.plots.attractor import MOST_REGIONS

MOST_NODES = 10  # regions in the graph
MOST_ROWS = 40  # regions in the matrix
ENOUGH = 0.8  # of the steps in the nodes of the graph; where they hold less it says nothing of the dynamics
MOST_ARROWS = 30  # the most probable ones
FAINTEST = 1e-3  # probability of the palest colour


@style.styled
def transition_graph(matrix: np.ndarray, shares: np.ndarray) -> Figure:
    """Draw the most visited regions as a graph, and the probabilities of their transitions as a matrix.

    Where the steps are spread over too many regions for a graph, the share of the steps in the most visited ones is
    drawn in its place.

    The area of a node is the share of the steps in its region, the percentage inside the probability to stay there;
    arrows are transitions, wider for more probable ones, and turn clockwise as seen from their source.

    Args:
        matrix: (R, R), R >= 1, probabilities, row the region before, column the one after, most visited first.
        shares: (R,), of the steps in each region, in [0, 1].

    Returns:
        The figure, a page wide; the title says if there are more regions than are drawn.

    Raises:
        ValueError: the shapes do not agree.
    """
    matrix, shares = np.asarray(matrix, dtype=float), np.asarray(shares, dtype=float)
    if shares.ndim != 1 or not len(shares) or matrix.shape != (len(shares), len(shares)):
        raise ValueError(
            f"matrix must be (R, R) and shares (R,), R >= 1, got {matrix.shape} and {shares.shape}"
        )
    figure = style.new_figure(style.PAGE_MM, 82)
    left, right = style.panels(figure, [1.0, 1.1], 76)
    if shares[:MOST_NODES].sum() >= ENOUGH * shares.sum():
        _draw_graph(left, matrix[:MOST_NODES, :MOST_NODES], shares[:MOST_NODES])
        left.set_title(_title(len(shares), MOST_NODES, shares))
    else:
        _draw_coverage(left, shares)
        left.set_title(f"{len(shares)} linear regions")
    _draw_matrix(right, matrix[:MOST_ROWS, :MOST_ROWS])
    right.set_title(_title(len(shares), MOST_ROWS, shares) if len(shares) > MOST_ROWS else "")
    return figure


def _title(n_regions: int, limit: int, shares: np.ndarray) -> str:
    if n_regions == 1:
        return "one linear region"
    if n_regions <= limit:
        return f"{n_regions} linear regions"
    return f"{limit} of {n_regions} regions ({100 * shares[:limit].sum():.0f} % of the steps)"


def _draw_graph(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    count = len(shares)
    angles = np.pi / 2 - 2 * np.pi * np.arange(count) / count
    places = np.stack((np.cos(angles), np.sin(angles)), axis=1) if count > 1 else np.zeros((1, 2))
    largest = min(0.34, 0.75 * np.sin(np.pi / count)) if count > 1 else 0.34
    nodes = []
    for region, radius in enumerate(np.clip(largest * np.sqrt(shares / shares.max()), 0.1, None)):
        ink = style.colour(region) if region < MOST_REGIONS else style.FAINT
        stay = f"\nstays\n{100 * matrix[region, region]:.0f} %" if radius >= 0.2 else ""
        node = Circle(places[region], radius, facecolor=ink, edgecolor="white", linewidth=0.8, zorder=3)
        nodes.append(axes.add_patch(node))
        axes.text(
            *places[region], f"{region}{stay}", ha="center", va="center", color="white", zorder=4,
            fontsize=style.FONT_PT - 0.5,
        )  # fmt: skip
    changes = np.argwhere((matrix > 0) & ~np.eye(count, dtype=bool))
    order = np.argsort(-matrix[changes[:, 0], changes[:, 1]], kind="stable")
    for source, target in changes[order[:MOST_ARROWS]]:
        _draw_arrow(axes, nodes[source], nodes[target], matrix[source, target])
    reach = 1.0 + largest + 0.06 if count > 1 else 0.6
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    axes.set_aspect("equal")
    axes.set_axis_off()
    if len(changes) > MOST_ARROWS:
        note = f"arrows: the {MOST_ARROWS} most probable of {len(changes)} transitions"
        axes.text(0.5, -0.02, note, transform=axes.transAxes, ha="center", va="top", color=style.FAINT)


def _draw_coverage(axes: Axes, shares: np.ndarray) -> None:
    """Draw the share of the steps in the n most visited regions over n."""
    covered = np.cumsum(shares)
    axes.plot(np.arange(1, len(shares) + 1), covered, color=style.colour(0))
    for part in (0.5, 0.9):
        count = int(np.searchsorted(covered, part * covered[-1])) + 1
        axes.plot([1, count, count], [part, part, 0], color=style.FAINT, linewidth=0.6)
        axes.text(count, part, f" {count} regions hold {100 * part:.0f} %", va="top", color=style.INK)
    axes.set(xlabel="most visited regions", ylabel="share of the steps", ylim=(0, 1.02))
    style.log_axis(axes, "x", np.array([1.0, len(shares)]))


def _draw_arrow(axes: Axes, source: Circle, target: Circle, probability: float) -> None:
    """Draw a bent arrow between the rims of two nodes."""
    axes.add_patch(
        FancyArrowPatch(
            source.center, target.center, patchA=source, patchB=target, shrinkA=0, shrinkB=0,
            connectionstyle="arc3,rad=0.22", arrowstyle="-|>", color=style.INK, zorder=2,
            linewidth=0.6 + 2.4 * np.sqrt(probability), mutation_scale=6.0 + 5.0 * np.sqrt(probability),
            alpha=0.4 + 0.5 * min(1.0, 3 * probability),
        )
    )  # fmt: skip


def _draw_matrix(axes: Axes, matrix: np.ndarray) -> None:
    count = len(matrix)
    shown = np.where(matrix > 0, matrix, np.nan)
    image = axes.imshow(
        shown,
        cmap=style.colour_map(),
        norm=LogNorm(FAINTEST, 1.0),
        extent=(-0.5, count - 0.5, count - 0.5, -0.5),
    )
    axes.spines[:].set_visible(True)
    axes.set(xlabel="region after the step", ylabel="region before the step")
    for which in "xy":
        style.integer_ticks(axes, which, min(count, 8))
    if count <= 6:
        for (row, column), probability in np.ndenumerate(matrix):
            if probability > 0:
                axes.text(
                    column, row, f"{probability:.2g}", ha="center", va="center",
                    color="white" if probability < 0.1 else style.INK, fontsize=style.FONT_PT - 0.5,
                )  # fmt: skip
    bar = axes.figure.colorbar(
        image, ax=axes, pad=0.03, aspect=20, label="probability (grey: never)", extend="min"
    )
    bar.outline.set_linewidth(0.4)
