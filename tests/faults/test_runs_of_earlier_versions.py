"""Runs from before there were plants are read as they were meant."""

import json

from rnnexp.cli import main
from rnnexp.config.resuming import load_run
from rnnexp.config.schema import OPEN_LOOP


def test_a_run_without_the_groups_of_plants_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    later = load_run  # what is stored, without the groups that an earlier version did not know

    def earlier(directory):
        return {key: value for key, value in later(directory).items() if key not in OPEN_LOOP}

    assert main(["train", "experiment=debug", "hydra.run.dir=run"]) == 0
    monkeypatch.setattr("rnnexp.config.resuming.load_run", earlier)
    assert main(["train", "resume=run", "trainer.n_steps=6"]) == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 6
