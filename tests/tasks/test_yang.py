"""The twenty tasks of Yang et al. (2019): every rule against trials written by hand, at every border of its epochs."""

import math

import pytest
import torch

from rnnexp.tasks.cognitive.rings import HOLD, apart, bump, population_vector
from rnnexp.tasks.cognitive.yang import COHERENCES, DURATIONS, RULES, YangTask, YangTasks

DT = 20
A, B = 1.0, 4.0  # two directions
PI = math.pi
# Epochs of a trial, ms: name, duration, fixation input, stimuli as (ring, direction, strength), response or HOLD
GO = [
    ("fixation", 400, 1, [], HOLD),
    ("stimulus", 600, 1, [(1, A, 1)], HOLD),
    ("response", 500, 0, [(1, A, 1)], A),
]
RT = [("fixation", 700, 1, [], HOLD), ("response", 500, 1, [(2, A, 1)], A)]
DLY = [
    ("fixation", 300, 1, [], HOLD), ("stimulus", 200, 1, [(2, A, 1)], HOLD), ("delay", 400, 1, [], HOLD),
    ("response", 500, 0, [], A),
]  # fmt: skip


def opposite(trial):
    *before, (name, duration, fixation, stimuli, response) = trial
    return [*before, (name, duration, fixation, stimuli, response + PI)]


def decision(*stimuli, response):
    return [
        ("fixation", 200, 1, [], HOLD), ("stimulus", 400, 1, list(stimuli), HOLD), ("response", 500, 0, [], response),
    ]  # fmt: skip


def delayed(first, second, response):
    return [
        ("fixation", 200, 1, [], HOLD), ("stimulus 1", 400, 1, first, HOLD), ("delay 1", 800, 1, [], HOLD),
        ("stimulus 2", 200, 1, second, HOLD), ("delay 2", 160, 1, [], HOLD), ("response", 500, 0, [], response),
    ]  # fmt: skip


def comparison(first, second, response, lasting=500):
    return [
        ("fixation", 200, 1, [], HOLD), ("stimulus", 600, 1, [first], HOLD), ("delay", 200, 1, [], HOLD),
        ("response", lasting, 1, [second], response),
    ]  # fmt: skip


def strengths(a1, a2, b1, b2):
    """Of the stimuli in the directions A and B, in rings 1 and 2."""
    return {"direction_1": A, "direction_2": B, "strength_1_1": a1, "strength_1_2": a2,
            "strength_2_1": b1, "strength_2_2": b2}  # fmt: skip


ONE, TWO = {"direction": A, "ring": 1}, {"direction": A, "ring": 2}
CASES = [
    ("Go", ONE, GO), ("RT Go", TWO, RT), ("Dly Go", TWO, DLY),
    ("Anti", ONE, opposite(GO)), ("RT Anti", TWO, opposite(RT)), ("Dly Anti", TWO, opposite(DLY)),
    ("DM 1", strengths(0.9, 0, 1.1, 0), decision((1, A, 0.9), (1, B, 1.1), response=B)),
    ("DM 2", strengths(0, 1.2, 0, 0.8), decision((2, A, 1.2), (2, B, 0.8), response=A)),
    ("Ctx DM 1", strengths(0.9, 1.3, 1.1, 0.7),
     decision((1, A, 0.9), (1, B, 1.1), (2, A, 1.3), (2, B, 0.7), response=B)),
    ("Ctx DM 2", strengths(0.9, 1.3, 1.1, 0.7),
     decision((1, A, 0.9), (1, B, 1.1), (2, A, 1.3), (2, B, 0.7), response=A)),
    ("MultSen DM", strengths(0.4, 1.4, 1.3, 0.3),
     decision((1, A, 0.4), (1, B, 1.3), (2, A, 1.4), (2, B, 0.3), response=A)),
    ("Dly DM 1", strengths(0.9, 0, 1.1, 0), delayed([(1, A, 0.9)], [(1, B, 1.1)], B)),
    ("Dly DM 2", strengths(0, 0.9, 0, 0.7), delayed([(2, A, 0.9)], [(2, B, 0.7)], A)),
    ("Ctx Dly DM 1", strengths(0.9, 1.3, 1.1, 0.7), delayed([(1, A, 0.9), (2, A, 1.3)], [(1, B, 1.1), (2, B, 0.7)], B)),
    ("Ctx Dly DM 2", strengths(0.9, 1.3, 1.1, 0.7), delayed([(1, A, 0.9), (2, A, 1.3)], [(1, B, 1.1), (2, B, 0.7)], A)),
    ("MultSen Dly DM", strengths(0.4, 1.4, 1.3, 0.3),
     delayed([(1, A, 0.4), (2, A, 1.4)], [(1, B, 1.3), (2, B, 0.3)], A)),
]  # fmt: skip
for rule, match, goes in (("DMS", 1, 1), ("DMS", 0, 0), ("DNMS", 1, 0), ("DNMS", 0, 1)):
    second = A if match else B
    given = {"direction_1": A, "direction_2": second, "ring_1": 1, "ring_2": 2, "match": match}
    CASES.append((rule, given, comparison((1, A, 1), (2, second, 1), second if goes else HOLD)))
