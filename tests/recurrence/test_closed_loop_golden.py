"""Closed loops against feedbax: trajectories, loss terms, gradients and one step of Adam."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.latent_steps.gated import GRU
from rnnexp.latent_steps.leaky_rate import LeakyRate
from rnnexp.losses.reaching import simple_reach_loss
from rnnexp.models import RNN
from rnnexp.observation import Affine
from rnnexp.plants import PointMass, TwoLinkArm
from rnnexp.recurrence.closed_loop import ClosedLoop, Feedback
from rnnexp.tasks.base import Reach, Trials

VECTORS = Path(__file__).parents[1] / "vectors" / "feedbax"
NAMES = (
    "closed_loop_gru",
    "closed_loop_gru_delay",
    "closed_loop_leaky",
    "closed_loop_arm_gru",
    "seed_page_model",
)
PAGE = {
    "effector_final_velocity": 0.13916363,
    "effector_position": 14.086376,
    "nn_hidden": 0.00060537,
    "nn_output": 5.836518e-06,
    "total": 14.226151,
}
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 1e-5}}


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(VECTORS / f"{name}.npz") as data:
        return dict(data)


def build(v: dict[str, np.ndarray], dtype: torch.dtype, backend: str) -> tuple[RNN, Trials]:
    n_units = v["weight_hh"].shape[1]
    is_arm = "angle" in v
    names = (
        ("angle", "angle_vel", "effector_pos", "effector_vel") if is_arm else ("effector_pos", "effector_vel")
    )
    delay = int(v["delay_steps"])
    feedback = Feedback({name: {"delay": delay} for name in names}, lag_convention="feedbax_2024")
    dt = float(v["dt"])
    plant = TwoLinkArm(dt) if is_arm else PointMass(dt, float(v["mass"]))
    n_inputs = v["weight_ih"].shape[1]
    if "bias_n" in v:
        step = GRU(n_units, n_inputs)
    else:
        step = LeakyRate(n_units, n_inputs, dt=float(v["cell_dt"]), tau=float(v["cell_tau"]))
    model = RNN(step, Affine(n_units, 2), "zero", backend, loop=ClosedLoop(plant, feedback, dt=1000 * dt)).to(
        dtype
    )
    with torch.no_grad():
        for parameter, key in parameters(model).items():
            value = torch.zeros(3, n_units) if key == "bias_n" else None
            given = torch.as_tensor(v[key])
            if value is not None:
                value = value.to(given.dtype)
                value[2] = given
                given = value.flatten()
            parameter.copy_(given)
    pos, goal = (torch.as_tensor(v[key]).to(dtype) for key in ("init_pos", "target_pos"))
    n_trials, n_steps = len(pos), int(v["n_steps"]) - 1
    targets = goal[:, None].expand(-1, n_steps, -1)
    reach = Reach(
        pos, torch.zeros_like(pos), torch.zeros_like(targets), torch.zeros(n_trials, n_steps, dtype=dtype)
    )
    inputs = torch.cat((targets, torch.zeros_like(targets)), 2)
    return model, Trials(inputs, targets, torch.ones_like(targets), reach=reach)


def parameters(model: RNN) -> dict[torch.nn.Parameter, str]:
    step, observation = model.latent_step, model.observation
    if isinstance(step, GRU):
        own = {
            step.weight_ih: "weight_ih",
            step.weight_hh: "weight_hh",
            step.bias_ih: "bias",
            step.bias_hh: "bias_n",
        }
    else:
        own = {step.W_in_raw: "weight_ih", step.W_rec_raw: "weight_hh", step.b_rec: "bias"}
    return own | {observation.B_raw: "readout_weight", observation.b: "readout_bias"}


@pytest.mark.parametrize("backend", ["reference", "fused"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_closed_loop_agrees_with_feedbax(name: str, dtype: torch.dtype, backend: str) -> None:
    v = load(name)
    close = TOLERANCE[dtype]
    if name == "seed_page_model":
        close = {"rtol": 2e-5, "atol": 2e-6}
    model, trials = build(v, dtype, backend)
    trajectory = model(trials)
    movement = trajectory.movement
    found = {
        "pos": trajectory.effector_pos,
        "vel": trajectory.effector_vel,
        "hidden": trajectory.latents,
        "output": trajectory.outputs,
    }
    if "angle" in v:
        found |= {"angle": movement.states["angle"], "dangle": movement.states["angle_vel"]}
    for key, value in found.items():
        np.testing.assert_allclose(value.detach(), v[key][:, 1:], **close, err_msg=key)
    told = np.concatenate([v[key] for key in sorted(v) if key.startswith("feedback_")], 2)[:, 1:]
    np.testing.assert_allclose(movement.feedback.detach(), told, **close)
    losses = simple_reach_loss()(trajectory, trials, model)
    loss_rtol = 1e-5 if name == "seed_page_model" else close["rtol"]
    for key, value in losses.items():
        np.testing.assert_allclose(value.detach(), v[f"loss_{key}"], rtol=loss_rtol, atol=close["atol"])
    np.testing.assert_allclose(losses.total.detach(), v["total"], rtol=loss_rtol)
    if name == "seed_page_model":
        for key, value in PAGE.items():
            own = losses.total if key == "total" else losses[key]
            np.testing.assert_allclose(own.detach(), value, rtol=1e-5)
        return
    losses.total.backward()
    rtol, atol = (1e-7, 1e-10) if dtype == torch.float64 else (1e-3, 1e-4)
    for parameter, key in parameters(model).items():
        own = parameter.grad.view(3, -1)[2] if key == "bias_n" else parameter.grad
        scale = 1.0 if dtype == torch.float64 else float(np.abs(v[f"grad_{key}"]).max())
        np.testing.assert_allclose(own, v[f"grad_{key}"], rtol=rtol, atol=atol * scale, err_msg=key)
    if dtype == torch.float64:
        torch.optim.Adam(list(parameters(model)), lr=0.01).step()
        for parameter, key in parameters(model).items():
            own = (parameter.view(3, -1)[2] if key == "bias_n" else parameter).detach().numpy()
            matters = np.abs(v[f"grad_{key}"]) >= 1e-6
            np.testing.assert_allclose(own[matters], v[f"adam1_{key}"][matters], atol=1e-7, rtol=0)
