"""Terms that judge a movement, and the weighted sums of them that reaching tasks use.

Letters: B trials, T steps, U commands, M units. p_t, v_t are effector position and velocity after step t = 1 .. T, p*_t
and v*_t their targets, p_0 the start. All terms are sums over time, not means, of squares summed over x and y. Source:
feedbax 0.1.2, whose states have the initial one in front; here row t of states and of targets belong together.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from rnnexp.config.suggestions import did_you_mean
from rnnexp.losses.base import CompositeLoss, LossTerm
from rnnexp.losses.entries import TermLike
from rnnexp.losses.lambdas import with_user_terms
from rnnexp.losses.schedules import Lambda
from rnnexp.numbers import finite_non_negative, integer_at_least, one_of, positive

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

Discount = Callable[[int], Tensor]


def power_discount(n_steps: int, exponent: float = 6.0) -> Tensor:
    """Return d_t = (t / n)^exponent of the steps t = 1 .. n, (n,) float64; the last is 1, exponent 0 gives 1."""
    return torch.linspace(1 / n_steps, 1, n_steps, dtype=torch.float64) ** exponent


class MovementTerm(LossTerm):
    """A term that needs a network with a plant."""

    def check_model(self, model: RNN) -> None:
        """Refuse a network without a plant.

        Raises:
            ValueError: it has none.
        """
        if model.loop is None:
            raise ValueError(f"{self.key} judges a movement, and the network moves no plant: set plant")


class EffectorPositionLoss(MovementTerm):
    """sum_t d_t ||p_t - p*_t||^2.

    Args:
        discount_exp: d_t = (t / T)^discount_exp, >= 0; None takes d_t = 1.
        discount_func: a function of T that returns d (T,), instead of the power.
    """

    label = "Effector position"
    key = "effector_position"

    def __init__(self, discount_exp: float | None = 6.0, discount_func: Discount | None = None) -> None:
        self.discount = _discount(discount_exp, discount_func)

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,)."""
        return _distances(trajectory.effector_pos, trials.targets, self.discount)


class EffectorVelocityLoss(MovementTerm):
    """sum_t d_t ||v_t - v*_t||^2, d_t = 1 by default.

    Args:
        discount_exp, discount_func: as of EffectorPositionLoss.
    """

    label = "Effector velocity"
    key = "effector_velocity"

    def __init__(self, discount_exp: float | None = None, discount_func: Discount | None = None) -> None:
        self.discount = _discount(discount_exp, discount_func)

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,)."""
        return _distances(trajectory.effector_vel, trials.reach.target_vel, self.discount)


class EffectorFinalVelocityLoss(MovementTerm):
    """||v_T - v*_T||^2, of the last step."""

    label = "Effector final velocity"
    key = "effector_final_velocity"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,)."""
        return (trajectory.effector_vel[:, -1] - trials.reach.target_vel[:, -1]).square().sum(-1)


class EffectorFixationLoss(MovementTerm):
    """sum_t hold_t ||p_t - p*_t||^2, hold_t = 1 while the hand shall stay."""

    label = "Effector maintains fixation"
    key = "effector_fixation"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,)."""
        squares = (trajectory.effector_pos - trials.targets).square().sum(-1)
        return (trials.reach.hold * squares).sum(-1)


class EffectorStraightPathLoss(MovementTerm):
    """Length of the path / straight distance: sum_t ||p_t - p_{t-1}|| / ||p_end - p_0||, 1 for a straight path.

    Args:
        normalize_by: "actual", p_end = p_T, or "goal", p_end = p*_T.
    """

    label = "Effector path straightness"
    key = "effector_straight_path"

    def __init__(self, normalize_by: Literal["actual", "goal"] = "actual") -> None:
        self.normalize_by = one_of("normalize_by", normalize_by, ("actual", "goal"))

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,); a distance of less than 1e-9 m counts as that."""
        pos, start = trajectory.effector_pos, trajectory.movement.start["effector_pos"]
        steps = torch.diff(pos, dim=1, prepend=start[:, None])
        end = pos[:, -1] if self.normalize_by == "actual" else trials.targets[:, -1]
        return _length(steps).sum(1) / _length(end - start).clamp(min=1e-9)


class NetworkOutputLoss(LossTerm):
    """sum_t ||u_t||^2 of the outputs, without motor noise."""

    label = "NN output"
    key = "nn_output"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,)."""
        del trials
        return _SquareSum.apply(trajectory.outputs)


class NetworkActivityLoss(LossTerm):
    """sum_t ||r_t||^2 of the rates after each step."""

    label = "NN hidden activity"
    key = "nn_hidden"

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,)."""
        del trials
        return _SquareSum.apply(trajectory.rates)


