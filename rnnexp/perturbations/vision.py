"""Changes of what is seen of the effector; its real position, which the loss judges, stays."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rnnexp.numbers import number
from rnnexp.perturbations.base import Perturbation, States
from rnnexp.perturbations.forces import pair


class VisualRotation(Perturbation):
    """The effector is seen turned about the point where it started, its velocity likewise.

    Args:
        angle: degrees, counter-clockwise.
        start, stop, probability, from_update, to_update: as of Perturbation.
    """

    def __init__(
        self,
        angle: float = 30.0,
        start: float = 0.0,
        stop: float | None = None,
        probability: float = 1.0,
        from_update: int = 0,
        to_update: int | None = None,
    ) -> None:
        super().__init__(start, stop, probability, from_update, to_update)
        self.angle = number("angle", angle)

    def show(self, states: States, start: States, active: Tensor) -> States:
        """Return the states with position and velocity of the effector turned."""
        angle = math.radians(self.angle) * active
        c, s = angle.cos(), angle.sin()

        def turned(vector: Tensor) -> Tensor:
            x, y = vector[:, :1], vector[:, 1:]
            return torch.cat((c * x - s * y, s * x + c * y), 1)

        origin = start["effector_pos"]
        return {
            **states,
            "effector_pos": origin + turned(states["effector_pos"] - origin),
            "effector_vel": turned(states["effector_vel"]),
        }


class CursorJump(Perturbation):
    """The effector is seen away from where it is.

    Args:
        shift: (x, y), m.
        start, stop, probability, from_update, to_update: as of Perturbation.
    """

    def __init__(
        self,
        shift: Sequence[float] = (0.1, 0.0),
        start: float = 0.0,
        stop: float | None = None,
        probability: float = 1.0,
        from_update: int = 0,
        to_update: int | None = None,
    ) -> None:
        super().__init__(start, stop, probability, from_update, to_update)
        self.shift = pair("shift", shift)

    def show(self, states: States, start: States, active: Tensor) -> States:
        """Return the states with the position of the effector shifted."""
        del start
        pos = states["effector_pos"]
        return {**states, "effector_pos": pos + active * pos.new_tensor(self.shift)}
