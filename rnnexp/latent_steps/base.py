"""The contract of a latent step: the map z_{t+1} = F(z_t, s_t)."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from rnnexp.constraints.initializers import Initializer


class LatentStep(nn.Module, ABC):
    """One step of a recurrent network: z_{t+1} = F(z_t, s_t).

    A subclass holds its parameters and defines `step`; everything else has a default that is right for a
    plain torch module. Steps keep no state between calls and take no Python decision on tensor values.

    Args:
        latent_dim: M >= 1, size of the state z.
        input_dim: K >= 0, size of the external input s; 0 for an autonomous system.

    Raises:
        ValueError: a size is not an integer in its range.
    """

    def __init__(self, latent_dim: int, input_dim: int) -> None:
        super().__init__()
        check_size("latent_dim", latent_dim, minimum=1)
        check_size("input_dim", input_dim, minimum=0)
        self.latent_dim = latent_dim
        self.input_dim = input_dim

    @abstractmethod
    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, M) from the state z (B, M) and the input s (B, K), or None without input."""

    def rates(self, z: Tensor) -> Tensor:
        """Return the rates r = f(z), of the shape of z; the states themselves by default."""
        return z

    def jacobian(self, z: Tensor) -> Tensor:
        """Return d z_{t+1} / d z_t (B, M, M) at the states z (B, M); rows are the units of z_{t+1}.

        By automatic differentiation here; a subclass with a closed form overrides it. The input enters
        additively in all built-in models, so it is left out.
        """
        return torch.func.vmap(torch.func.jacrev(lambda row: self.step(row[None], None)[0]))(z)

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw the initial parameters; by default those that the constructor set stay.

        Constructors run under a seed of the run as well, so torch's own initialisation is reproducible too.
        """
        del initializer, generator

    @property
    def input_matrix(self) -> Tensor | None:
        """The effective map from inputs to the state, (M, K), or None."""
        return None

    @property
    def recurrent_matrices(self) -> tuple[Tensor, ...]:
        """The effective recurrent weight matrices, (post, pre); empty when there is no such thing."""
        return ()

    def weights(self) -> dict[str, Tensor]:
        """Return the effective weights under the names of the equations."""
        return dict(self.named_parameters())


def check_size(name: str, value: int, minimum: int) -> None:
    """Raise ValueError unless value is an integer of at least minimum."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{name} must be an integer >= {minimum}, got {value!r}")


def clip_state(z: Tensor, clip_range: float | None) -> Tensor:
    """Clamp the state to [-clip_range, clip_range]; None leaves the map as it is."""
    return z if clip_range is None else z.clamp(-clip_range, clip_range)


def check_clip_range(clip_range: float | None) -> None:
    """Raise ValueError unless clip_range is None or a positive number."""
    if clip_range is not None and not clip_range > 0:
        raise ValueError(f"clip_range must be a number > 0 or null, got {clip_range!r}")


def named_weights(**weights: Tensor | None) -> dict[str, Tensor]:
    """Return the weights that exist, by name."""
    return {name: weight for name, weight in weights.items() if weight is not None}
