"""The accuracy of the spikeRNN tasks, on outputs made by hand: steps of 5 ms, the first excluded step is named."""

import numpy as np
import pytest
import torch

from rnnexp.tasks import XOR, GoNogo, Mante
from rnnexp.tasks.cognitive.response import peak

GO, NOGO = GoNogo(go_probability=1), GoNogo(go_probability=0)
SAME, DIFFERENT = XOR(sign_1=-1, sign_2=-1), XOR(sign_1=-1, sign_2=1)
UP, DOWN = (Mante(context="motion", color=-sign, motion=sign) for sign in (0.5, -0.5))


def trials_of(task, n_trials=1):
    return task.sample(n_trials, torch.Generator().manual_seed(0))


def accuracy(task, values: dict[int, float], elsewhere: float = 0.0) -> float:
    """Return the accuracy of one trial whose output is `elsewhere` but for some steps."""
    trials = trials_of(task)
    outputs = torch.full_like(trials.targets, elsewhere)
    for step, value in values.items():
        outputs[0, step, 0] = value
    return task.metrics(outputs, trials)["accuracy"].item()


@pytest.mark.parametrize(
    ("task", "first", "last", "side"),
    [
        (GO, 75, 198, 1),
        (SAME, 170, 269, 1),
        (DIFFERENT, 170, 269, -1),
        (UP, 250, 498, 1),
        (DOWN, 250, 498, -1),
        (XOR(sign_1=1, sign_2=1, accuracy_window=[1000, 1500]), 200, 298, 1),  # as in the code of the paper
        (Mante(motion=0.5, context="motion", accuracy_window=[1495, 2500]), 299, 498, 1),  # likewise
        (GoNogo(go_probability=1, accuracy_window=[500, 600]), 100, 119, 1),
    ],
    ids=["go", "same", "different", "up", "down", "xor window", "mante window", "go window"],
)
def test_one_step_above_the_threshold_on_the_right_side_within_the_response_is_correct(
    task, first, last, side
):
    for step in (first, last):
        assert accuracy(task, {step: 0.71 * side}) == 1
        assert accuracy(task, {step: 0.69 * side}) == 0
        assert accuracy(task, {step: -0.71 * side}) == 0
    assert accuracy(task, {first - 1: 5.0 * side, last + 1: 5.0 * side}) == 0


@pytest.mark.parametrize("task", [GO, SAME, DIFFERENT, UP, DOWN])
def test_the_threshold_itself_is_not_enough(task):
    trials = trials_of(task)
    exact = torch.full(trials.targets.shape, 0.7, dtype=torch.float64)
    for outputs in (exact, -exact):
        assert task.metrics(outputs, trials)["accuracy"] == 0


@pytest.mark.parametrize("task", [SAME, DIFFERENT, UP, DOWN])
def test_an_output_that_swings_both_ways_is_correct_on_both_sides(task):
    assert accuracy(task, {255: 0.8, 260: -0.8}) == 1


def test_a_nogo_trial_is_correct_if_the_output_stays_small_on_both_sides():
    assert accuracy(NOGO, {74: 5.0, 199: 5.0}) == 1
    for step in (75, 198):
        assert accuracy(NOGO, {step: 0.29}) == accuracy(NOGO, {step: -0.29}) == 1
        assert accuracy(NOGO, {step: 0.31}) == accuracy(NOGO, {step: -0.31}) == 0


def test_thresholds_are_options():
    lenient = GoNogo(go_probability=1, accuracy_threshold=0.3)
    assert accuracy(lenient, {100: 0.31}) == 1
    assert accuracy(lenient, {100: 0.29}) == 0
    assert accuracy(GoNogo(go_probability=0, nogo_threshold=0.5), {100: -0.49}) == 1
    assert accuracy(XOR(sign_1=1, sign_2=-1, accuracy_threshold=1.5), {200: -1.4}) == 0
    assert accuracy(Mante(color=0.5, context="color", accuracy_threshold=0), {300: 0.01}) == 1


