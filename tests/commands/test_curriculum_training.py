"""Whole trainings with a curriculum, on tiny settings."""

import contextlib
import json

import pandas as pd
import pytest
import torch

from rnnexp.building.parts import build_parts
from rnnexp.commands import eval as eval_module
from rnnexp.errors import UserError
from rnnexp.training.checkpoint import load_checkpoint, load_weights
from rnnexp.training.evaluation import evaluate
from rnnexp.training.run import train
from rnnexp.training.streams import stream

EASY = "{coherence: 0.7}"
HARD = "{coherence: 0.0}"
NEVER = -1.0  # a loss that is never reached
ALWAYS = 1e9


def stages(*changes, thresholds, check_every=2, metric="loss", mode="min"):
    """Overrides of a curriculum on perceptual discrimination, whose thresholds decide when it goes on."""
    return [
        "task=perceptual_discrim",
        f"curriculum.stages=[{', '.join(changes)}]",
        f"curriculum.thresholds={thresholds}",
        f"curriculum.check_every={check_every}",
        f"curriculum.metric={metric}",
        f"curriculum.mode={mode}",
        "curriculum.n_trials=16",
    ]


def table(directory):
    return pd.read_csv(directory / "metrics.csv").drop(columns="seconds")


def read(directory, name):
    return json.loads((directory / name).read_text())


def checkpoint(directory, name="last.pt"):
    return load_checkpoint(directory / "checkpoints" / name)


def assert_same_weights(a, b):
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_every_row_tells_its_stage_and_a_stage_ends_with_a_row_of_its_training(tmp_path, tiny_config):
    config = tiny_config(*stages(EASY, EASY, HARD, thresholds=[ALWAYS, ALWAYS, NEVER]))
    train(config, tmp_path, [])
    rows = table(tmp_path)
    assert list(rows)[:4] == ["step", "trials", "split", "stage"]
    assert list(zip(rows.step, rows.split, rows.stage, strict=True))[:-1] == [
        (0, "validation", 0),
        (2, "curriculum", 0),
        (2, "train", 0),
        (2, "validation", 1),
        (4, "curriculum", 1),
        (4, "train", 1),
        (4, "validation", 2),
        (6, "curriculum", 2),
        (6, "train", 2),
        (6, "validation", 2),
    ]
    assert list(rows.split)[-1] == "test"
    assert list(rows.stage)[-1] == 2
    checks = rows[rows.split == "curriculum"]
    assert checks[["loss", "mse", "accuracy"]].notna().all(axis=None)
    assert (
        read(tmp_path, "run.json")["exit_reason"] == "all 6 steps done, in stage 2 of the curriculum, 0 to 2"
    )


def test_stages_that_take_less_than_an_evaluation_are_passed_one_by_one(tmp_path, tiny_config):
    config = tiny_config(
        *stages(EASY, EASY, HARD, thresholds=ALWAYS, check_every=1), "trainer.eval_every=100"
    )
    train(config, tmp_path, [])
    rows = table(tmp_path)
    assert list(rows[rows.split == "validation"].step) == [0, 1, 2, 3]
    assert list(rows[rows.split == "validation"].stage) == [0, 1, 2, 2]
    record, summary = read(tmp_path, "run.json"), read(tmp_path, "summary.json")
    assert record["status"] == "finished"
    assert record["exit_reason"] == "all stages of the curriculum, 0 to 2, passed after 3 steps"
    assert (summary["steps"], summary["stages_passed"]) == (3, 3)
    assert [summary[f"stage_{stage}_passed_after_trials"] for stage in range(3)] == [8, 16, 24]


def test_open_stages_have_no_number_in_the_summary(tmp_path, tiny_config):
    train(tiny_config(*stages(EASY, HARD, thresholds=[ALWAYS, NEVER])), tmp_path, [])
    summary = read(tmp_path, "summary.json")
    assert summary["stages_passed"] == 1
    assert summary["stage_0_passed_after_trials"] == 16
    assert summary["stage_1_passed_after_trials"] is None


