"""Tasks with a fixation input, stimuli on rings of units tuned to directions, and a ring of outputs.

Letters: B trials, T time steps, N units of a ring.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import integer_at_least, non_negative, positive
from rnnexp.tasks.base import InputCondition, Trials
from rnnexp.tasks.phases import PhasedTask

HOLD = -1.0  # in the place of a direction: keep fixating
TUNING = math.pi / 8  # width of the tuning curves
PEAK = 0.8
REST = 0.05  # of outputs; those of networks with a logistic readout cannot be 0
FIXATING_ABOVE = 0.5
TOLERANCE = 0.2 * math.pi  # of a direction that counts as right
TWO_PI = 2 * math.pi


def directions(n_ring: int) -> Tensor:
    """Return the preferred directions of a ring (N,), float64, from 0 to below 2 pi."""
    return torch.arange(n_ring, dtype=torch.float64) * (TWO_PI / n_ring)


def bump(direction: Tensor, n_ring: int) -> Tensor:
    """Return how active the units of a ring are for directions (B,), (B, N): 0.8 exp(-(distance / (pi / 8))^2 / 2)."""
    distance = apart(direction[:, None], directions(n_ring))
    return PEAK * torch.exp(-0.5 * (distance / TUNING) ** 2)


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle between directions, from 0 to pi."""
    difference = (a - b).abs() % TWO_PI
    return torch.minimum(difference, TWO_PI - difference)


def population_vector(ring: Tensor) -> Tensor:
    """Return the direction that a ring of units (..., N) tells, from 0 to 2 pi."""
    preferred = directions(ring.shape[-1]).to(ring)
    return torch.atan2(ring @ preferred.sin(), ring @ preferred.cos()) % TWO_PI


class RingTask(PhasedTask):
    """Inputs: fixation, and rings of units for each modality; outputs: fixation, and a ring.

    Every trial has a condition `response`, the direction that is right at its end, radians from 0 to 2 pi, or -1 where
    fixation is to be kept. Accuracy, at the last step: the fixation output is above 0.5 where it is to be kept, and
    elsewhere it is not, and the population vector of the ring lies within 36 degrees of the direction.

    Args:
        durations: of the phases, see `PhasedTask`.
        n_rings: number of rings of inputs, >= 1, one for each modality.
        n_ring: units of a ring, >= 2.
        dt, tau: ms, > 0.
        noise: of the inputs, >= 0; its standard deviation at a step is sqrt(2 tau / dt) * noise.

    Source: Yang, Joglekar, Song, Newsome & Wang, Nature Neuroscience 22:297 (2019), and its code.
    """

    condition = "response"

    def __init__(
        self,
        durations: Mapping[str, Any],
        n_rings: int = 2,
        n_ring: int = 32,
        dt: float = 20.0,
        tau: float = 100.0,
        noise: float = 0.01,
    ) -> None:
        self.n_ring = integer_at_least("n_ring", n_ring, 2)
        rings = {f"ring {index + 1}": self.n_ring for index in range(integer_at_least("n_rings", n_rings, 1))}
        dt, tau = positive("dt", dt, "ms"), positive("tau", tau, "ms")
        super().__init__(
            inputs={"fixation": 1, **rings}, outputs={"fixation": 1, "ring": self.n_ring},
            durations=durations, dt=dt, tau=tau,
            input_noise=math.sqrt(2 * tau / dt) * non_negative("noise", noise), rest=REST,
        )  # fmt: skip

    def respond(self, response: Tensor) -> dict[str, Tensor]:
        """Return what is asked of outputs that shall tell directions (B,), or hold fixation."""
        holds = response == HOLD
        ring = torch.where(holds[:, None], 0.0, bump(response, self.n_ring))
        return {"fixation": torch.where(holds, PEAK, REST), "ring": REST + ring}

    def show(self, direction: Tensor, strengths: Tensor) -> dict[str, Tensor]:
        """Return the inputs of the rings for a stimulus in directions (B,), with its strength in each ring (B, R)."""
        shown = bump(direction, self.n_ring)
        return {f"ring {index + 1}": strengths[:, index, None] * shown for index in range(strengths.shape[1])}

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the accuracy, the fraction of correct trials; see the class and `Task.metrics`."""
        last = trials.n_steps - 1 if trials.lengths is None else trials.lengths - 1
        final = outputs[torch.arange(trials.n_trials, device=outputs.device), last]
        response = trials.conditions["response"]
        fixates = final[:, 0] > FIXATING_ABOVE
        is_near = apart(population_vector(final[:, 1:]), response) < TOLERANCE
        is_right = torch.where(response == HOLD, fixates, is_near & ~fixates)
        return {"accuracy": is_right.to(outputs.dtype).mean()}

    @property
    def chance(self) -> dict[str, float]:
        """Accuracy has no chance level that all trials share."""
        return {}

    @property
    def input_conditions(self) -> dict[str, InputCondition]:
        """Fixation alone, and nothing."""
        alone = (1.0,) + (0.0,) * (self.input_dim - 1)
        return {"fixation": InputCondition(alone), "no input": InputCondition((0.0,) * self.input_dim)}