@pytest.mark.parametrize("task", [GO, NOGO, SAME, DIFFERENT, UP, DOWN])
def test_an_output_that_is_nan_is_never_correct(task):
    right = 0.0 if task is NOGO else trials_of(task).targets.sum().sign().item()
    step = 180 if isinstance(task, GoNogo) else 260
    assert accuracy(task, {step: right}, elsewhere=0.1) == 1
    assert accuracy(task, {step: right, step + 1: float("nan")}, elsewhere=0.1) == 0
    assert accuracy(task, {}, elsewhere=float("nan")) == 0


@pytest.mark.parametrize("task_class", [GoNogo, XOR, Mante])
def test_accuracy_is_the_rule_applied_to_each_trial_by_itself(task_class):
    times = {"stim_on": {"uniform": [100, 300]}, "stim_dur": [50, 100, 200]}
    extra = {"nogo_threshold": 0.45} if task_class is GoNogo else {}
    task = task_class(accuracy_threshold=0.5, **times, **extra)
    trials = trials_of(task, 200)
    outputs = torch.randn(trials.targets.shape, generator=torch.Generator().manual_seed(1)) * 0.17
    correct = [_is_correct(task, outputs[i, :, 0].numpy(), trials[i : i + 1].conditions) for i in range(200)]

    assert 0.1 < np.mean(correct) < 0.9
    assert task.metrics(outputs, trials)["accuracy"].item() == pytest.approx(np.mean(correct))


def _is_correct(task, output, conditions) -> bool:
    """Apply the published rule to one trial, by numbers of steps."""
    start = int(np.ceil((conditions["stim_on"] + conditions["stim_dur"]).item() / task.dt))
    stop = task.n_steps - 1
    if isinstance(task, XOR):
        onset = (conditions["stim_on"] + 2 * conditions["stim_dur"]).item() + 50 + 50
        start = int(np.ceil(onset / task.dt))
        stop = min(stop, start + 100)
    response = output[start:stop]
    if isinstance(task, GoNogo) and conditions["go"].item() == 0:
        return bool(np.abs(response).max() < 0.45)
    rises = conditions[task.condition].item() == 1
    return bool(response.max() > 0.5) if rises else bool(response.min() < -0.5)


@pytest.mark.parametrize("task_class", [GoNogo, XOR, Mante])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_the_targets_of_a_task_solve_it_and_their_negative_does_not(task_class, dtype):
    task = task_class()
    trials = task.sample(100, torch.Generator().manual_seed(0), dtype)
    assert task.metrics(trials.targets, trials) == {"accuracy": torch.tensor(1.0, dtype=dtype)}
    silent = 0.0 if task_class is not GoNogo else (trials.conditions["go"] == 0).to(dtype).mean()
    assert task.metrics(-trials.targets, trials)["accuracy"] == silent
    assert task.metrics(-trials.targets, trials)["accuracy"].dtype == dtype


def test_what_the_mask_hides_is_not_judged():
    trials = trials_of(GO)
    trials.mask[:, 100:] = 0
    outputs = torch.zeros_like(trials.targets)
    outputs[:, 120] = 1.0
    assert GO.metrics(outputs, trials)["accuracy"] == 0
    outputs[:, 90] = 1.0
    assert GO.metrics(outputs, trials)["accuracy"] == 1


def test_a_response_without_any_step_is_a_silent_one():
    late = {"stim_on": {"exponential": [300, 5000, float("inf")]}, "T": 6000.0}
    for go, correct in ((1, 0.0), (0, 1.0)):
        task = GoNogo(go_probability=go, **late)
        conditions = task.sample_conditions(1, torch.Generator())
        conditions["stim_on"] += 9000
        trials = task.make_trials(conditions, torch.Generator())
        assert task.metrics(torch.ones_like(trials.targets), trials)["accuracy"] == correct


def test_the_peak_is_the_largest_judged_value_also_below_zero():
    values = torch.tensor([[-3.0, -1.0, -2.0]] * 2)[:, :, None]
    judged = torch.tensor([[True, False, True], [False] * 3])
    assert peak(values, judged).tolist() == [-2.0, -np.inf]
