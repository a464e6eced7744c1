"""Fixed points of smooth maps, by a root finder from many starts.

Letters: M state, S starts.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import root

from rnnexp.analysis.cycle_solver import EXACT, SAME, Cycle, sorted_eigenvalues


def find_roots(
    step: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
) -> list[Cycle]:
    """Return the fixed points to which Powell's hybrid method converges, each once, the most stable first.

    Other fixed points may exist: the list is as good as the starts.

    Args:
        step: maps a state (M,) to the next one.
        jacobian: maps states (n, M) to the Jacobians (n, M, M) of the step that starts there.
        starts: (S, M), finite; states that the network visits are good ones.

    Raises:
        ValueError: the shape is wrong.

    Source: Sussillo & Barak 2013, with the root finder of MINPACK (scipy.optimize.root).
    """
    starts = np.asarray(starts, dtype=np.float64)
    if starts.ndim != 2:
        raise ValueError(f"starts must be (S, M), got shape {starts.shape}")
    identity = np.eye(starts.shape[1])
    points: list[np.ndarray] = []
    for start in starts:
        with np.errstate(all="ignore"):
            solution = root(
                lambda z: step(z) - z, start, jac=lambda z: jacobian(z[None])[0] - identity, tol=1e-13
            )
        z = solution.x
        size = max(np.abs(z).max(), np.abs(starts).max())
        if not np.isfinite(z).all() or np.abs(step(z) - z).max() > EXACT * size:
            continue
        if not any(np.abs(z - point).max() <= SAME * size for point in points):
            points.append(z)
    no_pattern = np.empty((1, 0), np.int8)
    found = [Cycle(z[None], no_pattern, sorted_eigenvalues(jacobian(z[None])[0])) for z in points]
    return sorted(found, key=lambda cycle: cycle.max_modulus)
