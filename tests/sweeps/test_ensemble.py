"""Sweeps whose jobs are trained as one: hydra/launcher=ensemble."""

import json
import os
import signal
import threading
import time

import pandas as pd
import pytest
import torch

from rnnexp.sweeps.launchers import memory
from rnnexp.training import checkpoint, state
from tests.sweeps.conftest import LINE, statuses

ENSEMBLE = "hydra/launcher=ensemble"
SMALL = [
    "task=perceptual_discrim", "task.T=200", "task.dt=20", "task.tau=100", "latent_step=CTRNN", "latent_dim=5",
    "trainer.n_steps=6", "trainer.eval_every=2", "trainer.batch_size=4", "trainer.n_validation_trials=8",
    "trainer.n_test_trials=8",
]  # fmt: skip
OWN = '''
import torch
from rnnexp.latent_steps.base import LatentStep
from rnnexp.losses.base import LossTerm

class Plain(LatentStep):
    """A step of a user, which can be many at once."""
    def __init__(self, latent_dim, input_dim):
        super().__init__(latent_dim, input_dim)
        self.W = torch.nn.Parameter(torch.randn(latent_dim, latent_dim + input_dim) / latent_dim)
    def step(self, z, s):
        return torch.tanh(torch.cat((z, s), 1) @ self.W.T)

class Deciding(Plain):
    """One that decides by a value, which only one network has."""
    def step(self, z, s):
        return super().step(z, s) if z.abs().max().item() < 1e9 else z

class Counting(Plain):
    """One that keeps a count."""
    def __init__(self, latent_dim, input_dim):
        super().__init__(latent_dim, input_dim)
        self.register_buffer("count", torch.zeros(()))
    def step(self, z, s):
        self.count += 1
        return super().step(z, s)

class Mine(LossTerm):
    def term(self, trajectory, trials):
        return trajectory.rates.abs().mean((1, 2))
'''


@pytest.fixture
def own(place):
    (place / "many_own.py").write_text(OWN)


def results(place, name):
    table = pd.read_csv(place / name / "results.csv")
    return table.drop(
        columns=[n for n in table if "seconds" in n or n in ("path", "host", "trials_per_second")]
    )


def both(run, place, *words):
    """Run a sweep one after the other and as one; returns what was said of the second."""
    assert run("train", "-m", *words, "trainer.plots=false", "hydra.sweep.dir=alone").code == 0
    result = run("train", "-m", *words, ENSEMBLE, "trainer.plots=false", "hydra.sweep.dir=together")
    assert result.code == 0, result.err
    pd.testing.assert_frame_equal(results(place, "alone"), results(place, "together"), rtol=1e-3)
    return result


def test_a_sweep_leaves_what_it_leaves_one_after_the_other(run, place):
    said = both(
        run, place, *SMALL, "seed=0,1,2", "optimizer.lr=1e-3,3e-3", "loss=rnn_loss", "loss.lambda_fr=0,0.1"
    )
    assert "[12/12]" in said.err
    assert "12 of 12 jobs finished" in said.err
    for number in range(12):
        one, other = (place / name / str(number) for name in ("alone", "together"))
        files = [sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) for folder in (one, other)]
        assert files[0] == files[1]
        records = [json.loads((folder / "run.json").read_text()) for folder in (one, other)]
        assert records[0].keys() == records[1].keys()
        assert records[0]["exit_reason"] == records[1]["exit_reason"] == "all 6 steps done"
        assert records[1]["overrides"] == records[0]["overrides"]
        assert "step 6 of 6" in (other / "train.log").read_text()
        sizes = [(folder / "checkpoints" / "last.pt").stat().st_size for folder in (one, other)]
        assert sizes[1] < 1.1 * sizes[0]


def test_jobs_of_different_structures_are_groups_of_their_own(run, place):
    both(run, place, *SMALL, "latent_step=CTRNN,GRU", "latent_dim=5,6", "seed=0,1", "initializer=auto")


