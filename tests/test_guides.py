"""The README and the guides: their command lines are accepted, what they link to is there."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from rnnexp.cli import main

ROOT = Path(__file__).parents[1]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACES = re.compile(r"\.\.\.|RUN|SWEEP|NAME|my_|=sign|rat\.csv|train: |weights\.npz|net\.mat|file=")


def lines_of(guide):
    """The command lines of a guide that stand for themselves, joined where they are broken."""
    text = guide.read_text().replace("\\\n", " ")
    found = re.findall(r"^(?: {4}|\$ )(rnnexp .*)$", text, flags=re.MULTILINE)
    return [line for line in found if not PLACES.search(line.partition(" #")[0])]


LINES = sorted({line.partition(" #")[0].strip() for guide in GUIDES for line in lines_of(guide)})


@pytest.mark.thinned
@pytest.mark.parametrize("line", LINES)
def test_a_command_line_of_the_guides_is_accepted(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)[1:]
    assert main([*words, *(["--dry-run"] if words[0] == "train" else [])]) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_lines_that_show_the_program_are_among_them():
    assert "rnnexp train task=delayed_discrim latent_step=ALRNN" in LINES
    assert "rnnexp train experiment=cognitive_matrix" in LINES


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_what_a_guide_links_to_is_there(guide):
    links = re.findall(r"\]\(([^)#\s]+)", guide.read_text())
    assert [link for link in links if "://" not in link and not (guide.parent / link).exists()] == []


def test_the_lines_in_python_of_other_tools_run(tmp_path, monkeypatch):
    """What the documentation of the five sources shows, as doctests."""
    guide = ROOT / "docs" / "changing_over_in_python.md"
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(guide), module_relative=False)
    assert tried > 40
    assert failed == 0
