"""The cognitive tasks give PsychRNN's trials, to the last step, from the same trial parameters."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.tasks import DelayedDiscrim, MatchToCategory, PerceptualDiscrim, SimplePD, Task

VECTORS = Path(__file__).parents[1] / "vectors" / "psychrnn"
TASKS = {
    "perceptual_discrimination": (
        PerceptualDiscrim,
        ("coherence", "direction", "onset_time", "stim_duration"),
    ),
    "delayed_discrimination": (
        DelayedDiscrim,
        ("stimulus_1", "delay", "stimulus_2", "decision", "end", "f1", "f2", "choice"),
    ),
    "match_to_category": (MatchToCategory, ("angle", "category", "onset_time", "input_dur", "output_dur")),
    "simple_pd": (SimplePD, ("coherence", "direction")),
}
FILES = [name + suffix for name in TASKS for suffix in ("", "_odd_dt")]


def load(file: str) -> tuple[dict[str, np.ndarray], type[Task], dict[str, torch.Tensor]]:
    with np.load(VECTORS / f"task_{file}.npz") as archive:
        golden = dict(archive)
    task_class, names = TASKS[file.removesuffix("_odd_dt")]
    conditions = {name: torch.from_numpy(golden[name]) for name in names}
    if task_class is SimplePD:  # its times are the same in every trial, and not in the file
        n_trials, T = len(golden["direction"]), float(golden["T"])
        conditions["onset_time"] = torch.full((n_trials,), T / 4, dtype=torch.float64)
        conditions["stim_duration"] = torch.full((n_trials,), T / 2, dtype=torch.float64)
    return golden, task_class, conditions


def build(golden: dict[str, np.ndarray], task_class: type[Task], stim_noise: float) -> Task:
    times = {name: float(golden[name]) for name in ("dt", "tau", "T")}
    sizes = {name.lower(): int(golden[name]) for name in ("N_in", "N_out") if name in golden}
    return task_class(**times, **sizes, stim_noise=stim_noise)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("file", FILES)
def test_trials_without_noise_are_those_of_psychrnn(file, dtype):
    golden, task_class, conditions = load(file)
    task = build(golden, task_class, stim_noise=0.0)
    trials = task.make_trials(conditions, torch.Generator(), dtype)

    assert task.n_steps == golden["N_steps"]
    rtol, atol = (0.0, 1e-12) if dtype == torch.float64 else (1e-5, 1e-7)
    for got, name in ((trials.inputs, "x"), (trials.targets, "y"), (trials.mask, "mask")):
        assert got.dtype == dtype
        np.testing.assert_allclose(got.numpy(), golden[name], rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("file", [file for file in FILES if "delayed" not in file])
def test_noise_has_the_standard_deviation_of_psychrnn(file):
    golden, task_class, _ = load(file)
    assert build(golden, task_class, stim_noise=0.1).noise_sd == pytest.approx(
        float(golden["noise_std_for_stim_noise_0p1"]), rel=1e-12
    )


def test_delayed_discrim_has_the_noise_of_perceptual_discrim():
    assert DelayedDiscrim(dt=15).noise_sd == PerceptualDiscrim(dt=15).noise_sd


@pytest.mark.parametrize("file", TASKS)
def test_noise_is_added_to_every_input_and_step_with_its_standard_deviation(file):
    golden, task_class, _ = load(file)
    noisy, quiet = (build(golden, task_class, stim_noise=noise) for noise in (0.1, 0.0))
    conditions = noisy.sample_conditions(400, torch.Generator().manual_seed(1))
    noise = (
        noisy.make_trials(conditions, torch.Generator().manual_seed(2), torch.float64).inputs
        - quiet.make_trials(conditions, torch.Generator().manual_seed(2), torch.float64).inputs
    )
    assert noise.std().item() == pytest.approx(noisy.noise_sd, rel=0.02)
    assert noise.flatten(0, 1).std(dim=0) == pytest.approx(noisy.noise_sd, rel=0.05)
    assert noise.mean().item() == pytest.approx(0.0, abs=4 * noisy.noise_sd / noise.numel() ** 0.5)
    neighbours = (noise[:, 1:] * noise[:, :-1]).mean() / noisy.noise_sd**2
    assert neighbours.item() == pytest.approx(0.0, abs=0.02)
