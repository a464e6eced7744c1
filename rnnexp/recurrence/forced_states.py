"""What a rollout needs of teacher forcing: where states are pulled to, and how strongly."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ForcedStates:
    """States that replace those of the network in part: before step t, z becomes (1 - a_t) z + a_t f_t.

    Letters: B trials, T time steps, S states.

    Attributes:
        states: f, (B, T, S), row t acts before step t; nan leaves an entry free.
        strength: a, (T, S), in [0, 1]; 0 leaves an entry free, 1 replaces it and cuts its gradient.
    """

    states: Tensor
    strength: Tensor

    def pull(self, z: Tensor, t: int) -> Tensor:
        """Return the state (B, S) from which step t starts, given the state z (B, S) that step t - 1 left."""
        states, a = self.states[:, t], self.strength[t]
        return (1 - a) * z + a * torch.where(states.isnan(), z, states)
