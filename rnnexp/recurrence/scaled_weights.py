"""A leaky network whose recurrent connections change in time: ablations and scalings, step by step."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from rnnexp.latent_steps.leaky import Leaky
from rnnexp.recurrence.around import Around


class ScaledWeights(Around):
    """W_rec of a leaky network, multiplied entry by entry by t_connectivity[t] at step t.

    Source: PsychRNN, Simulator.

    Args:
        latent_step: of M units.
        t_connectivity: (T, M, M), (post, pre); 0 removes a connection, 1 leaves it.
        rate_noise: (B, T, M), as drawn for the unscaled network, or None.
    """

    def __init__(self, latent_step: Leaky, t_connectivity: Tensor, rate_noise: Tensor | None) -> None:
        self._latent_step, self._scales, self._rate_noise = latent_step, t_connectivity, rate_noise

    def step(
        self, step: Callable[[Tensor, Tensor | None], Tensor], t: int
    ) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return the step with the connections of step t."""
        del step
        return self._latent_step.scaled_step(self._scales[t])

    def after(self, z: Tensor, t: int) -> Tensor:
        """Correct the noise of the rates, whose feedback the increments hold for the unscaled W_rec."""
        if self._rate_noise is None or t == 0:
            return z
        change = self._latent_step.W_rec * (self._scales[t] - 1)
        return z + self._latent_step.alpha * functional.linear(self._rate_noise[:, t - 1], change)
