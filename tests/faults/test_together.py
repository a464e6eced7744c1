"""Several processes at the same directory, or at the same instant."""

import json
import os
import time

import numpy as np
import pytest

LONG = os.environ.get("RNNEXP_FAULTS") == "long"

RUN = ["task=simple_pd", "task.T=200", "task.dt=20", "latent_dim=4", "latent_step.num_relus=2", "trainer.n_steps=4",
       "trainer.eval_every=2", "trainer.batch_size=4", "trainer.n_validation_trials=4", "trainer.n_test_trials=4",
       "trainer.plots=false"]  # fmt: skip


def test_of_two_trainings_in_one_directory_one_goes_on(processes, results, tmp_path):
    words = ["train", *RUN, "hydra.run.dir=run"]
    assert processes.run([*words[:-1], "hydra.run.dir=alone"], tmp_path).code == 0
    for _ in range(3):
        both = [processes.start(words, tmp_path) for _ in range(2)]
        ended = [processes.wait(one) for one in both]
        assert sorted(one.code for one in ended) == [0, 1]
        (refused,) = [one.err for one in ended if one.code]
        assert (
            "already holds a run" in refused
            or "holds a run already" in refused
            or "another process" in refused
        )
        assert "Traceback" not in refused
        alone = results(tmp_path / "alone")
        assert {n for n, value in results(tmp_path / "run").items() if alone.get(n) != value} == set()
        (tmp_path / "run").rename(tmp_path / f"run{len(list(tmp_path.iterdir()))}")


def test_a_run_that_is_at_work_is_not_continued_by_another_process(processes, results, tmp_path):
    go, reached = tmp_path / "go", tmp_path / "reached"
    started = processes.start(
        ["train", *RUN, "hydra.run.dir=run"], tmp_path, at="rnnexp.training.trainer:Trainer._add_gradients", call=3,
        do=[["touch", str(reached)], ["await", str(go)]],
    )  # fmt: skip
    patience = time.monotonic() + 60
    while not reached.exists():
        assert time.monotonic() < patience
        time.sleep(0.01)
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file() and p.suffix != ".log"}
    refused = processes.run(["train", "resume=run"], tmp_path)
    assert refused.code == 1
    assert "another process is working in this directory" in refused.err
    assert {p: p.read_bytes() for p in before} == before
    go.touch()
    assert processes.wait(started).code == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


@pytest.mark.parametrize("line", [[], ["-m", "seed=1,2"]] if LONG else [["-m", "seed=1,2"]])
def test_eight_lines_in_the_same_instant_have_directories_of_their_own(processes, tmp_path, line):
    started = [processes.start(["train", *RUN, *line], tmp_path) for _ in range(8)]
    ended = [processes.wait(one, 240) for one in started]
    assert [one.code for one in ended] == [0] * 8, [one.err for one in ended if one.code]
    runs = [path.parent for path in tmp_path.rglob("run.json")]
    assert len(runs) == 8 * max(1, len(line))
    for run in runs:
        assert json.loads((run / "run.json").read_text())["status"] == "finished"
        with np.load(run / "weights.npz") as weights:
            assert all(np.isfinite(weights[name]).all() for name in weights)