class TargetStateLoss(LossTerm):
    """sum_t d_t norm(x_t - x*_t) of any state x, see `Trajectory.state`.

    Args:
        where: name of the state, or a function of the trajectory that returns it, (B, T, F).
        target: a function of the trials that returns x* (B, T, F), or a number.
        norm: of the differences over F; squared sum if None.
        times: which steps count, indices from 0, negative ones from the end; None: all.
        discount_exp, discount_func: as of EffectorPositionLoss, 1 by default.
        label: text for plots.
    """

    def __init__(
        self,
        where: str | Callable[[Trajectory], Tensor],
        target: Callable[[Trials], Tensor] | float = 0.0,
        norm: Callable[[Tensor], Tensor] | None = None,
        times: Sequence[int] | None = None,
        discount_exp: float | None = None,
        discount_func: Discount | None = None,
        label: str | None = None,
    ) -> None:
        self.where, self.target, self.norm = where, target, norm
        self.times = None if times is None else list(times)
        self.discount = _discount(discount_exp, discount_func)
        self.label = label or (f"{where} target" if isinstance(where, str) else "Target state")

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,)."""
        state = trajectory.state(self.where) if isinstance(self.where, str) else self.where(trajectory)
        target = self.target(trials) if callable(self.target) else self.target
        difference = state - target
        values = difference.square().sum(-1) if self.norm is None else self.norm(difference)
        if self.discount is not None:
            values = values * self.discount(values.shape[1]).to(values)
        return (values if self.times is None else values[:, self.times]).sum(1)


class ModelLoss(LossTerm):
    """Any scalar function of the model, such as a norm of its weights.

    Args:
        function: of the model, returns a 0-d tensor.
        label: text for plots.
    """

    def __init__(self, function: Callable[[RNN], Tensor], label: str = "Model") -> None:
        self.function, self.label = function, label

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """0-d."""
        del trajectory, trials
        return self.function(model)


class StopAtGoalLoss(MovementTerm):
    """How far the best window of a few steps is from resting at the goal.

    c_t = ||p_t - p*_t||^2 / radius^2 + ||v_t||^2 / speed^2, averaged over each window of steps; then the soft minimum
    over the windows, -tau log(mean exp(-c / tau)). Source: feedbax (2026), StopAtGoalLoss.

    Args:
        radius: m, > 0.
        speed: m/s, > 0.
        window: steps, >= 1.
        tau: > 0; the smaller, the closer to the minimum.
    """

    label = "Stop at goal"
    key = "stop_at_goal"

    def __init__(self, radius: float = 0.025, speed: float = 0.05, window: int = 5, tau: float = 0.2) -> None:
        self.radius, self.speed = positive("radius", radius, "m"), positive("speed", speed, "m/s")
        self.window, self.tau = integer_at_least("window", window, 1), positive("tau", tau)

    def term(self, trajectory: Trajectory, trials: Trials) -> Tensor:
        """(B,)."""
        cost = (trajectory.effector_pos - trials.targets).square().sum(-1) / self.radius**2
        cost = cost + trajectory.effector_vel.square().sum(-1) / self.speed**2
        if cost.shape[1] < self.window:
            raise ValueError(f"window: {self.window}: must be at most the {cost.shape[1]} steps of a trial")
        windows = cost.unfold(1, self.window, 1).mean(-1)
        return -self.tau * (torch.logsumexp(-windows / self.tau, 1) - math.log(windows.shape[1]))


class SimpleReachLoss(CompositeLoss):
    """The loss of reaches without a delay.

    Args:
        lambda_effector_position, lambda_effector_final_velocity, lambda_nn_output, lambda_nn_hidden: weights of the
            terms of these names, finite, >= 0, or schedules.
        discount_exp: of the position, see EffectorPositionLoss.
        terms, lambda_terms: further terms by name and their weights, as of `rnnexp.losses.rnn_loss.RNNLoss`.

    Source: feedbax 0.1.2, simple_reach_loss.
    """

    lists_raw = True

    def __init__(
        self,
        lambda_effector_position: Lambda = 1.0,
        lambda_effector_final_velocity: Lambda = 1.0,
        lambda_nn_output: Lambda = 1e-5,
        lambda_nn_hidden: Lambda = 1e-5,
        discount_exp: float | None = 6.0,
        terms: Mapping[str, TermLike] | None = None,
        lambda_terms: Mapping[str, Lambda] | None = None,
    ) -> None:
        built_in = {
            "effector_position": (lambda_effector_position, EffectorPositionLoss(discount_exp)),
            "effector_final_velocity": (lambda_effector_final_velocity, EffectorFinalVelocityLoss()),
            "nn_output": (lambda_nn_output, NetworkOutputLoss()),
            "nn_hidden": (lambda_nn_hidden, NetworkActivityLoss()),
        }
        super().__init__(*with_user_terms(built_in, terms, lambda_terms))


class DelayedReachLoss(CompositeLoss):
    """The loss of reaches whose start is told by a signal: `SimpleReachLoss`, and the hand shall stay before it.

    Args:
        lambda_effector_fixation: weight of the fixation; the others and further arguments as of `SimpleReachLoss`.

    Source: feedbax 0.1.2, delayed_reach_loss.
    """

    lists_raw = True

    def __init__(
        self,
        lambda_effector_fixation: Lambda = 1.0,
        lambda_effector_position: Lambda = 1.0,
        lambda_effector_final_velocity: Lambda = 1.0,
        lambda_nn_output: Lambda = 1e-4,
        lambda_nn_hidden: Lambda = 1e-5,
        discount_exp: float | None = 6.0,
        terms: Mapping[str, TermLike] | None = None,
        lambda_terms: Mapping[str, Lambda] | None = None,
    ) -> None:
        built_in = {
            "effector_fixation": (lambda_effector_fixation, EffectorFixationLoss()),
            "effector_position": (lambda_effector_position, EffectorPositionLoss(discount_exp)),
            "effector_final_velocity": (lambda_effector_final_velocity, EffectorFinalVelocityLoss()),
            "nn_output": (lambda_nn_output, NetworkOutputLoss()),
            "nn_hidden": (lambda_nn_hidden, NetworkActivityLoss()),
        }
        super().__init__(*with_user_terms(built_in, terms, lambda_terms))


class HoldLoss(CompositeLoss):
    """The loss of a hand that shall stay where it is.

    Args:
        lambda_effector_position, lambda_effector_velocity, lambda_nn_output, lambda_nn_hidden: weights, as of
            `SimpleReachLoss`.
        terms, lambda_terms: as there.

    Source: feedbax (2025), hold_loss.
    """

    lists_raw = True

    def __init__(
        self,
        lambda_effector_position: Lambda = 1.0,
        lambda_effector_velocity: Lambda = 1e-5,
        lambda_nn_output: Lambda = 1e-5,
        lambda_nn_hidden: Lambda = 1e-5,
        terms: Mapping[str, TermLike] | None = None,
        lambda_terms: Mapping[str, Lambda] | None = None,
    ) -> None:
        built_in = {
            "effector_position": (lambda_effector_position, EffectorPositionLoss(None)),
            "effector_velocity": (lambda_effector_velocity, EffectorVelocityLoss()),
            "nn_output": (lambda_nn_output, NetworkOutputLoss()),
            "nn_hidden": (lambda_nn_hidden, NetworkActivityLoss()),
        }
        super().__init__(*with_user_terms(built_in, terms, lambda_terms))


def simple_reach_loss(weights: Mapping[str, float] | None = None, discount_exp: float = 6.0) -> CompositeLoss:
    """Return `SimpleReachLoss` with weights by term, as feedbax's function of this name; those not given stay."""
    return SimpleReachLoss(**_lambdas(SimpleReachLoss, weights), discount_exp=discount_exp)


