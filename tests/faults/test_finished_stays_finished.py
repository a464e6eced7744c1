"""What happens after the last update of a training cannot make it a failed one."""

import json
import os
import signal
from types import MappingProxyType

import pytest

from rnnexp.cli import main
from rnnexp.plots.drawing import drawing
from rnnexp.saved import pictures
from rnnexp.tasks import SimplePD

LONG = os.environ.get("RNNEXP_FAULTS") == "long"

RUN = ["task=simple_pd", "task.T=200", "task.dt=20", "latent_dim=4", "latent_step.num_relus=2", "trainer.n_steps=2",
       "trainer.plots=all",
       "trainer.eval_every=1", "trainer.batch_size=4", "trainer.n_validation_trials=4", "trainer.n_test_trials=4",
       ]  # fmt: skip


def status(folder):
    return json.loads((folder / "run.json").read_text())["status"]


def broken(*arguments, **settings):
    raise AttributeError("'tuple' object has no attribute 'get'")


def test_a_picture_that_breaks_is_a_warning_and_the_others_are_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pictures, "sample_trials", broken)
    assert main(["train", *RUN, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert status(tmp_path / "run") == "finished"
    told = capsys.readouterr().err
    assert "trials.png was not drawn: AttributeError: 'tuple' object has no attribute 'get'" in told
    assert "Traceback" not in told
    assert "Traceback" in (tmp_path / "run" / "train.log").read_text()
    drawn = {path.name for path in (tmp_path / "run" / "plots").iterdir()}
    assert {"loss_history.png", "outputs.png", "latents.png", "weights.png"} <= drawn
    assert "trials.png" not in drawn


@pytest.mark.parametrize("name", ["draw_model", "stream"])
def test_nothing_around_the_pictures_fails_a_training(tmp_path, monkeypatch, name):
    monkeypatch.setattr(pictures, name, broken)
    assert main(["train", *RUN, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert status(tmp_path / "run") == "finished"


def test_a_sweep_whose_tables_break_has_finished(tmp_path, monkeypatch, capsys):
    from rnnexp.saved import collecting

    monkeypatch.setattr(collecting, "collect", broken)
    line = ["train", "-m", *RUN, "trainer.plots=false", "seed=1,2", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    assert main(line) == 0
    assert "the results were not collected: AttributeError" in capsys.readouterr().err
    assert [status(tmp_path / "sweep" / job) for job in "01"] == ["finished"] * 2


@pytest.mark.parametrize(
    ("command", "module", "name"), [("eval", "eval", "draw_model"), ("analyze", "analyze", "draw_findings")]
)
def test_nothing_around_the_pictures_fails_eval_or_analyze(
    tmp_path, monkeypatch, capsys, command, module, name
):
    run, out = tmp_path / "run", tmp_path / "out"
    assert main(["train", *RUN, "trainer.plots=false", f"hydra.run.dir={run}"]) == 0
    monkeypatch.setattr(f"rnnexp.commands.{module}.{name}", broken)
    settings = {"eval": ["n_trials=4"], "analyze": ["n_steps=50", "n_transient=10", "max_candidates=20"]}[
        command
    ]
    assert main([command, f"checkpoint={run}", *settings, f"hydra.run.dir={out}"]) == 0
    assert status(out) == "finished"
    assert "plots was not drawn: AttributeError" in capsys.readouterr().err


def test_a_comparison_that_breaks_leaves_the_tables(tmp_path, monkeypatch):
    monkeypatch.setattr("rnnexp.plots.sweep.comparison", broken)
    sweep = tmp_path / "sweep"
    assert (
        main(["train", "-m", *RUN, "trainer.plots=false", "latent_dim=4,5", f"hydra.sweep.dir={sweep}"]) == 0
    )
    assert (sweep / "results.csv").exists()
    assert not (sweep / "plots" / "comparison.png").exists()


def test_an_interruption_goes_through():
    with pytest.raises(KeyboardInterrupt), drawing("x.png"):
        raise KeyboardInterrupt


def test_names_of_conditions_that_are_no_mapping_are_refused_at_once():
    class Named(SimplePD):
        condition_names = ("left", "right")

    with pytest.raises(ValueError, match=r"condition_names must be a mapping .* got \('left', 'right'\)"):
        Named()
    Named.condition_names = MappingProxyType({0: "left"})
    Named()


def test_pictures_are_drawn_later_and_again(tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", *RUN, "curriculum=coherence", "curriculum.n_trials=4", "curriculum.thresholds=0.1",
                 f"hydra.run.dir={run}"]) == 0  # fmt: skip
    drawn = {path.name: path.read_bytes() for path in (run / "plots").iterdir()}
    others = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.parent != run / "plots"}
    for path in (run / "plots").iterdir():
        path.unlink()
    capsys.readouterr()
    assert main(["plot", str(run)]) == 0
    assert capsys.readouterr().out == f"{run / 'plots'}\n"
    assert {path.name: path.read_bytes() for path in (run / "plots").iterdir()} == drawn
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.parent != run / "plots"} == others
    assert main(["plot", str(tmp_path / "none")]) == 1
    assert "must be the directory of a run" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if LONG else [signal.SIGTERM])
def test_a_signal_in_the_pictures_leaves_a_finished_training(tmp_path, processes, number):
    run = tmp_path / "run"
    words = ["train", *RUN, f"hydra.run.dir={run}"]
    ended = processes.run(words, at="rnnexp.saved.pictures:latents_over_time", do=[["signal", number]])
    assert ended.code == 130
    assert (
        f"rnnexp train: interrupted; the training is finished, rnnexp plot {run} draws its pictures"
        in ended.err
    )
    assert status(run) == "finished"
    assert processes.run(["plot", str(run)]).code == 0
    assert (run / "plots" / "latents.png").exists()
