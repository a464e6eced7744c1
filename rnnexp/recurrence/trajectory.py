"""What a rollout returns."""

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class Movement:
    """What a plant did (B trials, T time steps, U commands); row t is the state after step t, as in `Trajectory`.

    Attributes:
        states: what the plant shows, by name, (B, T, -): "effector_pos" (m) and "effector_vel" (m/s), 2 each, of an
            arm "angle" (rad) and "angle_vel" (rad/s).
        start: the same before the first step, (B, -).
        command: (B, T, U), what reached the plant: the outputs of the network with the motor noise.
        effector_force: (B, T, 2), external force on the effector during each step, N; None without perturbations.
        feedback: (B, T, F), what the network received of the plant in each step, channels in their order.
    """

    states: dict[str, Tensor]
    start: dict[str, Tensor]
    command: Tensor
    effector_force: Tensor | None
    feedback: Tensor


@dataclass(frozen=True)
class Trajectory:
    """States of a network over a batch of trials (B trials, T time steps, M units, S states, O outputs).

    Attributes:
        latents: (B, T, S), row t is the state after step t; the initial state is not included. S is M, but for
            an LSTM, whose states are [h, c].
        rates: (B, T, M), r = f(z); the latents themselves for models without a transfer function, h of an LSTM.
        outputs: (B, T, O), the observation of every state.
        initial: (B, S), the state before the first step.
        movement: of a network that moves a plant.
    """

    latents: Tensor
    rates: Tensor
    outputs: Tensor
    initial: Tensor
    movement: Movement | None = None

    def within(self, is_real: Tensor | None) -> "Trajectory":
        """Return the trajectory with latents, rates and outputs 0 where steps are padding.

        Args:
            is_real: (B, T) bool, or None where there is no padding, see `Trials.is_real`.
        """
        if is_real is None:
            return self
        counts = is_real[:, :, None]
        rates = self.rates.where(counts, 0.0)
        latents = rates if self.latents is self.rates else self.latents.where(counts, 0.0)
        return replace(self, latents=latents, rates=rates, outputs=self.outputs.where(counts, 0.0))

    @property
    def effector_pos(self) -> Tensor:
        """(B, T, 2), m."""
        return self.state("effector_pos")

    @property
    def effector_vel(self) -> Tensor:
        """(B, T, 2), m/s."""
        return self.state("effector_vel")

    def state(self, name: str) -> Tensor:
        """Return a state of network or plant by name, (B, T, -): latents, rates, outputs, command, effector_pos, ...

        Raises:
            ValueError: there is no such state.
        """
        found = {"latents": self.latents, "rates": self.rates, "outputs": self.outputs}
        if self.movement is not None:
            found |= {**self.movement.states, "command": self.movement.command}
        if name not in found:
            lacking = "" if self.movement else "; a network without a plant has no others"
            raise ValueError(f"there is no state {name!r}, must be one of {', '.join(found)}{lacking}")
        return found[name]
