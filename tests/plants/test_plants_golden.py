"""Point mass and two-link arm against feedbax."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.perturbations import CurlField
from rnnexp.plants import PointMass, TwoLinkArm

VECTORS = Path(__file__).parents[1] / "vectors" / "feedbax"
CLOSE = {torch.float64: {"rtol": 1e-9, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 1e-5}}


def load(name: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    with np.load(VECTORS / f"{name}.npz") as data:
        return {key: torch.as_tensor(data[key]).to(dtype) for key in data}


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
def test_a_point_mass_moves_as_in_feedbax(dtype: torch.dtype) -> None:
    v = load("point_mass", dtype)
    plant = PointMass(float(v["dt"]), float(v["mass"]))
    curl = CurlField(float(v["curl_amplitude"]))
    one = torch.ones(len(v["pos0"]), 1, dtype=dtype)
    for prefix in ("", "curl_", "initforce_"):
        state = plant.start(v["pos0"], v["vel0"])
        for k in range(1, v[f"{prefix}pos"].shape[1]):
            force = None
            if prefix == "curl_":
                force = curl.force(plant.observe(state), one)
                torch.testing.assert_close(force, v["curl_skeleton_force"][:, k], **CLOSE[dtype])
            elif prefix and k == 1:
                force = v["init_force"]
            state = plant.step(state, v["force_in"][:, k - 1], force)
            seen = plant.observe(state)
            torch.testing.assert_close(seen["effector_pos"], v[f"{prefix}pos"][:, k], **CLOSE[dtype])
            torch.testing.assert_close(seen["effector_vel"], v[f"{prefix}vel"][:, k], **CLOSE[dtype])


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
def test_an_arm_moves_as_in_feedbax(dtype: torch.dtype) -> None:
    v, close = load("two_link_arm", dtype), CLOSE[dtype]
    named = {
        "lengths": v["l"], "masses": v["m"], "inertias": v["I"], "center_distances": v["s"], "friction": v["Bfric"],
        "lower": v["angle_low"], "upper": v["angle_high"],
    }  # fmt: skip
    given = {name: value.tolist() for name, value in named.items()}
    free, plant = (TwoLinkArm(float(v["dt"]), **given, clip_angles=clips) for clips in (False, True))
    q, w = v["angle0"], v["dangle0"]
    state = torch.cat((q, w), 1)
    torch.testing.assert_close(plant.positions(q), v["fk_pos"], **close)
    torch.testing.assert_close(plant.jacobian(q), v["jacobian"], **close)
    seen = plant.observe(state)
    torch.testing.assert_close(seen["effector_pos"], v["eff_pos0"], **close)
    torch.testing.assert_close(seen["effector_vel"], v["eff_vel0"], **close)
    torch.testing.assert_close(seen["effector_vel"], v["fk_vel"][:, 1], **close)
    back = plant.start(v["eff_pos0"], v["eff_vel0"])
    loose = close if dtype == torch.float64 else {"rtol": 1e-3, "atol": 1e-3}  # acos near 1
    torch.testing.assert_close(back[:, :2], v["ik_angle"], **loose)
    torch.testing.assert_close(back[:, 2:], v["ik_dangle"], **loose)
    slope = plant.derivative(state, v["vf_torque"], None)
    torch.testing.assert_close(slope[:, :2], v["vf_dangle"], **close)
    torch.testing.assert_close(slope[:, 2:], v["vf_ddangle"], **close)
    torch.testing.assert_close(plant.generalized_force(state, v["ext_force"]), v["ext_torque"], **close)
    for arm, torques, prefix in ((free, v["torque_in"], ""), (plant, v["clip_torque_in"], "clip_")):
        z = state
        for k in range(torques.shape[1]):
            z = arm.step(z, torques[:, k])
            seen = arm.observe(z)
            torch.testing.assert_close(z[:, :2], v[f"{prefix}angle"][:, k + 1], **close)
            torch.testing.assert_close(z[:, 2:], v[f"{prefix}dangle"][:, k + 1], **close)
            torch.testing.assert_close(seen["effector_pos"], v[f"{prefix}eff_pos"][:, k + 1], **close)
            if not prefix:
                torch.testing.assert_close(seen["effector_vel"], v["eff_vel"][:, k + 1], **close)
