"""Flip-flop, timing, N-back, multi-sensory integration and the bandit: trials by hand, metrics, refusals."""

import pytest
import torch

from rnnexp.tasks.cognitive.bandit import TwoArmedBandit
from rnnexp.tasks.cognitive.flip_flop import FlipFlop
from rnnexp.tasks.cognitive.intervals import IntervalReproduction, ReadySetGo
from rnnexp.tasks.cognitive.multisensory import MultisensoryIntegration
from rnnexp.tasks.cognitive.n_back import NBack

ALL = (FlipFlop, ReadySetGo, IntervalReproduction, NBack, MultisensoryIntegration, TwoArmedBandit)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ALL)
def test_the_targets_solve_the_task_and_noise_does_not(kind):
    task = kind()
    trials = task.sample(300, seeded())
    assert task.metrics(trials.targets, trials)["accuracy"] == 1
    noise = torch.randn(trials.targets.shape, generator=seeded())
    assert task.metrics(noise, trials)["accuracy"] < 0.65
    assert torch.equal(trials.inputs, kind().sample(300, seeded()).inputs)
    assert trials.inputs.isfinite().all()
    for times in task.events(trials).values():
        assert times.shape == (300,)
        assert (times <= task.T).all()
    assert set(task.chance) <= {"accuracy"}


def test_flip_flop_keeps_the_sign_of_the_last_pulse():
    task = FlipFlop(n_bits=2, dt=10, T=1000, pulse_rate=5, pulse_duration=30, grace=50)
    trials = task.sample(40, seeded())
    for inputs, targets, mask in zip(trials.inputs, trials.targets, trials.mask, strict=True):
        for channel in range(2):
            sign, begun, on = 0.0, -1, 0
            for t in range(100):
                if inputs[t, channel] and (on == 0 or inputs[t, channel] != sign):
                    sign, begun, on = inputs[t, channel].item(), t, 0
                on = on + 1 if inputs[t, channel] else 0
                assert on <= 3
                assert targets[t, channel] == sign
                assert mask[t, channel] == float(begun >= 0 and t - begun >= 5)
            assert begun >= 0  # the first pulse comes in the first 100 ms
    late = FlipFlop(first_pulse=0, pulse_rate=0.5).sample(200, seeded())
    assert (late.mask.sum((1, 2)) == 0).any()
    rate = (FlipFlop(T=20000, pulse_rate=1).sample(20, seeded()).inputs != 0).double().mean().item()
    assert rate == pytest.approx(0.05, rel=0.1)  # pulses of 50 ms a second