def test_a_stage_trains_like_its_task_alone_whatever_is_checked(tmp_path, tiny_config):
    train(tiny_config(*stages(EASY, HARD, thresholds=NEVER, check_every=1)), tmp_path / "staged", [])
    train(tiny_config("task=perceptual_discrim", "task.coherence=0.7"), tmp_path / "alone", [])
    assert_same_weights(checkpoint(tmp_path / "staged")["model"], checkpoint(tmp_path / "alone")["model"])
    staged, alone = table(tmp_path / "staged"), table(tmp_path / "alone")
    for split in ("train", "validation"):
        columns = [name for name in alone if name != "split"]
        pd.testing.assert_frame_equal(
            staged[staged.split == split][columns].reset_index(drop=True),
            alone[alone.split == split][columns].reset_index(drop=True),
            check_exact=True,
        )


def test_weights_optimizer_and_streams_carry_on_into_the_next_stage(tmp_path, tiny_config):
    settings = ["scheduler=constant", "latent_step=Basic", "latent_step.pre_noise=0.1"]
    train(tiny_config(*stages(EASY, HARD, thresholds=[ALWAYS, NEVER]), *settings), tmp_path / "staged", [])
    alone = ["task=perceptual_discrim", *settings]
    train(tiny_config(*alone, "task.coherence=0.7", "trainer.n_steps=2"), tmp_path / "alone", [])
    first = checkpoint(tmp_path / "alone")
    train(tiny_config(*alone, "task.coherence=0.0"), tmp_path / "alone", [], resume_from=first)
    assert_same_weights(checkpoint(tmp_path / "staged")["model"], checkpoint(tmp_path / "alone")["model"])


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4, 5])
def test_interrupted_and_resumed_curriculum_equals_the_uninterrupted_one(
    tmp_path, tiny_config, monkeypatch, stop_after
):
    config = tiny_config(
        *stages(EASY, "{coherence: 0.3}", HARD, thresholds=[ALWAYS, ALWAYS, NEVER]),
        "latent_step=Basic", "latent_step.pre_noise=0.1", "trainer.eval_every=3",
    )  # fmt: skip
    train(config, tmp_path / "whole", [])

    @contextlib.contextmanager
    def stop_request_after():
        calls = iter(range(100))
        yield lambda: next(calls) == stop_after - 1

    with monkeypatch.context() as patch:
        patch.setattr("rnnexp.training.trainer.stop_requests", stop_request_after)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts", [])
    assert checkpoint(tmp_path / "parts")["state"]["passed_at"] == [2, 4][: stop_after // 2]
    train(config, tmp_path / "parts", [], resume_from=checkpoint(tmp_path / "parts"))
    pd.testing.assert_frame_equal(table(tmp_path / "whole"), table(tmp_path / "parts"), check_exact=True)
    for name in ("last.pt", "best.pt"):
        whole, parts = (checkpoint(tmp_path / run, name) for run in ("whole", "parts"))
        assert_same_weights(whole["model"], parts["model"])
        for stream_name in ("training_trials", "training_noise", "curriculum_trials", "curriculum_noise"):
            assert torch.equal(whole[stream_name], parts[stream_name])
    summaries = [read(tmp_path / run, "summary.json") for run in ("whole", "parts")]
    for summary in summaries:
        del summary["seconds"], summary["trials_per_second"]
    assert summaries[0] == summaries[1]


def test_a_curriculum_that_is_finished_stays_so_when_the_run_is_extended(tmp_path, tiny_config):
    config = tiny_config(*stages(EASY, HARD, thresholds=ALWAYS))
    train(config, tmp_path, [])
    before = table(tmp_path)
    config["trainer"]["n_steps"] = 50
    train(config, tmp_path, [], resume_from=checkpoint(tmp_path))
    pd.testing.assert_frame_equal(before, table(tmp_path), check_exact=True)
    assert read(tmp_path, "summary.json")["steps"] == 4


def test_an_unfinished_curriculum_goes_on_when_the_run_is_extended(tmp_path, tiny_config):
    config = tiny_config(*stages(EASY, HARD, thresholds=[ALWAYS, NEVER]), "scheduler=constant")
    train(config, tmp_path / "long", [])
    config["trainer"]["n_steps"] = 3
    train(config, tmp_path / "short", [])
    config["trainer"]["n_steps"] = 6
    train(config, tmp_path / "short", [], resume_from=checkpoint(tmp_path / "short"))
    assert_same_weights(checkpoint(tmp_path / "long")["model"], checkpoint(tmp_path / "short")["model"])


def evaluated(config, weights, task, split, n_trials):
    """Loss of a network on the trials of a split, computed apart from the training."""
    parts = build_parts(config)
    load_weights(parts.model, weights, origin="test")
    trials = task.sample(n_trials, stream(config["seed"], f"{split}_trials"))
    return evaluate(parts.model, task, parts.loss, trials, 512)[0]["loss"]


def test_validation_is_on_the_present_stage_and_the_test_on_the_last(tmp_path, tiny_config):
    # large coherences are strong inputs, so that the loss tells them apart
    changes = ["{coherence: 0.0}", "{coherence: 5.0}", "{coherence: 20.0}"]
    config = tiny_config(*stages(*changes, thresholds=[ALWAYS, NEVER, NEVER]))
    train(config, tmp_path, [])
    tasks = build_parts(config).curriculum.tasks
    rows = table(tmp_path)
    last, best = checkpoint(tmp_path)["model"], checkpoint(tmp_path, "best.pt")["model"]
    expected = [evaluated(config, last, task, "validation", 16) for task in tasks]
    assert len(set(expected)) == 3
    assert rows[rows.split == "validation"].loss.iloc[-1] == expected[1]
    expected = [evaluated(config, best, task, "test", 16) for task in tasks]
    assert len(set(expected)) == 3
    assert rows[rows.split == "test"].loss.iloc[-1] == expected[2]


def test_eval_asks_for_the_goal_of_the_curriculum(tmp_path, tiny_config, compose_config):
    config = tiny_config(*stages("{coherence: 0.0}", "{coherence: 5.0}", thresholds=[ALWAYS, NEVER]))
    train(config, tmp_path / "run", [])
    command = compose_config(f"checkpoint={tmp_path / 'run'}", "n_trials=16", "plots=false", command="eval")
    loss = eval_module.run(command, tmp_path / "eval", [])
    assert loss == read(tmp_path / "run", "summary.json")["test_loss"]
    command["task"] = {"coherence": 0.0}
    assert eval_module.run(command, tmp_path / "eval_easy", []) != loss


def test_the_best_checkpoint_is_never_one_of_an_earlier_stage(tmp_path, tiny_config):
    changes = ["{coherence: 0.0}", "{coherence: 20.0}"]  # the second stage has the higher loss
    train(tiny_config(*stages(*changes, thresholds=[ALWAYS, NEVER])), tmp_path, [])
    rows = table(tmp_path)
    validation = rows[rows.split == "validation"]
    assert validation[validation.stage == 0].loss.min() < validation[validation.stage == 1].loss.min()
    best = checkpoint(tmp_path, "best.pt")["state"]
    assert best["passed_at"] == [2]
    assert best["best_value"] == validation[validation.stage == 1].loss.min()
    assert read(tmp_path, "summary.json")["best_step"] == best["step"]


def test_the_network_that_passes_the_last_stage_is_the_result(tmp_path, tiny_config):
    # the loss rises with every update, and all the same the last network is the one that passed
    config = tiny_config(
        *stages(EASY, thresholds=ALWAYS, check_every=5), "optimizer=sgd", "optimizer.lr=5e-2",
        "+optimizer.maximize=true", "trainer.eval_every=1",
    )  # fmt: skip
    train(config, tmp_path, [])
    validation = table(tmp_path).query("split == 'validation'")
    assert validation.loss.idxmin() != validation.index[-1]
    assert checkpoint(tmp_path, "best.pt")["state"]["step"] == 5
    assert read(tmp_path, "summary.json")["best_step"] == 5


def test_each_check_is_on_fresh_trials(tmp_path, tiny_config):
    config = tiny_config(*stages(EASY, thresholds=NEVER, check_every=1), "optimizer.lr=1e-30")
    train(config, tmp_path, [])
    rows = table(tmp_path)
    assert rows[rows.split == "curriculum"].loss.nunique() == 6
    assert rows[rows.split == "validation"].loss.nunique() == 1


def test_a_check_has_as_many_trials_of_the_present_stage_as_asked_for(tmp_path, tiny_config, monkeypatch):
    checks = []

    def recorded(model, task, loss, trials, *rest):
        checks.append((trials.n_trials, trials.conditions["coherence"].unique().tolist()))
        return evaluate(model, task, loss, trials, *rest)

    monkeypatch.setattr("rnnexp.training.stages.evaluate", recorded)
    config = tiny_config(*stages(EASY, HARD, thresholds=[ALWAYS, NEVER]), "curriculum.n_trials=23")
    train(config, tmp_path, [])
    assert checks == [(23, [0.7]), (23, [0.0]), (23, [0.0])]


def test_a_stage_is_measured_by_the_rules_of_its_own_task(tmp_path, compose_config):
    # without pulses an output is correct while it stays below the threshold
    config = compose_config(
        "task=go_nogo", "task.go_probability=0", "task.T=500", "latent_dim=8", "trainer.plots=false",
        "trainer.n_steps=4", "trainer.eval_every=1", "trainer.batch_size=4", "trainer.n_validation_trials=4",
        "trainer.n_test_trials=4", "curriculum.stages=[{nogo_threshold: 1e9}, {nogo_threshold: 1e-12}]",
        "curriculum.check_every=2",
    )  # fmt: skip
    train(config, tmp_path, [])
    rows = table(tmp_path)
    for split in ("validation", "curriculum", "test"):
        of_split = rows[rows.split == split]
        assert list(of_split.accuracy) == [1.0 if stage == 0 else 0.0 for stage in of_split.stage]
    assert checkpoint(tmp_path)["state"]["passed_at"] == [2]


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("metric", "mode", "threshold", "passes"),
    [
        ("accuracy", "max", 0.0, True),
        ("accuracy", "max", 1.01, False),
        ("mse", "min", ALWAYS, True),
        ("mse", "max", ALWAYS, False),
        ("fr", "max", 0.0, True),
    ],
)
def test_the_metric_is_any_of_the_loss_and_the_task(tmp_path, tiny_config, metric, mode, threshold, passes):
    overrides = stages(EASY, thresholds=threshold, metric=metric, mode=mode)
    train(tiny_config(*overrides, "loss.lambda_fr=0.1"), tmp_path, [])
    assert (read(tmp_path, "summary.json")["stages_passed"] == 1) == passes


