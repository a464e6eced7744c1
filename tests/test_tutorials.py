"""The cells of the tutorials run, with trainings cut short; the site runs them whole as it is built."""

import re
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))
SHORTER = {
    r"trainer.n_trials=\d+": "trainer.n_trials=512",
    r"trainer.n_steps=\d+": "trainer.n_steps=4",
    r"trainer.eval_every=\d+": "trainer.eval_every=2",
    r"stim_noise in \([^)]*\)": "stim_noise in (0.1,)",
}


def cells_of(tutorial):
    found = re.findall(r"```\{code-cell\}\n(.*?)```", tutorial.read_text(), re.DOTALL)
    return [re.sub(r"^:tags:.*\n", "", cell, flags=re.MULTILINE) for cell in found]


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_the_cells_of_a_tutorial_run(tutorial, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict = {}
    cells = cells_of(tutorial)
    assert len(cells) >= 4
    for cell in cells:
        if written := re.match(r"%%writefile (\S+)\n(.*)", cell, re.DOTALL):
            Path(written[1]).write_text(written[2])
            continue
        if cell.startswith("assert") or "IPython" in cell:  # holds for whole trainings; shows a file
            continue
        for long, short in SHORTER.items():
            cell = re.sub(long, short, cell)
        exec(compile(cell, tutorial.name, "exec"), names)


def test_there_are_six():
    assert len(TUTORIALS) == 6