def test_ready_set_go():
    task = ReadySetGo(dt=20, stim_noise=0.0)
    given = {"ready": 100.0, "interval": 480.0, "gain": 1.5}
    trials = task.make_trials(
        {k: torch.tensor([v]).double() for k, v in given.items()}, seeded(), torch.float64
    )
    pulses = trials.inputs[0, :, 0].nonzero()[:, 0].tolist()
    assert pulses == [5, 6, 7, 29, 30, 31]
    assert trials.lengths.tolist() == [(580 + 720 + 200) // 20]
    assert (trials.inputs[0, :75, 1] == 1.5).all()
    ramp = trials.targets[0, :75, 0]
    assert not ramp[:30].any()
    assert ramp[29 + 18] == 0.5
    assert (ramp[29 + 36 :] == 1).all()
    late = trials.targets.roll(6, 1)  # 120 ms of 720 too late: 1/6
    assert task.metrics(late, trials)["accuracy"] == 0
    assert task.metrics(late, trials)["interval_error"].item() == pytest.approx(1 / 6 / 0.9, abs=0.03)
    assert task.metrics(torch.zeros_like(late), trials)["interval_error"] == 1


def test_interval_reproduction():
    task = IntervalReproduction(dt=20, stim_noise=0.0)
    given = {"onset": 200.0, "interval": 400.0, "delay": 300.0}
    trials = task.make_trials(
        {k: torch.tensor([v]).double() for k, v in given.items()}, seeded(), torch.float64
    )
    assert trials.inputs[0, :, 0].nonzero()[:, 0].tolist() == list(range(10, 30))
    assert trials.inputs[0, :, 1].nonzero()[:, 0].tolist() == [45, 46, 47]
    assert trials.targets[0, 55, 0] == 0.5
    assert trials.lengths.tolist() == [(900 + 400 + 200) // 20]


def test_n_back_matches():
    task = NBack(n_back=2, n_sequence=4, n_items=3, stim_noise=0.0)
    conditions = task.sample_conditions(1, seeded())
    for number, item in enumerate((0, 1, 0, 2), start=1):
        conditions[f"item_{number}"] = torch.tensor([item])
    trials = task.make_trials(conditions, seeded())
    starts = [5 + 20 * k for k in range(4)]
    for start, item in zip(starts, (0, 1, 0, 2), strict=True):
        assert trials.inputs[0, start : start + 10].argmax(1).tolist() == [item] * 10
        assert not trials.inputs[0, start + 10 : start + 20].any()
    scored = trials.mask[0, :, 0].nonzero()[:, 0].tolist()
    assert scored == [*range(48, 55), *range(68, 75)]
    assert (trials.targets[0, 48] == torch.tensor([1.0, 0.0])).all()
    assert (trials.targets[0, 68] == torch.tensor([0.0, 1.0])).all()
    many = NBack(match_probability=0.3).sample(2000, seeded()).conditions
    assert (many["matches"].double() / 4).mean().item() == pytest.approx(0.3, abs=0.02)


def test_senses_that_are_not_given_are_silent():
    task = MultisensoryIntegration(stim_noise=0.0, catch_probability=0.2)
    trials = task.sample(400, seeded())
    c = trials.conditions
    during = trials.inputs[:, 20]
    fine = c["catch"] == 0
    for modality, silent in ((0, slice(3, 5)), (1, slice(1, 3))):
        rows = fine & (c["modality"] == modality)
        assert not during[rows][:, silent].any()
        assert during[rows][:, 1:].any()
    both = during[fine & (c["modality"] == 2)]
    assert torch.equal(both[:, 1:3], both[:, 3:5])
    difference = during[fine, 1:3].amax(1) - during[fine, 1:3].amin(1)
    given = c["modality"][fine] != 1
    torch.testing.assert_close(difference[given].double(), c["coherence"][fine][given], rtol=1e-5, atol=1e-6)
    assert not during[~fine, 1:].any()
    assert (trials.inputs[:, :50, 0] == 1).all()


def test_an_ideal_observer_of_the_bandit():
    task = TwoArmedBandit(n_draws=3, stim_noise=0.0)
    conditions = task.sample_conditions(1, seeded())
    for number, (arm, reward) in enumerate(((0, 1), (1, 1), (1, 1)), start=1):
        conditions[f"arm_{number}"], conditions[f"reward_{number}"] = (
            torch.tensor([arm]),
            torch.tensor([reward]),
        )
    trials = task.make_trials(conditions, seeded())
    # expected rewards: 2/3 against 1/2, then 2/3 against 2/3, then 2/3 against 3/4
    for step, wanted in ((20, [1, 0]), (40, None), (60, [0, 1])):
        if wanted is None:
            assert not trials.mask[0, step].any()
        else:
            assert trials.targets[0, step].tolist() == wanted
            assert trials.mask[0, step].tolist() == [1, 1]
    assert trials.inputs[0, 10].tolist() == [1, 0, 1, 0]
    assert trials.inputs[0, 30].tolist() == [0, 1, 1, 0]
    c = TwoArmedBandit(reward_probability=0.9).sample(3000, seeded()).conditions
    won = c["reward_1"][c["arm_1"] == c["best"]].double().mean().item()
    assert won == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        (FlipFlop, {"n_bits": 0}, "n_bits must be"),
        (FlipFlop, {"pulse_duration": 1}, "pulse_duration must be >= dt"),
        (FlipFlop, {"pulse_rate": 200}, "pulse_rate"),
        (ReadySetGo, {"interval": {"exponential": 500}}, "interval must"),
        (ReadySetGo, {"interval": 500, "ready": {"exponential": 500}}, "ready must have a largest value"),
        (ReadySetGo, {"gain": 0}, "gain must be >= 0.1"),
        (ReadySetGo, {"tolerance": 0}, "tolerance must be"),
        (IntervalReproduction, {"delay": -1}, "delay must be >= 0"),
        (NBack, {"n_sequence": 2}, "n_sequence must be"),
        (NBack, {"match_probability": 2}, "match_probability must be"),
        (MultisensoryIntegration, {"modality": 3}, "modality must be <= 2"),
        (MultisensoryIntegration, {"coherence": [2]}, "coherence must be <= 1"),
        (TwoArmedBandit, {"reward_probability": 0.2}, r"reward_probability must be >= 0\.5"),
    ],
)
def test_what_cannot_be(kind, arguments, told):
    with pytest.raises(ValueError, match=told):
        kind(**arguments)
