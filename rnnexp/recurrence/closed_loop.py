"""A network that moves a plant and is told of it: feedback, network, plant, step by step.

Step t (from 0): the network receives the task's inputs s_t and the feedback, its outputs with motor noise become the
command, and the plant moves from its state t to t + 1, where state 0 is before the first step. A channel of lag L shows
state max(0, t - L), so that lag 0 is the present. Source: feedbax 0.1.2, whose channels have the lag delay + 1.

Letters: B trials, T time steps, S states, U commands, F feedback entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rnnexp.errors import UserError
from rnnexp.latent_steps.base import LatentStep
from rnnexp.numbers import finite_non_negative, is_whole, one_of
from rnnexp.observation.base import Observation
from rnnexp.perturbations.base import Perturbation
from rnnexp.plants import Plant, PointMass, TwoLinkArm
from rnnexp.recurrence.around import Around
from rnnexp.recurrence.fused.selection import DTYPES, Backend
from rnnexp.recurrence.noise import Noise
from rnnexp.recurrence.rollout import reference_rollout
from rnnexp.recurrence.trajectory import Movement


@dataclass(frozen=True)
class Channel:
    """What the network is told of one state of the plant.

    Attributes:
        name: of the state, one of the plant's observables.
        delay: time steps, >= 0.
        noise: sd of the Gaussian noise on every entry, >= 0.
    """

    name: str
    delay: int
    noise: float


class NoFeedback:
    """feedback=none: for networks without a plant."""


class Feedback:
    """What the network is told of the plant, and how noisily its commands arrive there.

    Args:
        channels: name of a state of the plant -> {delay: time steps, noise: sd}, both 0 if left out; in their order.
            None of them leaves the network blind.
        lag_convention: "exact", a delay of 0 shows the present state, or "feedbax_2024", where everything comes one
            step later.
        motor_noise: sd of the noise added to every command, >= 0.
        motor_noise_signal: sd of the noise that is multiplied with every command and added to it, >= 0.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        channels: Mapping[str, Mapping[str, float]],
        lag_convention: Literal["exact", "feedbax_2024"] = "exact",
        motor_noise: float = 0.0,
        motor_noise_signal: float = 0.0,
    ) -> None:
        if not isinstance(channels, Mapping):
            raise ValueError(
                f"channels must map states of the plant to settings, such as {{effector_pos: {{delay: 0}}}}, got "
                f"{channels!r}"
            )
        self.channels = tuple(_channel(name, settings) for name, settings in channels.items())
        self.lag_convention = one_of("lag_convention", lag_convention, ("exact", "feedbax_2024"))
        self.motor_noise = finite_non_negative("motor_noise", motor_noise)
        self.motor_noise_signal = finite_non_negative("motor_noise_signal", motor_noise_signal)

    @property
    def lags(self) -> tuple[int, ...]:
        """Steps between a state and when the network is told, one for each channel."""
        extra = int(self.lag_convention == "feedbax_2024")
        return tuple(channel.delay + extra for channel in self.channels)


