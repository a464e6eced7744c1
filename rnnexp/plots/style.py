"""How every picture looks: sizes, fonts, colours, small drawing pieces, and the writing of files.

Figures are made at their printed size (one column 85 mm, a page 180 mm), so 7 pt text is 7 pt on paper. Nothing
here uses pyplot, so no global state is left behind and no display is needed.
"""

import functools
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from rnnexp.plots.look import COLUMN_MM as COLUMN_MM  # for all pictures
from rnnexp.plots.look import PAGE_MM as PAGE_MM
from rnnexp.plots.look import current, is_narrow

FONT_PT = 7.0

# Okabe and Ito's colour-blind safe set, yellow left out because thin yellow lines vanish on white
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")
INK = "#222222"
FAINT = "#9A9A9A"
SHADE = "#EDEDED"
ALARM = "#D55E00"
EXCITATORY = "#D55E00"
INHIBITORY = "#0072B2"
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"

RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT_PT,
    "axes.titlesize": FONT_PT + 0.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 4.0,
    "axes.labelsize": FONT_PT,
    "axes.labelpad": 2.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": True,
    "xtick.labelsize": FONT_PT - 0.5,
    "ytick.labelsize": FONT_PT - 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "text.color": INK,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.0,
    "legend.frameon": False,
    "legend.fontsize": FONT_PT - 0.5,
    "legend.title_fontsize": FONT_PT - 0.5,
    "legend.handlelength": 1.6,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "legend.borderaxespad": 0.2,
    "legend.labelspacing": 0.35,
    "image.interpolation": "nearest",
    "figure.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.04,
    "figure.constrained_layout.h_pad": 0.04,
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,  # texts stay texts
    "svg.fonttype": "none",
    "svg.hashsalt": "rnnexp",  # the same picture is the same file
}
DATES = {"pdf": "CreationDate", "svg": "Date"}  # left out of files

P = ParamSpec("P")


def panels(figure: Figure, width_ratios: Sequence[float], heights_mm: float, **settings: Any) -> np.ndarray:
    """Make panels beside one another, below one another in a single column, which lets the figure grow.

    Args:
        figure: without axes.
        width_ratios: a number a panel.
        heights_mm: of a panel in a single column.
        settings: further arguments of `Figure.subplots`.
    """
    if is_narrow():
        figure.set_figheight(heights_mm * len(width_ratios) / 25.4)
        settings.pop("sharey", None)
        return figure.subplots(len(width_ratios), 1, **settings)
    return figure.subplots(1, len(width_ratios), width_ratios=width_ratios, **settings)


class PlainNumbers(ScalarFormatter):
    """Matplotlib's tick labels with the power of ten in mathematical type, and only that: it takes long to set."""

    def _set_format(self) -> None:
        wanted, self._useMathText = self._useMathText, False
        super()._set_format()
        self._useMathText = wanted


class StyledFigure(Figure):
    """A figure that is also drawn under the style, because matplotlib makes ticks only when it draws."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.rc = {**RC, **current().rc}

    def draw(self, renderer: RendererBase) -> None:
        """Draw every artist on `renderer`."""
        with matplotlib.rc_context(self.rc):
            for axis in (axis for axes in self.axes for axis in axes._axis_map.values()):
                if type(axis.get_major_formatter()) is ScalarFormatter:
                    axis.set_major_formatter(PlainNumbers())
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        """Return the picture for a notebook, which asks for it by this name."""
        packed = io.BytesIO()
        self.savefig(packed, format="png", dpi=150)
        return packed.getvalue()


def styled(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a plotting function run under the style and leave matplotlib's settings as they were.

    Args:
        plot: a function that returns a Figure.

    Returns:
        The same function, run inside the style.
    """

    @functools.wraps(plot)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context({**RC, **current().rc}):
            return plot(*args, **kwargs)

    return wrapped


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Make an empty figure of a printed size, which makes room for all labels when it is drawn.

    Args:
        width_mm: width in mm, > 0, where the user has not chosen one.
        height_mm: height in mm, > 0.

    Returns:
        The figure, with an Agg canvas.
    """
    width_mm = current().width_mm or width_mm
    figure = StyledFigure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | Path, dpi: int = 200) -> Path:
    """Write a figure so that a reader sees the old file or the whole new one, never a half.

    Args:
        figure: what to write.
        path: the file, .png, .pdf or .svg; missing directories are made.
        dpi: pixels per inch of a PNG, and of images inside the others, > 0.

    Returns:
        The path written.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        kind = path.suffix.removeprefix(".")
        dated = {DATES[kind]: None} if kind in DATES else {}
        with matplotlib.rc_context(getattr(figure, "rc", RC)):
            figure.savefig(temporary, dpi=dpi, format=kind, metadata=dated)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def colour(index: int) -> str:
    """Give the colour of the index-th channel, unit or class (index >= 0); colours repeat after eight."""
    return PALETTE[index % len(PALETTE)]


def sequence_colours(count: int) -> list[tuple[float, float, float, float]]:
    """Give `count` colours from dark to light for values in order, leaving out the palest end."""
    return [tuple(c) for c in colour_map()(np.linspace(0.0, 0.88, max(count, 1)))]


