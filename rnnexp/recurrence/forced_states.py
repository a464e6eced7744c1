"""What a rollout needs of teacher forcing: where states are pulled to, and how strongly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnexp.recurrence.around import Around


@dataclass(frozen=True)
class ForcedStates(Around):
    """What replaces the first F units in part: before step t they become (1 - a_t) z + a_t f_t.

    Letters: B trials, T time steps, S states, 1 <= F <= S.

    Attributes:
        states: f, (B, T, F), row t acts before step t; nan leaves an entry free.
        strength: a, (T,), in [0, 1]; 0 leaves the units free, 1 replaces them and cuts their gradient.
    """

    states: Tensor
    strength: Tensor

    def before(self, z: Tensor, t: int) -> Tensor:
        """Return the state (B, S) from which step t starts, given the state z (B, S) that step t - 1 left."""
        states, a = self.states[:, t], self.strength[t]
        n_forced = states.shape[1]
        forced = (1 - a) * z[:, :n_forced] + a * torch.where(states.isnan(), z[:, :n_forced], states)
        return forced if n_forced == z.shape[1] else torch.cat((forced, z[:, n_forced:]), dim=1)
