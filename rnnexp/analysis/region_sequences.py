"""Sequences of regions as candidates for cycles: all of them, or drawn ones.

Letters: M state, P entries of a pattern, k length of a sequence.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from rnnexp.analysis.piecewise_linear import PiecewiseLinearMap


def n_sequences(system: PiecewiseLinearMap, order: int) -> int:
    """Return the number of sequences of regions up to rotation, those that repeat a shorter one left out."""
    n_regions = int(np.prod(_values_per_entry(system), dtype=object))
    divisors = [d for d in range(1, order + 1) if order % d == 0]
    return sum(_moebius(order // d) * n_regions**d for d in divisors) // order


def _moebius(number: int) -> int:
    sign, rest = 1, number
    for factor in range(2, number + 1):
        if rest % factor == 0:
            rest //= factor
            sign = -sign
            if rest % factor == 0:
                return 0
    return sign


def all_sequences(system: PiecewiseLinearMap, order: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yield the sequences that `n_sequences` counts, in batches (B, k, P)."""
    sizes = _values_per_entry(system)
    regions = np.zeros((int(np.prod(sizes, dtype=object)), len(sizes)), np.int8)
    rest = np.arange(len(regions))
    for column, size in enumerate(sizes):
        regions[:, column] = rest % size
        rest = rest // size
    regions[:, system.n_rectified :] -= 1
    words = lyndon_words(len(regions), order)
    while batch := list(islice(words, batch_size)):
        yield regions[np.array(batch)]


def lyndon_words(n_symbols: int, length: int) -> Iterator[tuple[int, ...]]:
    """Yield one of the rotations of every sequence of symbols that repeats no shorter one (Duval's algorithm)."""
    word = [-1]
    while word:
        word[-1] += 1
        if len(word) == length:
            yield tuple(word)
        period = len(word)
        while len(word) < length:
            word.append(word[-period])
        while word and word[-1] == n_symbols - 1:
            word.pop()


def _values_per_entry(system: PiecewiseLinearMap) -> list[int]:
    """Return how many values every entry of a pattern can have: 2, or 3 for those of a clamp."""
    return [2] * system.n_rectified + [3] * (system.pattern_size - system.n_rectified)


class SequenceDrawer:
    """Draws sequences of regions to begin with.

    In turn: near returns of the orbit, regions of points around it, one region after the other, and patterns of
    random bits. Without an orbit, points come from [-10, 10]^M.
    """

    def __init__(
        self, system: PiecewiseLinearMap, order: int, orbit: np.ndarray | None, rng: np.random.Generator
    ) -> None:
        self.system, self.order, self.rng = system, order, rng
        self._low, self._high = np.full(system.state_dim, -10.0), np.full(system.state_dim, 10.0)
        self._orbit = None
        if orbit is not None and len(orbit) > order:
            low, high = orbit.min(axis=0), orbit.max(axis=0)
            margin = 0.5 * (high - low) + 0.5 * np.abs(orbit).max()  # an orbit at rest has no extent
            self._low, self._high = low - margin, high + margin
            self._orbit = orbit
            distances = np.linalg.norm(orbit[order:] - orbit[:-order], axis=1)
            self._returns = np.argsort(distances, kind="stable")
            self._n_used = 0

    def draw(self, count: int) -> np.ndarray:
        """Return (count, k, P) patterns."""
        from_orbit = 0 if self._orbit is None else count // 2
        random = (count - from_orbit) // 2
        parts = [
            self._of_orbit(from_orbit),
            self._of_points(count - from_orbit - random),
            self._of_bits(random),
        ]
        return np.concatenate(parts)

    def _of_orbit(self, count: int) -> np.ndarray:
        if not count:
            return np.empty((0, self.order, self.system.pattern_size), np.int8)
        steps = np.arange(self.order)
        starts = self._returns[self._n_used : self._n_used + count]
        self._n_used += len(starts)
        if len(starts) < count:
            more = self.rng.integers(len(self._returns), size=count - len(starts))
            starts = np.concatenate((starts, more))
        return self.system.pattern(self._orbit[starts[:, None] + steps])

    def _of_points(self, count: int) -> np.ndarray:
        points = self.rng.uniform(self._low, self._high, (count, self.order, self.system.state_dim))
        return self.system.pattern(points)

    def _of_bits(self, count: int) -> np.ndarray:
        bits = self.rng.integers(2, size=(count, self.order, self.system.n_rectified), dtype=np.int8)
        n_held = self.system.pattern_size - self.system.n_rectified
        held = self.rng.integers(-1, 2, size=(count, self.order, n_held), dtype=np.int8)
        held[::2] = 0
        return np.concatenate((bits, held), axis=-1)
