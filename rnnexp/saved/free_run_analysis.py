"""What is to be known of a network's free run: divergence, linear regions, fixed points, cycles, exponents.

Letters: T steps, S state, Q exponents.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnexp.analysis.cycles import Cycle, CycleSearch, find_cycles
from rnnexp.analysis.linear_regions import VisitedRegions, visited_regions
from rnnexp.analysis.lyapunov import lyapunov_spectrum_along
from rnnexp.analysis.slow_points import find_fixed_points_from
from rnnexp.saved.dynamics import Dynamics

TOO_FAR = 1e8  # |z| at which a run has diverged


@dataclass(frozen=True, eq=False)
class FreeRun:
    """An orbit without data.

    Attributes:
        path: (n, S) finite states from the start on, up to the divergence if there is one.
        states: (T, S), those of them after the transient that steps start from; None if the run diverges.
        diverged_after: steps until |z| > 1e8 or not finite; None if the run stays bounded.
    """

    path: np.ndarray
    states: np.ndarray | None
    diverged_after: int | None


@dataclass(frozen=True, eq=False)
class Findings:
    """The result of an analysis.

    Attributes:
        run: the free run.
        regions: that it visits; None if it diverges or the network is not piecewise linear.
        search: fixed points, and cycles if the network is piecewise linear.
        exponents: (Q,) per step; nan if the run diverges.
        notes: what does not apply, one line each.
    """

    run: FreeRun
    regions: VisitedRegions | None
    search: CycleSearch
    exponents: np.ndarray
    notes: list[str]

    @property
    def fixed_points(self) -> list[Cycle]:
        """Cycles of order 1."""
        return self.search.of_order(1)

    @property
    def longer_cycles(self) -> list[Cycle]:
        """Cycles of order 2 and more."""
        return [cycle for cycle in self.search.cycles if cycle.order > 1]

    @property
    def complete_up_to(self) -> int:
        """The order up to which no isolated cycle is missing; 0 where some fixed points may be."""
        orders = set(self.search.complete_orders)
        return next(order for order in range(1, len(orders) + 2) if order not in orders) - 1


def run_freely(dynamics: Dynamics, z0: np.ndarray, n_transient: int, n_steps: int) -> FreeRun:
    """Run from z0 (S,): n_transient steps that are discarded, then n_steps."""
    n_states = n_transient + n_steps
    with np.errstate(all="ignore"):
        path = z0[None]
        if n_states > 1:
            path = np.concatenate((path, dynamics.orbit(z0, n_states - 1)))
        is_far = ~(np.abs(path).max(axis=1) <= TOO_FAR)  # true for nan too
    if is_far.any():
        steps = int(is_far.argmax())
        return FreeRun(path[:steps], None, steps)
    return FreeRun(path, path[n_transient:], None)


def find(
    dynamics: Dynamics, z0: np.ndarray, visited: np.ndarray, kind: str, config: dict[str, Any], seed: int
) -> Findings:
    """Analyse the dynamics of a network.

    Args:
        dynamics: of the network.
        z0: (S,), where the free run starts.
        visited: (V, S), states of the network on its task, for a search to start from.
        kind: what the latent step is, for the notes.
        config: n_transient, n_steps, interval, n_exponents, max_order, max_candidates, n_starts.
        seed: of the searches.
    """
    run = run_freely(dynamics, z0, config["n_transient"], config["n_steps"])
    rng = np.random.default_rng(seed)
    notes, regions = [], None
    if run.states is None:
        notes.append(
            f"the free run diverges after {run.diverged_after} steps: no regions, transitions and exponents"
        )
    if dynamics.system is not None:
        orbit = run.path if run.states is None else run.states
        search = find_cycles(
            dynamics.system, config["max_order"], orbit, max_candidates=config["max_candidates"], rng=rng
        )
        if run.states is not None:
            regions = visited_regions(dynamics.system.pattern(run.states))
    else:
        starts = starting_points(run, visited, config["n_starts"], rng)
        search = CycleSearch(find_fixed_points_from(dynamics.step, dynamics.jacobian, starts))
        notes.append(
            f"{kind} is not piecewise linear: no regions, transitions and cycles; fixed points by a search from "
            f"{len(starts)} states, others may exist"
        )
    findings = Findings(run, regions, search, _exponents(dynamics, run, config), notes)
    if dynamics.system is not None and findings.complete_up_to < config["max_order"]:
        notes.append(_note_of_searched_orders(findings.complete_up_to, config["max_order"]))
    return findings


def starting_points(run: FreeRun, visited: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return up to count states (n, S) to start a search from, half from the free run, half from the task."""
    visited = visited[np.isfinite(visited).all(axis=1)]
    n_visited = min(len(visited), count // 2)
    spread = np.linspace(0, len(run.path) - 1, min(count - n_visited, len(run.path))).round().astype(int)
    chosen = rng.choice(len(visited), n_visited, replace=False) if n_visited else []
    return np.concatenate((run.path[spread], visited[chosen]))


def _exponents(dynamics: Dynamics, run: FreeRun, config: dict[str, Any]) -> np.ndarray:
    wanted = config["n_exponents"]
    count = dynamics.state_dim if wanted is None else wanted
    if run.states is None:
        return np.full(count, np.nan)
    return lyapunov_spectrum_along(dynamics.jacobian, run.states, config["interval"], count)


def _note_of_searched_orders(complete: int, max_order: int) -> str:
    first = complete + 1
    if first == 1 == max_order:
        return "fixed points: by a search, others may exist"
    orders = f"order {first}" if first == max_order else f"orders {first} to {max_order}"
    whole = f"complete up to order {complete}; " if complete else ""
    return f"fixed points and cycles: {whole}{orders} by a search, others may exist"
