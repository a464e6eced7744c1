"""The contract of a plant: a body with an effector (a hand) that commands and external forces move.

Letters: B trials, P entries of the plant's state, U commands. Lengths are m, times s, masses kg, angles rad.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor

from rnnexp.numbers import one_of, positive

Integrator = Literal["euler", "rk4"]


class NoPlant:
    """plant=none: the network is judged by its outputs, which move nothing."""


class Plant(ABC):
    """A body in the plane; one step of the network is one step of its integrator, commands and forces held.

    A subclass sets `state_dim`, `command_dim`, `observables` and `takes_load`, and defines `start`, `derivative`,
    `observe` and `generalized_force`; `clip` and `check_position` where it has limits.

    Args:
        dt: time step, s, > 0.
        integrator: "euler" (explicit) or "rk4".

    Attributes:
        state_dim: P.
        command_dim: U.
        observables: what `observe` returns, name -> number of entries, among them "effector_pos" and "effector_vel",
            2 each.
        takes_load: whether `derivative` takes a load on the effector.

    Raises:
        ValueError: an argument is out of its range.
    """

    state_dim: ClassVar[int]
    command_dim: ClassVar[int]
    observables: ClassVar[dict[str, int]]
    takes_load: ClassVar[bool] = False

    def __init__(self, dt: float, integrator: Integrator = "euler") -> None:
        self.dt = positive("dt", dt, "s")
        self.integrator = one_of("integrator", integrator, ("euler", "rk4"))

    @abstractmethod
    def start(self, pos: Tensor, vel: Tensor) -> Tensor:
        """Return the states (B, P) in which the effector has the position pos and the velocity vel, both (B, 2)."""

    @abstractmethod
    def derivative(self, state: Tensor, drive: Tensor, load: Tensor | None) -> Tensor:
        """Return d state / d t (B, P).

        Args:
            state: (B, P).
            drive: (B, U), command and external force together, see `generalized_force`.
            load: (B, 1), mass added to the effector, or None; plants that take no load get None.
        """

    @abstractmethod
    def observe(self, state: Tensor) -> dict[str, Tensor]:
        """Return the `observables`, each (B, its entries), of states (B, P)."""

    @abstractmethod
    def generalized_force(self, state: Tensor, force: Tensor) -> Tensor:
        """Return what a force (B, 2) on the effector, N, adds to the command, (B, U)."""

    def clip(self, state: Tensor) -> Tensor:
        """Return the states from which a step starts; they themselves for a plant without limits."""
        return state

    def check_position(self, pos: Sequence[float]) -> None:
        """Refuse a position (x, y) that the effector cannot have; none here.

        Raises:
            ValueError: with the position and the limits.
        """
        del pos

    def step(
        self, state: Tensor, command: Tensor, force: Tensor | None = None, load: Tensor | None = None
    ) -> Tensor:
        """Return the states (B, P) after one time step.

        Args:
            state: (B, P).
            command: (B, U).
            force: (B, 2), external force on the effector during this step alone, N.
            load: (B, 1), mass on the effector, kg.
        """
        drive = command if force is None else command + self.generalized_force(state, force)
        state, dt = self.clip(state), self.dt
        k1 = self.derivative(state, drive, load)
        if self.integrator == "euler":
            return state + dt * k1
        k2 = self.derivative(state + dt / 2 * k1, drive, load)
        k3 = self.derivative(state + dt / 2 * k2, drive, load)
        k4 = self.derivative(state + dt * k3, drive, load)
        return state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
