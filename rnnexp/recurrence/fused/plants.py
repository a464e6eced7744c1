"""The plants of `rnnexp.plants` inside kernels: a step, what is observed, and the gradients of both, trial by trial.

State and observed entries are rows of numbers. Point mass: state [p v], observed the same. Arm: state [q w], observed
[q w p v]. Gradients (d_x is the derivative of the loss by x) follow from the equations of the plants: with
lambda = dt d_w' and mu = M^-1 lambda,

    d_tau = mu,    d_w = d_w' + dt d_q' - (dC/dw + friction)^T mu,    d_q2 = d_q2' + mu (-dC/dq2 - dM/dq2 q'')
"""

from math import cos, sin

import numpy as np
from torch import Tensor

from rnnexp.plants import Plant, PointMass, TwoLinkArm
from rnnexp.recurrence.fused.compilation import Array, inner

POINT_MASS, ARM = range(2)
N_OBSERVED = (4, 8)
DT, MASS, DAMPING = range(3)  # places in the numbers of a point mass
_, A1, A2, A3, L1, L2, F11, F12, F21, F22, LOW1, LOW2, HIGH1, HIGH2, CLIPS = range(15)  # of an arm


def plant_numbers(plant: Plant, like: Tensor) -> tuple[int, Tensor] | None:
    """Return which plant it is and its numbers, or None if the kernels do not know it."""
    if plant.integrator != "euler":
        return None
    if type(plant) is PointMass:
        return POINT_MASS, like.new_tensor([plant.dt, plant.mass, plant.damping])
    if type(plant) is TwoLinkArm:
        values = [
            plant.dt,
            plant.a1,
            plant.a2,
            plant.a3,
            *plant.lengths,
            *plant.friction[0],
            *plant.friction[1],
        ]
        return ARM, like.new_tensor([*values, *plant.lower, *plant.upper, float(plant.clip_angles)])
    return None


@inner
def observe(plant: int, c: Array, state: Array, seen: Array) -> None:
    """Set seen to what is observed in a state."""
    for j in range(4):
        seen[j] = state[j]
    if plant == ARM:
        c1, s1 = c[L1] * cos(state[0]), c[L1] * sin(state[0])
        c12, s12 = c[L2] * cos(state[0] + state[1]), c[L2] * sin(state[0] + state[1])
        seen[4], seen[5] = c1 + c12, s1 + s12
        seen[6] = -(s1 + s12) * state[2] - s12 * state[3]
        seen[7] = (c1 + c12) * state[2] + c12 * state[3]


@inner
def observe_back(plant: int, c: Array, state: Array, d_seen: Array, d_state: Array) -> None:
    """Add to d_state what d_seen contributes."""
    for j in range(4):
        d_state[j] += d_seen[j]
    if plant == ARM:
        c1, s1 = c[L1] * cos(state[0]), c[L1] * sin(state[0])
        c12, s12 = c[L2] * cos(state[0] + state[1]), c[L2] * sin(state[0] + state[1])
        x, y, w1, both = c1 + c12, s1 + s12, state[2], state[2] + state[3]
        px, py, vx, vy = d_seen[4], d_seen[5], d_seen[6], d_seen[7]
        d_state[0] += -y * px + x * py + vx * (-x * w1 - c12 * state[3]) + vy * (-y * w1 - s12 * state[3])
        d_state[1] += -s12 * px + c12 * py - vx * c12 * both - vy * s12 * both
        d_state[2] += -y * vx + x * vy
        d_state[3] += -s12 * vx + c12 * vy


@inner
def step_plant(plant: int, c: Array, u1: float, u2: float, f1: float, f2: float, state: Array) -> None:
    """Make a step of a state under a command and a force on the effector."""
    dt = c[DT]
    if plant == POINT_MASS:
        v1, v2 = state[2], state[3]
        state[0] += dt * v1
        state[1] += dt * v2
        state[2] += dt * (u1 + f1 - c[DAMPING] * v1) / c[MASS]
        state[3] += dt * (u2 + f2 - c[DAMPING] * v2) / c[MASS]
        return
    t1, t2 = _torques(c, state, u1, u2, f1, f2)
    q1, q2 = _clipped(c, state)
    w1, w2 = state[2], state[3]
    a1, a2 = _accelerations(c, q2, w1, w2, t1, t2)
    state[0], state[1] = q1 + dt * w1, q2 + dt * w2
    state[2], state[3] = w1 + dt * a1, w2 + dt * a2


