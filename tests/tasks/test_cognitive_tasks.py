"""The cognitive tasks: randomness, options, statistics and their option files."""

import inspect
import math
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rnnexp.tasks import DelayedDiscrim, MatchToCategory, PerceptualDiscrim, SimplePD

CONF = Path(__file__).parents[2] / "conf" / "task"
TASKS = {
    "perceptual_discrim": PerceptualDiscrim,
    "delayed_discrim": DelayedDiscrim,
    "match_to_category": MatchToCategory,
    "simple_pd": SimplePD,
}
every_task = pytest.mark.parametrize("task_class", TASKS.values())
two_choice = pytest.mark.parametrize("task_class", [PerceptualDiscrim, SimplePD])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tensors(trials) -> list[torch.Tensor]:
    return [trials.inputs, trials.targets, trials.mask, *trials.conditions.values()]


@every_task
def test_the_same_seed_gives_the_same_trials_and_another_seed_others(task_class):
    task = task_class()
    first, again, other = (task.sample(16, seeded(seed)) for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(again), strict=True))
    assert not torch.equal(first.inputs, other.inputs)
    assert not torch.equal(first.targets, other.targets)


@every_task
def test_a_generator_gives_new_trials_at_every_call_and_its_state_repeats_them(task_class):
    task, generator = task_class(), seeded(5)
    task.sample(16, generator)
    state = generator.get_state()
    second = task.sample(16, generator)
    assert not torch.equal(second.targets, task.sample(16, generator).targets)
    generator.set_state(state)
    assert torch.equal(second.inputs, task_class().sample(16, generator).inputs)


@every_task
def test_trials_draw_nothing_from_the_global_generator(task_class):
    before = torch.get_rng_state()
    task_class().sample(4, seeded(0))
    assert torch.equal(before, torch.get_rng_state())


@every_task
def test_the_noise_level_does_not_change_which_trials_come_next(task_class):
    def second_conditions(stim_noise):
        task, generator = task_class(stim_noise=stim_noise), seeded(1)
        task.sample(8, generator)
        return task.sample(8, generator).conditions

    quiet, noisy = second_conditions(0.0), second_conditions(0.5)
    assert all(torch.equal(quiet[name], noisy[name]) for name in quiet)


@every_task
def test_tensors_have_the_declared_sizes_labels_and_types(task_class):
    task = task_class(dt=15)
    trials = task.sample(3, seeded(0), torch.float64)
    assert trials.inputs.shape == (3, task.n_steps, task.input_dim)
    assert trials.targets.shape == trials.mask.shape == (3, task.n_steps, task.output_dim)
    assert {t.dtype for t in (trials.inputs, trials.targets, trials.mask)} == {torch.float64}
    assert task.sample(3, seeded(0)).inputs.dtype == torch.float32
    assert (len(task.input_labels), len(task.output_labels)) == (task.input_dim, task.output_dim)
    assert len({*task.input_labels}) == task.input_dim or task_class is MatchToCategory
    assert trials.conditions[task.condition].dtype == torch.int64
    assert task.kind == "cognitive"
    assert all(tensor.is_contiguous() for tensor in tensors(trials))


@pytest.mark.parametrize("name", TASKS)
def test_the_option_file_spells_out_every_argument_with_its_default(name):
    node = OmegaConf.load(CONF / f"{name}.yaml")
    options = OmegaConf.to_container(node)
    assert options.pop("_target_") == f"{TASKS[name].__module__}.{TASKS[name].__name__}"
    defaults = {
        key: parameter.default for key, parameter in inspect.signature(TASKS[name]).parameters.items()
    }
    as_lists = {
        key: [list(v) if isinstance(v, tuple) else v for v in value] if isinstance(value, tuple) else value
        for key, value in defaults.items()
    }
    assert options == as_lists
    assert list(options) == list(defaults)
    from_file, from_code = instantiate(node), TASKS[name]()
    assert torch.equal(from_file.sample(2, seeded(0)).inputs, from_code.sample(2, seeded(0)).inputs)


