"""A leaky network whose recurrent connections change in time: ablations and scalings, step by step."""

import torch
from torch import Tensor
from torch.nn import functional

from rnnexp.latent_steps.leaky import Leaky
from rnnexp.recurrence.noise import Noise


def scaled_rollout(
    latent_step: Leaky, initial: Tensor, inputs: Tensor | None, t_connectivity: Tensor, noise: Noise
) -> Tensor:
    """Iterate a leaky step with W_rec multiplied entry by entry by t_connectivity[t] at step t.

    Args:
        latent_step: of M units.
        initial: (B, M), the state before the first step.
        inputs: (B, T, K), or None.
        t_connectivity: (T, M, M), (post, pre); 0 removes a connection, 1 leaves it.
        noise: as drawn for the unscaled network.

    Returns:
        Latents (B, T, M), row t is the state after step t. Source: PsychRNN, Simulator.
    """
    z, latents = initial, []
    for t, scale in enumerate(t_connectivity):
        z = latent_step.scaled_step(scale)(z, None if inputs is None else inputs[:, t])
        if noise.increments is not None:
            z = z + noise.increments[:, t]
        if noise.rates is not None and t > 0:  # the increments hold the feedback of the unscaled W_rec
            change = latent_step.W_rec * (scale - 1)
            z = z + latent_step.alpha * functional.linear(noise.rates[:, t - 1], change)
        latents.append(z)
    return torch.stack(latents, dim=1)