def test_cutoffs_count_in_the_last_stage_only(tmp_path, tiny_config):
    cutoffs = ["trainer.loss_cutoff=1e9", "trainer.accuracy_cutoff=1e-9"]
    config = tiny_config(*stages(EASY, HARD, thresholds=[ALWAYS, NEVER], check_every=4), *cutoffs)
    train(config, tmp_path, [])
    rows = table(tmp_path)
    assert list(rows[rows.split == "validation"].step) == [0, 2, 4]
    reason = read(tmp_path, "run.json")["exit_reason"]
    assert reason.startswith("validation accuracy ")
    assert reason.endswith(" reached loss_cutoff 1e+09")


def test_another_task_can_be_a_stage(tmp_path, tiny_config):
    other = "{_target_: rnnexp.tasks.cognitive.simple_pd.SimplePD, T: 300.0, dt: 20.0}"
    config = tiny_config(*stages(other, EASY, thresholds=[ALWAYS, NEVER]))
    assert [type(task).__name__ for task in build_parts(config).curriculum.tasks] == [
        "SimplePD",
        "PerceptualDiscrim",
    ]
    train(config, tmp_path, [])
    assert checkpoint(tmp_path)["state"]["passed_at"] == [2]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            [EASY, "{T: 400}"],
            r"curriculum.stages must agree in input_dim, output_dim, n_steps and dt, since one network learns them "
            r"all, but n_steps is 15 in stage 0 and 20 in stage 1",
        ),
        (
            [EASY, "{_target_: rnnexp.tasks.cognitive.match_to_category.MatchToCategory, dt: 20}"],
            r"curriculum.stages must agree in .* but input_dim is 2 in stage 0 and 16 in stage 1",
        ),
        ([EASY, "{coherence: -1}"], r"curriculum.stages\[1\]: coherence must be >= 0"),
        (
            [EASY, "{_target_: rnnexp.models.RNN}"],
            r"curriculum.stages\[1\].latent_step: not given, but RNN needs it",
        ),
        (
            [EASY, "{_target_: rnnexp.training.schedules.Constant}"],
            r"curriculum.stages\[1\]._target_: .*Constant: must be a subclass of rnnexp.tasks.Task",
        ),
    ],
)  # fmt: skip
def test_stages_that_cannot_be_are_refused_before_training(tmp_path, tiny_config, changes, text):
    with pytest.raises(UserError, match=text):
        train(tiny_config(*stages(*changes, thresholds=NEVER)), tmp_path, [])
    assert not (tmp_path / "metrics.csv").exists()


