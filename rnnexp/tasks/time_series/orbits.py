"""Orbits of ordinary differential equations, from which the generated tasks are made.

Letters: T samples, N state variables, K inputs.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rnnexp.numbers import integer_at_least, non_negative, number, positive
from rnnexp.recurrence.fused.compilation import kernel
from rnnexp.tasks.time_series.recordings import SPLITS, Recording, Recordings, columns_at

TOLERANCE = 1e-8  # of the solver, relative and absolute, for states of the order of 1
AT_REST = 1e-6  # of the size of the variables: an orbit that moves less has come to rest
MOST_STEPS = 200_000  # that the solver may take from one sample to the next

velocity = kernel
"""Compile a right-hand side, called as function(state (N,), time, *parameters) -> (N,)."""


@dataclass(frozen=True)
class Flow:
    """A differential equation with its parameters, and where its orbits start.

    Args:
        velocity: the right-hand side, compiled by `velocity`.
        parameters: its further arguments, by name.
        labels: N names of the variables.
        start: (N,) about which starts are drawn.
        spread: (N,) sd of the starts.
        warm_up: time after which an orbit is on the attractor, > 0.
        time_unit: of dt and warm_up.
        drive: function(times (T,), *parameters) -> inputs (T, K), what the right-hand side knows of the time; None
            for no inputs.
        drive_labels: K names.
        drive_period: orbits begin at any time of the first period, >= 0.
    """

    velocity: Callable[..., np.ndarray]
    parameters: tuple[tuple[str, float], ...]
    labels: tuple[str, ...]
    start: tuple[float, ...]
    spread: tuple[float, ...]
    warm_up: float
    time_unit: str = "time units"
    drive: Callable[..., np.ndarray] | None = None
    drive_labels: tuple[str, ...] = ()
    drive_period: float = 0.0

    @property
    def values(self) -> tuple[float, ...]:
        """The parameters without their names."""
        return tuple(value for _, value in self.parameters)

    @property
    def named(self) -> str:
        """The parameters in words, for messages."""
        return ", ".join(f"{name} {value:g}" for name, value in self.parameters)


def finite(**parameters: float) -> tuple[tuple[str, float], ...]:
    """Return parameters by name, each a finite number.

    Raises:
        ValueError: one is not.
    """
    return tuple((name, number(name, value)) for name, value in parameters.items())


def orbits(
    flow: Flow,
    dt: float,
    n_training: int,
    n_validation: int,
    n_test: int,
    observation_noise: float,
    observed: Sequence[int | str] | None,
    data_seed: int,
) -> Recordings:
    """Return three orbits of a system, each from a start of its own.

    Args:
        flow: the system.
        dt: time between two samples, > 0.
        n_training, n_validation, n_test: samples of each orbit, >= 2.
        observation_noise: sd of the Gaussian noise on training and validation samples, as a share of the sd of each
            variable in the training orbit, >= 0; the test orbit has none.
        observed: variables that are kept, by number or name; None keeps all.
        data_seed: fixes starts and noise, an integer >= 0; not the seed of the run, so that all runs see the same
            data.

    Raises:
        ValueError: an argument is out of its range, or the system leaves all bounds or comes to rest.
    """
    positive("dt", dt, flow.time_unit)
    integer_at_least("data_seed", data_seed, 0)
    noise = non_negative("observation_noise", observation_noise)
    lengths = (n_training, n_validation, n_test)
    lengths = {s: integer_at_least(f"n_{s}", n, 2) for s, n in zip(SPLITS, lengths, strict=True)}
    kept = columns_at(
        list(range(len(flow.labels)) if observed is None else observed), flow.labels, "observed"
    )
    parts = {}
    for number_of_split, (split, length) in enumerate(lengths.items()):
        rng = np.random.default_rng([data_seed, number_of_split])
        states, inputs = _orbit(flow, float(dt), length, data_seed, number_of_split)
        if split == "training":
            attractor, sd = states, states.std(axis=0)
            size = np.max([np.abs(flow.start), flow.spread, np.abs(states).max(axis=0)], axis=0)
            if (sd <= AT_REST * size).all():
                raise ValueError(
                    f"the orbit comes to rest with {flow.named}: there is nothing to reconstruct"
                )
        if noise > 0 and split != "test":
            states = states + noise * sd * rng.standard_normal(states.shape)
        parts[split] = [Recording(np.ascontiguousarray(states[:, kept]), inputs)]
    labels = tuple(flow.labels[column] for column in kept)
    elsewhere = None
    if flow.drive is None:

        def elsewhere(count: int, rows: int, spread: float) -> list[Recording]:
            found = _transients(flow, float(dt), attractor, count, rows, spread, data_seed)
            rng = np.random.default_rng([data_seed, len(SPLITS), 2])
            noisy = [states + noise * sd * rng.standard_normal(states.shape) for states in found]
            return [Recording(np.ascontiguousarray(states[:, kept])) for states in noisy]

    return Recordings(
        **parts, labels=labels, input_labels=flow.drive_labels, time_unit=flow.time_unit, elsewhere=elsewhere
    )


def _transients(
    flow: Flow, dt: float, attractor: np.ndarray, count: int, rows: int, spread: float, seed: int
) -> np.ndarray:
    """Return orbits (count, rows, N) from about states of the attractor (T, N); those that cannot be followed go."""
    rng = np.random.default_rng([seed, len(SPLITS), 1])
    found = []
    for _ in range(count):
        start = attractor[rng.integers(len(attractor))]
        start = start + spread * attractor.std(axis=0) * rng.standard_normal(len(start))
        try:
            found.append(integrate(flow, start, dt * np.arange(rows)))
        except ValueError:
            continue
    if len(found) < count / 2:
        raise ValueError(
            f"off_attractor_spread: {spread:g}: most orbits from there leave all bounds; make it smaller"
        )
    return np.stack(found)


@functools.lru_cache(maxsize=6)
def _orbit(flow: Flow, dt: float, n_samples: int, *seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return states (T, N) and inputs (T, K) of an orbit; kept, since the runs of a sweep share their data."""
    rng = np.random.default_rng([*seeds, 1])
    start = np.array(flow.start) + np.array(flow.spread) * rng.standard_normal(len(flow.start))
    begin = flow.drive_period * rng.random()
    times = begin + flow.warm_up + dt * np.arange(n_samples)
    states = integrate(flow, start, np.concatenate(([begin], times)))[1:]
    inputs = np.empty((n_samples, 0)) if flow.drive is None else flow.drive(times, *flow.values)
    for array in (states, inputs):
        array.flags.writeable = False
    return states, inputs


def integrate(flow: Flow, start: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the states (T, N) of the orbit through a start, by LSODA.

    Args:
        start: (N,), the state at times[0].
        times: (T,), increasing.

    Raises:
        ValueError: the solver gives up, or a state is not finite.
    """
    from scipy.integrate import ODEintWarning, odeint  # slow to import, and only generated data need it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ODEintWarning)
        states, report = odeint(
            flow.velocity, start, times, args=flow.values, rtol=TOLERANCE, atol=TOLERANCE, mxstep=MOST_STEPS,
            full_output=True,
        )  # fmt: skip
    if report["message"] != "Integration successful." or not np.isfinite(states).all():
        raise ValueError(
            f"the orbit cannot be followed with {flow.named}: it leaves all bounds, or is too stiff"
        )
    return states
