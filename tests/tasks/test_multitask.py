"""Many tasks for one network."""

import pandas as pd
import pytest
import torch

from rnnexp.cli import main
from rnnexp.tasks import DelayedDiscrim, GoNogo, PerceptualDiscrim, SimpleReaches, Task, Trials
from rnnexp.tasks.multitask import Multitask
from rnnexp.training.evaluation import evaluate
from rnnexp.training.run import train


def both(**settings):
    tasks = {
        "discrim": DelayedDiscrim(dt=20, T=400, stim_noise=0.0, decision_duration=50),
        "go": GoNogo(dt=20, T={"uniform": [600, 800]}, stim_on=100, stim_dur=100),
    }
    return Multitask(tasks, **settings)


def test_a_batch_holds_the_trials_of_its_tasks():
    many = both()
    assert (many.input_dim, many.output_dim, many.n_steps, many.dt) == (5, 3, 40, 20)
    assert many.input_labels == ["rises with f", "falls with f", "Go pulse", "rule discrim", "rule go"]
    trials = many.sample(200, torch.Generator().manual_seed(0))
    which = trials.conditions["task"]
    assert 60 < int(which.sum()) < 140
    assert not torch.equal(which, which.sort().values)  # the first ones are of all tasks
    for number, (name, own) in enumerate(many.tasks.items()):
        rows, part = many.part(trials, name)
        assert torch.equal(rows, (which == number).nonzero()[:, 0])
        assert part.conditions.keys() == own.sample(1, torch.Generator()).conditions.keys()
        again = own.make_trials(part.conditions, torch.Generator(), torch.float32)
        if name == "go":
            again = again.ending_after(part.lengths)
        torch.testing.assert_close(part.inputs, again.inputs)
        assert torch.equal(part.targets, again.targets)
        assert torch.equal(part.mask, again.mask)
        rule = trials.inputs[rows, :, 3 + number]
        assert torch.equal(rule == 1, trials.is_real[rows])
        assert not trials.inputs[rows, :, 4 - number].any()
        others = [channel for channel in range(3) if channel not in range(*many._outputs[name].indices(3))]
        assert not trials.mask[rows][..., others].any()
    assert trials.lengths[which == 0].tolist() == [20] * int((which == 0).sum())


def test_channels_are_shared_by_name_or_stacked():
    tasks = {"a": PerceptualDiscrim(dt=20, T=400), "b": PerceptualDiscrim(dt=20, T=200)}
    named, stacked = Multitask(tasks), Multitask(tasks, align="stack")
    assert (named.input_dim, named.output_dim) == (4, 2)
    assert (stacked.input_dim, stacked.output_dim) == (6, 4)
    assert stacked.output_labels == ["a: choice 0", "a: choice 1", "b: choice 0", "b: choice 1"]
    for many in (named, stacked):
        trials = many.sample(40, torch.Generator().manual_seed(0))
        for name in tasks:
            rows, part = many.part(trials, name)
            outputs = trials.targets[rows]
            assert tasks[name].metrics(many.outputs_of(outputs, name), part)["accuracy"] == 1


def test_weights_and_what_is_trained_on():
    many = both(weights={"go": 3})
    training = many.for_split("training")
    drawn = training.sample(4000, torch.Generator().manual_seed(0)).conditions["task"]
    assert drawn.double().mean().item() == pytest.approx(0.75, abs=0.03)
    assert many.sample(4000, torch.Generator().manual_seed(0)).conditions["task"].double().mean() < 0.55
    only = both(train_on=["discrim"])
    assert not only.for_split("training").sample(50, torch.Generator()).conditions["task"].any()
    assert only.for_split("validation").sample(50, torch.Generator()).conditions["task"].any()
    by_batch = both(mix="batch").for_split("training")
    generator = torch.Generator().manual_seed(0)
    each = [set(by_batch.sample(20, generator).conditions["task"].tolist()) for _ in range(20)]
    assert all(len(found) == 1 for found in each)
    assert set.union(*each) == {0, 1}
    assert len(both(mix="batch").sample(50, generator).conditions["task"].unique()) == 2


def test_metrics_are_those_of_each_task(compose_config):
    from rnnexp.building.parts import build_parts

    config = compose_config("latent_dim=8", "latent_step=GRU")
    many = both()
    config["task"] = {"_target_": "rnnexp.tasks.multitask.Multitask", "tasks": {
        "discrim": {"_target_": "rnnexp.tasks.DelayedDiscrim", "dt": 20, "T": 400, "decision_duration": 50},
        "go": {"_target_": "rnnexp.tasks.GoNogo", "dt": 20, "T": 600},
    }}  # fmt: skip
    parts = build_parts(config)
    many, trials = parts.task, parts.task.sample(90, torch.Generator().manual_seed(0))
    metrics = [evaluate(parts.model, many, parts.loss, trials, size)[1] for size in (90, 7)]
    assert metrics[0] == pytest.approx(metrics[1])
    outputs = parts.model(trials).outputs
    own = {}
    for name, task in many.tasks.items():
        rows, part = many.part(trials, name)
        own[name] = float(task.metrics(many.outputs_of(outputs[rows], name), part)["accuracy"])
        assert metrics[0][f"accuracy_{name}"] == pytest.approx(own[name])
    assert metrics[0]["worst_accuracy"] == pytest.approx(min(own.values()))
    share = trials.conditions["task"].double().mean().item()
    assert metrics[0]["accuracy"] == pytest.approx(share * own["go"] + (1 - share) * own["discrim"])


