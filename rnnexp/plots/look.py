"""What a user changes of how pictures look: the width of a journal's column or page, and settings of matplotlib."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib

from rnnexp.errors import UserError
from rnnexp.numbers import one_of

COLUMN_MM = 85.0
PAGE_MM = 180.0
WIDTHS_MM = {"single": COLUMN_MM, "double": PAGE_MM}


@dataclass(frozen=True)
class Look:
    """What a user changes of the style.

    Args:
        width_mm: width of all figures; None leaves each its own.
        rc: settings of matplotlib that go before those here.
    """

    width_mm: float | None = None
    rc: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, width: str | None, sheet: str | Path | None) -> "Look":
        """Return the look with a width, "single", "double" or None, and a matplotlib style file or None.

        Raises:
            ValueError: there is no such width.
            UserError: the file cannot be read, or sets something that does not exist.
        """
        width_mm = None if width is None else WIDTHS_MM[one_of("width", width, tuple(WIDTHS_MM))]
        if sheet is None:
            return cls(width_mm)
        if not Path(sheet).is_file():
            raise UserError(f"style: {sheet}: no such file")
        try:
            text = Path(sheet).read_text(encoding="utf-8")
            keys = [line.partition("#")[0].partition(":")[0].strip() for line in text.splitlines()]
            if unknown := [key for key in keys if key and key not in matplotlib.rcParams]:
                raise ValueError(f"there is no setting {unknown[0]}")  # which matplotlib would only mention
            rc = matplotlib.rc_params_from_file(sheet, fail_on_error=True, use_default_template=False)
        except (ValueError, KeyError, OSError) as error:
            raise UserError(f"style: {sheet}: is no style file of matplotlib: {error}") from error
        return cls(width_mm, dict(rc))


_look: ContextVar[Look] = ContextVar("look", default=Look())  # noqa: B039 (it is frozen)


def current() -> Look:
    """Return how figures look now."""
    return _look.get()


@contextmanager
def look(wanted: Look) -> Iterator[None]:
    """Let the figures that are made inside the block look as wanted."""
    token = _look.set(wanted)
    try:
        yield
    finally:
        _look.reset(token)


def is_narrow() -> bool:
    """Tell whether figures are made for a single column, where panels go below one another."""
    width = current().width_mm
    return width is not None and width <= COLUMN_MM
