"""Pictures of weights: matrices and vectors with signed colours, and eigenvalues in the complex plane."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from rnnexp.plots import style

# (post, pre) of the matrices, what a vector runs along, by the names used in the equations
AXIS_NAMES: dict[str, tuple[str, ...]] = {
    "W": ("post unit", "pre unit"),
    "C": ("unit", "input"),
    "B": ("output", "unit"),
    "W_rec": ("post unit", "pre unit"),
    "W_in": ("unit", "input"),
    "W1": ("unit", "hidden unit"),
    "W2": ("hidden unit", "unit"),
    "A": ("unit",),
    "h": ("unit",),
    "z0": ("unit",),
    "b_rec": ("unit",),
    "b_in": ("unit",),
    "tau": ("unit",),
    "h1": ("unit",),
    "h2": ("hidden unit",),
    "b": ("output",),
    **{f"W_{gate}": ("pre unit, then input", "post unit") for gate in "fico"},
    **{f"b_{gate}": ("unit",) for gate in "fico"},
    "weight_ih": ("gates r, u, n of units", "input"),
    "weight_hh": ("gates r, u, n of units", "pre unit"),
    "bias_ih": ("gates r, u, n of units",),
    "bias_hh": ("gates r, u, n of units",),
}
UNITS = {"tau": "ms"}
ROW_MM = 46.0
VECTOR_MM = 30.0
ROW_WIDTH = 3.0  # square panels beside one another on a page


@style.styled
def weight_matrices(
    weights: Mapping[str, np.ndarray], axis_names: Mapping[str, tuple[str, ...]] | None = None
) -> Figure:
    """Draw matrices as images, rows post and columns pre, and vectors as stems.

    Colours are symmetric around zero. Where single weights are far above the rest, the limit is the 99th percentile
    of |weight| and the colour bar has pointed ends.

    Args:
        weights: name -> matrix (post, pre), vector (n,) or number; arrays without entries are left out.
        axis_names: name -> (post, pre), or (what it runs along,) for a vector; added to `AXIS_NAMES`.

    Returns:
        The figure, a page wide.

    Raises:
        ValueError: there is nothing to draw, or an array has more than two dimensions.
    """
    arrays = {name: np.atleast_1d(np.asarray(array)) for name, array in weights.items()}
    for name, array in arrays.items():
        if array.ndim > 2:
            raise ValueError(f"weights[{name!r}] must have at most 2 dimensions, got shape {array.shape}")
    arrays = {name: array for name, array in arrays.items() if array.size}
    if not arrays:
        raise ValueError("weights must hold at least one array with entries, got none")
    titles = {**AXIS_NAMES, **(axis_names or {})}
    rows = _pack({name: _share(array) for name, array in arrays.items() if array.ndim == 2})
    n_image_rows = len(rows)
    vectors = [name for name, array in arrays.items() if array.ndim == 1]
    rows += _pack(dict.fromkeys(vectors, 1.0))
    heights = [ROW_MM] * n_image_rows + [VECTOR_MM] * (len(rows) - n_image_rows)
    figure = style.new_figure(style.PAGE_MM, sum(heights) + 2)
    bands = np.atleast_1d(figure.subfigures(len(rows), 1, height_ratios=heights))
    for band, row in zip(bands, rows, strict=True):
        widths = [*row.values()]
        spare = _row_width() - sum(widths)
        panels = band.subplots(
            1, len(row) + (spare > 0.15), width_ratios=widths + [spare] * (spare > 0.15), squeeze=False
        )
        for axes, name in zip(panels[0], row, strict=False):
            names = titles.get(
                name.rsplit(".", 1)[-1], ("post", "pre") if arrays[name].ndim == 2 else ("index",)
            )
            draw = _draw_matrix if arrays[name].ndim == 2 else _draw_vector
            draw(band, axes, name, arrays[name], names)
        for axes in panels[0, len(row) :]:
            axes.remove()
    return figure


@style.styled
def eigenvalues(values: np.ndarray, title: str = "", dt: float | None = None) -> Figure:
    """Draw eigenvalues in the complex plane with the unit circle, and how long their modes last.

    Args:
        values: eigenvalues of the Jacobians at several states, complex (n_states, M), or (M,) for one.
        title: short title.
        dt: length of a step in ms, > 0; the second panel then shows time constants -dt / ln|lambda| of the decaying
            modes, in ms. None shows the moduli |lambda|.

    Returns:
        The figure, a page wide.
    """
    values = np.atleast_2d(np.asarray(values)).astype(complex)
    known = values[np.isfinite(values)]
    figure = style.new_figure(style.PAGE_MM, 72)
    plane, histogram = style.panels(figure, [1.0, 1.1], 66)
    _draw_plane(plane, known, values.shape[0])
    plane.set_title(style.shorten(title, 48))
    modulus = np.abs(known)
    growing = int((modulus > 1.0).sum())
    remark = f"{growing} of {known.size} outside the unit circle"
    if known.size < values.size:
        remark += f", {values.size - known.size} not finite"
    histogram.set_title(remark, color=style.FAINT)
    _draw_histogram(histogram, modulus, dt)
    return figure


def _share(array: np.ndarray) -> float:
    """Give the width of a matrix panel: 1 for a square, less for a slim one."""
    return float(np.clip(array.shape[1] / array.shape[0], 0.45, 1.5))


def _row_width() -> float:
    """Give the room for panels beside one another: half as many in a single column."""
    return ROW_WIDTH / 2 if style.is_narrow() else ROW_WIDTH


def _pack(widths: Mapping[str, float]) -> list[dict[str, float]]:
    """Put panels into rows no wider than there is room for, in their order."""
    rows: list[dict[str, float]] = []
    for name, width in widths.items():
        if not rows or sum(rows[-1].values()) + width > _row_width() + 1e-9:
            rows.append({})
        rows[-1][name] = width
    return rows


def _draw_matrix(band: SubFigure, axes: Axes, name: str, matrix: np.ndarray, names: Sequence[str]) -> None:
    known = np.abs(matrix[np.isfinite(matrix)])
    top = style.magnitude(matrix)
    robust = float(np.quantile(known, 0.99)) if known.size else top
    cut = 0 < 2.5 * robust < top
    top = robust if cut else top
    rows, columns = matrix.shape
    image = axes.imshow(
        style.finite(matrix), aspect="auto", cmap=style.colour_map(style.DIVERGING), vmin=-top, vmax=top,
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )  # fmt: skip
    axes.spines[:].set_visible(True)
    axes.set(ylabel=names[0], xlabel=names[-1])
    style.integer_ticks(axes, "x", min(columns, 4))
    style.integer_ticks(axes, "y", min(rows, 4))
    axes.set_title(_title(name, matrix))
    bar = band.colorbar(image, ax=axes, pad=0.03, aspect=16, extend="both" if cut else "neither")
    bar.outline.set_linewidth(0.4)
    bar.ax.locator_params(nbins=4)


def _draw_vector(_band: SubFigure, axes: Axes, name: str, vector: np.ndarray, names: Sequence[str]) -> None:
    where = np.arange(len(vector))
    values = style.finite(vector)
    known = np.abs(values[np.isfinite(values)])
    is_far = (
        known.size > 1 and known.min() > 0.5 * known.max() and (np.sign(values) == np.sign(values[0])).all()
    )
    if not is_far:  # stems from 0 would hide how values differ that are all far from it
        axes.vlines(where, 0.0, values, color=style.colour(0), linewidth=0.8)
        axes.axhline(0.0, color=style.FAINT, linewidth=0.5, zorder=0)
    axes.plot(where, values, "o", color=style.colour(0), markersize=2.2, markeredgewidth=0)
    axes.set_xlim(-0.6, len(vector) - 0.4)
    axes.set_xlabel(names[-1])
    if len(vector) <= 6:
        axes.set_xticks(where)
    else:
        style.integer_ticks(axes, "x", 5)
    axes.locator_params(axis="y", nbins=3)
    axes.set_title(_title(name, vector))


def _title(name: str, array: np.ndarray) -> str:
    lost = int((~np.isfinite(array)).sum())
    title = style.shorten(name, 24) + (f" ({UNITS[name]})" if name in UNITS else "")
    return f"{title} ({lost} not finite)" if lost else title


def _draw_plane(axes: Axes, values: np.ndarray, n_states: int) -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 361)
    axes.plot(np.cos(angles), np.sin(angles), color=style.FAINT, linewidth=0.8, zorder=1)
    axes.axhline(0.0, color=style.SHADE, linewidth=0.7, zorder=0)
    axes.axvline(0.0, color=style.SHADE, linewidth=0.7, zorder=0)
    alpha = 0.8 if n_states == 1 else max(0.08, min(0.6, 300.0 / max(values.size, 1)))
    axes.scatter(
        values.real, values.imag, s=9 if n_states == 1 else 5, color=style.colour(0), alpha=alpha, linewidths=0,
        zorder=2, rasterized=True,
    )  # fmt: skip
    reach = 1.08 * max(1.0, float(np.abs(values).max()) if values.size else 0.0)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="real part", ylabel="imaginary part")
    if values.size > 1:
        _zoom(axes, values, reach)
    axes.set_box_aspect(1)
    axes.locator_params(nbins=5)
    if not values.size:
        style.note(axes, "no finite eigenvalue", style.ALARM)


def _zoom(axes: Axes, values: np.ndarray, reach: float) -> None:
    """Show the part of the plane that holds the eigenvalues, where that is a small part of the whole circle."""
    low, high = values.real.min(), values.real.max()
    half = 0.6 * max(high - low, 2 * np.abs(values.imag).max(), 0.05)
    if half < 0.35 * reach:
        middle = 0.5 * (low + high)
        axes.set(xlim=(middle - half, middle + half), ylim=(-half, half))


def _draw_histogram(axes: Axes, modulus: np.ndarray, dt: float | None) -> None:
    axes.set_ylabel("number of eigenvalues")
    style.integer_ticks(axes, "y", 6)
    if dt is None:
        axes.set_xlabel("modulus |λ|")
        axes.hist(modulus, bins=_edges(modulus), color=style.colour(0), alpha=0.8)
        axes.axvline(1.0, color=style.FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
        return
    axes.set_xlabel("time constant of decaying modes (ms)")
    decaying = modulus[(modulus > 0.0) & (modulus < 1.0)]
    constants = -dt / np.log(decaying)
    if not constants.size:
        style.note(axes, "no decaying mode")
        return
    low, high = float(constants.min()), float(constants.max())
    edges = np.geomspace(low / 1.05, high * 1.05, 31)
    axes.hist(constants, bins=edges, color=style.colour(0), alpha=0.8)
    axes.set_xscale("log")
    if high > 20.0 * low:
        axes.axvline(dt, color=style.FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
    style.integer_ticks(axes, "y", 5)


def _edges(modulus: np.ndarray) -> np.ndarray:
    top = max(1.05, float(modulus.max()) if modulus.size else 1.05)
    low = float(modulus.min()) if modulus.size else 0.0
    return np.linspace(0.9 * low if low > 0.5 else 0.0, top, 36)