def test_what_cannot_be():
    fine = PerceptualDiscrim(dt=20, T=400)
    for settings, told in (
        ({"tasks": None}, "tasks must be one task at least"),
        ({"tasks": {"a": 3}}, "tasks.a must be a task with a _target_, got 3"),
        ({"tasks": {"a": fine, "b": PerceptualDiscrim(dt=10)}}, "must agree in dt, .* 20 in a, 10 in b ms"),
        ({"tasks": {"a": fine, "b": SimpleReaches()}}, "tasks.b must have trials alone"),
        ({"tasks": {"a": fine}, "weights": {"b": 1}}, "weights: b: must be one of a"),
        ({"tasks": {"a": fine}, "weights": {"a": -1}}, "weights.a must be"),
        ({"tasks": {"a": fine}, "train_on": ["b"]}, "train_on: b: must be one of a"),
        ({"tasks": {"a": fine}, "train_on": []}, "leave no task to train on"),
        ({"tasks": {"a": fine}, "align": "both"}, "align must be"),
        ({"tasks": {"a": fine}, "mix": "none"}, "mix must be"),
    ):
        with pytest.raises(ValueError, match=told):
            Multitask(**settings)

    class Taken(Task):
        def sample(self, batch_size, generator, dtype=torch.float32, batch=1):
            x = torch.zeros(batch_size, 5, 1)
            return Trials(x, x, x, {"task": torch.zeros(batch_size)})

    with pytest.raises(ValueError, match=r"tasks\.a has a condition of the name task"):
        Multitask({"a": Taken(input_dim=1, output_dim=1, dt=10, T=50)})


def test_from_the_command_line_with_stages_for_continual_learning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [
        "train", "task=multitask", "task.tasks=[perceptual_discrim, delayed_discrim]", "hydra.run.dir=run",
        "task.tasks.perceptual_discrim.T=400", "task.tasks.delayed_discrim.T=400", "latent_dim=8",
        "trainer.n_steps=6", "trainer.eval_every=2", "trainer.batch_size=8", "trainer.n_validation_trials=32",
        "trainer.n_test_trials=16", "trainer.plots=all",
        "curriculum.stages=[{train_on: [perceptual_discrim]}, {train_on: [delayed_discrim]}]",
        "curriculum.metric=accuracy_perceptual_discrim", "curriculum.thresholds=0.0", "curriculum.check_every=3",
    ]  # fmt: skip
    assert main(words) == 0
    table = pd.read_csv("run/metrics.csv")
    validation = table[table.split == "validation"]
    assert validation[["accuracy_perceptual_discrim", "accuracy_delayed_discrim"]].notna().all(axis=None)
    assert set(validation.stage) == {0, 1}
    drawn = {path.stem for path in (tmp_path / "run" / "plots").glob("*.png")}
    assert {"accuracy", "accuracy_by_task", "worst_accuracy", "trials", "task_variance"} <= drawn
    assert main(["eval", "checkpoint=run", "n_trials=32"]) == 0
    assert main([*words[:2], "task.tasks=[nothing]"]) == 1


def test_a_resumed_training_is_the_same(tmp_path, compose_config):
    config = compose_config(
        "task=yang_20", "task.rules=[Go,DMS]", "latent_dim=8", "latent_step=LeakyRate", "latent_step.pre_noise=0.1",
        "trainer.n_steps=4", "trainer.eval_every=2", "trainer.batch_size=70", "trainer.n_validation_trials=20",
        "trainer.n_test_trials=16", "trainer.plots=false", "observation=logistic", "scheduler=constant",
    )  # fmt: skip
    train(config, tmp_path / "whole", [])
    train({**config, "trainer": {**config["trainer"], "n_steps": 2}}, tmp_path / "half", [])
    assert main(["train", f"resume={tmp_path / 'half'}", "trainer.n_steps=4"]) == 0
    tables = [
        pd.read_csv(tmp_path / name / "metrics.csv").drop(columns="seconds") for name in ("whole", "half")
    ]
    rows = [t[t.split != "test"].tail(2).reset_index(drop=True) for t in tables]
    pd.testing.assert_frame_equal(*rows)
