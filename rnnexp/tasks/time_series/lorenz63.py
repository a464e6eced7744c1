"""Lorenz-63: convection in three variables, the standard test of reconstruction."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnexp.tasks.time_series.base import TimeSeries
from rnnexp.tasks.time_series.orbits import Flow, finite, orbits, velocity


@velocity
def lorenz63(state: np.ndarray, time: float, sigma: float, rho: float, beta: float) -> np.ndarray:
    """Return the velocity (3,) at a state (3,)."""
    x, y, z = state
    return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


class Lorenz63(TimeSeries):
    """x' = sigma (y - x),  y' = x (rho - z) - y,  z' = x y - beta z.

    Chaotic for the default parameters: largest Lyapunov exponent 0.906 per time unit.

    Args:
        sigma, rho, beta: parameters of the equations, finite.
        dt, n_training, n_validation, n_test, observation_noise, observed, data_seed: see `orbits`.
        settings: see `TimeSeries`.

    Raises:
        ValueError: an argument is out of its range.

    Source: Lorenz 1963.
    """

    def __init__(
        self,
        sigma: float = 10.0,
        rho: float = 28.0,
        beta: float = 8 / 3,
        dt: float = 0.01,
        n_training: int = 100_000,
        n_validation: int = 10_000,
        n_test: int = 100_000,
        observation_noise: float = 0.0,
        observed: Sequence[int | str] | None = None,
        data_seed: int = 0,
        **settings: Any,
    ) -> None:
        flow = Flow(
            lorenz63,
            finite(sigma=sigma, rho=rho, beta=beta),
            labels=("x", "y", "z"),
            start=(0.0, 0.0, 25.0),
            spread=(8.0, 8.0, 8.0),
            warm_up=50.0,
        )
        recordings = orbits(
            flow, dt, n_training, n_validation, n_test, observation_noise, observed, data_seed
        )
        super().__init__(recordings, dt=dt, **settings)