@pytest.mark.usefixtures("own")
def test_parts_of_a_user_work_or_are_trained_one_by_one(run, place):
    mine = [
        "+loss.terms.mine._target_=many_own.Mine",
        "+loss.lambda_terms.mine=0.1",
        "seed=0,1",
        *SMALL[:4],
        *SMALL[5:],
    ]
    said = both(run, place, *mine, "latent_step._target_=many_own.Plain")
    assert "one by one" not in said.err
    for kind, reason in (("Deciding", "item"), ("Counting", "buffer latent_step.count")):
        words = [*mine, f"latent_step._target_=many_own.{kind}", ENSEMBLE, f"hydra.sweep.dir={kind}"]
        said = run("train", "-m", *words, "trainer.plots=false")
        assert said.code == 0, said.err
        assert "2 jobs are trained one by one" in said.err
        assert reason in said.err
        assert statuses(place / kind) == {0: "finished", 1: "finished"}


def test_those_that_go_wrong_leave_and_the_others_go_on(run, place):
    moods = {2: "diverges", 3: "raises", 5: "refuses"}
    jobs = [f"- {{seed: {seed}, ++task.mood: {moods.get(seed, 'fine')}}}\n" for seed in range(7)]
    (place / "jobs.yaml").write_text("".join(jobs))
    result = run(*LINE, "jobs=jobs.yaml", ENSEMBLE)
    assert result.code == 1
    assert "became nan" in result.err or "became inf" in result.err
    assert "mood must be better" in result.err
    assert "no trials today" in result.err
    stand = statuses(place / "sweep")
    assert [number for number, status in stand.items() if status == "failed"] == [2, 3, 5]
    assert list(stand.values()).count("finished") == 4
    assert "Traceback" in (place / "sweep" / "2" / "train.log").read_text()
    assert "Traceback" not in (place / "sweep" / "1" / "train.log").read_text()
    assert not (place / "sweep" / "1" / ".begun").exists()
    alone = run(*LINE[:-1], "seed=0", "++task.mood=fine", "hydra.sweep.dir=alone")
    assert alone.code == 0
    tables = [pd.read_csv(place / path / "metrics.csv") for path in ("sweep/0", "alone/0")]
    pd.testing.assert_frame_equal(*(t.drop(columns="seconds") for t in tables), rtol=1e-4)


@pytest.mark.parametrize(
    "words",
    [
        ["++task.mood=global"],
        ["++task.mood=fine,diverges", "trainer.on_nonfinite=skip_step"],
        ["++task.mood=fine,diverges", "trainer.on_nonfinite=restore_and_lower_lr", "optimizer=radam,adam"],
    ],
)
def test_tasks_of_a_user_and_updates_that_are_left_out(run, place, words):
    both(run, place, *LINE[2:-2], "trainer.n_steps=12", "trainer.eval_every=6", "seed=0,1", *words)
    for number in range(2):
        tables = [pd.read_csv(place / name / str(number) / "metrics.csv") for name in ("alone", "together")]
        pd.testing.assert_frame_equal(*(t.drop(columns="seconds") for t in tables), rtol=1e-3)


def test_each_stops_and_is_tested_by_itself(run, place):
    words = [*SMALL, "seed=0,1", "trainer.n_steps=4,8", "zip(trainer.patience=1,100, optimizer.lr=0.5,1e-3)"]
    both(run, place, *words, "trainer.on_nonfinite=skip_step")
    steps = pd.read_csv(place / "together" / "results.csv").steps
    assert len(set(steps)) > 1


def test_a_full_disk_of_one_is_not_the_end_of_the_others(run, place, monkeypatch):
    write = checkpoint.save_checkpoint

    def full(path, *rest):
        if path.parts[-3] == "1" and path.name == "last.pt":
            raise checkpoint.UserError(f"{path}: cannot be written: No space left on device")
        write(path, *rest)

    monkeypatch.setattr(state, "save_checkpoint", full)
    result = run(
        "train", "-m", *SMALL, "seed=0,1,2", ENSEMBLE, "trainer.plots=false", "hydra.sweep.dir=sweep"
    )
    assert result.code == 1
    assert "No space left" in result.err
    assert statuses(place / "sweep") == {0: "finished", 1: "failed", 2: "finished"}


