"""Tasks written as a list of phases."""

import pytest
import torch

from rnnexp.tasks.phases import Phase, PhasedTask


class Remember(PhasedTask):
    """A cue to one of two sides, a delay, a response."""

    condition = "side"

    def __init__(self, dt=20.0, delay=(200, 400), **settings):
        settings = {"inputs": {"cue": 2, "go": 1}, "outputs": {"choice": 2}, **settings}
        super().__init__(
            dt=dt, durations={"wait": 40, "cue": 100, "delay": delay, "response": 60}, **settings
        )

    def draw(self, n_trials, generator):
        return {"side": torch.randint(2, (n_trials,), generator=generator)}

    def phases(self, conditions):
        side = torch.eye(2)[conditions["side"]]
        return [
            Phase("wait", weight=0),
            Phase("cue", show={"cue": 2 * side}, is_cue=True),
            Phase("delay", ask={"choice": 0.1}),
            Phase(
                "response", show={"go": 1}, ask={"choice": side}, weight={"choice": 3}, grace=20, is_cue=True
            ),
        ]


def given(side, delay, **more):
    lasting = {"wait": 40.0, "cue": 100.0, "delay": delay, "response": 60.0}
    conditions = {f"{name}_duration": torch.tensor([ms], dtype=torch.float64) for name, ms in lasting.items()}
    return {**conditions, "side": torch.tensor([side]), **more}


def test_every_border_of_a_trial():
    task = Remember(rest=0.5)
    trials = task.make_trials(given(1, 200.0), torch.Generator(), torch.float64)
    assert (task.n_steps, trials.lengths.tolist()) == (30, [20])
    n = {"wait": 2, "cue": 5, "delay": 10, "response": 3}
    cue = torch.zeros(30, 2, dtype=torch.float64)
    cue[2:7, 1] = 2
    go, side, mask = (torch.zeros(30, dtype=torch.float64) for _ in range(3))
    go[17:20] = 1
    side[:7], side[7:17], side[17:20] = 0.5, 0.1, 1
    mask[2:17], mask[18:20] = 1, 3
    assert sum(n.values()) == 20
    assert torch.equal(trials.inputs[0], torch.cat((cue, go[:, None]), 1))
    assert torch.equal(trials.targets[0, :, 1], side)
    assert torch.equal(trials.targets[0, 17:20, 0], torch.zeros(3, dtype=torch.float64))
    assert torch.equal(trials.mask[0], mask[:, None].expand(-1, 2))
    assert {name: time.item() for name, time in task.events(trials).items()} == {
        "cue": 40, "delay": 140, "response": 340,
    }  # fmt: skip


def test_catch_trials_lack_their_cues():
    task = Remember(catch_probability=0.3)
    trials = task.sample(3000, torch.Generator().manual_seed(0))
    is_catch = trials.conditions["catch"] == 1
    assert is_catch.double().mean().item() == pytest.approx(0.3, abs=0.03)
    assert not trials.inputs[is_catch].any()
    assert trials.inputs[~is_catch].flatten(1).any(1).all()
    one = task.make_trials(given(1, 200.0, catch=torch.tensor([1])), torch.Generator())
    assert torch.equal(one.targets[0, 17:20], torch.full((3, 2), 0.1))  # goes on as in the delay
    assert torch.equal(one.mask[0, 18:20], torch.full((2, 2), 3.0))
    assert "catch" not in Remember().sample(3, torch.Generator()).conditions


def test_noise_and_lengths():
    task = Remember(input_noise=0.3, delay=400)
    trials = task.sample(500, torch.Generator().manual_seed(0))
    assert trials.lengths is None
    assert trials.inputs[:, :2].std().item() == pytest.approx(0.3, rel=0.05)
    uneven = Remember(input_noise=0.3).sample(50, torch.Generator().manual_seed(0))
    assert not uneven.inputs[~uneven.is_real].any()
    assert torch.equal(Remember().sample(4, torch.Generator().manual_seed(1)).inputs,
                       Remember().sample(4, torch.Generator().manual_seed(1)).inputs)  # fmt: skip


def test_what_cannot_be():
    for settings, told in (
        ({"delay": {"exponential": 100}}, "delay must have a longest duration"),
        ({"delay": -1}, "delay must be >= 0 ms"),
        ({"inputs": {"cue": 0, "go": 1}}, "inputs.cue must be"),
        ({"catch_probability": 2}, "catch_probability must be"),
        ({"input_noise": -1}, "input_noise must be"),
        ({"dt": 5000}, "must last dt = 5000 ms at least"),
        ({"dt": 0}, "dt must be"),
    ):
        with pytest.raises(ValueError, match=told):
            Remember(**settings)

    class Wrong(Remember):
        def phases(self, conditions):
            return [self.phase]

    for phase, told in (
        (Phase("pause"), "phase pause has no duration"),
        (Phase("cue", show={"light": 1}), "phase cue shows light, must be one of cue, go"),
        (Phase("cue", ask={"side": 1}), "phase cue asks side, must be one of choice"),
        (Phase("cue", weight={"side": 1}), "phase cue weighs side"),
    ):
        task = Wrong()
        task.phase = phase
        with pytest.raises(ValueError, match=told):
            task.sample(2, torch.Generator())

    class Unsaid(PhasedTask):
        pass

    unsaid = Unsaid(inputs={"a": 1}, outputs={"b": 1}, durations={"c": 100}, dt=10)
    with pytest.raises(NotImplementedError, match="Unsaid must define phases"):
        unsaid.sample(1, torch.Generator())