def colour_map(name: str = SEQUENTIAL) -> Colormap:
    """Give a colour map in which values that are not finite come out light grey."""
    return matplotlib.colormaps[name].with_extremes(bad="#D9D9D9")


def shorten(text: str, length: int) -> str:
    """Cut the middle out of a text that is longer than `length` (>= 5) characters."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def step_times(n_steps: int, dt: float) -> np.ndarray:
    """Give the time of every step, (n_steps,) in ms, for steps of `dt` ms."""
    return np.arange(n_steps) * dt


def finite(values: np.ndarray) -> np.ndarray:
    """Copy values as float64 with everything that is not finite turned to nan, which lines leave out."""
    values = np.array(values, dtype=float)
    values[~np.isfinite(values)] = np.nan
    return values


def magnitude(values: np.ndarray) -> float:
    """Give the largest finite |value|, or 1 if there is none above zero: limits for a diverging map."""
    known = np.abs(values[np.isfinite(values)])
    top = float(known.max()) if known.size else 0.0
    return top if top > 0.0 else 1.0


def colour_bar(image: ScalarMappable, axes: Axes | Sequence[Axes], name: str, **look: Any) -> Colorbar:
    """Put a colour bar to the right of axes, its name above it, where no neighbour can take it for its own label.

    Args:
        image: what the colours belong to.
        axes: one, or a row of them.
        name: what the values are.
        look: further arguments of `Figure.colorbar`.
    """
    first = axes if isinstance(axes, Axes) else axes[0]
    bar = first.figure.colorbar(image, ax=axes, **look)
    bar.outline.set_linewidth(0.4)
    bar.ax.locator_params(nbins=5)
    bar.ax.set_title(name, fontsize=FONT_PT, loc="right" if is_narrow() else "left")
    return bar


def note(axes: Axes, text: str, colour: str = FAINT) -> None:
    """Write a short remark in the middle of axes that have nothing to draw."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=colour)


def integer_ticks(axes: Axes, which: str, count: int) -> None:
    """Put at most `count` ticks, at whole numbers, on the "x" or "y" axis."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(count, integer=True, min_n_ticks=1))


def thousands(axes: Axes) -> None:
    """Write large counts on the x axis as 20k or 1.5M."""

    def text(value: float, _position: int | None = None) -> str:
        for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:g}{letter}"
        return f"{value:g}"

    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(text))


def wants_log(values: np.ndarray, ratio: float = 20.0) -> bool:
    """Tell whether values are best read on a log axis: none below zero, and spread by more than `ratio`."""
    known = values[np.isfinite(values)]
    positive = known[known > 0]
    return bool(positive.size > 1 and (known >= 0).all() and positive.max() > ratio * positive.min())


def log_axis(axes: Axes, which: str, values: np.ndarray) -> None:
    """Make the "x" or "y" axis logarithmic, with limits from the positive values and plain tick labels."""
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = float(positive.min()), float(positive.max())
    margin = (high / low) ** 0.05
    decades = np.log10(high / low)
    axis = axes.xaxis if which == "x" else axes.yaxis
    if which == "x":
        axes.set_xscale("log", nonpositive="clip")
        axes.set_xlim(low / margin, high * margin)
    else:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(low / margin, high * margin)
    if decades < 3:
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if decades > 1.6 else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def label_lines(axes: Axes, ends: Sequence[tuple[float, str, str]], height_mm: float) -> None:
    """Write names beside the right edge of axes, each at the height of its line, moved apart if they clash.

    Args:
        axes: with the final y limits and scale already set.
        ends: (last y value in data units, text, colour) of every line; a value that is not finite goes lowest.
        height_mm: height of the axes in print, in mm, about.
    """
    if not ends:
        return
    x = axes.get_xlim()[0]
    places = []
    for y, _text, _colour in ends:
        shown = axes.transData.transform((x, y if np.isfinite(y) else axes.get_ylim()[0]))
        places.append(axes.transAxes.inverted().transform(shown)[1])
    gap = 1.2 * (FONT_PT - 0.5) / (height_mm / 25.4 * 72.0)
    for (_y, text, colour_), place in zip(ends, _spread(np.clip(places, 0.0, 1.0), gap), strict=True):
        axes.text(
            1.02, place, text, transform=axes.transAxes, color=colour_, va="center", fontsize=FONT_PT - 0.5
        )


def _spread(places: np.ndarray, gap: float) -> np.ndarray:
    """Move places apart to at least `gap`, each as little as possible (least squares, by pooling neighbours)."""
    order = np.argsort(places, kind="stable")
    pools: list[tuple[float, int]] = []
    for rank, place in enumerate(places[order]):
        pools.append((place - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean_b, size_b), (mean_a, size_a) = pools.pop(), pools.pop()
            pools.append(((mean_a * size_a + mean_b * size_b) / (size_a + size_b), size_a + size_b))
    moved = np.repeat([mean for mean, _ in pools], [size for _, size in pools]) + gap * np.arange(len(places))
    moved += max(0.0, -moved[0])
    moved -= max(0.0, min(moved[-1] - 1.0, moved[0]))
    result = np.empty_like(moved)
    result[order] = moved
    return result