@inner
def step_plant_back(
    plant: int,
    c: Array,
    u1: float,
    u2: float,
    f1: float,
    f2: float,
    state: Array,
    d_state: Array,
    d_force: Array,
) -> tuple[float, float]:
    """Turn d_state of the state after a step into that of the one before, `state`; set d_force, return d_u."""
    dt = c[DT]
    if plant == POINT_MASS:
        u, v = dt * d_state[2] / c[MASS], dt * d_state[3] / c[MASS]
        d_force[0], d_force[1] = u, v
        d_state[2] += dt * d_state[0] - c[DAMPING] * u
        d_state[3] += dt * d_state[1] - c[DAMPING] * v
        return np.float64(u), np.float64(v)
    t1, t2 = _torques(c, state, u1, u2, f1, f2)
    _, q2 = _clipped(c, state)
    w1, w2 = state[2], state[3]
    a1, a2 = _accelerations(c, q2, w1, w2, t1, t2)
    c2, s2 = c[A2] * cos(q2), c[A2] * sin(q2)
    mu1, mu2 = _divide_by_inertia(c, c2, dt * d_state[2], dt * d_state[3])
    q1_new, q2_new = d_state[0], d_state[1]
    d_state[2] += dt * q1_new - (-2 * s2 * w2 + c[F11]) * mu1 - (2 * s2 * w1 + c[F21]) * mu2
    d_state[3] += dt * q2_new - (-2 * s2 * (w1 + w2) + c[F12]) * mu1 - c[F22] * mu2
    d_state[1] += mu1 * (c2 * w2 * (2 * w1 + w2) + s2 * (2 * a1 + a2)) + mu2 * (s2 * a1 - c2 * w1 * w1)
    if c[CLIPS] != 0:
        if not (c[LOW1] <= state[0] <= c[HIGH1]):
            d_state[0] = 0
        if not (c[LOW2] <= state[1] <= c[HIGH2]):
            d_state[1] = 0
    c1, s1 = c[L1] * cos(state[0]), c[L1] * sin(state[0])
    c12, s12 = c[L2] * cos(state[0] + state[1]), c[L2] * sin(state[0] + state[1])
    x, y, both = c1 + c12, s1 + s12, mu1 + mu2
    d_force[0], d_force[1] = -y * mu1 - s12 * mu2, x * mu1 + c12 * mu2
    d_state[0] += f1 * (-x * mu1 - c12 * mu2) + f2 * (-y * mu1 - s12 * mu2)
    d_state[1] += -f1 * c12 * both - f2 * s12 * both
    return np.float64(mu1), np.float64(mu2)


@inner
def _torques(c: Array, state: Array, u1: float, u2: float, f1: float, f2: float) -> tuple[float, float]:
    """Return command + J^T force."""
    if f1 == 0 and f2 == 0:
        return u1, u2
    c12, s12 = c[L2] * cos(state[0] + state[1]), c[L2] * sin(state[0] + state[1])
    x, y = c[L1] * cos(state[0]) + c12, c[L1] * sin(state[0]) + s12
    return u1 - y * f1 + x * f2, u2 - s12 * f1 + c12 * f2


@inner
def _clipped(c: Array, state: Array) -> tuple[float, float]:
    q1, q2 = state[0], state[1]
    if c[CLIPS] != 0:
        q1 = c[LOW1] if q1 < c[LOW1] else q1
        q1 = c[HIGH1] if q1 > c[HIGH1] else q1
        q2 = c[LOW2] if q2 < c[LOW2] else q2
        q2 = c[HIGH2] if q2 > c[HIGH2] else q2
    return q1, q2


@inner
def _accelerations(c: Array, q2: float, w1: float, w2: float, t1: float, t2: float) -> tuple[float, float]:
    s2 = c[A2] * sin(q2)
    rest1 = t1 + s2 * w2 * (2 * w1 + w2) - c[F11] * w1 - c[F12] * w2
    rest2 = t2 - s2 * w1 * w1 - c[F21] * w1 - c[F22] * w2
    return _divide_by_inertia(c, c[A2] * cos(q2), rest1, rest2)


@inner
def _divide_by_inertia(c: Array, c2: float, first: float, second: float) -> tuple[float, float]:
    m11, m12, m22 = c[A1] + 2 * c2, c[A3] + c2, c[A3]
    det = m11 * m22 - m12 * m12
    return (m22 * first - m12 * second) / det, (m11 * second - m12 * first) / det
