"""Movements from the command line: training, evaluation in a field, pictures, own parts, what is refused."""

import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest

import rnnexp
from rnnexp.cli import main

LONG = os.environ.get("RNNEXP_FAULTS") == "long"

GUIDE = (Path(__file__).parents[2] / "docs" / "closed_loop.md").read_text()
SHORT = [
    "trainer.n_steps=4", "trainer.eval_every=2", "trainer.batch_size=6", "trainer.progress=false", "latent_dim=6",
    "task.T=600", "task.dt=50", "hydra.run.dir=run",
]  # fmt: skip
HOLD = ["task.success_hold=100"]
DELAYED = ["task.epochs=[[50,150],[100,200],[50,100]]"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("task", "more"),
    [("delayed_reaches", DELAYED), ("random_reaches", [])]
    + ([("simple_reaches", []), ("stabilization", [])] if LONG else []),
)
def test_every_task_trains_resumes_and_is_drawn(folder, task, more):
    words = [f"task={task}", "latent_step=GRU", *SHORT, *HOLD, *more]
    assert main(["train", *words, "trainer.plots=few"]) == 0
    table = pd.read_csv(folder / "run" / "metrics.csv")
    assert set(table.split) == {"train", "validation", "test"}
    measured = {"endpoint_error", "peak_speed", "movement_time", "success", "effector_position"}
    measured |= {"reaction_time"} if task == "delayed_reaches" else set()
    assert measured <= set(table.columns)
    by_direction = [name for name in table.columns if name.startswith("endpoint_error_direction_")]
    assert len(by_direction) == (7 if task in ("simple_reaches", "delayed_reaches") else 0)
    validation = table[table.split == "validation"]
    if by_direction:
        assert validation[by_direction].mean(axis=1).to_numpy() == pytest.approx(
            validation.endpoint_error.to_numpy()
        )
    raw = table.raw_nn_hidden * 1e-5
    assert raw.to_numpy() == pytest.approx(table.nn_hidden.to_numpy(), rel=1e-4)
    assert "raw_effector_position" not in table  # of weight 1
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert summary["test_endpoint_error"] > 0
    drawn = {path.stem for path in (folder / "run" / "plots").glob("*.png")}
    assert {"hand_paths", "speed", "loss_history"} <= drawn
    assert "directions" not in drawn
    assert not any("direction_" in name for name in drawn)
    if task == "delayed_reaches":
        assert main(["plot", "run", "film", "directions"]) == 0
        assert (folder / "run" / "plots" / "directions.png").exists()
        assert (folder / "run" / "plots" / "film.gif").read_bytes()[:3] == b"GIF"
    if task not in ("simple_reaches", "delayed_reaches"):
        return  # how these go on is the same as of the others
    first = pd.read_csv(folder / "run" / "metrics.csv").drop(columns="seconds")
    half = [word for word in words if not word.startswith("hydra")]
    assert main(["train", *half, "trainer.n_steps=2", "hydra.run.dir=half", "trainer.plots=false"]) == 0
    assert main(["train", "resume=half", "trainer.n_steps=4"]) == 0
    second = pd.read_csv(folder / "half" / "metrics.csv").drop(columns="seconds")
    last = [frame[frame.split != "test"].tail(2).reset_index(drop=True) for frame in (first, second)]
    pd.testing.assert_frame_equal(*last)


def test_an_arm_with_noise_is_evaluated_in_a_field_and_goes_on_in_it(folder):
    words = [
        "experiment=arm_reaches",
        *SHORT,
        *HOLD,
        "feedback.motor_noise=0.01",
        "task.dt=20",
        "trainer.plots=false",
    ]
    assert main(["train", *words, "feedback.channels.angle={delay: 2, noise: 0.01}"]) == 0
    assert main(["plot", "run", "arm", "hand_paths"]) == 0
    assert {"arm", "hand_paths"} <= {path.stem for path in (folder / "run" / "plots").glob("*.png")}
    losses = {}
    for name, more in {
        "free": [],
        "field": ["perturbation=curl_field", "perturbation.amplitude=200"],
        "none": ["perturbation=none"],
        "turned": ["perturbation=visual_rotation"],
        "loaded": ["perturbation=load", "perturbation.mass=3"],
    }.items():
        assert main(["eval", "checkpoint=run", *more, f"hydra.run.dir={name}", "plots=false"]) == 0
        losses[name] = json.loads((folder / name / "summary.json").read_text())["test_loss"]
    assert losses["free"] == losses["none"]
    assert len(set(losses.values())) == 4
    assert (
        main(["train", "init_from=run", "perturbation=curl_field", "trainer.n_steps=2", "hydra.run.dir=on"])
        == 0
    )
    assert main(["eval", "checkpoint=on", "hydra.run.dir=as"]) == 0
    assert main(["eval", "checkpoint=on", "perturbation=none", "hydra.run.dir=without"]) == 0
    late = ["perturbation=curl_field", "perturbation.from_update=3", "hydra.run.dir=late"]
    assert main(["eval", "checkpoint=on", *late]) == 1
    ends = [json.loads((folder / n / "summary.json").read_text())["test_loss"] for n in ("as", "without")]
    assert ends[0] != ends[1]