def test_an_interrupted_sweep_goes_on(run, place):
    words = [*LINE, "seed=0,1,2", "trainer.n_steps=40", "++task.mood=slow", ENSEMBLE]

    def stop():
        while not (place / "sweep" / "2" / "metrics.csv").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()
    result = run(*words)
    assert result.code == 130
    assert f"continue with: rnnexp train -m resume={place / 'sweep'}" in result.err
    assert statuses(place / "sweep") == dict.fromkeys(range(3), "interrupted")
    steps = {torch.load(place / "sweep" / str(n) / "checkpoints/last.pt")["state"]["step"] for n in range(3)}
    assert len(steps) == 1
    assert run("train", "resume=sweep/1", "trust=true").code == 0
    assert run("train", "-m", "resume=sweep", "trust=true").code == 0
    assert statuses(place / "sweep") == dict.fromkeys(range(3), "finished")
    whole = run(*LINE[:-1], "seed=0,1,2", "trainer.n_steps=40", "hydra.sweep.dir=whole")
    assert whole.code == 0
    columns = [c for c in results(place, "sweep") if c.startswith(("test_", "best_", "final_"))]
    tables = [results(place, name)[columns] for name in ("sweep", "whole")]
    pd.testing.assert_frame_equal(*tables, rtol=1e-3)


def test_a_curriculum_is_passed_by_each_for_itself(run, place):
    words = [
        *SMALL, "curriculum=coherence", "curriculum.check_every=2", "curriculum.n_trials=8", "seed=0,1,2",
        "trainer.n_steps=12", "curriculum.thresholds=[0.4,0.5,0.6,0.9]",
    ]  # fmt: skip
    both(run, place, *words)


def test_no_more_are_trained_at_once_than_asked_for(run, place, monkeypatch):
    from rnnexp.training.ensemble.training import Ensemble

    counts = []
    begin = Ensemble.__init__

    def counted(self, members):
        counts.append(len(members))
        begin(self, members)

    monkeypatch.setattr(Ensemble, "__init__", counted)
    words = ["train", "-m", *SMALL, "seed=range(5)", ENSEMBLE, "trainer.plots=false"]
    assert run(*words, "hydra.launcher.max_networks=2", "hydra.sweep.dir=two").code == 0
    assert counts == [2, 2]  # and one alone
    huge = ["latent_dim=2000", "trainer.batch_size=2000", "task.T=20000"]
    monkeypatch.setattr(memory, "_free_bytes", lambda: 200e9)
    result = run(*words, *huge, "hydra.launcher.max_networks=5", "hydra.sweep.dir=huge")
    assert result.code == 1
    assert "hydra.launcher.max_networks: 5: the memory holds 1 of the networks" in result.err
    assert not (place / "huge").exists()
    result = run(*words, "hydra.launcher.max_networks=0", "hydra.sweep.dir=none")
    assert result.code == 1
    assert "max_networks" in result.err


def test_pictures_are_those_of_the_best_runs(run, place):
    words = ["train", "-m", *SMALL, "seed=range(5)"]
    assert run(*words, ENSEMBLE, "hydra.sweep.dir=few").code == 0
    drawn = [path.parent.name for path in (place / "few").glob("[0-9]*/plots")]
    best = pd.read_csv(place / "few" / "results.csv").sort_values(
        "test_accuracy", ascending=False, kind="stable"
    )
    assert sorted(map(int, drawn)) == sorted(best.job[:3])
    assert (place / "few" / "plots" / "comparison.png").exists()
    assert run(*words, "trainer.plots=best", "hydra.sweep.dir=best").code == 0
    assert len(list((place / "best").glob("[0-9]*/plots"))) == 3
    assert (
        run("train", "-m", *SMALL, "seed=0,1", ENSEMBLE, "trainer.plots=all", "hydra.sweep.dir=all").code == 0
    )
    assert len(list((place / "all").glob("[0-9]*/plots"))) == 2
    assert len(list((place / "all/0/plots").iterdir())) > len(
        list((place / "few" / drawn[0] / "plots").iterdir())
    )


def test_commands_that_do_not_train_run_one_after_the_other(run, place):
    assert run("train", *SMALL, "trainer.plots=false", "hydra.run.dir=one").code == 0
    words = ["eval", "-m", "checkpoint=one", "seed=0,1", "plots=false", ENSEMBLE, "hydra.sweep.dir=evaluated"]
    assert run(*words).code == 0
    assert statuses(place / "evaluated") == {0: "finished", 1: "finished"}