def test_stages_with_other_metrics_are_refused_before_training(tmp_path, tiny_config, monkeypatch):
    from rnnexp.tasks.cognitive.perceptual_discrim import PerceptualDiscrim

    def metrics(self, outputs, trials):
        return {"accuracy" if self.stim_noise else "precision": outputs.mean()}

    monkeypatch.setattr(PerceptualDiscrim, "metrics", metrics)
    text = r"curriculum.stages\[1\]: its task has the metrics precision: must be those of stage 0, accuracy"
    with pytest.raises(UserError, match=text):
        train(tiny_config(*stages(EASY, "{stim_noise: 0}", thresholds=NEVER)), tmp_path, [])


def test_an_unknown_metric_is_refused_before_training(tmp_path, tiny_config):
    with pytest.raises(UserError, match=r"curriculum.metric: acuracy: must be one of loss, mse, accuracy"):
        train(tiny_config(*stages(EASY, thresholds=NEVER, metric="acuracy")), tmp_path, [])
    assert not (tmp_path / "metrics.csv").exists()


def test_the_plot_is_drawn(tmp_path, tiny_config):
    config = tiny_config(*stages(EASY, HARD, thresholds=[ALWAYS, NEVER]), "trainer.plots=true")
    train(config, tmp_path, [])
    assert (tmp_path / "plots" / "curriculum.png").stat().st_size > 5000


def test_the_example_of_four_coherences_asks_for_an_accuracy_of_090_after_every_update(compose_config):
    config = compose_config("curriculum=coherence", "task.T=300", "task.dt=20")
    curriculum = build_parts(config).curriculum
    assert curriculum.check_every == 1
    assert curriculum.thresholds == (0.9,) * 4
    assert (curriculum.metric, curriculum.mode) == ("accuracy", "max")
    generator = torch.Generator().manual_seed(0)
    coherences = [task.sample(3, generator).conditions["coherence"].tolist() for task in curriculum.tasks]
    assert coherences == [[value] * 3 for value in (0.7, 0.5, 0.3, 0.1)]
    assert {task.n_steps for task in curriculum.tasks} == {15}
