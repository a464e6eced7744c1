"""The reference rollout: a latent step iterated over time, in plain torch. It defines what is right."""

import torch
from torch import Tensor

from rnnexp.latent_steps.base import LatentStep


def rollout(latent_step: LatentStep, initial: Tensor, inputs: Tensor | None, n_steps: int) -> Tensor:
    """Iterate a latent step.

    Args:
        latent_step: the map z_{t+1} = F(z_t, s_t).
        initial: (B, M), the state before the first step.
        inputs: (B, T, K) with T = n_steps, row t enters the step from z_t to z_{t+1}; None runs freely.
        n_steps: T >= 1.

    Returns:
        Latents (B, T, M), row t is the state after step t.
    """
    steps = [None] * n_steps if inputs is None else inputs.unbind(1)
    z, latents = initial, []
    for s in steps:
        z = latent_step.step(z, s)
        latents.append(z)
    return torch.stack(latents, dim=1)