def delayed_reach_loss(
    weights: Mapping[str, float] | None = None, discount_exp: float = 6.0
) -> CompositeLoss:
    """Return `DelayedReachLoss` with weights by term, as feedbax's function of this name; those not given stay."""
    return DelayedReachLoss(**_lambdas(DelayedReachLoss, weights), discount_exp=discount_exp)


def hold_loss(weights: Mapping[str, float] | None = None) -> CompositeLoss:
    """Return `HoldLoss` with weights by term, as feedbax's function of this name; those not given stay."""
    return HoldLoss(**_lambdas(HoldLoss, weights))


class _SquareSum(torch.autograd.Function):
    """Sum of squares over time and units, (B,) of (B, T, M), with a gradient that passes the states once only."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.square().sum((1, 2))

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x * (2 * grad)[:, None, None]


def _lambdas(kind: type[CompositeLoss], weights: Mapping[str, float] | None) -> dict[str, float]:
    """Return the weights by the names of the arguments.

    Raises:
        ValueError: the loss has no such term.
    """
    known = [
        name.removeprefix("lambda_") for name in inspect.signature(kind).parameters if name != "lambda_terms"
    ]
    for key in weights or {}:
        if key not in known:
            raise ValueError(f"the loss has no term {key!r} to weight{did_you_mean(key, known)}")
    return {f"lambda_{key}": weight for key, weight in (weights or {}).items()}


def _discount(exponent: float | None, function: Discount | None) -> Discount | None:
    if function is not None:
        return function
    if exponent is None:
        return None
    exponent = finite_non_negative("discount_exp", exponent)
    return lambda n_steps: power_discount(n_steps, exponent)


def _distances(states: Tensor, targets: Tensor, discount: Discount | None) -> Tensor:
    squares = (states - targets).square().sum(-1)
    return (squares if discount is None else squares * discount(squares.shape[1]).to(squares)).sum(1)


def _length(vectors: Tensor) -> Tensor:
    """Return the lengths of vectors (..., 2), with a gradient of 0 where they are 0."""
    squares = vectors.square().sum(-1)
    return torch.where(squares > 0, squares, 1.0).sqrt() * (squares > 0)
