"""How alike the states of two networks are on the same trials: linear CKA and Procrustes.

Letters: B trials, T time steps, M and N units of the two networks, n = B T.
"""

import numpy as np


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Return the linear centred kernel alignment of two sets of states, from 0 to 1.

    |Y^T X|^2 / (|X^T X| |Y^T Y|) in Frobenius norms, each unit centred; 1 for states that are equal up to a rotation, a
    shift and one scale.

    Args:
        x: (B, T, M), finite.
        y: (B, T, N), finite, the same trials.

    Raises:
        ValueError: shapes do not agree, or states do not vary.

    Source: Kornblith, Norouzi, Lee & Hinton 2019, Similarity of neural network representations revisited.
    """
    first, second = _centred(x, y)
    own = np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second)
    return min(1.0, float(np.linalg.norm(second.T @ first) ** 2 / own))


def procrustes_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Return the cosine of the angle between two sets of states after the best rotation or reflection, from 0 to 1.

    The sum of the singular values of X^T Y / (|X| |Y|), each unit centred; missing units count as constant. Its
    arccos is the angular shape distance, a metric.

    Args:
        x: (B, T, M), finite.
        y: (B, T, N), finite, the same trials.

    Raises:
        ValueError: shapes do not agree, or states do not vary.

    Source: Williams, Kunz, Kornblith & Linderman 2021, Generalized shape metrics on neural representations, with
    all scalings removed.
    """
    first, second = _centred(x, y)
    singular = np.linalg.svd(first.T @ second, compute_uv=False)
    return min(1.0, float(singular.sum() / (np.linalg.norm(first) * np.linalg.norm(second))))


def check_states(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of states as float64.

    Raises:
        ValueError: they are no finite (B, T, M) and (B, T, N) with the same B and T, or do not vary.
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if (
        first.ndim != 3
        or second.ndim != 3
        or first.shape[:2] != second.shape[:2]
        or 0 in first.shape + second.shape
    ):
        raise ValueError(
            f"states must be (B, T, M) and (B, T, N) on the same trials, got {first.shape} and {second.shape}"
        )
    for states in (first, second):
        if not np.isfinite(states).all():
            raise ValueError("states must be finite")
        if np.ptp(states, axis=(0, 1)).max() == 0:
            raise ValueError("states must vary over trials or time")
    return first, second


def _centred(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return states (n, M) and (n, N) of mean 0 and largest entry 1."""
    pair = check_states(x, y)
    flat = [states.reshape(-1, states.shape[2]) for states in pair]
    flat = [states - states.mean(axis=0) for states in flat]
    return tuple(states / np.abs(states).max() for states in flat)


def arrangement(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points in a plane whose distances are close to given ones, and an order in which neighbours are alike.

    Args:
        distances: (K, K), symmetric, finite, >= 0, 0 on the diagonal, K >= 2.

    Returns:
        (K, 2) by classical scaling (Torgerson 1952), a coordinate that does not exist 0; the sign of each is such that
        its largest entry is positive. (K,) numbers of the K, leaves of a tree of average linkage, optimally ordered.

    Raises:
        ValueError: they are no distances.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    distances = np.asarray(distances, dtype=np.float64)
    count = len(distances)
    if (
        distances.shape != (count, count)
        or count < 2
        or not np.isfinite(distances).all()
        or distances.min() < 0
    ):
        raise ValueError(
            f"distances must be finite numbers >= 0, (K, K) with K >= 2, got shape {distances.shape}"
        )
    if not np.allclose(distances, distances.T) or np.abs(np.diag(distances)).max() > 1e-9 * max(
        distances.max(), 1
    ):
        raise ValueError("distances must be symmetric, with 0 on the diagonal")
    centring = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    points = (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1][:, :2]
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    signs = np.sign(points[np.abs(points).argmax(axis=0), range(2)])
    condensed = squareform(distances, checks=False)
    order = leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed))
    return points * np.where(signs == 0, 1, signs), order
