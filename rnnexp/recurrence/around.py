"""What can happen around each step of a network: the parts of which every rollout is made."""

from collections.abc import Callable

from torch import Tensor

Step = Callable[[Tensor, Tensor | None], Tensor]


class Around:
    """One part; it overrides what it changes. B trials, S states, K inputs; steps count from 0.

    Forced states pull before a step, feedback of a plant joins what is received, scaled connections make it another
    step, and a plant moves after it.
    """

    def before(self, z: Tensor, t: int) -> Tensor:
        """Return the state (B, S) from which step t starts, given the one that step t - 1 left."""
        del t
        return z

    def receive(self, s: Tensor | None, t: int) -> Tensor | None:
        """Return what the network receives in step t, given the inputs (B, K) of the run."""
        del t
        return s

    def step(self, step: Step, t: int) -> Step:
        """Return the map that makes step t, given that of the network."""
        del t
        return step

    def after(self, z: Tensor, t: int) -> Tensor:
        """Return the state (B, S) that step t leaves, given what its map and the noise made."""
        del t
        return z
