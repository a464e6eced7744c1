"""The closed loop: the compiled one against the reference, feedback, noise, perturbations, and what is refused."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rnnexp.errors import UserError
from rnnexp.latent_steps.almost_linear import ALRNN, PLRNN
from rnnexp.latent_steps.base import LatentStep
from rnnexp.latent_steps.gated import GRU, LSTM
from rnnexp.latent_steps.leaky import Leaky
from rnnexp.latent_steps.leaky_rate import LeakyRate
from rnnexp.latent_steps.shallow import ShPLRNN
from rnnexp.losses.reaching import simple_reach_loss
from rnnexp.models import RNN
from rnnexp.observation import Affine, Identity, Linear
from rnnexp.perturbations import (
    ClampedUnits,
    ConstantForce,
    CurlField,
    CursorJump,
    DrivenUnits,
    Load,
    Perturbation,
    VisualRotation,
)
from rnnexp.plants import Plant, PointMass, TwoLinkArm
from rnnexp.recurrence.closed_loop import ClosedLoop, Feedback
from rnnexp.tasks.reaching import SimpleReaches

M, DT = 7, 0.02
STEPS: dict[str, Callable[[int], LatentStep]] = {
    "gru": lambda k: GRU(M, k),
    "leaky_tanh": lambda k: Leaky(M, k, dt=20.0, activation="tanh", input_bias=True, pre_noise=0.05),
    "leaky_taus": lambda k: Leaky(M, k, dt=20.0, tau={"min": 30, "max": 90}, activation="softplus"),
    "leaky_rate": lambda k: LeakyRate(M, k, dt=20.0, tau={"min": 30, "max": 90}, activation="elu"),
    "plrnn": lambda k: PLRNN(M, k),
    "alrnn": lambda k: ALRNN(M, k, num_relus=3),
    "shallow": lambda k: ShPLRNN(M, k, 9),
    "clipped": lambda k: ShPLRNN(M, k, 9, clipped=True),
}
PLANTS: dict[str, Callable[[], Plant]] = {
    "mass": lambda: PointMass(DT, 0.7, 0.3),
    "arm": lambda: TwoLinkArm(DT, lower=(0.2, 1.2), upper=(1.4, 1.9)),  # so narrow that the limits are met
}
WORKSPACE = ((0.0, 0.3), (0.2, 0.45))


def make(
    step: str,
    plant: str,
    perturbations: tuple[Perturbation, ...] = (),
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    **feedback: object,
) -> tuple[RNN, SimpleReaches]:
    body = PLANTS[plant]()
    settings = {
        "channels": {"effector_vel": {"delay": 3, "noise": 0.02}, "effector_pos": {"delay": 0}},
        "motor_noise": 0.05,
        "motor_noise_signal": 0.2,
    } | feedback
    loop = ClosedLoop(body, Feedback(**settings), perturbations, 20.0)
    task = SimpleReaches(WORKSPACE, 20.0, 600.0, eval_reach_length=0.05)
    torch.manual_seed(seed)
    latent = STEPS[step](task.input_dim + loop.feedback_dim)
    model = RNN(latent, Affine(M, 2), "learned", "auto", loop=loop)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.25)
    return model.to(dtype), task


def values_and_gradients(model: RNN, task: SimpleReaches, backend: str) -> dict[str, Tensor]:
    model.backend = backend
    model.zero_grad()
    trials = task.sample(37, torch.Generator().manual_seed(1), model.z0.dtype)
    trajectory = model(trials, torch.Generator().manual_seed(2))
    weights = torch.randn(trajectory.latents.shape, generator=torch.Generator().manual_seed(3)).to(model.z0)
    loss = simple_reach_loss()(trajectory, trials).total + (weights * trajectory.rates).mean()
    loss = loss + sum(state.square().mean() for state in trajectory.movement.states.values())
    loss = loss + trajectory.movement.command.square().mean()
    loss.backward()
    movement = trajectory.movement
    found = {"latents": trajectory.latents, "rates": trajectory.rates, "outputs": trajectory.outputs}
    found |= movement.states | {"command": movement.command, "feedback": movement.feedback, "loss": loss}
    found |= {f"start {name}": value for name, value in movement.start.items()}
    if movement.effector_force is not None:
        found["force"] = movement.effector_force
    grads = {f"grad {name}": p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    return {name: value.detach() for name, value in found.items()} | grads


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("step", STEPS)
def test_the_compiled_loop_is_the_reference(step: str, plant: str) -> None:
    forces = (CurlField(3.0, start=100), ConstantForce((0.5, -0.2), stop=400, probability=0.6))
    model, task = make(step, plant, forces)
    wanted, own = (values_and_gradients(model, task, backend) for backend in ("reference", "fused"))
    assert wanted.keys() == own.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(own[name], value, rtol=1e-7, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")
    assert all(wanted[name].abs().max() > 0 for name in wanted if name.startswith("grad"))


def test_the_compiled_loop_in_single_precision_without_noise_or_forces() -> None:
    channels = {"angle": {"delay": 2}, "angle_vel": {}, "effector_pos": {"delay": 1}}
    model, task = make(
        "gru", "arm", (), torch.float32, channels=channels, motor_noise=0, motor_noise_signal=0
    )
    wanted, own = (values_and_gradients(model, task, backend) for backend in ("reference", "fused"))
    for name, value in wanted.items():
        scale = float(value.abs().max())
        torch.testing.assert_close(own[name], value, rtol=1e-3, atol=1e-4 * scale)


def test_the_network_may_be_blind() -> None:
    model, task = make("gru", "mass", channels={})
    wanted, own = (values_and_gradients(model, task, backend) for backend in ("reference", "fused"))
    for name, value in wanted.items():
        torch.testing.assert_close(own[name], value, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(("convention", "extra"), [("exact", 0), ("feedbax_2024", 1)])
@pytest.mark.parametrize("delay", [0, 2])
def test_feedback_comes_delay_steps_late(delay: int, convention: str, extra: int) -> None:
    quiet = {"motor_noise": 0, "motor_noise_signal": 0, "lag_convention": convention}
    model, task = make("gru", "mass", channels={"effector_pos": {"delay": delay}}, **quiet)
    movement = model(task.sample(3, torch.Generator(), torch.float64)).movement
    seen = torch.cat((movement.start["effector_pos"][:, None], movement.states["effector_pos"]), 1)
    for t in range(task.n_steps):
        torch.testing.assert_close(movement.feedback[:, t], seen[:, max(0, t - delay - extra)])


def run(perturbation: Perturbation | None, backend: str = "auto") -> dict[str, Tensor]:
    quiet = {"motor_noise": 0, "motor_noise_signal": 0, "channels": {"effector_pos": {}, "effector_vel": {}}}
    model, task = make("gru", "mass", () if perturbation is None else (perturbation,), **quiet)
    model.backend = backend
    trajectory = model(task.sample(6, torch.Generator(), torch.float64))
    movement = trajectory.movement
    return movement.states | {
        "feedback": movement.feedback, "latents": trajectory.latents, "command": movement.command,
        "start": movement.start["effector_pos"], "force": movement.effector_force,
    }  # fmt: skip


def test_perturbations_do_what_they_say_when_they_are_active() -> None:
    free = run(None)
    before, turned = run(CursorJump((0.1, -0.2), start=200)), run(VisualRotation(90, stop=200))
    torch.testing.assert_close(before["feedback"][:, :10], free["feedback"][:, :10])
    jump = before["feedback"][:, 11:, :2] - before["effector_pos"][:, 10:-1]
    torch.testing.assert_close(jump, torch.tensor([0.1, -0.2], dtype=torch.float64).expand_as(jump))
    moved = turned["effector_pos"][:, :9] - turned["start"][:, None]
    seen = turned["feedback"][:, 1:10, :2] - turned["start"][:, None]
    torch.testing.assert_close(seen, torch.stack((-moved[..., 1], moved[..., 0]), -1))
    torch.testing.assert_close(turned["feedback"][:, 11:, :2], turned["effector_pos"][:, 10:-1])
    held = run(ClampedUnits({0: 1.5, 3: -2.0}, start=400))
    assert (held["latents"][:, 20:, 0] == 1.5).all()
    assert (held["latents"][:, 20:, 3] == -2.0).all()
    torch.testing.assert_close(held["latents"][:, :20], free["latents"][:, :20])
    driven = run(DrivenUnits({"2": 0.5}, stop=20))
    torch.testing.assert_close(driven["latents"][:, 0, 2], free["latents"][:, 0, 2] + 0.5)
    loaded = run(Load(1.4, stop=20))
    speed = loaded["effector_vel"][:, 0] * (0.7 + 1.4) / DT
    torch.testing.assert_close(speed, loaded["command"][:, 0])
    some = run(ConstantForce((1.0, 0.0), probability=0.5))["force"][:, 0, 0]
    assert some.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    curl = run(CurlField(2.0))
    torch.testing.assert_close(curl["force"][:, 1:, 0], -2 * curl["effector_vel"][:, :-1, 1])


def test_a_load_on_the_arm_is_a_mass_at_the_hand() -> None:
    arm, m = TwoLinkArm(DT), 0.8
    state = torch.tensor([[0.4, 1.3, 0.7, -0.9]], dtype=torch.float64)
    torque = torch.tensor([[0.3, -0.2]], dtype=torch.float64)
    slope = arm.derivative(state, torque, torch.tensor([[m]], dtype=torch.float64))
    # by D'Alembert: the load pushes back with -m times the acceleration of the hand
    acceleration = slope[0, 2:]
    J = arm.jacobian(state[:, :2])[0]
    h = 1e-6
    ahead = arm.jacobian(state[:, :2] + h * state[:, 2:])[0]
    hand = J @ acceleration + (ahead - J) / h @ state[0, 2:]
    pushed = arm.derivative(state, torque + (J.T @ (-m * hand))[None], None)
    torch.testing.assert_close(slope, pushed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("plant", PLANTS)
def test_rk4_is_of_fourth_order(plant: str) -> None:
    def end(n: int, integrator: str) -> Tensor:
        body = type(PLANTS[plant]())(0.2 / n, integrator=integrator)
        state = body.start(torch.tensor([[0.1, 0.4]]).double(), torch.tensor([[0.3, -0.1]]).double())
        for _ in range(n):
            state = body.step(state, torch.tensor([[0.2, 0.1]]).double())
        return state

    exact = end(4096, "rk4")
    errors = [(end(n, "rk4") - exact).abs().max() for n in (4, 8)]
    assert errors[1] < max(errors[0] / 12, 1e-13)
    assert (end(8, "euler") - exact).abs().max() > 100 * errors[1]


def test_what_the_compiled_loop_does_not_cover_runs_by_the_reference() -> None:
    channels, task = {"effector_pos": {}}, SimpleReaches(WORKSPACE, 20.0, 500.0)
    cases = [
        (GRU(M, 6), Affine(M, 2), PointMass(DT, integrator="rk4"), (), "euler"),
        (GRU(M, 6), Affine(M, 2), PointMass(DT), (CursorJump(),), "CursorJump"),
        (LSTM(M, 6), Affine(M, 2), PointMass(DT), (), "LSTM"),
        (PLRNN(M, 6, clip_range=2.0), Affine(M, 2), PointMass(DT), (), "PLRNN"),
        (GRU(M, 6), Identity(M, 2), PointMass(DT), (), "Identity"),
        (Leaky(M, 6, dt=20.0, post_noise=0.1), Linear(M, 2), PointMass(DT), (), "noise of the rates"),
    ]
    for step, observation, plant, perturbations, word in cases:
        loop = ClosedLoop(plant, Feedback(channels), perturbations, 20.0)
        trials = task.sample(2, torch.Generator())
        model = RNN(step, observation, loop=loop)
        assert model(trials, torch.Generator()).outputs.shape == (2, 25, 2)
        model.backend = "fused"
        with pytest.raises(UserError, match=word):
            model(trials, torch.Generator())


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Feedback({"effector_pos": {"delay": -1}}), "effector_pos.delay"),
        (lambda: Feedback({"effector_pos": {"delay": 1.5}}), "whole number"),
        (lambda: Feedback({"effector_pos": {"noise": -0.1}}), "effector_pos.noise"),
        (lambda: Feedback({"effector_pos": {"lag": 1}}), "delay: steps, noise: sd"),
        (lambda: Feedback({}, motor_noise=-1.0), "motor_noise"),
        (lambda: Feedback({}, lag_convention="late"), "lag_convention"),
        (lambda: ClosedLoop(PointMass(DT), Feedback({"angle": {}})), "effector_pos, effector_vel"),
        (lambda: PointMass(DT, mass=-1.0), "mass"),
        (lambda: PointMass(DT, damping=-1.0), "damping"),
        (lambda: PointMass(DT, integrator="heun"), "integrator"),
        (lambda: TwoLinkArm(DT, lengths=(0.3,)), "lengths"),
        (lambda: TwoLinkArm(DT, lower=(1, 0), upper=(0, 1)), "lower"),
        (lambda: CurlField(start=100, stop=50), "stop"),
        (lambda: CurlField(probability=1.2), "probability"),
        (lambda: Load(-1.0), "mass"),
        (lambda: ClampedUnits({}), "units"),
        (lambda: ClampedUnits({0.5: 1.0}), "units"),
        (lambda: RNN(GRU(M, 3), Affine(M, 2), loop=ClosedLoop(PointMass(DT), Feedback({"effector_pos": {},
         "effector_vel": {}}))), "feedback has 4"),
        (lambda: RNN(GRU(M, 6), Affine(M, 3), loop=ClosedLoop(PointMass(DT), Feedback({}))), "2 commands"),
    ],
)  # fmt: skip
def test_absurd_settings_are_refused(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()
