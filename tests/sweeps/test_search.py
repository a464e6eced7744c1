"""Searches by Optuna: what they choose, how they go on, what they end early."""

import time

import pandas as pd
import pytest

from tests.sweeps.conftest import LINE, statuses

optuna = pytest.importorskip("optuna", reason="optuna is not installed")
SEARCH = [
    *LINE,
    "hydra/sweeper=optuna",
    "hydra.sweeper.n_startup_trials=3",
    "objective=best_validation_accuracy",
]


def table(place):
    return pd.read_csv(place / "sweep" / "search.csv")


def test_values_are_chosen_from_what_the_line_says(place, run):
    result = run(
        *SEARCH, "hydra.sweeper.n_trials=6", "latent_dim=range(4,9,2)", "optimizer.lr=tag(log,interval(1e-4,1e-1))",
        "latent_step.num_relus=int(interval(1,3))", "optimizer=adam,radam",
    )  # fmt: skip
    assert result.code == 0, result.err
    trials = table(place)
    assert trials.trial.tolist() == list(range(6))
    assert set(trials.latent_dim) <= {4, 6, 8}
    assert set(trials["latent_step.num_relus"]) <= {1, 2, 3}
    assert trials["optimizer.lr"].between(1e-4, 1e-1).all()
    assert set(trials.optimizer) <= {"adam", "radam"}
    results = pd.read_csv(place / "sweep" / "results.csv")
    assert results["optimizer.lr"].tolist() == pytest.approx(trials["optimizer.lr"].tolist())
    done = trials[trials.state == "complete"]
    best = results.set_index("job").best_validation_accuracy[done.trial]
    assert best.tolist() == pytest.approx(done.value.tolist())
    assert f"best_validation_accuracy {done.value.max():.4g}" in result.err.splitlines()[-2]
    assert (place / "sweep" / "plots" / "search.png").stat().st_size > 10_000


def test_the_same_seed_chooses_the_same_and_a_study_goes_on(place, run):
    line = [*SEARCH, "hydra.sweeper.n_trials=4", "optimizer.lr=tag(log,interval(1e-4,1e-1))"]
    assert run(*line).code == 0
    first = table(place)
    result = run("train", "-m", "resume=sweep", "trust=true", "hydra.sweeper.n_trials=7")
    assert result.code == 0, result.err
    assert "[3/3] job 6" in result.err
    longer = table(place)
    pd.testing.assert_frame_equal(longer.head(4).drop(columns="seconds"), first.drop(columns="seconds"))
    (place / "sweep").rename(place / "before")
    assert run(*line).code == 0
    pd.testing.assert_frame_equal(table(place).drop(columns="seconds"), first.drop(columns="seconds"))


def test_trials_that_diverge_or_have_no_finite_value_have_failed_and_the_search_goes_on(place, run):
    result = run(
        *SEARCH,
        "hydra.sweeper.n_trials=5",
        "++task.mood=choice(fine,diverges)",
        "hydra.sweeper.sampler=random",
    )
    assert result.code == 0, result.err
    trials = table(place)
    moods = trials["task.mood"]
    assert set(trials.state[moods == "diverges"]) == {"fail"}
    assert set(trials.state[moods == "fine"]) <= {"complete", "pruned"}
    assert {"fine", "diverges"} == set(moods)
    (place / "sweep").rename(place / "before")
    line = [word for word in SEARCH if not word.startswith("objective=")]
    result = run(*line, "objective=test_acuracy", "latent_dim=4,5", "hydra.sweeper.n_trials=2",
                 "hydra.sweeper.direction=maximize")  # fmt: skip
    assert result.code == 1
    assert "objective=test_acuracy: must be one of steps, trials, " in result.err


