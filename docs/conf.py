"""How Sphinx builds the documentation site; `make docs` runs it."""

import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
os.environ["RNNEXP_OUTPUT_ROOT"] = str(ROOT / "build" / "tutorials")
os.environ.setdefault("OMP_NUM_THREADS", "1")

project = "rnnexp"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["images"]
html_theme = "furo"
html_title = "rnnexp"
html_copy_source = False
nitpicky = False
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "off" if os.environ.get("RNNEXP_DOCS") == "quick" else "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 180
nb_output_stderr = "remove"
suppress_warnings = ["myst-nb.lexer"] if nb_execution_mode == "off" else []
napoleon_google_docstring = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def setup(app: Sphinx) -> None:
    """Let links that are right on a forge be right on the site, and |x| an absolute value."""
    app.connect("autodoc-process-docstring", _with_bars)
    app.connect("source-read", lambda app, page, source: _relinked(page, source))
    app.connect("include-read", lambda app, path, page, source: _relinked(page, source))


def _with_bars(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Let |x| be no substitution."""
    del app, what, name, thing, options
    lines[:] = [line.replace("|", "\\|") for line in lines]


def _relinked(page: str, source: list[str]) -> None:
    source[0] = LINK.sub(lambda found: _link(found[1], found[2], page), source[0])


def _link(text: str, target: str, page: str) -> str:
    """Return a link to a page of the site; of what is a file of the repository its text alone."""
    if "://" in target or target.startswith("#"):
        return f"[{text}]({target})"
    path, _, anchor = target.partition("#")
    path = re.sub(r"^(\.\./)*docs/", "", path)
    end = f"#{anchor}" if anchor else ""
    if path.endswith("README.md"):
        return f"[{text}]({'../' * page.count('/')}overview.md{end})"
    if path.endswith((".md", ".png")):
        return f"[{text}]({path}{end})"
    return f"`{text.strip('`')}`"