class ClosedLoop:
    """The plant of a network, the feedback that it gives, and what disturbs them.

    Args:
        plant: what is moved.
        feedback: what the network is told.
        perturbations: in the order in which they act.
        dt: time step, ms.

    Attributes:
        update: number of updates that the network has had, by which perturbations begin and end; None outside a
            training, where all are on.

    Raises:
        ValueError: a channel shows what the plant does not have, or a plant lacks what it must show.
    """

    def __init__(
        self, plant: Plant, feedback: Feedback, perturbations: Sequence[Perturbation] = (), dt: float = 50.0
    ) -> None:
        for name in ("effector_pos", "effector_vel"):
            if plant.observables.get(name) != 2:
                raise ValueError(
                    f"{type(plant).__name__}.observables must hold {name!r} with 2 entries, got {plant.observables}"
                )
        for channel in feedback.channels:
            if channel.name not in plant.observables:
                raise ValueError(
                    f"channels.{channel.name}: {type(plant).__name__} has no such state, must be one of "
                    f"{', '.join(plant.observables)}"
                )
        self.plant, self.feedback, self.perturbations, self.dt = plant, feedback, tuple(perturbations), dt
        self.update: int | None = None

    @property
    def feedback_dim(self) -> int:
        """F."""
        return sum(self.plant.observables[channel.name] for channel in self.feedback.channels)

    @property
    def is_noisy(self) -> bool:
        """Whether feedback or commands are noisy."""
        feedback = self.feedback
        return any((feedback.motor_noise, feedback.motor_noise_signal, *(c.noise for c in feedback.channels)))

    def draw_noise(
        self, n_trials: int, n_steps: int, generator: torch.Generator, like: Tensor
    ) -> dict[str, Tensor | None]:
        """Draw the noise of one run, see `Noise`; what has an sd of 0 is None and takes no random numbers."""
        feedback, n_commands = self.feedback, self.plant.command_dim

        def draw(width: int) -> Tensor:
            return torch.randn(n_trials, n_steps, width, generator=generator, dtype=like.dtype).to(
                like.device
            )

        told = None
        if any(channel.noise for channel in feedback.channels):
            sds = [c.noise for c in feedback.channels for _ in range(self.plant.observables[c.name])]
            told = draw(self.feedback_dim) * like.new_tensor(sds)
        added = feedback.motor_noise * draw(n_commands) if feedback.motor_noise else None
        gain = feedback.motor_noise_signal * draw(n_commands) if feedback.motor_noise_signal else None
        return {"feedback": told, "command": added, "command_gain": gain}

    def schedules(self, n_trials: int, n_steps: int, like: Tensor) -> list[Tensor]:
        """Return when each perturbation is active, (B, T) each."""
        return [p.schedule(n_trials, n_steps, self.dt, self.update).to(like) for p in self.perturbations]


def _channel(name: str, settings: Mapping[str, float]) -> Channel:
    if not isinstance(settings, Mapping) or set(settings) - {"delay", "noise"}:
        raise ValueError(f"channels.{name} must be {{delay: steps, noise: sd}}, got {settings!r}")
    delay = settings.get("delay", 0)
    if not is_whole(delay, 0):
        raise ValueError(f"channels.{name}.delay must be a whole number of time steps >= 0, got {delay!r}")
    return Channel(
        name, int(delay), finite_non_negative(f"channels.{name}.noise", settings.get("noise", 0.0))
    )


def closed_loop_rollout(
    latent_step: LatentStep,
    observation: Observation,
    loop: ClosedLoop,
    initial: Tensor,
    plant_start: Tensor,
    inputs: Tensor,
    noise: Noise,
    backend: Backend = "auto",
) -> tuple[Tensor, Tensor, Tensor, Movement]:
    """Iterate network and plant.

    Args:
        latent_step: of K + F inputs.
        observation: of U outputs.
        loop: plant, feedback and perturbations.
        initial: (B, S), the network before the first step.
        plant_start: (B, P), the plant there.
        inputs: (B, T, K), of the task.
        noise: drawn before, see `rnnexp.models.RNN.draw_noise`.
        backend: "reference", "fused", or "auto", which is fused where `loop_obstacle` is None.

    Returns:
        Latents (B, T, S), rates (B, T, M), outputs (B, T, U) and the movement.

    Raises:
        UserError: backend="fused" cannot be had here.
    """
    obstacle = "asked for by trainer.backend"
    if backend != "reference":
        obstacle = loop_obstacle(latent_step, observation, loop, initial.device, initial.dtype)
    if obstacle is None and noise.rates is not None:
        obstacle = "the compiled closed loop takes no noise of the rates"
    if obstacle is None and (inputs.requires_grad or plant_start.requires_grad):
        obstacle = "the compiled closed loop gives no gradient of inputs and starts"
    if obstacle is None:
        return _fused(latent_step, observation, loop, initial, plant_start, inputs, noise)
    if backend == "fused":
        raise UserError(f"trainer.backend: fused: {obstacle}; use auto or reference")
    n_steps = inputs.shape[1]
    moving = Moving(latent_step, observation, loop, plant_start, noise, n_steps)
    latents = reference_rollout(latent_step, initial, inputs, n_steps, noise.increments, (moving,))
    return latents, *moving.results()


