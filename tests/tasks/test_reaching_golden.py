"""Fixed sets and sequences of the reaching tasks against feedbax."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.tasks.reaching import DelayedReaches, SimpleReaches, Stabilization

VECTORS = Path(__file__).parents[1] / "vectors" / "feedbax"
DT = 50.0


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(VECTORS / f"{name}.npz") as data:
        return dict(data)


@pytest.mark.parametrize("prefix", ["c0", "c1"])
def test_validation_trials_of_simple_reaches(prefix: str) -> None:
    v = {key[3:]: value for key, value in load("simple_reaches_validation").items() if key.startswith(prefix)}
    task = SimpleReaches(
        v["workspace"].tolist(), DT, (int(v["n_steps"]) - 1) * DT, int(v["n_directions"]), float(v["reach_length"]),
        int(v["grid_n"]),
    ).for_split("validation")  # fmt: skip
    trials = task.sample(10_000, torch.Generator(), torch.float64)
    close = {"rtol": 1e-9, "atol": 1e-10}
    assert trials.n_trials == v["n_validation"]
    assert trials.targets.shape == tuple(v["target_pos_shape"])
    np.testing.assert_allclose(trials.reach.start_pos, v["init_pos"], **close)
    np.testing.assert_allclose(trials.reach.start_vel, v["init_vel"], **close)
    np.testing.assert_allclose(trials.targets[:, 0], v["target_pos_first"], **close)
    np.testing.assert_allclose(trials.targets[:, -1], v["target_pos_last"], **close)
    np.testing.assert_allclose(trials.inputs[..., :2], trials.targets)
    assert not trials.inputs[..., 2:].any()
    assert not trials.reach.target_vel.any()
    resting = Stabilization(v["workspace"].tolist(), DT, 500.0, eval_grid_n=3).for_split("validation")
    np.testing.assert_allclose(
        resting.sample(100, torch.Generator(), torch.float64).reach.start_pos, v["points_grid3"], **close
    )


@pytest.mark.parametrize("prefix", ["val", "tr"])
def test_sequences_of_delayed_reaches(prefix: str) -> None:
    v = load("delayed_reaches")
    task = DelayedReaches(
        dt=DT, T=(int(v["n_steps"]) - 1) * DT, epochs=(v["epoch_len_ranges"] * DT).tolist(),
        target_on_epochs=v["target_on_epochs"].tolist(), hold_epochs=v["hold_epochs"].tolist(),
    )  # fmt: skip
    start, goal = v[f"{prefix}_init_pos"], v[f"{prefix}_target_pos"][:, -1]
    onsets = v[f"{prefix}_epoch_start_idxs"][:, 1:] * DT
    names = ["epoch_1", "epoch_2", "go"]
    values = {"start_x": start[:, 0], "start_y": start[:, 1], "goal_x": goal[:, 0], "goal_y": goal[:, 1]}
    conditions = {
        k: torch.as_tensor(a) for k, a in (values | dict(zip(names, onsets.T, strict=True))).items()
    }
    trials = task.make_trials(conditions, torch.Generator(), torch.float64)
    close = {"rtol": 1e-9, "atol": 1e-10}
    np.testing.assert_allclose(trials.inputs[..., :2], v[f"{prefix}_input_target_pos"], **close)
    assert not trials.inputs[..., 2:4].any()
    np.testing.assert_allclose(trials.inputs[..., 4:5], v[f"{prefix}_hold"])
    np.testing.assert_allclose(trials.inputs[..., 5:], v[f"{prefix}_target_on"])
    np.testing.assert_allclose(trials.targets, v[f"{prefix}_target_pos"], **close)
    np.testing.assert_allclose(trials.reach.hold, v[f"{prefix}_hold"][..., 0])
    np.testing.assert_allclose(trials.reach.start_pos, start)
    assert not trials.reach.target_vel.any()
