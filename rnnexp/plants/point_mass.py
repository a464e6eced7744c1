"""A point mass in the plane."""

from typing import ClassVar

import torch
from torch import Tensor

from rnnexp.numbers import finite_non_negative, positive
from rnnexp.plants.base import Integrator, Plant


class PointMass(Plant):
    """pos' = vel,    vel' = (u + F - damping vel) / (mass + load); the state is [pos, vel], the command a force u (N).

    Explicit Euler moves the position with the velocity before the step. Source: feedbax 0.1.2, PointMass; its damping
    is of later versions.

    Args:
        dt: time step, s, > 0.
        mass: kg, > 0.
        damping: N s / m, >= 0.
        integrator: "euler" or "rk4".

    Raises:
        ValueError: an argument is out of its range.
    """

    state_dim = 4
    command_dim = 2
    observables: ClassVar[dict[str, int]] = {"effector_pos": 2, "effector_vel": 2}
    takes_load = True

    def __init__(
        self, dt: float, mass: float = 1.0, damping: float = 0.0, integrator: Integrator = "euler"
    ) -> None:
        super().__init__(dt, integrator)
        self.mass = positive("mass", mass, "kg")
        self.damping = finite_non_negative("damping", damping)

    def start(self, pos: Tensor, vel: Tensor) -> Tensor:
        """Return [pos, vel] (B, 4)."""
        return torch.cat((pos, vel), dim=1)

    def derivative(self, state: Tensor, drive: Tensor, load: Tensor | None) -> Tensor:
        """Return [vel, acceleration] (B, 4)."""
        vel = state[:, 2:]
        net = drive - self.damping * vel if self.damping else drive
        return torch.cat((vel, net / (self.mass if load is None else self.mass + load)), dim=1)

    def observe(self, state: Tensor) -> dict[str, Tensor]:
        """Return position and velocity (B, 2)."""
        return {"effector_pos": state[:, :2], "effector_vel": state[:, 2:]}

    def generalized_force(self, state: Tensor, force: Tensor) -> Tensor:
        """Return the force itself."""
        del state
        return force