def choose_loop_backend(
    latent_step: LatentStep,
    observation: Observation,
    loop: ClosedLoop,
    device: torch.device,
    dtype: torch.dtype,
    wanted: Backend = "auto",
) -> tuple[Literal["reference", "fused"], str]:
    """Choose how network and plant are rolled out; as `rnnexp.recurrence.fused.selection.choose_backend`.

    Raises:
        UserError: wanted is "fused", and there is no compiled closed loop for this case.
    """
    if wanted == "reference":
        return "reference", "asked for by trainer.backend"
    obstacle = loop_obstacle(latent_step, observation, loop, device, dtype)
    if obstacle is None:
        return "fused", "compiled closed loop on the CPU"
    if wanted == "fused":
        raise UserError(f"trainer.backend: fused: {obstacle}; use auto or reference")
    return "reference", obstacle


def loop_obstacle(
    latent_step: LatentStep,
    observation: Observation,
    loop: ClosedLoop,
    device: torch.device,
    dtype: torch.dtype,
) -> str | None:
    """Return what stands against the compiled closed loop, in a few words, or None."""
    kind = type(latent_step)
    if type(loop.plant) not in (PointMass, TwoLinkArm):
        return f"there is no compiled closed loop with {type(loop.plant).__name__}"
    if loop.plant.integrator != "euler":
        return f"the compiled plants make steps by euler, not by {loop.plant.integrator}"
    for perturbation in loop.perturbations:
        if not perturbation.is_force_field:
            return f"there is no compiled closed loop with {type(perturbation).__name__}"
    if "loop_network" not in vars(kind) or latent_step.loop_network() is None:
        return f"there is no compiled closed loop of {kind.__name__} with its settings"
    if getattr(latent_step, "post_noise", 0):
        return "the compiled closed loop takes no noise of the rates"
    if latent_step.noise_inside and getattr(latent_step, "pre_noise", 0):
        return "the compiled closed loop takes no noise inside the transfer function"
    if observation.readout is None:
        return f"there is no compiled closed loop with {type(observation).__name__}"
    if device.type != "cpu":
        return f"the compiled recurrences run on the CPU, not on {device.type}"
    if dtype not in DTYPES:
        return f"the compiled recurrences need float32 or float64, not {str(dtype).removeprefix('torch.')}"
    return None


def _fused(
    latent_step: LatentStep,
    observation: Observation,
    loop: ClosedLoop,
    initial: Tensor,
    plant_start: Tensor,
    inputs: Tensor,
    noise: Noise,
) -> tuple[Tensor, Tensor, Tensor, Movement]:
    """Iterate network and plant by the compiled recurrence."""
    from rnnexp.recurrence.fused.closed_loop import LoopGiven, fused_closed_loop  # has numba
    from rnnexp.recurrence.fused.plants import plant_numbers

    network, (B, b) = latent_step.loop_network(), observation.readout
    readout = torch.cat((B.T, (B.new_zeros(len(B)) if b is None else b)[None]))
    plant, numbers = plant_numbers(loop.plant, initial)
    widths = loop.plant.observables
    first = dict(zip(widths, np.cumsum([0, *widths.values()]), strict=False))
    entries = [
        (first[c.name] + k, lag)
        for c, lag in zip(loop.feedback.channels, loop.feedback.lags, strict=True)
        for k in range(widths[c.name])
    ]
    source, lag = torch.tensor(entries, dtype=torch.long).view(-1, 2).T.contiguous()
    n_trials, n_steps = inputs.shape[:2]
    none = initial.new_empty(0, 0, 0)
    schedules = loop.schedules(n_trials, n_steps, initial)
    fields = [[*G, *f] for G, f in (p.force_field for p in loop.perturbations)]
    given = LoopGiven(
        plant, numbers, plant_start, source, lag,
        *(none if n is None else n for n in (noise.feedback, noise.command, noise.command_gain)),
        initial.new_tensor(fields).view(-1, 6), torch.stack(schedules) if schedules else none,
    )  # fmt: skip
    increments = none if noise.increments is None else noise.increments
    latents, outputs, observed, told = fused_closed_loop(network, readout, initial, inputs, increments, given)
    states = dict(zip(widths, observed.split(list(widths.values()), dim=2), strict=True))
    force, command = None, outputs
    if noise.command_gain is not None:
        command = command * (1 + noise.command_gain)
    if noise.command is not None:
        command = command + noise.command
    if loop.perturbations:
        before = {name: value[:, :-1].flatten(0, 1) for name, value in states.items()}
        parts = [
            p.force(before, s.reshape(-1, 1)) for p, s in zip(loop.perturbations, schedules, strict=True)
        ]
        force = sum(parts[1:], parts[0]).view(n_trials, n_steps, 2)
    movement = Movement(
        {name: value[:, 1:] for name, value in states.items()},
        {name: value[:, 0] for name, value in states.items()},
        command,
        force,
        told,
    )
    return latents, latent_step.rates(latents), outputs, movement


