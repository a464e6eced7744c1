"""The equations of a cycle of a piecewise-linear map, and the collection that keeps each cycle once.

Letters: M state, P entries of a pattern, k order of a cycle, B candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnexp.analysis.piecewise_linear import PiecewiseLinearMap

SAME = 1e-6  # two states closer than this, relative to the larger one, are the same
EXACT = 1e-8  # a step may miss the next state of a cycle by this, relative to the size of the states
SINGULAR = 1e-12  # singular values of I - J_k .. J_1 below this share of the largest: no isolated cycle
NEUTRAL = 1e-6  # distance of a modulus from 1 at which stability is not told


@dataclass(frozen=True, eq=False)
class Cycle:
    """A periodic orbit; of order 1, a fixed point.

    Attributes:
        states: (k, M), in the order of visit.
        patterns: (k, P), the regions of the states; P = 0 for a map that is not piecewise linear.
        eigenvalues: (M,) complex, of the k-step Jacobian, by falling modulus.
    """

    states: np.ndarray
    patterns: np.ndarray
    eigenvalues: np.ndarray

    @property
    def order(self) -> int:
        """k."""
        return len(self.states)

    @cached_property
    def max_modulus(self) -> float:
        """The largest |eigenvalue|; below 1 for a stable cycle."""
        return float(np.abs(self.eigenvalues).max())

    @property
    def n_unstable(self) -> int:
        """Number of eigenvalues outside the unit circle."""
        return int((np.abs(self.eigenvalues) > 1).sum())

    @property
    def stability(self) -> str:
        """ "stable", "saddle", "unstable" in all directions, or "neutral", if the largest modulus is 1 within 1e-6."""
        if abs(self.max_modulus - 1) <= NEUTRAL:
            return "neutral"
        if self.max_modulus < 1:
            return "stable"
        return "unstable" if self.n_unstable == len(self.eigenvalues) else "saddle"


def solve_cycles(
    system: PiecewiseLinearMap, patterns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cycles that maps would have if their states stayed in assumed regions.

    Args:
        patterns: (B, k, P), the region of every state.

    Returns:
        z_1 (B, M) = (I - J_k .. J_1)^-1 (sum over i of J_k .. J_{i+1} c_i), nan where the matrix is singular; the
        Jacobians J_i (B, k, M, M) and offsets c_i (B, k, M).
    """
    jacobians, offsets = system.jacobian(patterns), system.offset(patterns)
    with np.errstate(over="ignore", invalid="ignore"):
        product, constant = jacobians[:, 0], offsets[:, 0]
        for i in range(1, patterns.shape[1]):
            constant = (jacobians[:, i] @ constant[..., None])[..., 0] + offsets[:, i]
            product = jacobians[:, i] @ product
        starts = _solve(np.eye(system.state_dim) - product, constant)
    return starts, jacobians, offsets


