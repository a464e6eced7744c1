"""Where the pictures of a network go: which of them are wanted, how they look, into which files or none."""

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from rnnexp.errors import UserError
from rnnexp.numbers import one_of
from rnnexp.plots import style
from rnnexp.plots.drawing import drawing
from rnnexp.plots.look import Look, look

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.animation import FuncAnimation

FORMATS = ("png", "pdf", "svg")
FIRST = (
    "loss_history", "accuracy", "accuracy_by_task", "d_stsp", "curriculum", "trials", "psychometric", "overlay",
    "state_space", "hand_paths", "speed", "adaptation",
)  # fmt: skip

log = logging.getLogger(__name__)


def first_kinds(plots: bool | str) -> Collection[str] | None:
    """Return the names of the pictures that are drawn unasked: all, None, or those looked at first."""
    return FIRST if plots in ("few", "best") else None


class Album:
    """Takes the pictures that are wanted, as files, or as figures where there is no directory.

    A picture that cannot be drawn is a warning, and an error of `check` where it was asked for by its name.

    Args:
        directory: where the files go, made if need be; None keeps the figures.
        kinds: names of the pictures that are wanted; None wants all.
        format: "png", "pdf" or "svg", with texts that can be edited in the latter two.
        width: "single" for a column of a journal (85 mm), "double" for a page (180 mm); None leaves each its own.
        sheet: a matplotlib style file that changes how the pictures look.

    Attributes:
        names: of the pictures that the network has, drawn or not.
        drawn: names of those that were.
        files: that were written, without the tables.
        figures: those that were kept, by name.

    Raises:
        ValueError: format or width is not allowed.
        UserError: the style file cannot be read.
    """

    def __init__(
        self,
        directory: Path | None = None,
        kinds: Collection[str] | None = None,
        format: str = "png",
        width: str | None = None,
        sheet: str | Path | None = None,
    ) -> None:
        self.directory = directory
        self.kinds = kinds
        self.format = one_of("format", format, FORMATS)
        self._look = Look.of(width, sheet)
        self.names: list[str] = []
        self.drawn: list[str] = []
        self.files: list[Path] = []
        self.figures: dict[str, Figure] = {}

    def add(self, name: str, make: Callable[[], Figure | None], table: "pd.DataFrame | None" = None) -> None:
        """Draw a picture if it is wanted.

        Args:
            name: of the picture, and of its file.
            make: returns the figure, or None where the network has no such picture.
            table: what it shows, written beside it as <name>.csv.
        """
        self.names.append(name)
        if self.kinds is not None and name not in self.kinds:
            return
        file = f"{name}.{self.format}"
        with look(self._look), drawing(file):
            figure = make()
            if figure is None:
                self.names.remove(name)
                return
            if self.directory is None:
                self.figures[name] = figure
            else:
                self.files.append(style.save(figure, self.directory / file))
                if table is not None:
                    table.to_csv(self.directory / f"{name}.csv", index=False)
            self.drawn.append(name)

    def add_film(self, name: str, make: "Callable[[], FuncAnimation]") -> None:
        """Write a film, <name>.gif, if it was asked for by its name and there is a directory."""
        self.names.append(name)
        if self.directory is None or self.kinds is None or name not in self.kinds:
            return
        with look(self._look), drawing(f"{name}.gif"):
            self.directory.mkdir(parents=True, exist_ok=True)
            path = self.directory / f"{name}.gif"
            make().save(path, writer="pillow", dpi=110)
            self.files.append(path)
            self.drawn.append(name)

    def tell_of_others(self, run: Path) -> None:
        """Say how the pictures of a run are drawn that were not wanted."""
        if others := len(self.names) - len(self.drawn):
            log.info(
                "%d pictures in %s; %d more: rnnexp plot %s", len(self.drawn), self.directory, others, run
            )

    def check(self) -> None:
        """Refuse wanted pictures that were not drawn, once all were offered.

        Raises:
            UserError: there is one, which the network does not have or which broke.
        """
        for kind in self.kinds or ():
            if kind not in self.names:
                raise UserError(f"{kind}: no such picture: must be one of {', '.join(self.names)}")
            if kind not in self.drawn:
                raise UserError(f"{kind}: this picture could not be drawn; a warning before says why")
