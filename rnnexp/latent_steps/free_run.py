"""Whether a latent step, left to itself, stays where it starts."""

import torch
from torch import nn

N_STARTS = 128
N_STEPS = 500  # as long as the longest window of a bundled series
FARTHEST = 10.0  # times as far from 0 as the starts
VANISHED = 1e-4  # a run as close to 0 comes back only if it could grow, which other starts show


@torch.no_grad()
def stays_bounded(latent_step: nn.Module) -> bool:
    """Whether runs without inputs from the unit sphere stay within 10 times its radius for 500 steps.

    The starts are fixed directions, the same in every call; no generator of the run is drawn from.

    Args:
        latent_step: a `LatentStep` whose state is M units.
    """
    fixed = torch.Generator().manual_seed(0)
    z = torch.randn(N_STARTS, latent_step.state_dim, generator=fixed, dtype=torch.float64)
    z = (z / torch.linalg.vector_norm(z, dim=1, keepdim=True)).to(next(latent_step.parameters()))
    for _ in range(N_STEPS):
        z = latent_step.step(z, None)
        farthest = torch.linalg.vector_norm(z, dim=1).max().item()
        if not farthest <= FARTHEST:  # nan included
            return False
        if farthest < VANISHED:
            return True
    return True