def test_distributions_can_be_given_in_an_option_file():
    node = OmegaConf.merge(
        OmegaConf.load(CONF / "delayed_discrim.yaml"),
        {"delay_duration": {"choice": [250, 500]}, "onset_time": 100, "frequency_pairs": [[12, 30]]},
    )
    conditions = instantiate(node).sample_conditions(50, seeded(0))
    assert (conditions["stimulus_1"] == 100).all()
    delays = conditions["stimulus_2"] - conditions["delay"]
    assert delays.round(decimals=6).unique().tolist() == [250, 500]
    assert torch.stack((conditions["f1"], conditions["f2"])).unique().tolist() == [12, 30]


@two_choice
@pytest.mark.parametrize("direction", [0, 1])
def test_a_fixed_direction_is_the_direction_of_every_trial(task_class, direction):
    trials = task_class(direction=direction, stim_noise=0, coherence=0.5).sample(40, seeded(0))
    assert (trials.conditions["direction"] == direction).all()
    assert trials.inputs[..., direction].max() == 1.5
    assert trials.inputs[..., 1 - direction].max() == 1.0
    assert (trials.targets[:, -1].argmax(1) == direction).all()


@two_choice
def test_directions_are_balanced_by_default(task_class):
    assert task_class().sample_conditions(20000, seeded(0))["direction"].double().mean() == pytest.approx(
        0.5, abs=0.02
    )


def test_coherences_are_discrete_by_default_and_exponential_on_request():
    discrete = PerceptualDiscrim().sample_conditions(20000, seeded(0))["coherence"]
    values, counts = discrete.unique(return_counts=True)
    assert values.tolist() == [0.1, 0.3, 0.5, 0.7]
    assert counts.tolist() == pytest.approx([5000] * 4, rel=0.05)
    for task in (PerceptualDiscrim(coherence_dist="exponential"), SimplePD()):
        drawn = task.sample_conditions(20000, seeded(0))["coherence"]
        assert drawn.mean() == pytest.approx(0.2, rel=0.03)
        assert drawn.std() == pytest.approx(0.2, rel=0.05)
    spelled = SimplePD(coherence_dist="discrete").sample_conditions(500, seeded(0))["coherence"]
    assert spelled.unique().tolist() == [0.1, 0.3, 0.5, 0.7]


@two_choice
def test_a_given_coherence_is_taken_as_it_is_written(task_class):
    def drawn(coherence):
        return task_class(coherence=coherence).sample_conditions(300, seeded(0))["coherence"]

    assert drawn(0.25).unique().tolist() == [0.25]
    assert drawn([0.2, 0.9]).unique().tolist() == [0.2, 0.9]
    assert 0.4 < drawn({"uniform": [0.4, 0.6]}).min() < drawn({"uniform": [0.4, 0.6]}).max() < 0.6
    with pytest.raises(
        ValueError, match=r"coherence_dist must be null .* got 'exponential' with coherence 0.3"
    ):
        task_class(coherence=0.3, coherence_dist="exponential")


def test_default_times_of_perceptual_discrim_are_uniform_fractions_of_T():
    conditions = PerceptualDiscrim(T=4000).sample_conditions(20000, seeded(0))
    for name, low, high in (("onset_time", 0, 2000), ("stim_duration", 500, 1500)):
        drawn = conditions[name]
        assert low <= drawn.min() < low + 5
        assert high - 5 < drawn.max() <= high
        assert drawn.mean() == pytest.approx((low + high) / 2, rel=0.02)


def test_simple_pd_shows_the_stimulus_from_a_quarter_to_three_quarters_of_T():
    trials = SimplePD(T=1000, stim_noise=0).sample(5, seeded(0))
    on = trials.inputs[:, :, 0] > 0
    assert torch.equal(on[0].nonzero().flatten(), torch.arange(26, 75))
    assert (on == on[0]).all()


