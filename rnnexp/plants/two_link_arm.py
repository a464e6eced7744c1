"""A planar arm of two segments that torques at shoulder and elbow move."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from rnnexp.numbers import number, positive
from rnnexp.plants.base import Integrator, Plant


class TwoLinkArm(Plant):
    """q'' = M(q)^-1 (tau + J(q)^T F - C(q, w) - friction w); the state is [q, w], the command the torques tau (N m).

        M = [[a1 + 2 a2 cos q2, a3 + a2 cos q2], [a3 + a2 cos q2, a3]],    C = a2 sin q2 (-w2 (2 w1 + w2), w1^2)
        a1 = I1 + I2 + m2 l1^2,  a2 = m2 l1 s2,  a3 = I2
        hand p = l1 (cos q1, sin q1) + l2 (cos(q1 + q2), sin(q1 + q2)),    v = J w,  J = d p / d q

    q are shoulder and elbow angle, w their velocities. A load m on the hand adds m J^T J to M and m J^T J' w to C.
    Joint angles are clipped to their limits before each step; velocities are not bounded. Source: feedbax 0.1.2,
    TwoLinkArm (inertia about the joints, as in Todorov & Li 2004), whose hand velocity is not J w and whose external
    forces add up over steps; here neither is so.

    Args:
        dt: time step, s, > 0.
        lengths: l, of upper arm and forearm, m, > 0.
        masses: m, kg, > 0.
        inertias: I, kg m^2, > 0.
        center_distances: s, from joint to centre of mass, m, > 0.
        friction: 2 x 2, N m s / rad.
        lower: smallest joint angles, rad.
        upper: largest joint angles, rad.
        clip_angles: whether the limits hold.
        integrator: "euler" or "rk4".

    Raises:
        ValueError: an argument is out of its range.
    """

    state_dim = 4
    command_dim = 2
    observables: ClassVar[dict[str, int]] = {"angle": 2, "angle_vel": 2, "effector_pos": 2, "effector_vel": 2}
    takes_load = True

    def __init__(
        self,
        dt: float,
        lengths: Sequence[float] = (0.30, 0.33),
        masses: Sequence[float] = (1.4, 1.0),
        inertias: Sequence[float] = (0.025, 0.045),
        center_distances: Sequence[float] = (0.11, 0.16),
        friction: Sequence[Sequence[float]] = ((0.05, 0.025), (0.025, 0.05)),
        lower: Sequence[float] = (0.0, 0.0),
        upper: Sequence[float] = (math.radians(140), math.radians(160)),
        clip_angles: bool = True,
        integrator: Integrator = "euler",
    ) -> None:
        super().__init__(dt, integrator)
        self.lengths, self.masses, self.inertias, self.center_distances = (
            tuple(positive(f"{name}[{i}]", value, unit) for i, value in enumerate(_pair(name, values)))
            for name, values, unit in (
                ("lengths", lengths, "m"), ("masses", masses, "kg"), ("inertias", inertias, "kg m^2"),
                ("center_distances", center_distances, "m"),
            )
        )  # fmt: skip
        rows = _pair("friction", friction)
        self.friction = tuple(tuple(number("friction", f) for f in _pair("friction", row)) for row in rows)
        self.lower, self.upper = (
            tuple(number(name, angle) for angle in _pair(name, angles))
            for name, angles in (("lower", lower), ("upper", upper))
        )
        if not all(low < high for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError(f"lower must be below upper, got {list(self.lower)} and {list(self.upper)}")
        self.clip_angles = bool(clip_angles)
        self.a1 = sum(self.inertias) + self.masses[1] * self.lengths[0] ** 2
        self.a2 = self.masses[1] * self.lengths[0] * self.center_distances[1]
        self.a3 = self.inertias[1]

    def start(self, pos: Tensor, vel: Tensor) -> Tensor:
        """Return the states (B, 4) by inverse kinematics, the elbow to the right of the line to the hand."""
        (l1, l2), (x, y) = self.lengths, pos.unbind(1)
        r2 = (pos * pos).sum(1)
        r = r2.sqrt()
        q1 = torch.atan2(y, x) - torch.acos((l1**2 - l2**2 + r2) / (2 * l1 * r))
        q2 = math.pi - torch.acos((l1**2 + l2**2 - r2) / (2 * l1 * l2))
        q = torch.stack((q1, q2), 1)
        w = torch.linalg.solve(self.jacobian(q), vel)
        return torch.cat((q, w), 1)

    def positions(self, q: Tensor) -> Tensor:
        """Return elbow and hand, (B, 2, 2), [joint, xy], of angles q (B, 2)."""
        (l1, l2), q1, q12 = self.lengths, q[:, 0], q.sum(1)
        elbow = l1 * torch.stack((q1.cos(), q1.sin()), 1)
        return torch.stack((elbow, elbow + l2 * torch.stack((q12.cos(), q12.sin()), 1)), 1)

    def jacobian(self, q: Tensor) -> Tensor:
        """Return J (B, 2, 2), [xy, joint]: d hand / d q of angles q (B, 2)."""
        elbow, hand = self.positions(q).unbind(1)
        forearm = hand - elbow
        return torch.stack(
            (torch.stack((-hand[:, 1], hand[:, 0]), 1), torch.stack((-forearm[:, 1], forearm[:, 0]), 1)), 2
        )

    def derivative(self, state: Tensor, drive: Tensor, load: Tensor | None) -> Tensor:
        """Return [w, q''] (B, 4)."""
        q, w = state[:, :2], state[:, 2:]
        (w1, w2), c2, s2 = w.unbind(1), q[:, 1].cos(), q[:, 1].sin()
        m11, m12 = self.a1 + 2 * self.a2 * c2, self.a3 + self.a2 * c2
        m22 = torch.full_like(m11, self.a3)
        (f11, f12), (f21, f22) = self.friction
        rest1 = drive[:, 0] + self.a2 * s2 * w2 * (2 * w1 + w2) - f11 * w1 - f12 * w2
        rest2 = drive[:, 1] - self.a2 * s2 * w1 * w1 - f21 * w1 - f22 * w2
        if load is not None:
            (l1, l2), m = self.lengths, load[:, 0]
            m11 = m11 + m * (l1**2 + l2**2 + 2 * l1 * l2 * c2)
            m12 = m12 + m * (l2**2 + l1 * l2 * c2)
            m22 = m22 + m * l2**2
            rest1 = rest1 + m * l1 * l2 * s2 * w2 * (2 * w1 + w2)
            rest2 = rest2 - m * l1 * l2 * s2 * w1 * w1
        det = m11 * m22 - m12 * m12
        return torch.stack((w1, w2, (m22 * rest1 - m12 * rest2) / det, (m11 * rest2 - m12 * rest1) / det), 1)

    def observe(self, state: Tensor) -> dict[str, Tensor]:
        """Return joint angles and velocities, hand position and velocity, (B, 2) each."""
        q, w = state[:, :2], state[:, 2:]
        hand_vel = (self.jacobian(q) @ w[:, :, None])[:, :, 0]
        return {
            "angle": q,
            "angle_vel": w,
            "effector_pos": self.positions(q)[:, 1],
            "effector_vel": hand_vel,
        }

    def generalized_force(self, state: Tensor, force: Tensor) -> Tensor:
        """Return the torques J^T F (B, 2)."""
        return (self.jacobian(state[:, :2]).mT @ force[:, :, None])[:, :, 0]

    def clip(self, state: Tensor) -> Tensor:
        """Clip the joint angles."""
        if not self.clip_angles:
            return state
        low, high = state.new_tensor(self.lower), state.new_tensor(self.upper)
        return torch.cat((state[:, :2].clamp(low, high), state[:, 2:]), 1)

    def check_position(self, pos: Sequence[float]) -> None:
        """Refuse a position out of reach, or one that asks for a joint angle beyond its limits."""
        (l1, l2), r = self.lengths, math.hypot(*pos)
        where = f"({pos[0]:g}, {pos[1]:g})"
        if not max(abs(l1 - l2), 1e-9) <= r <= l1 + l2:
            raise ValueError(
                f"the hand cannot be at {where}, {r:.3g} m from the shoulder: its distance must be from "
                f"{abs(l1 - l2):.3g} to {l1 + l2:.3g} m"
            )
        if self.clip_angles:
            start = self.start(*torch.tensor([[pos], [(0.0, 0.0)]], dtype=torch.float64))[0, :2].tolist()
            for name, angle, low, high in zip(
                ("shoulder", "elbow"), start, self.lower, self.upper, strict=True
            ):
                if not low <= angle <= high:
                    raise ValueError(
                        f"the hand cannot be at {where}: the {name} would have {math.degrees(angle):.0f} degrees, its "
                        f"limits are {math.degrees(low):.0f} and {math.degrees(high):.0f}"
                    )


def _pair(name: str, values: Sequence[float]) -> Sequence[float]:
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != 2:
        raise ValueError(f"{name} must be two values, got {values!r}")
    return values
