"""Trials sorted by condition for pictures: which belong together, with which colour and name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnexp.plots import style

MAX_NAMED_CLASSES = 8
MAX_CLASSES = 16
NO_NAMES: Mapping[float, str] = MappingProxyType({})


@dataclass(frozen=True)
class TrialGroups:
    """Trials by condition.

    Attributes:
        members: the rows of the trials of each condition.
        names: of the conditions.
        colours: of the conditions.
        scale: lowest and highest value, where a colour bar tells the value.
        unlabelled: number of trials without a condition.
    """

    members: list[np.ndarray]
    names: list[str]
    colours: list
    scale: tuple[float, float] | None = None
    unlabelled: int = 0


def group_trials(labels: np.ndarray, value_names: Mapping[float, str] = NO_NAMES) -> TrialGroups:
    """Sort trials by condition.

    Up to 8 numbers are groups of their own, and so are up to 16, with a colour bar in the place of names; more are
    binned into 8 quantiles. Words are always groups of their own.

    Args:
        labels: condition of every trial (B,), numbers or words; nan for a trial without one.
        value_names: what numbers mean; those that are not in it are written as they are.
    """
    if labels.dtype.kind not in "bifu":
        labels = labels.astype(str)
        return _name_classes(labels, np.unique(labels).tolist(), value_names)
    labels = labels.astype(float)
    known = np.isfinite(labels)
    values = np.unique(labels[known])
    if len(values) <= MAX_NAMED_CLASSES:
        return _name_classes(labels, values.tolist(), value_names)
    if len(values) > MAX_CLASSES:
        edges = np.unique(np.quantile(labels[known], np.linspace(0, 1, MAX_NAMED_CLASSES + 1)))
        bins = np.where(
            known, np.clip(np.searchsorted(edges, labels, side="right") - 1, 0, len(edges) - 2), -1
        )
        members = [np.flatnonzero(bins == index) for index in range(len(edges) - 1)]
    else:
        members = [np.flatnonzero(labels == value) for value in values]
    members = [rows for rows in members if len(rows)]
    scale = (float(values[0]), float(values[-1]))
    middles = [float(np.mean(labels[rows])) for rows in members]
    colours = [style.colour_map()(0.88 * Normalize(*scale)(middle)) for middle in middles]
    return TrialGroups(members, [f"{m:g}" for m in middles], colours, scale, int((~known).sum()))


def _name_classes(labels: np.ndarray, values: list, value_names: Mapping[float, str]) -> TrialGroups:
    """One group per value: distinct hues for up to three classes or for words, an ordered scale for more numbers."""
    words = labels.dtype.kind not in "f"
    if not values:
        return TrialGroups([np.arange(len(labels))], ["all trials"], [style.colour(0)])
    ordered = len(values) > 3 and not words
    names = [style.shorten(str(v), 20) if words else value_names.get(v, f"{v:g}") for v in values]
    colours = (
        style.sequence_colours(len(values)) if ordered else [style.colour(i) for i in range(len(values))]
    )
    members = [np.flatnonzero(labels == value) for value in values]
    return TrialGroups(members, names, colours, None, len(labels) - sum(map(len, members)))


def name_groups(figure: Figure, groups: TrialGroups, label_name: str) -> None:
    """Tell the conditions: a legend beside the figure, or a colour bar; nothing for a single group."""
    title = style.shorten(label_name, 28)
    if groups.scale is not None:
        colours = style.colour_map().resampled(256)(np.linspace(0, 0.88, 256))
        ramp = ScalarMappable(Normalize(*groups.scale), type(style.colour_map())(colours))
        bar = figure.colorbar(ramp, ax=figure.axes, label=title, pad=0.02, aspect=30)
        bar.outline.set_linewidth(0.4)
        return
    if len(groups.members) > 1:
        handles = [
            Line2D([], [], color=ink, linewidth=1.6, label=name)
            for name, ink in zip(groups.names, groups.colours, strict=True)
        ]
        figure.legend(handles=handles, title=title, loc="outside right center", alignment="left")