def test_bad_trainings_end_early(place, run):
    """A step size that learns nothing is behind the median once others are through."""
    result = run(
        *SEARCH[:-1], "objective=best_validation_loss", "optimizer.lr=0.02,1e-9", "hydra.sweeper.sampler=random",
        "hydra.sweeper.n_trials=8", "hydra.sweeper.n_startup_trials=2", "trainer.n_steps=60", "trainer.eval_every=5",
        "trainer.batch_size=32", "seed=3",
    )  # fmt: skip
    assert result.code == 0, result.err
    trials = table(place)
    results = pd.read_csv(place / "sweep" / "results.csv").set_index("job")
    assert results.status.eq("finished").all()
    pruned = trials[trials.state == "pruned"]
    assert len(pruned) > 0
    assert set(pruned["optimizer.lr"].astype(float)) == {1e-9}
    assert results.steps[pruned.trial].between(10, 55).all()
    assert (results.steps[trials.trial[trials.state == "complete"]] == 60).all()


@pytest.mark.slow
def test_a_killed_search_goes_on_by_two_processes_to_as_many_trials_in_all(place, run, elsewhere):
    line = [*SEARCH, "hydra.sweeper.n_trials=10", "hydra.sweeper.pruner=none", "++task.mood=slow",
            "optimizer.lr=tag(log,interval(1e-4,1e-1))"]  # fmt: skip
    process = elsewhere(*line)
    waited = time.monotonic() + 90
    while not (place / "sweep" / "2" / "checkpoints" / "last.pt").exists() and time.monotonic() < waited:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert 2 <= len(statuses(place / "sweep")) < 10
    resume = ["train", "-m", "resume=sweep", "trust=true"]
    other = elsewhere(*resume)
    result = run(*resume)
    assert result.code == 0, result.err
    assert other.wait(timeout=90) == 0
    assert run(*resume).code == 0  # nothing is left to do but the tables
    trials = table(place)
    assert trials.trial.tolist() == list(range(10))
    assert set(trials.state) == {"complete"}
    assert statuses(place / "sweep") == dict.fromkeys(range(10), "finished")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["seed=1"], "hydra/sweeper=optuna: no setting has several values, such as latent_dim=range(10,50)"),
        (["optimizer.lr=tag(log,interval(0,1))"], "optimizer.lr=tag(log,interval(0,1)): `low > 0` must hold"),
        (
            ["seed=1,2", "hydra.sweeper.n_trials=0"],
            "hydra.sweeper: n_trials must be a whole number >= 1, got 0",
        ),
        (["seed=1,2", "hydra.sweeper.sampler=tpee"], "hydra.sweeper: sampler must be tpe, random or cmaes"),
        (["seed=1,2", "objective=test_banana"], "hydra.sweeper: direction must be minimize or maximize"),
        (
            ["zip(seed=1,2, latent_dim=5,6)", "trainer.n_steps=3,4"],
            "zip(...), jobs=FILE and ?key=value: are for",
        ),
        (["seed=1,2", "hydra.sweeper.storage=nosql:///x"], "hydra.sweeper.storage: nosql:///x: "),
    ],
)
def test_a_search_that_makes_no_sense_leaves_nothing(place, run, words, sentence):
    result = run(*SEARCH[:-1], *words)
    assert result.code == 1
    assert result.err.startswith(f"rnnexp train: {sentence}"), result.err
    assert not (place / "sweep" / "0").exists()
    assert not (place / "sweep" / "multirun.yaml").exists() or "storage" in words[-1]


def test_a_search_goes_on_as_it_was(place, run):
    assert run(*SEARCH, "hydra.sweeper.n_trials=2", "latent_dim=4,5").code == 0
    result = run("train", "-m", "resume=sweep", "trust=true", "seed=4")
    assert (
        result.err
        == "rnnexp train: seed=4: a search goes on as it was; only hydra.sweeper.n_trials may change\n"
    )


def test_a_search_is_looked_at_moved_to_a_launcher_and_queued_again(place, run):
    line = [
        *SEARCH,
        "hydra.sweeper.n_trials=2",
        "latent_dim=4,5",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=1",
    ]
    assert run(*line, "resume=auto").code == 0
    resume = ["train", "-m", "resume=sweep", "trust=true", "hydra.sweeper.n_trials=3", "hydra/launcher=basic"]
    assert run(*resume, "--check").out == "ok: up to 3 trials in all\n"
    assert run(*resume, "--dry-run").code == 0
    assert len(table(place)) == 2
    result = run(*resume)
    assert result.code == 0, result.err
    assert len(table(place)) == 3
    assert run(*line, "resume=auto").code == 0
    assert len(table(place)) == 3