def test_a_network_is_analyzed_simulated_and_compared(folder):
    words = ["task=simple_reaches", "latent_step=GRU", *SHORT, *HOLD, "trainer.plots=false"]
    assert main(["train", *words]) == 0
    assert main(["train", *words, "seed=1", "hydra.run.dir=other"]) == 0
    assert main(["analyze", "checkpoint=run", "n_steps=200", "n_starts=4", "hydra.run.dir=analysis"]) == 0
    effects = pd.read_csv(folder / "analysis" / "input_effects.csv")
    assert {"effect_goal_x", "effect_effector_pos_0", "effect_effector_vel_1"} <= set(effects.columns)
    assert (folder / "analysis" / "plots" / "input_effects.png").exists()
    assert main(["compare", "run", "other", "out=compared"]) == 0
    run = rnnexp.load("run")
    trials = run.sample(5)
    moved = run.simulate(trials)
    assert moved.movement["effector_pos"].shape == (5, 12, 2)
    assert moved.arrays()["feedback"].shape == (5, 12, 4)
    with pytest.raises(rnnexp.UserError, match="n_steps"):
        run.simulate(trials, n_steps=3)


def test_a_perturbation_begins_and_ends_in_a_training(folder):
    words = ["experiment=curl_field_adaptation", *SHORT, *HOLD, "trainer.n_steps=6", "trainer.eval_every=1"]
    times = ["perturbation.from_update=2", "perturbation.to_update=4", "perturbation.amplitude=50"]
    frozen = ["optimizer.lr=1e-12", "trainer.plots=few"]  # so that only the field changes anything
    assert main(["train", *words, *times, *frozen]) == 0
    table = pd.read_csv(folder / "run" / "metrics.csv")
    error = table[table.split == "validation"].set_index("step").lateral_error
    assert error[[2, 3]].to_numpy() == pytest.approx(error[2], rel=1e-4)
    assert error[[0, 1, 4, 5, 6]].to_numpy() == pytest.approx(error[0], rel=1e-4)
    assert abs(error[2] - error[0]) > 1e-4 * abs(error[0])
    assert (folder / "run" / "plots" / "adaptation.png").exists()


def test_own_plant_perturbation_term_and_task(folder):
    (code,) = re.findall(
        r"```python\n(import torch\nfrom rnnexp.losses import LossTerm.*?)```", GUIDE, re.DOTALL
    )
    (folder / "my_lab").mkdir()
    (folder / "my_lab" / "movements.py").write_text(code)
    (line,) = re.findall(r"    rnnexp (train task\._target_.*?)\n\n", GUIDE.replace("\\\n", " "), re.DOTALL)
    words = [word for word in SHORT if not word.startswith("task.")]
    assert main([*line.split(), *words]) == 0
    table = pd.read_csv(folder / "run" / "metrics.csv")
    assert (table.jerk > 0).all()
    assert main(["eval", "checkpoint=run", "hydra.run.dir=refused"]) == 1
    assert main(["eval", "checkpoint=run", "trust=true", "hydra.run.dir=trusted", "plots=all"]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "fused (compiled closed loop"),
        (["perturbation=cursor_jump"], "reference (there is no compiled closed loop with CursorJump"),
        (["plant.integrator=rk4"], "reference (the compiled plants make steps by euler"),
    ],
)
def test_the_log_tells_which_rollout_runs(words, told, folder):
    assert (
        main(
            ["train", "task=simple_reaches", "latent_step=GRU", *SHORT, *HOLD, "trainer.plots=false", *words]
        )
        == 0
    )
    assert told in (folder / "run" / "train.log").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plant=two_link_arm"], "task.workspace: the hand cannot be at"),
        (["plant=none", "feedback=none"], "plant: none: SimpleReaches moves a plant"),
        (["plant=none"], "plant: none: SimpleReaches moves a plant"),
        (["task=delayed_discrim", "plant=point_mass"], "plant: PointMass: DelayedDiscrim"),
        (["task=delayed_discrim", "perturbation=load"], "perturbation: Load: has no effect without a plant"),
        (["task=delayed_discrim", "feedback=effector"], "feedback: Feedback: has no effect without a plant"),
        (["plant.mass=-1"], "mass must be > 0"),
        (["feedback.channels.effector_pos.delay=99"], "must be below the 99 steps"),
        (["feedback.channels.effector_pos.noise=-1"], "effector_pos.noise"),
        (["feedback=arm"], "PointMass has no such state"),
        (["feedback.motor_noise=-1"], "motor_noise"),
        (["perturbation=clamped_units", "perturbation.units={50: 1.0}"], "perturbation.units: 50: the network has 50"),
        (["perturbation=curl_field", "perturbation.start=5000"], "must be before the trial ends"),
        (["perturbation=as_trained"], "perturbation"),
        (["loss=rnn_loss"], "mse compares outputs with targets"),
        (["task=delayed_discrim", "loss=simple_reach"], "effector_position judges a movement"),
        (["task.workspace=[[1,1],[0,0]]"], "left of and below"),
        (["task.success_radius=0"], "success_radius"),
        (["task.eval_n_directions=0"], "eval_n_directions"),
        (["task=delayed_reaches", "task.epochs=[[4000,6000]]"], "must leave time for the movement"),
        (["task=delayed_reaches", "task.target_on_epochs=[]"], "never shown"),
        (["task=random_reaches", "task.n_points=500"], "n_points"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(words, told, capsys, folder):
    assert main(["train", "task=simple_reaches", "latent_step=GRU", *words]) == 1
    text = " ".join(capsys.readouterr().err.split())
    assert told in text
    assert "Traceback" not in text
    assert not (folder / "outputs").exists()
