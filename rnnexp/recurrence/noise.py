"""What one draw of a network's noise holds, ready for a rollout."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Noise:
    """Noise of B trials over T steps (M units, F feedback entries, U commands); None where there is none.

    Attributes:
        initial: (B, M), added to the state before the first step.
        increments: (B, T, M), row t is added to the state by step t: z_{t+1} = F(z_t, s_t) + increments_t; inside the
            step where `LatentStep.noise_inside`.
        rates: (B, T, M), row t is added to the rates after step t.
        feedback: (B, T, F), row t is added to what the network is told of its plant in step t.
        command: (B, T, U), row t is added to the command of step t.
        command_gain: (B, T, U), row t times the outputs is added to the command of step t.
    """

    initial: Tensor | None = None
    increments: Tensor | None = None
    rates: Tensor | None = None
    feedback: Tensor | None = None
    command: Tensor | None = None
    command_gain: Tensor | None = None
