"""Picture of a recurrent weight matrix under Dale's law: excitatory units first, then the inhibitory ones."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from rnnexp.plots import style

BAR = 0.025  # thickness of the bars of unit types, as a share of the matrix
PAIRINGS = (("E", "E", "-"), ("E", "I", (0, (3.5, 1.5))), ("I", "E", "-"), ("I", "I", (0, (3.5, 1.5))))


@style.styled
def ei_weights(weights: np.ndarray, signs: np.ndarray, name: str = "W_rec") -> Figure:
    """Draw a recurrent matrix ordered by the type of the units, and how strong the connections of each pairing are.

    Within a type the units keep their order. Colours are symmetric around zero and end at the 99th percentile of
    |weight|, where single weights are far above the rest.

    Args:
        weights: effective weights (M,M), (post, pre).
        signs: (M,), > 0 for excitatory and < 0 for inhibitory units.
        name: of the matrix.

    Returns:
        The figure, a page wide.

    Raises:
        ValueError: the shapes do not fit together, there is no unit, or a unit has no type.
    """
    weights, signs = np.asarray(weights, dtype=float), np.asarray(signs)
    if signs.ndim != 1 or not len(signs) or weights.shape != (len(signs), len(signs)):
        raise ValueError(
            f"weights must be (M,M) and signs (M,), M >= 1, got shapes {weights.shape} and {signs.shape}"
        )
    if (signs == 0).any():
        raise ValueError("signs must be > 0 or < 0 for every unit, got 0")
    order = np.argsort(signs < 0, kind="stable")
    figure = style.new_figure(style.PAGE_MM, 78)
    matrix, strengths = style.panels(figure, [1.15, 1.0], 68)
    _draw_matrix(matrix, weights[np.ix_(order, order)], int((signs > 0).sum()), name)
    _draw_strengths(strengths, weights, signs)
    return figure


def _draw_matrix(axes: Axes, weights: np.ndarray, n_excitatory: int, name: str) -> None:
    n_units = len(weights)
    known = np.abs(weights[np.isfinite(weights)])
    top = style.magnitude(weights)
    robust = float(np.quantile(known, 0.99)) if known.size else top
    cut = 0 < 2.0 * robust < top
    top = robust if cut else top
    image = axes.imshow(
        style.finite(weights), cmap=style.colour_map(style.DIVERGING), vmin=-top, vmax=top,
        extent=(0, n_units, n_units, 0),
    )  # fmt: skip
    if 0 < n_excitatory < n_units:
        axes.axhline(n_excitatory, color=style.INK, linewidth=0.7)
        axes.axvline(n_excitatory, color=style.INK, linewidth=0.7)
    axes.spines[:].set_visible(True)
    blocks = [(0, n_excitatory, "E"), (n_excitatory, n_units, "I")]
    blocks = [(start, stop, letter) for start, stop, letter in blocks if stop > start]
    middles = [(start + stop) / 2 for start, stop, _ in blocks]
    labels = [f"{stop - start} {letter}" for start, stop, letter in blocks]
    axes.set_yticks(middles, labels)
    axes.set_xticks(middles, labels)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", pad=9)
    axes.tick_params(axis="x", pad=9)
    axes.set(xlabel="pre unit", ylabel="post unit")
    lost = int((~np.isfinite(weights)).sum())
    axes.set_title(f"effective {style.shorten(name, 24)}" + (f" ({lost} not finite)" if lost else ""))
    kinds = np.arange(n_units) >= n_excitatory
    _type_bar(axes, kinds[:, None], (-0.012 - BAR, 0.0, BAR, 1.0))
    _type_bar(axes, kinds[None, :], (0.0, -0.012 - BAR, 1.0, BAR))
    style.colour_bar(image, axes, "weight", pad=0.03, aspect=20, extend="both" if cut else "neither")


def _type_bar(axes: Axes, kinds: np.ndarray, place: tuple[float, float, float, float]) -> None:
    strip = axes.inset_axes(place)
    strip.imshow(
        kinds.astype(float), aspect="auto", cmap=ListedColormap([style.EXCITATORY, style.INHIBITORY]), vmin=0, vmax=1
    )  # fmt: skip
    strip.set_axis_off()


def _draw_strengths(axes: Axes, weights: np.ndarray, signs: np.ndarray) -> None:
    """Draw the distribution of |weight| of the connections of every pairing, up to the 99.5th percentile of all."""
    of_type = {"E": signs > 0, "I": signs < 0}
    strength = np.abs(np.where(np.isfinite(weights), weights, 0.0))
    known = strength[strength > 0]
    top = float(np.quantile(known, 0.995)) if known.size else 1.0
    edges = np.linspace(0.0, top, 31)
    for source, target, dashes in PAIRINGS:
        block = strength[np.ix_(of_type[target], of_type[source])]
        present = block[block > 0]
        if not block.size:
            continue
        label = f"{source} to {target}: {present.size} of {block.size}"
        density = np.histogram(present, edges)[0] / max(present.size, 1)
        axes.stairs(
            density, edges, color=style.EXCITATORY if source == "E" else style.INHIBITORY, linestyle=dashes,
            linewidth=1.1, label=label if not present.size else f"{label}, mean {present.mean():.2g}",
        )  # fmt: skip
    axes.set(xlim=(0.0, top), xlabel="|weight| of connections", ylabel="share of the connections")
    axes.set_ylim(bottom=0.0)
    axes.locator_params(nbins=5)
    axes.legend(loc="upper right", title="connections, nonzero of all", alignment="left")
    if not known.size:
        style.note(axes, "no connection")