for rule, second, goes in (
    ("DMC", 2.0, 1),
    ("DMC", B, 0),
    ("DNMC", 2.0, 0),
    ("DNMC", B, 1),
):  # A and 2 below pi
    given = {"direction_1": A, "direction_2": second, "ring_1": 2, "ring_2": 2, "match": int(second < PI)}
    CASES.append((rule, given, comparison((2, A, 1), (2, second, 1), second if goes else HOLD, 200)))


def by_hand(trial):
    """Inputs, targets and mask of a trial, step by step."""
    inputs, targets, mask = [], [], []
    for name, duration, fixation, stimuli, response in trial:
        rings = torch.zeros(2, 32, dtype=torch.float64)
        for ring, direction, strength in stimuli:
            for unit in range(32):
                off = abs(direction - unit * 2 * PI / 32)
                off = min(off, 2 * PI - off)
                rings[ring - 1, unit] += strength * 0.8 * math.exp(-((off / (PI / 8)) ** 2) / 2)
        out = torch.full((33,), 0.05, dtype=torch.float64)
        if response == HOLD:
            out[0] = 0.8
        else:
            out[1:] += bump(torch.tensor([response % (2 * PI)], dtype=torch.float64), 32)[0]
        for step in range(duration // DT):
            is_grace = name in ("fixation", "response") and step * DT < 100
            weight = 0.0 if is_grace else 5.0 if name == "response" else 1.0
            inputs.append(torch.cat((torch.tensor([float(fixation)]), rings.flatten())))
            targets.append(out)
            mask.append(torch.cat((torch.tensor([2 * weight]), torch.full((32,), weight))))
    return torch.stack(inputs), torch.stack(targets), torch.stack(mask)


@pytest.mark.parametrize(("rule", "given", "trial"), CASES, ids=[f"{c[0]} {i}" for i, c in enumerate(CASES)])
def test_a_trial_is_that_written_by_hand(rule, given, trial):
    task = YangTask(rule, noise=0.0)
    conditions = {name: torch.tensor([value]) for name, value in given.items()}
    conditions |= {name: c.double() for name, c in conditions.items() if c.is_floating_point()}
    conditions |= {f"{name}_duration": torch.tensor([float(lasting)]) for name, lasting, *_ in trial}
    conditions["response"] = torch.tensor([trial[-1][-1]], dtype=torch.float64)
    conditions["response"] = conditions["response"].where(
        conditions["response"] == HOLD, conditions["response"] % (2 * PI)
    )
    made = task.make_trials(conditions, torch.Generator(), torch.float64)
    length = sum(lasting for _, lasting, *_ in trial) // DT
    assert made.lengths.tolist() == [length]
    for found, wanted in zip((made.inputs, made.targets, made.mask), by_hand(trial), strict=True):
        torch.testing.assert_close(found[0, :length], wanted.double())
        assert not found[0, length:].any()
    starts = torch.tensor([lasting for _, lasting, *_ in trial]).cumsum(0)[:-1].tolist()
    assert [time.item() for time in task.events(made).values()] == starts


@pytest.mark.parametrize("rule", RULES)
def test_what_is_drawn_is_what_the_rule_asks_for(rule):
    task = YangTask(rule)
    trials = task.sample(400, torch.Generator().manual_seed(0))
    c = trials.conditions
    response = c["response"]
    if task.family in COHERENCES:
        sums = torch.stack(
            [torch.stack([c[f"strength_{s}_{r}"] for r in (1, 2)]) for s in (1, 2)]
        )  # stimulus, ring
        counted = sums.sum(1) if rule.startswith("MultSen") else sums[:, int(rule[-1]) - 1]
        assert torch.equal(response, torch.where(counted[0] > counted[1], c["direction_1"], c["direction_2"]))
        if rule in ("DM 1", "Dly DM 2"):
            assert not sums[:, 2 - int(rule[-1])].any()
        half = ((counted[0] - counted[1]) / 2).abs()
        if not rule.startswith("MultSen"):
            allowed = torch.tensor(COHERENCES[task.family], dtype=torch.float64)
            assert ((half[:, None] - allowed).abs().min(1).values < 1e-9).all()
        off = (c["direction_1"] - c["direction_2"]).abs()
        assert (torch.minimum(off, 2 * PI - off) >= PI / 2 - 1e-9).all()
    elif task.family in ("DMS", "DMC"):
        goes = c["match"] == (0 if rule in ("DNMS", "DNMC") else 1)
        assert torch.equal(response, torch.where(goes, c["direction_2"], HOLD))
        assert 0.35 < c["match"].double().mean() < 0.65
        if task.family == "DMC":
            assert torch.equal(c["match"] == 1, (c["direction_1"] < PI) == (c["direction_2"] < PI))
    else:
        wanted = c["direction"] + (PI if "Anti" in rule else 0)
        assert torch.allclose(response, wanted % (2 * PI))
        assert set(c["ring"].tolist()) == {1, 2}
    assert {name for name in c if name.endswith("_duration")} == {
        f"{n}_duration" for n in DURATIONS[task.family]
    }
    assert task.metrics(trials.targets, trials)["accuracy"] == 1
    assert task.metrics(torch.rand_like(trials.targets), trials)["accuracy"] < 0.5


def test_rings():
    direction = torch.tensor([0.0, 1.0, 6.2], dtype=torch.float64)
    assert apart(population_vector(bump(direction, 32)), direction).max() < 1e-3
    assert bump(torch.tensor([0.0]), 32)[0, 0] == pytest.approx(0.8)
    noise = YangTask("Go", noise=0.01).sample(200, torch.Generator().manual_seed(0), torch.float64)
    quiet = noise.inputs[:, :10, 1:]  # fixation alone
    assert quiet.std().item() == pytest.approx(0.01 * math.sqrt(10), rel=0.02)


def test_arguments():
    task = YangTask("Dly Go", durations={"delay": 600}, n_ring=16)
    assert task.sample(3, torch.Generator()).conditions["delay_duration"].tolist() == [600] * 3
    assert (task.input_dim, task.output_dim) == (33, 17)
    for arguments, told in (
        ({"rule": "go"}, "rule must be Go, RT Go"),
        ({"rule": "RT Go", "durations": {"delay": 1}}, "durations.delay: RT Go has no such phase"),
        ({"rule": "Go", "coherences": [0.1]}, "coherences: has no effect in Go"),
        ({"rule": "DM 1", "coherences": [-0.1]}, "coherences must be >= 0"),
        ({"n_ring": 1}, "n_ring must be"),
    ):
        with pytest.raises(ValueError, match=told):
            YangTask(**arguments)
    with pytest.raises(ValueError, match="rules must be Go"):
        YangTasks(["Go", "Stop"])


def test_all_rules_in_one_batch():
    tasks = YangTasks()
    trials = tasks.sample(2000, torch.Generator().manual_seed(1))
    assert (tasks.input_dim, tasks.output_dim, tasks.n_steps) == (85, 33, 210)
    assert list(tasks.tasks) == list(RULES)
    assert trials.conditions["task"].bincount().min() > 50
    own = trials.inputs[:, 0, 65:]
    assert torch.equal(own.argmax(1), trials.conditions["task"])
    assert torch.equal(own.sum(1), torch.ones(2000))
