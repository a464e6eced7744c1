"""What a rollout returns."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Trajectory:
    """States of a network over a batch of trials (B trials, T time steps, M units, S states, O outputs).

    Attributes:
        latents: (B, T, S), row t is the state after step t; the initial state is not included. S is M, but for
            an LSTM, whose states are [h, c].
        rates: (B, T, M), r = f(z); the latents themselves for models without a transfer function, h of an LSTM.
        outputs: (B, T, O), the observation of every state.
        initial: (B, S), the state before the first step.
    """

    latents: Tensor
    rates: Tensor
    outputs: Tensor
    initial: Tensor
