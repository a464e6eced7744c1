"""The check of a curriculum's stages, before torch is needed."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rnnexp.config.paths import bundled_conf
from rnnexp.config.validation import find_problems


@pytest.fixture
def found():
    """Problems of a configuration for perceptual discrimination after changes to the curriculum."""

    def found_(changes, *overrides):
        with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
            cfg = compose("train", overrides=["task=perceptual_discrim", *overrides])
        OmegaConf.set_struct(cfg, False)
        for key, value in changes.items():
            OmegaConf.update(cfg, f"curriculum.{key}" if key else "curriculum", value, merge=False)
        return find_problems(cfg, "train")

    return found_


STAGES = [{"coherence": 0.7}, {"coherence": 0.1, "stim_noise": 0.2}, {}]
OTHER = "rnnexp.tasks.cognitive.simple_pd.SimplePD"


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": STAGES},
        {"stages": STAGES, "thresholds": [0.9, 1, 0.8], "metric": "mse", "mode": "min", "check_every": 3},
        {"stages": [{"_target_": OTHER, "stim_noise": 0.0}]},
        {"stages": [{"_target_": "my_lab.tasks.MyTask", "anything": "goes"}]},
        {"stages": [{"coherence": {"uniform": [0, 0.5]}}]},
    ],
)
def test_right_stages_have_no_problems(found, changes):
    assert found(changes) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"stages": [{"coherence": 0.7}, {"coherenc": 0.1}]},
            "curriculum.stages[1].coherenc: 0.1: unknown key of PerceptualDiscrim, did you mean "
            "curriculum.stages[1].coherence?",
        ),
        (
            {"stages": [{"stim_noise": -1}]},
            "curriculum.stages[0].stim_noise: -1: must be a finite number >= 0",
        ),
        ({"stages": [{"dt": "abc"}]}, "curriculum.stages[0].dt: abc: must be a finite number > 0"),
        (
            {"stages": [{"_target_": OTHER + "X", "dt": 10}]},
            f"curriculum.stages[0]._target_: {OTHER}X: rnnexp has no such class, did you mean {OTHER}?",
        ),
        (
            {"stages": [{"_target_": OTHER, "noise": 1}]},
            "curriculum.stages[0].noise: 1: unknown key of SimplePD, did you mean curriculum.stages[0].",
        ),
        (
            {"stages": [{"_target_": None}]},
            "curriculum.stages[0]._target_: null: must be the dotted path of a class",
        ),
        ({"stages": [0.7, 0.1]}, "curriculum.stages: [0.7, 0.1]: must be a list, each a mapping"),
        ({"stages": {"coherence": 1}}, "curriculum.stages: {'coherence': 1}: must be a list, each a mapping"),
        (
            {"stages": STAGES, "thresholds": [0.9, 0.8]},
            "curriculum.thresholds: [0.9, 0.8]: must be one number for all stages, or one for each of the 3",
        ),
        (
            {"stages": STAGES, "thresholds": "high"},
            "curriculum.thresholds: high: must be a finite number or a list, each a finite number",
        ),
        (
            {"stages": STAGES, "thresholds": float("nan")},
            "curriculum.thresholds: nan: must be a finite number or a list, each a finite number",
        ),
        ({"stages": STAGES, "mode": "up"}, "curriculum.mode: up: must be max or min"),
        ({"stages": STAGES, "check_every": 0}, "curriculum.check_every: 0: must be an integer >= 1"),
        ({"stages": STAGES, "n_trials": 1.5}, "curriculum.n_trials: 1.5: must be an integer >= 1"),
        ({"stages": STAGES, "metric": ""}, "curriculum.metric: '': must be the name of a metric, not empty"),
        (
            {"stages": STAGES, "treshold": 1},
            "curriculum.treshold: 1: unknown key, did you mean curriculum.thresholds?",
        ),
        ({"check_every": 5}, "curriculum.check_every: 5: has no effect without curriculum.stages"),
        ({"thresholds": [0.9]}, "curriculum.thresholds: [0.9]: has no effect without curriculum.stages"),
        ({"": None}, "curriculum: null: must be a group of settings, curriculum.<key>=<value>"),
    ],
)
def test_one_wrong_value_is_one_line(found, changes, problem):
    (line,) = found(changes)
    assert line.startswith(problem)


def test_a_stage_of_the_example_on_a_task_without_coherence_is_refused(found):
    problems = found({}, "curriculum=coherence", "task=match_to_category")
    assert len(problems) == 4
    assert problems[3].startswith("curriculum.stages[3].coherence: 0.1: unknown key of MatchToCategory")


def test_the_example_chooses_its_task():
    with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
        target = compose("train", overrides=["curriculum=coherence"]).task._target_
    assert target.endswith(".PerceptualDiscrim")


def test_a_mistyped_stage_is_refused_on_the_command_line(problems, empty):
    (line,) = problems("train task=simple_pd", "curriculum.stages=[{coherence: 0.7}, {coherenc: 0.1}]")
    assert line == (
        "curriculum.stages[1].coherenc: 0.1: unknown key of SimplePD, did you mean curriculum.stages[1].coherence?"
    )
    assert not list(empty.iterdir())


def test_stages_of_another_shape_are_refused_before_a_directory_is_made(problems, empty):
    (line,) = problems("train", "curriculum.stages=[{}, {T: 3000}]")
    assert line.startswith("curriculum.stages must agree in input_dim, output_dim, n_steps and dt")
    assert line.endswith("but n_steps is 200 in stage 0 and 300 in stage 1")
    assert not list(empty.iterdir())
