"""Lorenz-96: a ring of sites of an atmosphere, of any number of dimensions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnexp.numbers import integer_at_least
from rnnexp.tasks.time_series.base import TimeSeries
from rnnexp.tasks.time_series.orbits import Flow, finite, orbits, velocity


@velocity
def lorenz96(state: np.ndarray, time: float, F: float) -> np.ndarray:
    """Return the velocity (N,) at a state (N,)."""
    n_sites = len(state)
    change = np.empty_like(state)
    for i in range(n_sites):
        following = state[i + 1 - n_sites]  # counted from the end, so the last site is followed by the first
        change[i] = (following - state[i - 2]) * state[i - 1] - state[i] + F
    return change


class Lorenz96(TimeSeries):
    """x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F, i = 1 .. dim on a ring.

    Chaotic for F = 8.

    Args:
        dim: number of sites N >= 4.
        F: forcing, finite.
        dt, n_training, n_validation, n_test, observation_noise, observed, data_seed: see `orbits`.
        settings: see `TimeSeries`.

    Raises:
        ValueError: an argument is out of its range.

    Source: Lorenz 1996.
    """

    def __init__(
        self,
        dim: int = 20,
        F: float = 8.0,
        dt: float = 0.04,
        n_training: int = 100_000,
        n_validation: int = 10_000,
        n_test: int = 100_000,
        observation_noise: float = 0.0,
        observed: Sequence[int | str] | None = None,
        data_seed: int = 0,
        **settings: Any,
    ) -> None:
        n_sites = integer_at_least("dim", dim, 4)
        flow = Flow(
            lorenz96,
            finite(F=F),
            labels=tuple(f"x{site}" for site in range(n_sites)),
            start=(F,) * n_sites,
            spread=(1.0,) * n_sites,
            warm_up=50.0,
        )
        recordings = orbits(
            flow, dt, n_training, n_validation, n_test, observation_noise, observed, data_seed
        )
        super().__init__(recordings, dt=dt, **settings)
