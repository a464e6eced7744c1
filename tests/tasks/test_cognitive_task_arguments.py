"""What the constructors of the cognitive tasks refuse, epochs that do not fit into a trial above all."""

import math

import pytest
import torch

from rnnexp.tasks import DelayedDiscrim, MatchToCategory, PerceptualDiscrim, SimplePD

every_task = pytest.mark.parametrize(
    "task_class", [PerceptualDiscrim, DelayedDiscrim, MatchToCategory, SimplePD]
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: MatchToCategory(T=1000),
            r"epochs must fit into T = 1000 ms, but onset_time \(200\) \+ input_dur \(1000\) "
            r"\+ output_dur \(800\) take 2000 ms; shorten them or raise T",
        ),
        (
            lambda: DelayedDiscrim(T=1000, delay_duration={"uniform": [100, 600]}),
            r"delay_duration \(100 to 600\).*take 100 to 1350 ms",
        ),
        (
            lambda: PerceptualDiscrim(
                T=1000, stim_duration={"exponential": [200, 900, math.inf]}, onset_time=100
            ),
            r"stim_duration \(900 or more\) \+ target_delay \(20\) take 1020 or more ms",
        ),
        (
            lambda: PerceptualDiscrim(T=500, onset_time=200, stim_duration=300),
            r"target_delay \(20\) take 520 ms",
        ),
        (
            lambda: SimplePD(T=60),
            r"onset_time \(15\) \+ stim_duration \(30\) \+ target_delay \(20\) take 65 ms",
        ),
    ],
)
def test_epochs_that_do_not_fit_into_the_trial_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: MatchToCategory(T=1501),
            "take 2000 ms, longer than T = 1501 ms: output_dur is cut off there",
        ),
        (lambda: DelayedDiscrim(T=1000, decision_duration=900), "decision_duration is cut off there"),
    ],
)
def test_a_last_epoch_that_runs_over_the_end_is_cut_off(build, message, caplog):
    task = build()
    assert message in caplog.text
    trials = task.sample(4, seeded(0))
    assert trials.mask[:, -1].all()
    assert trials.n_steps == task.n_steps


@every_task
def test_epochs_that_fill_the_trial_to_the_end_are_accepted(task_class):
    assert task_class(T=2000).n_steps == 200
    assert PerceptualDiscrim(T=1000, onset_time=400, stim_duration=580).n_steps == 100
    rounded = PerceptualDiscrim(dt=0.1, T=0.6, onset_time=0.1, stim_duration=0.2, target_delay=0.3)
    assert rounded.n_steps == 6  # although 0.1 + 0.2 + 0.3 > 0.6 in floating point
    for T in (333.3, 777.7):
        assert DelayedDiscrim(T=T).sample_conditions(500, seeded(0))["end"].max() <= T


def test_an_epoch_of_unknown_length_is_cut_at_the_end_of_the_trial():
    task = PerceptualDiscrim(T=1000, onset_time=0, stim_duration={"exponential": 800})
    trials = task.sample(200, seeded(0))
    too_long = trials.conditions["stim_duration"] > 1000
    assert 0 < too_long.sum() < 200
    assert (trials.mask[too_long] == 0).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PerceptualDiscrim(dt=-1), "dt must be > 0 ms, got -1"),
        (lambda: DelayedDiscrim(tau=None), "tau must be > 0 ms, got None"),
        (lambda: PerceptualDiscrim(direction=2), "direction must be null, 0 or 1, got 2"),
        (lambda: PerceptualDiscrim(direction=True), "direction must be null, 0 or 1, got True"),
        (
            lambda: PerceptualDiscrim(coherence_dist="gaussian"),
            "coherence_dist must be null, discrete or exponential, got 'gaussian'",
        ),
        (lambda: SimplePD(coherence=-0.1), "coherence must be >= 0, got -0.1"),
        (lambda: SimplePD(stim_noise=-1), "stim_noise must be >= 0, got -1"),
        (lambda: SimplePD(target_delay=-5), "target_delay must be >= 0 ms, got -5"),
        (lambda: SimplePD(input_baseline="high"), "input_baseline must be a finite number, got 'high'"),
        (lambda: SimplePD(target_low=1), "target_high must be > target_low = 1, got 1.0"),
        (
            lambda: DelayedDiscrim(onset_time=[10, -10]),
            r"onset_time must be >= 0 ms, but \[10, -10\] can be -10",
        ),
        (lambda: DelayedDiscrim(input_low=2), "input_high must be > input_low = 2, got 1.2"),
        (lambda: DelayedDiscrim(frequency_pairs=[]), "frequency_pairs must be a list of at least one"),
        (
            lambda: DelayedDiscrim(frequency_pairs=[[10, 50]]),
            r"pairs of different frequencies within frequency_range = \[10, 34\], got \[10, 50\]",
        ),
        (
            lambda: DelayedDiscrim(frequency_pairs=[[12, 12]]),
            r"pairs of different frequencies .*got \[12, 12\]",
        ),
        (lambda: DelayedDiscrim(frequency_range=[34, 10]), "lowest < highest, got"),
        (lambda: MatchToCategory(n_out=1), "n_out must be a whole number >= 2, got 1"),
        (lambda: MatchToCategory(n_in=16.0), "n_in must be a whole number >= 2, got 16.0"),
        (
            lambda: MatchToCategory(ring_endpoint="both"),
            "ring_endpoint must be include or exclude, got 'both'",
        ),
        (lambda: MatchToCategory(tuning_width=0), "tuning_width must be > 0 rad, got 0"),
        (lambda: MatchToCategory(onset_time=None), "onset_time must be a number, .* got None"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(build, message):
    with pytest.raises(ValueError, match=message):
        build()
