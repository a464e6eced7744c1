"""Time constants of leaky units: one for all, one for each, or trained between two bounds."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from rnnexp.numbers import is_finite, listed, positive

Tau = float | Sequence[float] | Mapping[str, float]


class TimeConstants(nn.Module):
    """tau and alpha = dt / tau.

    Trained: tau_i = min + (max - min) sigmoid(g_i), so that it never leaves its bounds; the parameter g is
    `tau_raw` (M), drawn from N(0, 1). Source: Kim, Li & Sejnowski 2019.

    Args:
        tau: ms: a number, a list or array of M numbers, or {"min": a, "max": b} with a < b to train it; all >= dt.
        dt: time step, ms, > 0.
        latent_dim: M.

    Raises:
        ValueError: an argument is not allowed.
    """

    def __init__(self, tau: Tau, dt: float, latent_dim: int) -> None:
        super().__init__()
        self.dt = positive("dt", dt, "ms")
        self.latent_dim = latent_dim
        self.bounds: tuple[float, float] | None = None
        self.values: float | list[float] | None = None
        if isinstance(tau, Mapping):
            self.bounds = _bounds(tau, self.dt)
        elif (each := listed(tau)) is not None:
            if len(each) != latent_dim:
                raise ValueError(
                    f"tau must hold one number for each of the {latent_dim} units, got {len(each)}"
                )
            self.values = [_checked("tau", value, self.dt) for value in each]
        else:
            self.values = _checked("tau", tau, self.dt)
        self.tau_raw = None if self.bounds is None else nn.Parameter(torch.zeros(latent_dim))

    @property
    def is_trained(self) -> bool:
        """Whether tau is trained."""
        return self.tau_raw is not None

    def initialize(self, generator: torch.Generator) -> None:
        """Draw a trained tau."""
        if self.tau_raw is not None:
            with torch.no_grad():
                self.tau_raw.normal_(generator=generator)

    def tau(self, like: Tensor) -> Tensor:
        """Return tau (M), ms, with the dtype and on the device of another tensor."""
        if self.tau_raw is not None:
            low, high = self.bounds
            return low + (high - low) * torch.sigmoid(self.tau_raw)
        return torch.as_tensor(self.values, dtype=like.dtype, device=like.device).expand(self.latent_dim)

    def alpha(self, like: Tensor) -> Tensor | float:
        """Return dt / tau: a number if all units share it, else (M)."""
        return self.dt / self.values if isinstance(self.values, float) else self.dt / self.tau(like)


def _bounds(tau: Mapping[str, float], dt: float) -> tuple[float, float]:
    if set(tau) != {"min", "max"}:
        raise ValueError(
            f"tau must have the keys min and max when it is trained, got {', '.join(map(str, tau))}"
        )
    low, high = _checked("tau.min", tau["min"], dt), _checked("tau.max", tau["max"], dt)
    if low >= high:
        raise ValueError(f"tau.min must be < tau.max, got {low:g} and {high:g} ms")
    return low, high


def _checked(name: str, value: float, dt: float) -> float:
    if not is_finite(value) or value < dt:
        raise ValueError(f"{name} must be a finite number of ms >= dt, which is {dt:g} ms, got {value!r}")
    return float(value)
