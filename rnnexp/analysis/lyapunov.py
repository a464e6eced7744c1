"""Lyapunov exponents of a map along an orbit: how fast neighbouring orbits separate.

Letters: T steps, M state, Q exponents.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from rnnexp.numbers import integer_at_least

BLOCK = 256  # steps whose Jacobians are held at once
MOST_BLOCK_ENTRIES = 2**22  # of these Jacobians
GROWTH_STEPS = 10  # steps between two looks at the length of a tangent vector

StepFunction = Callable[[np.ndarray], np.ndarray]
JacobianFunction = Callable[..., np.ndarray]


def lyapunov_spectrum(
    step: StepFunction,
    jacobian: JacobianFunction,
    z0: np.ndarray,
    n_steps: int,
    n_transient: int = 1000,
    interval: int = 1,
    n_exponents: int | None = None,
) -> np.ndarray:
    """Return the largest exponents of a map by repeated QR decomposition, in descending order.

    Args:
        step: maps a state (M,) to the next one.
        jacobian: maps states (n, M) to the Jacobians (n, M, M) of the step that starts there.
        z0: (M,).
        n_steps: steps that count, >= 1.
        n_transient: steps that are discarded before, >= 0.
        interval: steps between two decompositions, >= 1; more are faster, but the smallest exponents drown in
            rounding errors.
        n_exponents: Q, 1 .. M; None is M.

    Returns:
        (Q,), natural logarithm per step, -inf for directions that are lost; nan if the orbit diverges. Divide by dt
        for the logarithm per time.

    Raises:
        ValueError: an argument is not allowed.

    Source: Benettin et al. 1980; Geist et al. 1990.
    """
    n_steps = integer_at_least("n_steps", n_steps, 1)
    n_transient = integer_at_least("n_transient", n_transient, 0)
    z = np.asarray(z0, dtype=np.float64)
    for _ in range(n_transient):
        z = step(z)
    states = np.empty((n_steps, len(z)))
    for row in states:
        row[:] = z
        z = step(z)
    return lyapunov_spectrum_along(jacobian, states, interval, n_exponents)


def lyapunov_spectrum_along(
    jacobian: JacobianFunction,
    states: np.ndarray,
    interval: int = 1,
    n_exponents: int | None = None,
    inputs: np.ndarray | None = None,
) -> np.ndarray:
    """Return what `lyapunov_spectrum` does, along an orbit that has been computed already.

    Args:
        jacobian: as there; with inputs it is called with states (n, M) and inputs (n, K).
        states: (T, M), T >= 1, the states that the steps start from.
        interval: as there.
        n_exponents: as there.
        inputs: (T, K), those of the steps; None for a map without.
    """
    states = np.asarray(states, dtype=np.float64)
    if states.ndim != 2 or not len(states):
        raise ValueError(f"states must be (T, M) with T >= 1, got shape {states.shape}")
    interval = integer_at_least("interval", interval, 1)
    n_units = states.shape[1]
    count = n_units if n_exponents is None else n_exponents
    if not 1 <= count <= n_units:
        raise ValueError(f"n_exponents must be from 1 to {n_units}, got {n_exponents}")
    if not np.isfinite(states).all():
        return np.full(count, math.nan)
    frame = np.eye(n_units)
    if count < n_units:  # a part of the identity may span a subspace that the map never leaves
        frame = np.linalg.qr(np.random.default_rng(0).standard_normal((n_units, count)))[0]
    sums, done = np.zeros(count), 0
    for matrices in _jacobian_blocks(jacobian, states, inputs):
        for matrix in matrices:
            frame = matrix @ frame
            done += 1
            if done % interval == 0 or done == len(states):
                frame, lengths = _orthonormal(frame)
                with np.errstate(divide="ignore"):
                    sums += np.log(lengths)
    return np.sort(sums)[::-1] / len(states)


def maximal_exponent(
    jacobian: JacobianFunction, states: np.ndarray, inputs: np.ndarray | None = None
) -> float:
    """Return the largest Lyapunov exponent along an orbit, by one tangent vector; the fast way during a training.

    Args:
        jacobian: as in `lyapunov_spectrum_along`.
        states: (T, M), T >= 2, the states that the steps start from. The first tenth turns the vector into the
            direction that grows fastest, and does not count.
        inputs: (T, K), those of the steps; None for a map without.

    Returns:
        Natural logarithm per step; nan if the orbit is not finite, -inf if the vector vanishes.
    """
    states = np.asarray(states, dtype=np.float64)
    if states.ndim != 2 or len(states) < 2:
        raise ValueError(f"states must be (T, M) with T >= 2, got shape {states.shape}")
    if not np.isfinite(states).all():
        return math.nan
    vector = np.random.default_rng(0).standard_normal(states.shape[1])
    total, done, skipped = 0.0, 0, len(states) // 10
    for matrices in _jacobian_blocks(jacobian, states, inputs):
        for matrix in matrices:
            vector = matrix @ vector
            done += 1
            if done % GROWTH_STEPS and done not in (skipped, len(states)):
                continue
            length = math.sqrt(vector @ vector)
            if length == 0 or not math.isfinite(length):
                return -math.inf if length == 0 else math.nan
            vector /= length
            total += math.log(length) if done > skipped else 0.0
    return total / (len(states) - skipped)


def kaplan_yorke_dimension(spectrum: np.ndarray) -> float:
    """Return the dimension of the attractor that a Lyapunov spectrum suggests; nan if the spectrum is.

    Args:
        spectrum: (M,), all exponents, in any order and unit.

    Returns:
        From 0, where all exponents are negative, to M, where their sum is not.

    Source: Kaplan & Yorke 1979.
    """
    exponents = np.sort(np.asarray(spectrum, dtype=np.float64))[::-1]
    if np.isnan(exponents).any():
        return math.nan
    sums = np.cumsum(exponents)
    if sums[0] < 0:
        return 0.0
    whole = int(np.flatnonzero(sums >= 0)[-1]) + 1
    if whole == len(exponents):
        return float(whole)
    return float(whole + sums[whole - 1] / -exponents[whole])


def _jacobian_blocks(
    jacobian: JacobianFunction, states: np.ndarray, inputs: np.ndarray | None
) -> Iterator[np.ndarray]:
    size = max(1, min(BLOCK, MOST_BLOCK_ENTRIES // states.shape[1] ** 2))
    for start in range(0, len(states), size):
        block = slice(start, start + size)
        given = (states[block],) if inputs is None else (states[block], inputs[block])
        yield np.asarray(jacobian(*given), dtype=np.float64)


def _orthonormal(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an orthonormal basis (M, Q) of the columns, and |diag R| (Q,)."""
    from scipy.linalg import lapack  # takes long to import, and most trainings take no exponents

    factors, tau, _, info = lapack.dgeqrf(frame)
    lengths = np.abs(np.diagonal(factors)[: frame.shape[1]])
    basis, _, _ = lapack.dorgqr(factors, tau)
    del info  # only nonzero for a wrong argument
    return basis, lengths
