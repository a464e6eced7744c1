"""The tasks of spikeRNN give its trials, to the last step, and their defaults are the published settings."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.tasks import XOR, GoNogo, Mante, Task, Trials
from rnnexp.tasks.cognitive import mante

STEP = 5.0  # ms, of the published settings
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])

with np.load(Path(__file__).parents[1] / "vectors" / "spikernn_rate" / "tasks.npz") as archive:
    GOLDEN = dict(archive)


def one_trial(task: Task, dtype: torch.dtype = torch.float64, **edits: float) -> Trials:
    """Make one trial with the default times of the task and the given conditions."""
    conditions = task.sample_conditions(1, torch.Generator())
    for name, value in edits.items():
        conditions[name] = torch.tensor([value], dtype=conditions[name].dtype)
    return task.make_trials(conditions, torch.Generator(), dtype)


def assert_is_golden(trials: Trials, key: str, dtype: torch.dtype) -> None:
    """Compare inputs (also after the last output) and targets exactly; the mask counts the golden steps."""
    u, target = GOLDEN[f"{key}__u"], GOLDEN[f"{key}__target"]
    assert trials.inputs.dtype == trials.targets.dtype == trials.mask.dtype == dtype
    np.testing.assert_array_equal(trials.inputs[0].T.numpy(), u.astype(trials.inputs.numpy().dtype))
    np.testing.assert_array_equal(trials.targets[0, :-1, 0].numpy(), target)
    np.testing.assert_array_equal(trials.mask[0, :, 0].numpy(), [1] * len(target) + [0])


@DTYPES
@pytest.mark.parametrize("label", ["go", "nogo"])
def test_go_nogo_trials_are_those_of_spikernn(label, dtype):
    go = int(GOLDEN[f"go_nogo__{label}__label"])
    assert_is_golden(one_trial(GoNogo(), dtype, go=go), f"go_nogo__{label}", dtype)


@DTYPES
@pytest.mark.parametrize("signs", ["pp", "pm", "mp", "mm"])
def test_xor_trials_are_those_of_spikernn(signs, dtype):
    key = f"xor__{signs}"
    sign_1, sign_2 = (1 if sign == "p" else -1 for sign in signs)
    task = XOR(sign_1=sign_1, sign_2=sign_2)
    assert task.sample_conditions(1, torch.Generator())["same"].item() == GOLDEN[f"{key}__label_same"]
    assert_is_golden(one_trial(task, dtype), key, dtype)


@DTYPES
@pytest.mark.parametrize("trial", ["color0", "color1", "motion0", "motion1"])
def test_the_torch_port_variant_of_mante_has_its_trials(trial, dtype):
    key = f"mante__{trial}"
    color, motion = (float(GOLDEN[f"{key}__{name}_coherence"]) for name in ("color", "motion"))
    task = Mante(variant="torch_port", context=trial[:-1], color=color, motion=motion)
    trials = one_trial(task, dtype)
    assert trials.conditions["choice"].item() == GOLDEN[f"{key}__label"]
    assert_is_golden(trials, key, dtype)


@DTYPES
@pytest.mark.parametrize("trial", range(4))
def test_mante_by_default_has_the_trials_of_the_paper(trial, dtype, monkeypatch):
    golden = {
        name.rpartition("__")[2]: values
        for name, values in GOLDEN.items()
        if name.startswith(f"mante_original__{trial}__")
    }

    def golden_noise(shape, sd, generator, dtype):
        noise = torch.full(shape, torch.pi, dtype=dtype)  # outside of the stimulus it must not be seen
        noise[0, 50:250] = sd * torch.from_numpy(np.stack((golden["noise1"], golden["noise2"]), 1)).to(dtype)
        return noise

    monkeypatch.setattr(mante, "input_noise", golden_noise)
    context = "color" if golden["context"] == 1 else "motion"
    color, motion = (0.5 * float(golden[f"offset_sign{index}"]) for index in (1, 2))
    trials = one_trial(Mante(context=context, color=color, motion=motion), dtype)

    assert trials.conditions["choice"].item() == golden["label"]
    np.testing.assert_allclose(trials.inputs[0].T.numpy(), golden["u"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(trials.targets[0, :, 0].numpy(), golden["target_T"])


@pytest.mark.parametrize(
    ("key", "task", "times"),
    [
        ("go_nogo", GoNogo(), ("stim_on", "stim_dur")),
        ("xor", XOR(), ("stim_on", "stim_dur", "delay")),
        ("mante", Mante(), ("stim_on", "stim_dur")),
    ],
    ids=["go_nogo", "xor", "mante"],
)
def test_default_times_are_the_published_numbers_of_steps(key, task, times):
    assert task.dt == STEP
    assert task.n_steps == GOLDEN[f"{key}__setting_T"]
    conditions = task.sample_conditions(3, torch.Generator())
    for name in times:
        assert (conditions[name] / STEP).tolist() == [GOLDEN[f"{key}__setting_{name}"]] * 3


def test_default_thresholds_are_those_of_the_paper():
    assert [task.accuracy_threshold for task in (GoNogo(), XOR(), Mante())] == [0.7] * 3
    assert GoNogo().nogo_threshold == 0.3
    assert (Mante().stim_noise, Mante(variant="torch_port").stim_noise) == (1.0, 0.0)
