"""Fixed and slow points of a network: where a step moves the state little, found from many states at once.

Letters: S state, N starts, P points.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnexp.analysis.cycle_solver import Cycle
from rnnexp.numbers import integer_at_least, positive

SAME = 1e-3  # of the spread of the starts: points closer to each other than this are one
BESIDE = 0.1  # of the spread of the starts
FAR = 2.0  # times the greatest distance of a start from their mean: a point farther away is an outlier
FIXED = 1e-10  # of the spread of the starts: what a step from a fixed point may move
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-12, 1e12


@dataclass(frozen=True, eq=False)
class SlowPoints:
    """Points at which the speed |F(z) - z| of a map is small, the slowest first.

    Attributes:
        states: (P, S).
        speeds: (P,), |F(z) - z|, distance per step.
        is_fixed: (P,), whether the speed is zero but for rounding.
        eigenvalues: (P, S) complex, of the Jacobian of F, by falling modulus.
        n_starts: (P,), how many starts led to each.
        n_outliers: starts that led far away from all of them.
        n_fast: starts from which no point was found at which q is within the tolerance.
    """

    states: np.ndarray
    speeds: np.ndarray
    is_fixed: np.ndarray
    eigenvalues: np.ndarray
    n_starts: np.ndarray
    n_outliers: int
    n_fast: int

    def __len__(self) -> int:
        return len(self.states)

    @property
    def q(self) -> np.ndarray:
        """(P,), speed^2 / 2."""
        return self.speeds**2 / 2

    @property
    def n_unstable(self) -> np.ndarray:
        """(P,), eigenvalues outside the unit circle: directions in which the state leaves."""
        return (np.abs(self.eigenvalues) > 1).sum(axis=1)

    def time_constants(self, dt: float) -> np.ndarray:
        """Return -dt / ln|eigenvalue| (P, S), in the unit of dt: decay where positive, growth where negative."""
        with np.errstate(divide="ignore"):
            return -dt / np.log(np.abs(self.eigenvalues))


def find_slow_points(
    step: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
    tolerance: float = 1e-6,
    max_iterations: int = 200,
    farthest: float = FAR,
) -> SlowPoints:
    """Minimise q = |F(z) - z|^2 / 2 from many starts, and keep what is slow.

    All starts descend at once, each by Levenberg and Marquardt's method with a damping of its own. A start that has
    come within the tolerance stops there, so that the points of a line attractor stay spread along it. From each such
    point a second descent without a tolerance seeks the fixed point beside it; where there is one, not farther than
    BESIDE, it takes the place of the slow point.

    Args:
        step: F, maps states (n, S) to the next ones (n, S).
        jacobian: maps states (n, S) to the Jacobians (n, S, S) of F.
        starts: (N, S), finite, N >= 1; states of trials are good ones.
        tolerance: the largest q of a slow point, > 0, relative to the mean squared distance of the starts
            from their mean.
        max_iterations: of each descent, >= 1.
        farthest: a point farther from the mean of the starts is an outlier, in units of the greatest distance of a
            start, > 0; infinite keeps all.

    Raises:
        ValueError: starts or settings are not allowed.

    Source: Sussillo & Barak 2013, Neural Comput. 25:626; q, the tolerance and outliers as in Golub & Sussillo 2018,
    J. Open Source Softw. 3:1003.
    """
    starts = np.asarray(starts, dtype=np.float64)
    if starts.ndim != 2 or len(starts) == 0 or not np.isfinite(starts).all():
        raise ValueError(f"starts must be finite numbers (N, S), N >= 1, got shape {starts.shape}")
    positive("tolerance", tolerance)
    integer_at_least("max_iterations", max_iterations, 1)
    if not farthest > 0:
        raise ValueError(f"farthest must be > 0, got {farthest!r}")
    centre = starts.mean(axis=0)
    distances = np.linalg.norm(starts - centre, axis=1)
    spread = float(np.sqrt((distances**2).mean())) or 1.0
    slow, q = _descend(step, jacobian, starts, tolerance * spread**2, max_iterations)
    is_slow = q <= tolerance * spread**2
    slow = slow[is_slow]
    is_near = np.linalg.norm(slow - centre, axis=1) <= farthest * max(distances.max(), spread)
    slow = slow[is_near]
    if not len(slow):
        none = np.empty((0, starts.shape[1]))
        empty = np.empty(0)
        return SlowPoints(
            none, empty, empty.astype(bool), none.astype(complex), empty.astype(int),
            int((~is_near).sum()), int((~is_slow).sum()),
        )  # fmt: skip
    exact, _ = _descend(step, jacobian, slow, 0.0, max_iterations)
    is_beside = np.linalg.norm(exact - slow, axis=1) <= BESIDE * spread
    points = np.where(is_beside[:, None], exact, slow)
    speeds = np.linalg.norm(step(points) - points, axis=1)
    kept, counts = _distinct(points, speeds, SAME * spread)
    points, speeds = points[kept], speeds[kept]
    eigenvalues = np.linalg.eigvals(jacobian(points)).astype(complex)
    order = np.argsort(-np.abs(eigenvalues), axis=1, kind="stable")
    return SlowPoints(
        points,
        speeds,
        speeds <= FIXED * spread,
        np.take_along_axis(eigenvalues, order, axis=1),
        counts,
        int((~is_near).sum()),
        int((~is_slow).sum()),
    )


def find_fixed_points_from(
    step: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
) -> list[Cycle]:
    """Return the fixed points of a smooth map that are reached from some states, the most stable first.

    Others may exist: the list is as good as the starts.

    Args:
        step, jacobian, starts: see `find_slow_points`.
    """
    found = find_slow_points(step, jacobian, starts, farthest=np.inf)
    no_pattern = np.empty((1, 0), np.int8)
    cycles = [
        Cycle(state[None], no_pattern, values)
        for state, values, is_fixed in zip(found.states, found.eigenvalues, found.is_fixed, strict=True)
        if is_fixed
    ]
    return sorted(cycles, key=lambda cycle: cycle.max_modulus)


def _descend(
    step: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
    enough: float,
    max_iterations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return states (N, S) at which q is at most `enough` or has stopped falling, and q (N,)."""
    z, identity = starts.copy(), np.eye(starts.shape[1])
    with np.errstate(all="ignore"):
        residual = step(z) - z
        q = 0.5 * (residual**2).sum(axis=1)
    damping = np.full(len(z), FIRST_DAMPING)
    open_ = np.flatnonzero(np.isfinite(q) & (q > enough))
    q[~np.isfinite(q)] = np.inf
    for _ in range(max_iterations):
        if not len(open_):
            break
        slope = jacobian(z[open_]) - identity
        square = slope.transpose(0, 2, 1) @ slope
        scale = np.trace(square, axis1=1, axis2=2) / z.shape[1]
        gradient = (slope.transpose(0, 2, 1) @ residual[open_, :, None])[..., 0]
        damped = square + (damping[open_] * np.maximum(scale, 1e-300))[:, None, None] * identity
        try:
            move = np.linalg.solve(damped, gradient[..., None])[..., 0]
        except np.linalg.LinAlgError:  # a singular one among them
            move = (np.linalg.pinv(damped) @ gradient[..., None])[..., 0]
        with np.errstate(all="ignore"):
            tried = z[open_] - move
            left = step(tried) - tried
            value = 0.5 * (left**2).sum(axis=1)
            is_better = value < q[open_]
        moved = open_[is_better]
        z[moved], residual[moved] = tried[is_better], left[is_better]
        gain = np.where(is_better, q[open_] - value, 0.0)
        is_done = is_better & ((value <= enough) | (gain <= 1e-12 * q[open_]))
        q[moved] = value[is_better]
        damping[open_] = np.clip(damping[open_] * np.where(is_better, 0.1, 10.0), LEAST_DAMPING, None)
        open_ = open_[~is_done & (damping[open_] <= MOST_DAMPING)]
    return z, q


def _distinct(points: np.ndarray, speeds: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return indices (P,) of points, the slowest first, none within a radius of another, and how many each is for."""
    kept: list[int] = []
    counts: list[int] = []
    for index in np.argsort(speeds, kind="stable"):
        near = np.linalg.norm(points[kept] - points[index], axis=1) <= radius if kept else np.zeros(0, bool)
        if near.any():
            counts[int(near.argmax())] += 1
        else:
            kept.append(int(index))
            counts.append(1)
    return np.array(kept, dtype=int), np.array(counts, dtype=int)
