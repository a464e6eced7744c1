"""The linear regions that an orbit of a piecewise-linear map visits, and the symbolic dynamics between them.

Letters: T steps, P bits of a pattern, R visited regions.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class VisitedRegions:
    """Regions, most visited first, of equally visited ones the earlier first.

    Attributes:
        patterns: (R, P) int8, what tells a region from the others: which units are active.
        counts: (R,) int64, steps that the orbit spends in each.
        symbols: (T,) int64, the region of every step, 0 for the most visited one.
        sources: (E,) int64, the region before each kind of transition that occurs, a step within a region included.
        targets: (E,) int64, the region after it.
        transition_counts: (E,) int64, how often it occurs.
    """

    patterns: np.ndarray
    counts: np.ndarray
    symbols: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    transition_counts: np.ndarray

    @property
    def n_regions(self) -> int:
        """R."""
        return len(self.counts)

    @property
    def transition_probabilities(self) -> np.ndarray:
        """(E,), the share of each kind of transition among those that leave its source; they sum to 1 for a source."""
        leaving = np.bincount(self.sources, self.transition_counts, minlength=self.n_regions)
        return self.transition_counts / leaving[self.sources]

    def transition_matrix(self) -> np.ndarray:
        """Return the probabilities (R, R), row the region before, column the region after.

        Rows sum to 1; that of a region which only the last step visits is 0.
        """
        matrix = np.zeros((self.n_regions, self.n_regions))
        matrix[self.sources, self.targets] = self.transition_probabilities
        return matrix

    def bits(self, region: int) -> str:
        """Return the pattern of a region as text, one character per bit, "-" for a unit held at its lower limit."""
        return pattern_text(self.patterns[region])


def visited_regions(patterns: np.ndarray) -> VisitedRegions:
    """Count regions and transitions of an orbit.

    Args:
        patterns: (T, P) of small integers or booleans, T >= 1; row t is the pattern of step t. P = 0 is a linear map.

    Raises:
        ValueError: the shape is wrong.

    Source: Brenner, Hemmer et al. 2024, section 3.3, with steps within a region kept and rows normalised.
    """
    patterns = np.asarray(patterns)
    if patterns.ndim != 2 or not len(patterns):
        raise ValueError(f"patterns must be (T, P) with T >= 1, got shape {patterns.shape}")
    patterns = np.ascontiguousarray(patterns, dtype=np.int8)
    _, first, inverse, counts = np.unique(
        _row_codes(patterns), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -counts))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    symbols = rank[inverse]
    n_regions = len(counts)
    pairs, transition_counts = np.unique(symbols[:-1] * n_regions + symbols[1:], return_counts=True)
    return VisitedRegions(
        patterns[first[order]],
        counts[order],
        symbols,
        pairs // n_regions,
        pairs % n_regions,
        transition_counts,
    )


def pattern_text(pattern: np.ndarray) -> str:
    """Return a pattern (P,) of 1, 0 and -1 as text, the last of them as "-"."""
    return "".join({1: "1", 0: "0", -1: "-"}[int(bit)] for bit in pattern)


def _row_codes(patterns: np.ndarray) -> np.ndarray:
    """Return (T,) codes that are equal for equal rows only."""
    n_bits = patterns.shape[1]
    if n_bits == 0:
        return np.zeros(len(patterns), dtype=np.int64)
    if n_bits <= 39:  # 3^39 < 2^62
        return (patterns.astype(np.int64) + 1) @ 3 ** np.arange(n_bits, dtype=np.int64)
    packed = np.packbits(np.concatenate((patterns > 0, patterns < 0), axis=1), axis=1)
    return np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1])))[:, 0]
