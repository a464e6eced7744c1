"""Terms of movements that no published numbers cover, and what they refuse."""

import math

import pytest
import torch

from rnnexp.latent_steps import GRU
from rnnexp.losses import (
    CompositeLoss,
    DelayedReachLoss,
    EffectorPositionLoss,
    EffectorStraightPathLoss,
    EffectorVelocityLoss,
    HoldLoss,
    MaskedMeanSquaredError,
    ModelLoss,
    SimpleReachLoss,
    StopAtGoalLoss,
    TargetStateLoss,
    hold_loss,
    simple_reach_loss,
)
from rnnexp.models import RNN
from rnnexp.observation import Affine
from rnnexp.plants import PointMass
from rnnexp.recurrence.closed_loop import ClosedLoop, Feedback
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.tasks import SimpleReaches, Trials


@pytest.fixture
def moved() -> tuple[RNN, Trials, Trajectory]:
    task = SimpleReaches(dt=50.0, T=600.0, success_hold=100.0)
    loop = ClosedLoop(PointMass(0.05), Feedback({"effector_pos": {}, "effector_vel": {}}))
    torch.manual_seed(0)
    model = RNN(GRU(5, 8), Affine(5, 2), "zero", loop=loop).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.4)
    trials = task.sample(4, torch.Generator().manual_seed(1), torch.float64)
    return model, trials, model(trials)


def test_further_terms(moved: tuple[RNN, Trials, Trajectory]) -> None:
    model, trials, trajectory = moved
    vel = trajectory.effector_vel
    torch.testing.assert_close(EffectorVelocityLoss().term(trajectory, trials), vel.square().sum((1, 2)))
    late = TargetStateLoss("command", 0.5, norm=lambda d: d.abs().sum(-1), times=[-2, -1])
    torch.testing.assert_close(
        late.term(trajectory, trials), (trajectory.movement.command[:, -2:] - 0.5).abs().sum((1, 2))
    )
    own = TargetStateLoss(lambda t: t.rates, discount_func=lambda n: torch.arange(n) * 1.0)
    weights = torch.arange(12).double()
    torch.testing.assert_close(own.term(trajectory, trials), trajectory.rates.square().sum(2) @ weights)
    size = ModelLoss(lambda m: m.observation.B.square().sum())
    values = (2 * size + EffectorPositionLoss())(trajectory, trials, model)
    torch.testing.assert_close(values["model"], 2 * model.observation.B.square().sum())
    cost = (trajectory.effector_pos - trials.targets).square().sum(2) / 0.04 + vel.square().sum(2) / 0.09
    windows = torch.stack([cost[:, t : t + 3].mean(1) for t in range(10)], 1)
    best = StopAtGoalLoss(0.2, 0.3, window=3, tau=1e-3).term(trajectory, trials)
    torch.testing.assert_close(best, windows.min(1).values, rtol=0, atol=2.4e-3)  # tau log(10)
    soft = StopAtGoalLoss(0.2, 0.3, window=3, tau=0.5).term(trajectory, trials)
    torch.testing.assert_close(soft, -0.5 * torch.log((-windows / 0.5).exp().mean(1)))
    with pytest.raises(ValueError, match="window"):
        StopAtGoalLoss(window=50).term(trajectory, trials)


def test_a_hand_that_does_not_move_has_a_finite_gradient(moved: tuple[RNN, Trials, Trajectory]) -> None:
    model, trials, _ = moved
    with torch.no_grad():
        model.observation.B_raw.zero_()
        model.observation.b.zero_()
    trajectory = model(trials)
    loss = EffectorStraightPathLoss()(trajectory, trials).total
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_weights_of_the_prebuilt_losses(moved: tuple[RNN, Trials, Trajectory]) -> None:
    assert simple_reach_loss({"nn_output": 0.5}).weights == {
        "effector_position": 1.0, "effector_final_velocity": 1.0, "nn_output": 0.5, "nn_hidden": 1e-5
    }  # fmt: skip
    assert hold_loss().weights == HoldLoss().weights
    assert hold_loss().weights == {
        "effector_position": 1.0, "effector_velocity": 1e-5, "nn_output": 1e-5, "nn_hidden": 1e-5
    }  # fmt: skip
    assert list(DelayedReachLoss(lambda_nn_hidden=0).used) == [
        "effector_fixation", "effector_position", "effector_final_velocity", "nn_output"
    ]  # fmt: skip
    _, trials, trajectory = moved
    flat = SimpleReachLoss(discount_exp=None)(trajectory, trials)["effector_position"]
    torch.testing.assert_close(flat, (trajectory.effector_pos - trials.targets).square().sum((1, 2)).mean())
    extra = SimpleReachLoss(
        terms={"effort": lambda t, _: t.outputs.abs().sum((1, 2))}, lambda_terms={"effort": 3}
    )
    torch.testing.assert_close(
        extra(trajectory, trials)["effort"], 3 * trajectory.outputs.abs().sum((1, 2)).mean()
    )
    with pytest.raises(ValueError, match="did you mean nn_output"):
        simple_reach_loss({"nn_ouput": 1.0})


def test_losses_refuse_networks_that_they_cannot_judge(moved: tuple[RNN, Trials, Trajectory]) -> None:
    model, _, trajectory = moved
    still = RNN(GRU(5, 8), Affine(5, 2))
    with pytest.raises(ValueError, match="moves no plant"):
        simple_reach_loss().check_model(still)
    with pytest.raises(ValueError, match="outputs are commands"):
        CompositeLoss([MaskedMeanSquaredError()]).check_model(model)
    with pytest.raises(ValueError, match="no state 'effector_position'"):
        trajectory.state("effector_position")
    with pytest.raises(ValueError, match="without a plant"):
        _ = still.run(torch.zeros(1, 2, 8)).effector_pos
    for bad in (-1.0, math.nan):
        with pytest.raises(ValueError, match="discount_exp"):
            EffectorPositionLoss(bad)
    with pytest.raises(ValueError, match="no plant"):
        still.move(torch.zeros(1, 2, 4), torch.zeros(1, 2), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="start_pos"):
        model.move(torch.zeros(1, 2, 4).double(), torch.zeros(2, 2).double(), torch.zeros(1, 2).double())
