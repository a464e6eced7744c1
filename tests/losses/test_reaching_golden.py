"""Terms, sums and labels of movements against feedbax."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnexp.losses import CompositeLoss, LossTerm
from rnnexp.losses.reaching import (
    EffectorFinalVelocityLoss,
    EffectorFixationLoss,
    EffectorPositionLoss,
    EffectorStraightPathLoss,
    NetworkActivityLoss,
    NetworkOutputLoss,
    TargetStateLoss,
    delayed_reach_loss,
    power_discount,
    simple_reach_loss,
)
from rnnexp.recurrence.trajectory import Movement, Trajectory
from rnnexp.tasks.base import Reach, Trials

VECTORS = Path(__file__).parents[1] / "vectors" / "feedbax"
CLOSE = {torch.float64: {"rtol": 1e-9, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 1e-5}}


class Case:
    def __init__(self, dtype: torch.dtype) -> None:
        with np.load(VECTORS / "losses.npz") as data:
            self.v = dict(data)
        self.close = CLOSE[dtype]
        t = {
            key: torch.as_tensor(value).to(dtype) for key, value in self.v.items() if value.dtype.kind == "f"
        }
        states = {"effector_pos": t["pos"][:, 1:], "effector_vel": t["vel"][:, 1:]}
        start = {"effector_pos": t["pos"][:, 0], "effector_vel": t["vel"][:, 0]}
        movement = Movement(states, start, t["net_output"][:, 1:], None, t["pos"][:, 1:])
        # outputs and rates of all states, the initial one too: their terms take every row there is
        self.trajectory = Trajectory(
            t["net_hidden"], t["net_hidden"], t["net_output"], t["net_hidden"][:, 0], movement
        )
        self.trials, self.varying = (
            Trials(
                None, t[key], torch.ones_like(t[key]),
                reach=Reach(start["effector_pos"], start["effector_vel"], t["target_vel"], t["hold"][..., 0]),
            )
            for key in ("target_pos", "target_pos_varying")
        )  # fmt: skip

    def check(self, value: Tensor, key: str) -> None:
        np.testing.assert_allclose(value, self.v[key], **self.close, err_msg=key)


@pytest.fixture(params=CLOSE, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def test_terms(case: Case) -> None:
    for exponent in (6, 1, 3):
        np.testing.assert_allclose(power_discount(39, exponent), case.v[f"discount{exponent}"], rtol=1e-12)
    terms = {
        "position": EffectorPositionLoss(),
        "position_exp0": EffectorPositionLoss(0),
        "position_exp3": EffectorPositionLoss(3),
        "position_nodiscount": EffectorPositionLoss(None),
        "final_velocity": EffectorFinalVelocityLoss(),
        "straight_actual": EffectorStraightPathLoss(),
        "fixation": EffectorFixationLoss(),
        "output": NetworkOutputLoss(),
        "hidden": NetworkActivityLoss(),
    }
    for key, term in terms.items():
        case.check(term.term(case.trajectory, case.trials), f"term_{key}")
    case.check(EffectorPositionLoss().term(case.trajectory, case.varying), "term_position_varying")
    same = TargetStateLoss("effector_pos", lambda trials: trials.targets, discount_exp=6)
    case.check(same.term(case.trajectory, case.trials), "term_position")
    goal = EffectorStraightPathLoss("goal").term(case.trajectory, case.trials)
    ratio = (case.trajectory.effector_pos[:, -1] - case.trials.reach.start_pos).norm(dim=1) / (
        case.trials.targets[:, -1] - case.trials.reach.start_pos
    ).norm(dim=1)
    case.check(goal / ratio, "term_straight_actual")


@pytest.mark.parametrize("name", ["simple", "delayed"])
def test_prebuilt_losses(case: Case, name: str) -> None:
    loss = {"simple": simple_reach_loss, "delayed": delayed_reach_loss}[name]()
    values = loss(case.trajectory, case.trials)
    assert {f"composite_{name}_{key}" for key in (*values, "total")} == {
        key for key in case.v if key.startswith(f"composite_{name}_")
    }
    for key, value in values.items():
        case.check(value, f"composite_{name}_{key}")
    case.check(values.total, f"composite_{name}_total")


def documented(weights: np.ndarray) -> list[CompositeLoss]:
    """The forms of the documentation, all the same loss."""
    w = weights.tolist()
    terms = [EffectorPositionLoss(), EffectorFinalVelocityLoss(), NetworkOutputLoss(), NetworkActivityLoss()]
    keys = ["effector_position", "effector_final_velocity", "nn_output", "nn_hidden"]
    return [
        w[0] * terms[0] + w[1] * terms[1] + w[2] * terms[2] + w[3] * terms[3],
        CompositeLoss(terms, weights=w),
        CompositeLoss(terms[:3], weights=w[:3]) + w[3] * terms[3],
        CompositeLoss(
            dict(zip(keys, terms, strict=True)), weights=dict(zip(keys[::-1], w[::-1], strict=True))
        ),
    ]


def test_algebra_and_flattening(case: Case) -> None:
    for loss in documented(case.v["alg_weights"]):
        values = loss(case.trajectory, case.trials)
        case.check(torch.stack(list(values.values())), "alg_values")
        case.check(values.total, "alg_total")
    alg = documented(case.v["alg_weights"])[0]
    assert sorted(alg.labels.values()) == case.v["jit_key_order"].tolist()
    position, output = EffectorPositionLoss(), NetworkOutputLoss()
    composites = {
        "nested": CompositeLoss(
            {"grp": alg, "pos": position, "out": output}, {"grp": 2, "pos": 3, "out": 0.5}
        ),
        "dup": CompositeLoss([alg, position, position], [2, 3, 4]),
        "sub": alg - output,
    }
    for name, loss in composites.items():
        assert list(loss.labels.values()) == case.v[f"{name}_labels"].tolist()
        np.testing.assert_allclose(list(loss.weights.values()), case.v[f"{name}_weights"])
        values = loss(case.trajectory, case.trials)
        if name != "sub":
            case.check(torch.stack(list(values.values())), f"{name}_values")
        case.check(values.total, f"{name}_total")


class SomethingLoss(LossTerm):
    label: str = "effector_position"

    def term(self, states: Trajectory, trial_specs: Trials) -> Tensor:
        loss = ((states.effector_pos - trial_specs.targets) ** 2).sum(-1)
        return loss.sum(-1)


def test_a_term_of_ones_own_as_documented(case: Case) -> None:
    case.check(SomethingLoss().term(case.trajectory, case.trials), "term_position_nodiscount")
    mixed = 2.0 * SomethingLoss() + NetworkOutputLoss()
    values = mixed(case.trajectory, case.trials)
    np.testing.assert_allclose(
        values["effector_position"], 2 * case.v["term_position_nodiscount"].mean(), **case.close
    )
