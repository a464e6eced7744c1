"""What the inputs and targets of the cognitive tasks have in common: noise, and one raised output.

Letters: B trials, T time steps, K inputs, O outputs.
"""

import math

import torch
from torch import Tensor


def stimulus_noise_sd(dt: float, stim_noise: float) -> float:
    """Return sqrt(0.02 sqrt(10 dt)) * stim_noise, the standard deviation of the noise of an input at a step.

    Args:
        dt: ms, > 0.
        stim_noise: unitless, >= 0.

    Source: PsychRNN, PerceptualDiscrimination and DelayedDiscrimination; independent of tau, and equal to
    sqrt(2 alpha) * stim_noise at dt = 10, tau = 100.
    """
    return math.sqrt(0.02 * math.sqrt(10 * dt)) * stim_noise


def input_noise(
    shape: tuple[int, int, int], sd: float, generator: torch.Generator, dtype: torch.dtype
) -> Tensor:
    """Return Gaussian noise of standard deviation `sd`, independent over trials, steps and inputs.

    It is drawn also when `sd` is 0, so that the trials after it do not depend on the noise level.

    Args:
        shape: (B, T, K).
        sd: standard deviation, >= 0.
        generator: CPU generator.
        dtype: of the result.
    """
    return torch.randn(shape, generator=generator, dtype=dtype).mul_(sd)


def add_signal(inputs: Tensor, signal_on: Tensor, signal: Tensor) -> Tensor:
    """Add a constant signal to the inputs, in place, while it is on.

    Args:
        inputs: (B, T, K), changed.
        signal_on: (B, T) bool.
        signal: (B, K), what each input gets.

    Returns:
        The inputs.
    """
    return inputs.addcmul_(signal_on.to(inputs.dtype)[:, :, None], signal.to(inputs.dtype)[:, None, :])


def one_raised(index: Tensor, count: int, low: float, high: float) -> Tensor:
    """Return rows that are `high` at one place and `low` elsewhere.

    Args:
        index: (B,) int64, the place in 0 ... count - 1.
        count: length of a row.
        low: value elsewhere.
        high: value at the place.

    Returns:
        (B, count) float64.
    """
    rows = torch.full((index.shape[0], count), low, dtype=torch.float64)
    return rows.scatter_(1, index[:, None], high)


def gated(on: Tensor, levels: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the levels while `on`, 0 otherwise.

    Args:
        on: (B, T) bool.
        levels: (B, O).
        dtype: of the result.

    Returns:
        (B, T, O).
    """
    return on.to(dtype)[:, :, None] * levels.to(dtype)[:, None, :]
