"""Chaotic systems in three variables by name, with the parameters of the collection dysts.

Letters: T samples.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from rnnexp.numbers import integer_at_least, one_of
from rnnexp.tasks.time_series.base import TimeSeries
from rnnexp.tasks.time_series.orbits import Flow, orbits


@dataclass(frozen=True)
class Equations:
    """A system.

    Attributes:
        velocity: x', y' and z' as formulas.
        parameters: by name.
        start: a point on the attractor.
        period: its dominant period, time units.
        exponent: its largest Lyapunov exponent, per time unit, as dysts estimates it.
    """

    velocity: tuple[str, str, str]
    parameters: Mapping[str, float]
    start: tuple[float, float, float]
    period: float
    exponent: float


FUNCTIONS = {"sin": math.sin, "tanh": math.tanh, "abs": abs}
WARM_UP = 50  # periods until an orbit counts
SPREAD = 0.01  # of starts, as a share of the size of the start

SYSTEMS: dict[str, Equations] = {
    "Aizawa": Equations(
        ("x * z - b * x - d * y", "d * x + y * z - b * y", 
         "c + a * z - z ** 3 / 3 - (x ** 2 + y ** 2) * (1 + e * z) + f * z * x ** 3"),
        {"a": 0.95, "b": 0.7, "c": 0.6, "d": 3.5, "e": 0.25, "f": 0.1}, (-0.7845, -0.6289, -0.1762), 2.5837, 0.1349,
    ),
    "Arneodo": Equations(
        ("y", "z", "-a * x - b * y - c * z + d * x ** 3"),
        {"a": -5.5, "b": 4.5, "c": 1, "d": -1}, (-2.752, 0.1908, 3.47), 3.1641, 0.2374,
    ),
    "BurkeShaw": Equations(
        ("-n * x - n * y", "y - n * x * z", "n * x * y + e"),
        {"e": 13, "n": 10}, (-0.7915, 0.6524, 0.2252), 0.78333, 2.325,
    ),
    "Chen": Equations(
        ("a * y - a * x", "(c - a) * x - x * z + c * y", "x * y - b * z"),
        {"a": 35, "b": 3, "c": 28}, (3.269, 5.299, 19.44), 0.58689, 2.006,
    ),
    "ChenLee": Equations(
        ("a * x - y * z", "b * y + x * z", "c * z + 1 / 3 * x * y"),
        {"a": 5, "b": -10, "c": -0.38}, (0.1718, 0.1036, 6.255), 2.8043, 0.1636,
    ),
    "Dadras": Equations(
        ("y - p * x + o * y * z", "r * y - x * z + z", "c * x * y - e * z"),
        {"c": 2, "e": 9, "o": 2.7, "p": 3, "r": 1.7}, (1.028, -3.535, -0.7208), 3.2886, 0.4059,
    ),
    "Finance": Equations(
        ("(1 / b - a) * x + z + x * y", "-b * y - x ** 2", "-x - c * z"),
        {"a": 0.001, "b": 0.2, "c": 1.1}, (-0.5166, -3.957, 0.001289), 9.8932, 0.09354,
    ),
    "GenesioTesi": Equations(
        ("y", "z", "-c * x - b * y - a * z + x ** 2"),
        {"a": 0.44, "b": 1.1, "c": 1}, (-0.05377, -0.2616, 0.335), 5.9431, 0.1051,
    ),
    "Hadley": Equations(
        ("-y ** 2 - z ** 2 - a * x + a * f", "x * y - b * x * z - y + g", "b * x * y + x * z - z"),
        {"a": 0.2, "b": 4, "f": 9, "g": 1}, (1.366, 0.9309, 0.6428), 1.4541, 0.2387,
    ),
    "Halvorsen": Equations(
        ("-a * x - b * y - b * z - y ** 2", "-a * y - b * z - b * x - z ** 2", "-a * z - b * x - b * y - x ** 2"),
        {"a": 1.4, "b": 4}, (-8.681, -2.474, 0.07078), 1.4889, 0.6964,
    ),
    "Laser": Equations(
        ("a * y - a * x + b * y * z ** 2", "c * x + d * x * z ** 2", "h * z + k * x ** 2"),
        {"a": 10, "b": 1, "c": 5, "d": -1, "h": -5, "k": -6}, (-2.541, -1.941, -2.968), 0.94667, 0.6081,
    ),
    "Lorenz": Equations(
        ("sigma * y - sigma * x", "rho * x - x * z - y", "x * y - beta * z"),
        {"beta": 2.667, "rho": 28, "sigma": 10}, (-9.787, -15.04, 20.53), 1.5008, 0.8917,
    ),
    "Lorenz84": Equations(
        ("-a * x - y ** 2 - z ** 2 + a * f", "-y + x * y - b * x * z + g", "-z + b * x * y + x * z"),
        {"a": 1.32, "b": 7.91, "f": 4.83, "g": 4.194}, (1.926, -0.134, -1.721), 6.2586, 0.4615,
    ),
    "LuChen": Equations(
        ("a * y - a * x", "-x * z + c * y", "x * y - b * z"),
        {"a": 36, "b": 3, "c": 18}, (10.96, 9.881, 22.68), 2.3385, 0.3267,
    ),
    "LuChenCheng": Equations(
        ("-(a * b) / (a + b) * x - y * z + c", "a * y + x * z", "b * z + x * y"),
        {"a": -10, "b": -4, "c": 18.1}, (-5.518, 2.499, 10.46), 0.92333, 0.2613,
    ),
    "NewtonLiepnik": Equations(
        ("-a * x + y + 10 * y * z", "-x - 0.4 * y + 5 * x * z", "b * z - 5 * x * y"),
        {"a": 0.4, "b": 0.175}, (0.2943, 0.1065, 0.2908), 8.5095, 0.1495,
    ),
    "PehlivanWei": Equations(
        ("y - y * z", "y + y * z - 2 * x", "2 - x * y - y ** 2"),
        {}, (0.2167, 0.8671, 0.5063), 3.7487, 0.1042,
    ),
    "QiChen": Equations(
        ("a * y - a * x + y * z", "c * x + y - x * z", "x * y - b * z"),
        {"a": 38, "b": 2.666, "c": 80}, (17.42, 5.546, 78.89), 0.39179, 4.028,
    ),
    "RabinovichFabrikant": Equations(
        ("y * z - y + y * x ** 2 + g * x", "3 * x * z + x - x ** 3 + g * y", "-2 * a * z - 2 * x * y * z"),
        {"a": 1.1, "g": 0.87}, (-1.821, 0.8344, 0.2078), 2.3356, 0.2541,
    ),
    "RayleighBenard": Equations(
        ("a * y - a * x", "r * y - x * z", "x * y - b * z"),
        {"a": 30, "b": 5, "r": 18}, (-15.66, -13.32, 26.88), 0.91967, 1.814,
    ),
    "RikitakeDynamo": Equations(
        ("-mu * x + y * z", "-mu * y - a * x + x * z", "1 - x * y"),
        {"a": 1, "mu": 1}, (-0.7792, -0.6302, 2.671), 5.8975, 0.1318,
    ),
    "Rossler": Equations(
        ("-y - z", "x + a * y", "b + z * x - c * z"),
        {"a": 0.2, "b": 0.2, "c": 5.7}, (6.513, 0.4772, 0.3416), 5.9086, 0.1506,
    ),
    "Rucklidge": Equations(
        ("-a * x + b * y - y * z", "x", "-z + y ** 2"),
        {"a": 2, "b": 6.7}, (1.926, 3.192, 5.783), 6.0721, 0.1936,
    ),
    "Sakarya": Equations(
        ("a * x + h * y + s * y * z", "-b * y - p * x + q * x * z", "c * z - r * x * y"),
        {"a": -1, "b": 1, "c": 1, "h": 1, "p": 1, "q": 0.4, "r": 0.3, "s": 1}, (-2.898, 3.888, 3.075), 4.9844, 0.265,
    ),
    "SanUmSrisuchinwong": Equations(
        ("y - x", "-z * tanh(x)", "-a + x * y + abs(y)"),
        {"a": 2}, (0.6388, 1.09, 2.448), 7.4654, 0.2606,
    ),
    "ShimizuMorioka": Equations(
        ("y", "x - a * y - x * z", "-b * z + x ** 2"),
        {"a": 0.85, "b": 0.5}, (0.01684, 0.03489, 0.3535), 12.038, 0.03577,
    ),
    "SprottB": Equations(
        ("y * z", "x - y", "1 - x * y"),
        {}, (1.688, 1.485, -0.5371), 11.05, 0.2067,
    ),
    "SprottC": Equations(
        ("y * z", "x - y", "1 - x ** 2"),
        {}, (-0.472, -0.272, 1.942), 8.8852, 0.1581,
    ),
    "SprottD": Equations(
        ("-y", "x + z", "x * z + 3 * y ** 2"),
        {}, (-1.34, -0.2124, 0.3298), 4.8333, 0.1017,
    ),
    "SprottE": Equations(
        ("y * z", "x ** 2 - y", "1 - 4 * x"),
        {}, (0.6174, 0.666, -1.658), 7.6275, 0.09016,
    ),
    "SprottF": Equations(
        ("y + z", "-x + a * y", "x ** 2 - z"),
        {"a": 0.5}, (-0.9894, -1.419, 0.858), 19.244, 0.1183,
    ),
    "SprottG": Equations(
        ("a * x + z", "x * z - y", "-x + y"),
        {"a": 0.4}, (-0.7718, -0.7476, 1.307), 8.7097, 0.09068,
    ),
    "SprottH": Equations(
        ("-y + z ** 2", "x + a * y", "x - z"),
        {"a": 0.5}, (-1.36, 0.6259, -1.279), 20.229, 0.131,
    ),
    "SprottJ": Equations(
        ("2 * z", "-2 * y + z", "-x + y + y ** 2"),
        {}, (4.479, 2.298, 6.585), 4.836, 0.1229,
    ),
    "SprottK": Equations(
        ("x * y - z", "x - y", "x + a * z"),
        {"a": 0.3}, (-1.317, -1.543, 0.6641), 7.006, 0.05963,
    ),
    "SprottL": Equations(
        ("y + b * z", "a * x ** 2 - y", "1 - x"),
        {"a": 0.9, "b": 3.9}, (4.361, 13.71, -2.684), 6.7262, 0.09216,
    ),
    "SprottM": Equations(
        ("-z", "-x ** 2 - y", "a + a * x + y"),
        {"a": 1.7}, (1.602, -1.598, -2.624), 5.3644, 0.08422,
    ),
    "SprottN": Equations(
        ("-2 * y", "x + z ** 2", "1 + y - 2 * z"),
        {}, (-8.326, 7.303, 3.28), 4.8135, 0.1187,
    ),
    "SprottO": Equations(
        ("y", "x - z", "x + x * z + a * y"),
        {"a": 2.7}, (0.2055, 0.02279, 0.9364), 9.755, 0.09141,
    ),
    "SprottP": Equations(
        ("a * y + z", "-x + y ** 2", "x + y"),
        {"a": 2.7}, (0.8342, 0.1492, 0.4403), 5.3414, 0.1065,
    ),
    "SprottQ": Equations(
        ("-z", "x - y", "a * x + y ** 2 + b * z"),
        {"a": 3.1, "b": 0.5}, (2.978, -0.06526, -2.803), 4.8443, 0.1717,
    ),
    "SprottR": Equations(
        ("a - y", "b + z", "x * y - z"),
        {"a": 0.9, "b": 0.4}, (-1.691, -1.978, 1.981), 7.0133, 0.09661,
    ),
    "SprottS": Equations(
        ("-x - 4 * y", "x + z ** 2", "1 + x"),
        {}, (0.1264, 0.1226, 1.222), 3.3505, 0.2738,
    ),
    "SprottJerk": Equations(
        ("y", "z", "-x + y ** 2 - mu * z"),
        {"mu": 2.017}, (-0.5411, 0.5938, 0.4513), 11.921, 0.08785,
    ),
    "Thomas": Equations(
        ("-a * x + b * sin(y)", "-a * y + b * sin(z)", "-a * z + b * sin(x)"),
        {"a": 1.85, "b": 10}, (2.199, 2.363, 3.22), 4.969, 0.6324,
    ),
    "VallisElNino": Equations(
        ("b * y - c * x - c * p", "-y + x * z", "-z - x * y + 1"),
        {"b": 102, "c": 3, "p": 0}, (-6.993, 0.02325, -0.1658), 2.2087, 0.5478,
    ),
    "WangSun": Equations(
        ("a * x + q * y * z", "b * x + d * y - x * z", "e * z + f * x * y"),
        {"a": 0.2, "b": -0.01, "d": -0.4, "e": -1, "f": -1, "q": 1}, (-0.5477, 0.7388, -0.004928), 26.958, 0.06735,
    ),
    "ZhouChen": Equations(
        ("a * x + b * y + y * z", "c * y - x * z + d * y * z", "e * z - x * y"),
        {"a": 2.97, "b": 0.15, "c": -3, "d": 1, "e": -8.78}, (-0.6039, 0.01211, 0.0008328), 0.87518, 0.6828,
    ),
    "MooreSpiegel": Equations(
        ("y", "a * z", "-z + eps * y - y * x ** 2 - b * x"),
        {"a": 10, "b": 4, "eps": 9}, (-3.473, 19.67, -3.826), 1.2887, 0.6977,
    ),}  # fmt: skip


@cache
def velocity_of(name: str) -> Callable[..., list[float]]:
    """Return the right-hand side of a system, function(state, time, *parameters) -> 3 numbers."""
    system = SYSTEMS[name]
    arguments = ", ".join(("state", "time", *system.parameters))
    formulas = ", ".join(system.velocity)
    source = f"lambda {arguments}: (lambda x, y, z: [{formulas}])(*state)"
    return eval(source, {"__builtins__": {}, **FUNCTIONS})  # formulas of this file alone


def flow_of(name: str) -> Flow:
    """Return a system as `orbits` takes it."""
    system = SYSTEMS[name]
    size = max(1.0, *map(abs, system.start))
    return Flow(
        velocity_of(name), tuple(system.parameters.items()), ("x", "y", "z"), system.start, (SPREAD * size,) * 3,
        WARM_UP * system.period,
    )  # fmt: skip


class ChaoticSystem(TimeSeries):
    """One of 49 chaotic systems in three variables.

    Args:
        system: which, see `SYSTEMS`.
        dt: time between two samples, > 0; None is a hundredth of the dominant period.
        n_training, n_validation, n_test, observation_noise, observed, data_seed: see `orbits`.
        settings: see `TimeSeries`.

    Raises:
        ValueError: an argument is out of its range.

    Source: equations, parameters, periods and exponents of dysts 0.96 (Gilpin, NeurIPS Datasets and Benchmarks 2021).
    """

    def __init__(
        self,
        system: str = "Halvorsen",
        dt: float | None = None,
        n_training: int = 20_000,
        n_validation: int = 10_000,
        n_test: int = 20_000,
        observation_noise: float = 0.0,
        observed: Sequence[int | str] | None = None,
        data_seed: int = 0,
        **settings: Any,
    ) -> None:
        one_of("system", system, tuple(SYSTEMS))
        self.published_exponent = SYSTEMS[system].exponent
        dt = SYSTEMS[system].period / 100 if dt is None else dt
        recordings = orbits(
            flow_of(system), dt, n_training, n_validation, n_test, observation_noise, observed, data_seed
        )
        super().__init__(recordings, dt=dt, **settings)


def largest_exponent(name: str, n_periods: int = 1000, seed: int = 0) -> float:
    """Return the largest Lyapunov exponent of a system's own equations, per time unit.

    From how fast two close orbits part, brought together again ten times a period (Benettin et al. 1980).

    Args:
        name: of the system.
        n_periods: over which it is taken, >= 10.
        seed: of the direction in which the orbits differ at first.
    """
    from scipy.integrate import odeint  # slow to import

    system, flow, distance = SYSTEMS[name], flow_of(name), 1e-6
    rng = np.random.default_rng(seed)
    step = system.period / 10
    settings = {"args": flow.values, "rtol": 1e-10, "atol": 1e-10, "mxstep": 100_000}
    state = odeint(flow.velocity, flow.start, [0.0, flow.warm_up], **settings)[-1]
    difference = rng.standard_normal(3)
    logs = []
    for _ in range(10 * integer_at_least("n_periods", n_periods, 10)):
        difference *= distance * np.linalg.norm(state) / np.linalg.norm(difference)
        before = np.linalg.norm(difference)
        other = odeint(flow.velocity, state + difference, [0.0, step], **settings)[-1]
        state = odeint(flow.velocity, state, [0.0, step], **settings)[-1]
        difference = other - state
        logs.append(math.log(np.linalg.norm(difference) / before))
    return float(np.mean(logs[len(logs) // 10 :]) / step)
