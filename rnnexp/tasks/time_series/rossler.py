"""Roessler: the simplest folded band, with one quadratic term."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnexp.tasks.time_series.base import TimeSeries
from rnnexp.tasks.time_series.orbits import Flow, finite, orbits, velocity


@velocity
def rossler(state: np.ndarray, time: float, a: float, b: float, c: float) -> np.ndarray:
    """Return the velocity (3,) at a state (3,)."""
    x, y, z = state
    return np.array([-y - z, x + a * y, b + z * (x - c)])


class Rossler(TimeSeries):
    """x' = -y - z,  y' = x + a y,  z' = b + z (x - c).

    Chaotic for the default parameters; z rests near 0 and bursts once in a while.

    Args:
        a, b, c: parameters of the equations, finite.
        dt, n_training, n_validation, n_test, observation_noise, observed, data_seed: see `orbits`.
        settings: see `TimeSeries`.

    Raises:
        ValueError: an argument is out of its range.

    Source: Roessler 1976.
    """

    def __init__(
        self,
        a: float = 0.2,
        b: float = 0.2,
        c: float = 5.7,
        dt: float = 0.08,
        n_training: int = 100_000,
        n_validation: int = 10_000,
        n_test: int = 100_000,
        observation_noise: float = 0.0,
        observed: Sequence[int | str] | None = None,
        data_seed: int = 0,
        **settings: Any,
    ) -> None:
        flow = Flow(
            rossler,
            finite(a=a, b=b, c=c),
            labels=("x", "y", "z"),
            start=(0.0, -5.0, 0.0),
            spread=(1.0, 1.0, 0.0),
            warm_up=200.0,
        )
        recordings = orbits(
            flow, dt, n_training, n_validation, n_test, observation_noise, observed, data_seed
        )
        super().__init__(recordings, dt=dt, **settings)
