"""Fixed points and k-cycles of piecewise-linear maps, exactly: by enumerating regions, else by a SCYFI search.

Letters: M state, P entries of a pattern, k order of a cycle, B candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnexp.analysis.cycle_solver import Cycle, CycleCollection, solve_cycles
from rnnexp.analysis.piecewise_linear import PiecewiseLinearMap
from rnnexp.analysis.region_sequences import SequenceDrawer, all_sequences, n_sequences

__all__ = ["Cycle", "CycleSearch", "find_cycles", "find_fixed_points", "virtual_fixed_points"]

MOST_BATCH_ENTRIES = 2**22  # of the Jacobians of the candidates that are solved at once


@dataclass(frozen=True)
class CycleSearch:
    """What was found, and how thoroughly.

    Attributes:
        cycles: by order, and within an order by falling stability (rising largest modulus).
        complete_orders: orders for which every sequence of regions was tried, so that no isolated cycle is missing.
        n_candidates: sequences of regions that were tried, by order.
    """

    cycles: list[Cycle] = field(default_factory=list)
    complete_orders: list[int] = field(default_factory=list)
    n_candidates: dict[int, int] = field(default_factory=dict)

    def of_order(self, order: int) -> list[Cycle]:
        """Return the cycles of an order."""
        return [cycle for cycle in self.cycles if cycle.order == order]


def find_cycles(
    system: PiecewiseLinearMap,
    max_order: int,
    orbit: np.ndarray | None = None,
    orders: Sequence[int] | None = None,
    max_candidates: int = 20_000,
    patience: int = 4000,
    enumerated: int = 20_000,
    rng: np.random.Generator | int = 0,
) -> CycleSearch:
    """Find fixed points and cycles.

    Of an order with at most `enumerated` different sequences of regions, each is tried, and the list of isolated cycles
    is complete. Of others, sequences are drawn and improved: the regions that the orbit from a virtual cycle runs
    through are the next candidate, until they are those that were assumed (SCYFI).

    Args:
        system: the map.
        max_order: k of the longest cycles, >= 1.
        orbit: (T, M), states of a free run; half of the candidates then start from its regions, where it nearly
            returns to itself.
        orders: the orders to search; None is 1 .. max_order.
        max_candidates: of a search, per order, >= 1.
        patience: of a search, the candidates without a new cycle after which it ends, >= 1.
        enumerated: sequences of regions up to which all are tried, >= 0.
        rng: a generator, or the seed of one.

    Raises:
        ValueError: a number is not allowed.

    Source: Eisenmann, Monfared, Goering & Durstewitz 2023, algorithm 1 and eq. 5; with relative tolerances, cycles
        compared up to rotation, no virtual cycle followed twice, and starts from near returns of an orbit.
    """
    for name, value, minimum in (
        ("max_order", max_order, 1), ("max_candidates", max_candidates, 1), ("patience", patience, 1),
        ("enumerated", enumerated, 0),
    ):  # fmt: skip
        if value < minimum:
            raise ValueError(f"{name} must be >= {minimum}, got {value}")
    rng = np.random.default_rng(rng)
    orbit = _usable(orbit)
    found = CycleSearch()
    for order in range(1, max_order + 1) if orders is None else orders:
        collection = CycleCollection(system, order, found.cycles)
        if n_sequences(system, order) <= enumerated:
            found.n_candidates[order] = _enumerate(system, order, collection)
            found.complete_orders.append(order)
        else:
            found.n_candidates[order] = _search(
                system, order, collection, orbit, max_candidates, patience, rng
            )
        found.cycles.extend(sorted(collection.cycles, key=lambda cycle: cycle.max_modulus))
    return found


def find_fixed_points(
    system: PiecewiseLinearMap,
    orbit: np.ndarray | None = None,
    max_candidates: int = 20_000,
    rng: np.random.Generator | int = 0,
) -> CycleSearch:
    """Find fixed points: all of them in maps of at most 20,000 regions, by a search in others; see `find_cycles`."""
    return find_cycles(system, 1, orbit, max_candidates=max_candidates, rng=rng)


def virtual_fixed_points(system: PiecewiseLinearMap, patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the fixed points (B, M) that the linear maps of some regions (B, P) have, and whether each is real.

    A real one lies in its region; nan where the linear map has no isolated fixed point.
    """
    starts, _, _ = solve_cycles(system, patterns[:, None])
    return starts, np.isfinite(starts).all(axis=1) & system.is_in_region(np.nan_to_num(starts), patterns)


def _enumerate(system: PiecewiseLinearMap, order: int, collection: CycleCollection) -> int:
    """Try every sequence of regions; returns their number."""
    count = 0
    for patterns in all_sequences(system, order, _batch_size(system, order)):
        collection.try_sequences(patterns)
        count += len(patterns)
    return count


def _search(
    system: PiecewiseLinearMap,
    order: int,
    collection: CycleCollection,
    orbit: np.ndarray | None,
    max_candidates: int,
    patience: int,
    rng: np.random.Generator,
) -> int:
    """Draw and improve sequences of regions; returns the number of those that were tried."""
    drawer = SequenceDrawer(system, order, orbit, rng)
    size = min(_batch_size(system, order, most=128), max_candidates)
    patterns = drawer.draw(size)
    tried: set[bytes] = set()
    count = fruitless = 0
    while count < max_candidates and fruitless < patience:
        tried.update(row.tobytes() for row in patterns)
        patterns, n_new = collection.try_sequences(patterns)
        count += size
        fruitless = 0 if n_new else fruitless + size
        stale = np.array([row.tobytes() in tried for row in patterns])
        patterns[stale] = drawer.draw(int(stale.sum()))
    return count


def _usable(orbit: np.ndarray | None) -> np.ndarray | None:
    if orbit is None or not len(orbit) or not np.isfinite(orbit).all():
        return None
    return np.asarray(orbit, dtype=np.float64)


def _batch_size(system: PiecewiseLinearMap, order: int, most: int = 1024) -> int:
    features = max(system.state_dim, system.U.shape[1])
    return max(1, min(most, MOST_BATCH_ENTRIES // (order * system.state_dim * features)))