def test_default_delayed_discrim_has_the_hard_trials_of_psychrnn():
    task = DelayedDiscrim()
    trials = task.sample(12000, seeded(0))
    start = trials.conditions
    assert (trials.mask.sum((1, 2)) == 0).double().mean() == pytest.approx(0.02, abs=0.005)
    brief = (start["delay"] - start["stimulus_1"]) < 20
    assert brief.double().mean() == pytest.approx(0.04, abs=0.006)
    assert start["end"].max() <= task.T
    assert start["choice"].double().mean() == pytest.approx(0.5, abs=0.02)
    assert ((start["f1"] > start["f2"]) == (start["choice"] == 0)).all()
    pairs = torch.stack((start["f1"], start["f2"]), 1).sort(1, descending=True).values
    assert pairs.unique(dim=0).tolist() == [[18, 10], [22, 14], [26, 18], [30, 22], [34, 26]]


def test_categories_are_the_equal_sectors_of_the_circle():
    conditions = MatchToCategory(n_out=3).sample_conditions(9000, seeded(0))
    angle, category = conditions["angle"], conditions["category"]
    assert category.bincount().tolist() == pytest.approx([3000] * 3, rel=0.05)
    for index in range(3):
        inside = angle[category == index]
        assert index * 2 * math.pi / 3 <= inside.min()
        assert inside.max() <= (index + 1) * 2 * math.pi / 3
    turned = MatchToCategory(angle=-math.pi / 2).sample_conditions(2, seeded(0))
    assert turned["angle"].tolist() == pytest.approx([3 * math.pi / 2] * 2)
    assert turned["category"].tolist() == [1, 1]


def test_the_ring_counts_its_end_point_once_if_told():
    angle = {"angle": 0.0, "stim_noise": 0.0, "n_in": 8}
    closed, open_ = (
        MatchToCategory(ring_endpoint=kind, **angle).sample(1, seeded(0), torch.float64).inputs[0, 50]
        for kind in ("include", "exclude")
    )
    assert closed[0].item() == pytest.approx(closed[-1].item())
    assert open_[-1].item() == pytest.approx(open_[1].item())
    assert open_[-1] < open_[0]
    assert MatchToCategory(ring_endpoint="exclude", n_in=8).input_labels[-1] == "315 deg"
    wide = MatchToCategory(ring_endpoint="exclude", tuning_width=2.0, **angle)
    bump = wide.sample(1, seeded(0), torch.float64).inputs[0, 50]
    assert bump[4].item() == pytest.approx(math.exp(-((math.pi / 2) ** 2) / 2) / math.sqrt(2 * math.pi))


@two_choice
def test_levels_and_delay_of_the_two_choice_tasks_are_options(task_class):
    task = task_class(
        stim_noise=0,
        coherence=0.5,
        direction=1,
        onset_time=100,
        stim_duration=[300],
        target_delay=55,
        input_baseline=0.25,
        target_low=-1,
        target_high=2,
    )
    trials = task.sample(1, seeded(0))
    assert trials.inputs[0, 20].tolist() == [0.25, 0.75]
    late = trials.targets[0, :, 1].nonzero().flatten()
    assert late[0] * task.dt == 460  # the first step after 400 + 55 ms
    assert trials.targets[0, -1].tolist() == [-1, 2]
    assert trials.mask[0, :, 0].nonzero()[0] * task.dt == 400


def test_levels_of_delayed_discrim_and_match_to_category_are_options():
    levels = {"stim_noise": 0, "target_low": -1, "target_high": 3}
    delayed = DelayedDiscrim(
        frequency_pairs=[[0, 100]], frequency_range=[0, 100], input_low=2, input_high=5, **levels
    )
    trials = delayed.sample(20, seeded(0))
    assert trials.inputs.unique().tolist() == [0, 2, 5]
    assert trials.targets.unique().tolist() == [-1, 0, 3]
    assert MatchToCategory(**levels).sample(8, seeded(0)).targets.unique().tolist() == [-1, 0, 3]
