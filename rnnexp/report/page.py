"""Puts a page together: a template, its style and script, a charting library, and the data."""

import html
import json
from importlib import resources
from pathlib import Path
from typing import Any

from rnnexp.errors import UserError
from rnnexp.report.data import page_data


def charting_library() -> str:
    """Return the JavaScript of plotly.

    Raises:
        UserError: it is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UserError("report: plotly is not installed: pip install 'rnnexp[report]'") from error
    return get_plotlyjs()


def page(data: dict[str, Any], refresh_seconds: int | None = None) -> str:
    """Return the page as one text that needs nothing else.

    Args:
        data: what `page_data` returns.
        refresh_seconds: how often the page asks its server for new data; None never, as for a file.

    Raises:
        UserError: the charting library is not installed.
    """
    parts = {name: _part(name) for name in ("page.html", "page.css", "page.js")}
    content = {
        "TITLE": html.escape(data["title"]),
        "STYLE": parts["page.css"],
        "LIBRARY": charting_library(),
        "DATA": in_script(data),
        "REFRESH": json.dumps(refresh_seconds),
        "SCRIPT": parts["page.js"],
    }
    text = parts["page.html"]
    before, *pieces = text.split("{{")
    for piece in pieces:
        name, _, rest = piece.partition("}}")
        before += content[name] + rest
    return before


def in_script(data: Any) -> str:
    """Return data as JSON that may stand in a script: nothing in it can end that."""
    text = json.dumps(data, allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def write_page(directory: Path, out: Path, metric: str | None = None) -> None:
    """Write the page of a sweep or a run.

    Args:
        directory: a sweep, a run, or a directory above runs.
        out: the file; links in it are those of a file in the directory.
        metric: column to compare by.

    Raises:
        UserError: there is no run or no such metric, or the file cannot be written.
    """
    text = page(page_data(directory, metric))
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from error


def _part(name: str) -> str:
    return resources.files("rnnexp.report").joinpath(name).read_text(encoding="utf-8")
