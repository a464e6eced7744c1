"""`rnnexp diff`: what tells runs apart."""

import json

import pytest

import rnnexp
from rnnexp.cli import main

SHORT = ["task=perceptual_discrim", "task.T=300", "task.dt=20", "latent_dim=4", "trainer.n_steps=2",
         "trainer.plots=false", "trainer.batch_size=8", "trainer.n_validation_trials=8",
         "trainer.n_test_trials=8"]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diff")
    for name, line in (
        ("a", ["seed=0"]),
        ("b", ["seed=1", "optimizer.lr=0.01"]),
        ("c", ["latent_step=CTRNN"]),
    ):
        rnnexp.train([*SHORT, *line, f"hydra.run.dir={folder / name}"])
    return folder


def test_settings_that_differ_and_summaries_are_shown(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    assert main(["diff", "a", "b", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"] == {"seed": {"a": 0, "b": 1}, "optimizer.lr": {"a": 0.002, "b": 0.01}}
    summary = rnnexp.load("b").summary
    assert told["summary"]["test_loss"]["b"] == pytest.approx(summary["test_loss"])
    assert told["summary"].keys() == summary.keys()
    assert main(["diff", "a", "c"]) == 0
    out = capsys.readouterr().out
    assert "latent_step.num_relus" in out
    assert "latent_step._target_" in out
    assert "optimizer" not in out
    assert "test_accuracy" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a"], "a comparison needs two runs at least, got 1"),
        (["a", "a"], "a, a: names a run twice"),
        (["a", "nothing"], "nothing: must be the directory of a run"),
        (["a", "empty"], "must be the directory of a run; it has no .hydra/config.yaml"),
    ],
)
def test_what_is_no_run_is_one_sentence(runs, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(runs)
    (runs / "empty").mkdir(exist_ok=True)
    assert main(["diff", *words]) == 1
    assert sentence in capsys.readouterr().err