def _solve(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve (B, M, M) x = (B, M); nan where a matrix is singular or not finite."""
    usable = np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(right).all(axis=1)
    matrices = np.where(usable[:, None, None], matrices, np.eye(matrices.shape[1]))
    try:
        solution = np.linalg.solve(matrices, right[..., None])[..., 0]
    except np.linalg.LinAlgError:  # one of them is singular: which?
        regular = np.linalg.slogdet(matrices)[0] != 0
        usable &= regular
        matrices = np.where(regular[:, None, None], matrices, np.eye(matrices.shape[1]))
        solution = np.linalg.solve(matrices, right[..., None])[..., 0]
    return np.where(usable[:, None], solution, np.nan)


class CycleCollection:
    """The cycles of one order, each once.

    Args:
        known: cycles of lower orders, which are no cycles of this one.
    """

    def __init__(self, system: PiecewiseLinearMap, order: int, known: Sequence[Cycle]) -> None:
        self.system = system
        self.order = order
        self.cycles: list[Cycle] = []
        self._met: set[bytes] = set()
        self._shorter = [cycle for cycle in known if order % cycle.order == 0 and cycle.order < order]

    def try_sequences(self, patterns: np.ndarray) -> tuple[np.ndarray, int]:
        """Take the cycles among candidates.

        Args:
            patterns: (B, k, P).

        Returns:
            The patterns (B, k, P) of the true orbits from the candidates, and the number of new cycles.
        """
        starts, jacobians, _ = solve_cycles(self.system, patterns)
        finite = np.isfinite(starts).all(axis=1)
        z = np.where(finite[:, None], starts, 0.0)
        reached, real = np.empty_like(patterns), finite
        with np.errstate(over="ignore", invalid="ignore"):
            for i in range(self.order):
                reached[:, i] = self.system.pattern(z)
                real = real & self.system.is_in_region(z, patterns[:, i])
                z = self.system.step(z)
        n_new = sum(self._take(patterns[i], jacobians[i]) for i in np.flatnonzero(real))
        return reached, n_new

    def _take(self, patterns: np.ndarray, jacobians: np.ndarray) -> bool:
        """Keep a cycle if it is an isolated one, of this order, and new."""
        rotations = [np.roll(patterns, shift, axis=0).tobytes() for shift in range(self.order)]
        first = min(rotations)
        if first in self._met:
            return False
        self._met.add(first)
        states = _polished(self.system, patterns, jacobians)
        if states is None or self._is_known(states):
            return False
        product = np.eye(self.system.state_dim)
        for jacobian in jacobians:
            product = jacobian @ product
        self.cycles.append(Cycle(states, patterns.copy(), sorted_eigenvalues(product)))
        return True

    def _is_known(self, states: np.ndarray) -> bool:
        """Whether a cycle is one of the collection, rotated or not, or a shorter one that is run through repeatedly."""
        if any(
            self.order % period == 0 and _are_same(states, np.roll(states, period, axis=0))
            for period in range(1, self.order)
        ):
            return True
        if any(_is_near(cycle.states, states[0]) for cycle in self._shorter):
            return True
        return any(
            _are_same(cycle.states, np.roll(states, shift, axis=0))
            for cycle in self.cycles
            if _is_near(cycle.states, states[0])
            for shift in range(self.order)
        )


def sorted_eigenvalues(matrix: np.ndarray) -> np.ndarray:
    """Return the eigenvalues (M,) complex of a matrix (M, M), by falling modulus."""
    values = np.linalg.eigvals(matrix).astype(complex)
    return values[np.argsort(-np.abs(values), kind="stable")]


def _is_near(states: np.ndarray, z: np.ndarray) -> bool:
    """Whether a state is one of some states (k, M)."""
    return bool((np.abs(states - z).max(axis=1) <= SAME * max(np.abs(states).max(), np.abs(z).max())).any())


def _are_same(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two orbits (k, M) agree state by state."""
    return bool(np.abs(first - second).max() <= SAME * max(np.abs(first).max(), np.abs(second).max()))


def _polished(system: PiecewiseLinearMap, patterns: np.ndarray, jacobians: np.ndarray) -> np.ndarray | None:
    """Return the states (k, M) of a cycle, all from one linear system, or None if it is none, or not isolated."""
    order, n_units = len(patterns), system.state_dim
    offsets = system.offset(patterns)
    matrix = np.eye(order * n_units)
    for i in range(order):
        rows = slice(n_units * ((i + 1) % order), n_units * ((i + 1) % order + 1))
        matrix[rows, n_units * i : n_units * (i + 1)] -= jacobians[i]
    product = np.eye(n_units)
    for jacobian in jacobians:
        product = jacobian @ product
    singular = np.linalg.svd(np.eye(n_units) - product, compute_uv=False)
    if not singular[-1] > SINGULAR * singular[0]:
        return None
    states = np.linalg.solve(matrix, np.roll(offsets, 1, axis=0).ravel()).reshape(order, n_units)
    size = np.abs(states).max()
    misses = np.abs(system.step(states) - np.roll(states, -1, axis=0)).max()
    return states if misses <= EXACT * size or size == misses == 0 else None