class Moving(Around):
    """The plant of a rollout in plain torch: it gives feedback before each step, and answers to it.

    Args:
        latent_step, observation, loop, plant_start, noise: as of `closed_loop_rollout`.
        n_steps: T.
    """

    def __init__(
        self,
        latent_step: LatentStep,
        observation: Observation,
        loop: ClosedLoop,
        plant_start: Tensor,
        noise: Noise,
        n_steps: int,
    ) -> None:
        self._latent_step, self._observation, self._loop, self._noise = latent_step, observation, loop, noise
        self._schedules = loop.schedules(len(plant_start), n_steps, plant_start)
        self._state = plant_start
        self._states = [loop.plant.observe(plant_start)]
        self._shown = [self._seen(0)]
        self._rows: dict[str, list[Tensor]] = {
            name: [] for name in ("rates", "outputs", "u", "told", "force")
        }

    def receive(self, s: Tensor | None, t: int) -> Tensor:
        """Return the inputs of the task and the feedback, (B, K + F)."""
        channels, lags = self._loop.feedback.channels, self._loop.feedback.lags
        seen = [self._shown[max(0, t - lag)][c.name] for c, lag in zip(channels, lags, strict=True)]
        told = torch.cat(seen, 1) if seen else s.new_zeros(len(s), 0)
        told = told if self._noise.feedback is None else told + self._noise.feedback[:, t]
        self._rows["told"].append(told)
        return torch.cat((s, told), 1)

    def after(self, z: Tensor, t: int) -> Tensor:
        """Disturb the state, read the command from it and move the plant."""
        loop, noise = self._loop, self._noise
        disturbed = [
            (p, schedule[:, t : t + 1])
            for p, schedule in zip(loop.perturbations, self._schedules, strict=True)
        ]
        for perturbation, is_on in disturbed:
            z = perturbation.act(z, is_on)
        rates = self._latent_step.rates(z)
        rates = rates if noise.rates is None else rates + noise.rates[:, t]
        outputs = self._observation(rates)
        command = outputs if noise.command_gain is None else outputs * (1 + noise.command_gain[:, t])
        command = command if noise.command is None else command + noise.command[:, t]
        force = _sum([p.force(self._states[-1], is_on) for p, is_on in disturbed])
        load = _sum([p.load(is_on) for p, is_on in disturbed])
        self._state = loop.plant.step(self._state, command, force, load)
        self._states.append(loop.plant.observe(self._state))
        self._shown.append(self._seen(t))
        if force is None:
            force = torch.zeros_like(self._states[0]["effector_pos"])
        for name, row in (("rates", rates), ("outputs", outputs), ("u", command), ("force", force)):
            self._rows[name].append(row)
        return z

    def _seen(self, t: int) -> dict[str, Tensor]:
        """Return what the network will see of the last state."""
        states = self._states[-1]
        for perturbation, schedule in zip(self._loop.perturbations, self._schedules, strict=True):
            states = perturbation.show(states, self._states[0], schedule[:, t : t + 1])
        return states

    def results(self) -> tuple[Tensor, Tensor, Movement]:
        """Return rates (B, T, M), outputs (B, T, U) and the movement, after all steps."""
        rows = {name: torch.stack(found, 1) for name, found in self._rows.items()}
        states = {name: torch.stack([s[name] for s in self._states[1:]], 1) for name in self._states[0]}
        force = rows["force"] if self._loop.perturbations else None
        return (
            rows["rates"],
            rows["outputs"],
            Movement(states, self._states[0], rows["u"], force, rows["told"]),
        )


def _sum(values: Sequence[Tensor | None]) -> Tensor | None:
    given = [value for value in values if value is not None]
    return sum(given[1:], given[0]) if given else None
