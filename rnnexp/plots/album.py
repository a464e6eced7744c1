"""Where the pictures of a network go: which of them are wanted, how they look, into which files or none."""

from collections.abc import Callable, Collection
from pathlib import Path

from matplotlib.figure import Figure

from rnnexp.errors import UserError
from rnnexp.numbers import one_of
from rnnexp.plots import style
from rnnexp.plots.drawing import drawing
from rnnexp.plots.look import Look, look

FORMATS = ("png", "pdf", "svg")


class Album:
    """Takes the pictures that are wanted, as files, or as figures where there is no directory.

    A picture that cannot be drawn is a warning where files are written, an error where one figure was asked for.

    Args:
        directory: where the files go, made if need be; None keeps the figures.
        kinds: names of the pictures that are wanted; None wants all.
        format: "png", "pdf" or "svg", with texts that can be edited in the latter two.
        width: "single" for a column of a journal (85 mm), "double" for a page (180 mm); None leaves each its own.
        sheet: a matplotlib style file that changes how the pictures look.

    Attributes:
        names: of the pictures that the network has, drawn or not.
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
        self.figures: dict[str, Figure] = {}

    def add(self, name: str, make: Callable[[], Figure | None]) -> None:
        """Draw a picture if it is wanted.

        Args:
            name: of the picture, and of its file.
            make: returns the figure, or None where the network has no such picture.
        """
        self.names.append(name)
        if self.kinds is not None and name not in self.kinds:
            return
        with look(self._look):
            if self.directory is None:
                self._keep(name, make())
                return
            path = self.directory / f"{name}.{self.format}"
            with drawing(path.name):
                figure = make()
                self._keep(name, figure)
                if figure is not None:
                    style.save(figure, path)

    def _keep(self, name: str, figure: Figure | None) -> None:
        if figure is None:
            self.names.remove(name)
        elif self.directory is None:
            self.figures[name] = figure

    def check(self) -> None:
        """Refuse wanted pictures that the network does not have, once all were offered.

        Raises:
            UserError: there is one.
        """
        for kind in self.kinds or ():
            if kind not in self.names:
                raise UserError(f"{kind}: no such picture: must be one of {', '.join(self.names)}")
