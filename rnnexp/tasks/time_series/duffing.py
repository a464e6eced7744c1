"""A driven system: the Duffing oscillator, a mass in a double well that is shaken."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnexp.numbers import positive
from rnnexp.tasks.time_series.base import TimeSeries
from rnnexp.tasks.time_series.orbits import Flow, finite, orbits, velocity


@velocity
def duffing(
    state: np.ndarray,
    time: float,
    damping: float,
    linear: float,
    cubic: float,
    amplitude: float,
    omega: float,
) -> np.ndarray:
    """Return the velocity (2,) at a state (2,) and a time."""
    x, v = state
    return np.array([v, amplitude * math.cos(omega * time) - damping * v - linear * x - cubic * x**3])


def quadrature(
    times: np.ndarray, damping: float, linear: float, cubic: float, amplitude: float, omega: float
) -> np.ndarray:
    """Return the drive and what it was a quarter of a period before, (T, 2): together they tell its phase."""
    del damping, linear, cubic
    return amplitude * np.stack((np.cos(omega * times), np.sin(omega * times)), axis=1)


class Duffing(TimeSeries):
    """x'' + damping x' + linear x + cubic x^3 = amplitude cos(omega t); observed are x and v = x'.

    Inputs: amplitude cos(omega t) and amplitude sin(omega t) at the time of each sample; with it they determine the
    next one. Chaotic for the default parameters.

    Args:
        damping, linear, cubic: of the oscillator, the last two are stiffnesses; finite.
        amplitude: of the drive, finite.
        omega: its angular frequency, rad per time unit, > 0.
        dt, n_training, n_validation, n_test, observation_noise, observed, data_seed: see `orbits`.
        settings: see `TimeSeries`.

    Raises:
        ValueError: an argument is out of its range.

    Source: Duffing 1918; Ueda 1979.
    """

    def __init__(
        self,
        damping: float = 0.3,
        linear: float = -1.0,
        cubic: float = 1.0,
        amplitude: float = 0.5,
        omega: float = 1.2,
        dt: float = 0.1,
        n_training: int = 100_000,
        n_validation: int = 10_000,
        n_test: int = 100_000,
        observation_noise: float = 0.0,
        observed: Sequence[int | str] | None = None,
        data_seed: int = 0,
        **settings: Any,
    ) -> None:
        positive("omega", omega, "rad per time unit")
        flow = Flow(
            duffing,
            finite(damping=damping, linear=linear, cubic=cubic, amplitude=amplitude, omega=omega),
            labels=("x", "v"),
            start=(0.0, 0.0),
            spread=(0.5, 0.5),
            warm_up=200.0,
            drive=quadrature,
            drive_labels=("drive", "drive a quarter period before"),
            drive_period=2 * math.pi / omega,
        )
        recordings = orbits(
            flow, dt, n_training, n_validation, n_test, observation_noise, observed, data_seed
        )
        super().__init__(recordings, dt=dt, **settings)
