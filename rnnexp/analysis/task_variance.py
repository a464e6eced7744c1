"""How much each unit takes part in each of several tasks, and groups of units that take part in the same ones.

Letters: N tasks, B trials, T time steps, M units.
"""

from collections.abc import Sequence

import numpy as np

from rnnexp.numbers import integer_at_least

LEAST_VARIANCE = 1e-3  # summed over tasks, of a unit that takes part at all
N_TRIES = 10  # of k-means, from different starts


def task_variance(rates: Sequence[np.ndarray]) -> np.ndarray:
    """Return the variance of each unit over the trials of each task, averaged over time, (N, M).

    Args:
        rates: of each task, (B, T, M) with B >= 2 trials of the same durations, nan where trials have ended.

    Raises:
        ValueError: a task has other shapes.

    Source: Yang et al., Nature Neuroscience 22:297 (2019), task variance.
    """
    for one in rates:
        if one.ndim != 3 or one.shape[0] < 2 or one.shape[2] != rates[0].shape[2]:
            raise ValueError(f"rates must be (B, T, M) with B >= 2 and one M, got {one.shape}")
    return np.stack([np.nanmean(np.nanvar(one, axis=0), axis=0) for one in rates])


def clusters_of_units(variance: np.ndarray, most: int = 30, seed: int = 0) -> np.ndarray:
    """Group units by the tasks that they take part in: k-means on their variances, divided by the largest of each.

    The number of groups is that with the largest mean silhouette.

    Args:
        variance: (N, M), see `task_variance`.
        most: largest number of groups, >= 2.
        seed: of the starts.

    Returns:
        (M,), groups from 0 on, in the order of the task in which they take part most; -1 for units that take part in
        none, whose summed variance is under 0.001.

    Source: Yang et al., Nature Neuroscience 22:297 (2019).
    """
    from scipy.cluster.vq import kmeans2  # takes long to import

    integer_at_least("most", most, 2)
    groups = np.full(variance.shape[1], -1)
    active = np.flatnonzero(variance.sum(axis=0) > LEAST_VARIANCE)
    if len(active) < 3:
        groups[active] = 0
        return groups
    points = (variance[:, active] / variance[:, active].max(axis=0)).T
    rng, best, best_value = np.random.default_rng(seed), np.zeros(len(active), dtype=int), -np.inf
    for count in range(2, min(most, len(active) - 1) + 1):
        tries = []
        for _ in range(N_TRIES):
            centres, labels = kmeans2(points, count, minit="++", rng=rng, missing="warn")
            tries.append((((points - centres[labels]) ** 2).sum(), labels))
        labels = min(tries, key=lambda found: found[0])[1]
        value = silhouette(points, labels)
        if value > best_value:
            best, best_value = labels, value
    names = np.unique(best)
    leading = [points[best == name].mean(axis=0).argmax() for name in names]
    for new, old in enumerate(names[np.argsort(leading, kind="stable")]):
        groups[active[best == old]] = new
    return groups


def silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over points of (b - a) / max(a, b): a is the mean distance to the own group, b to the next one.

    Args:
        points: (n, N).
        labels: (n,), two groups at least; a point alone in its group counts 0.

    Source: Rousseeuw 1987.
    """
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    members = [labels == name for name in np.unique(labels)]
    if len(members) < 2:
        return -1.0
    sums = np.stack([distances[:, rows].sum(axis=1) for rows in members], axis=1)
    sizes = np.array([rows.sum() for rows in members])
    own = np.stack(members, axis=1)
    a = sums[own] / np.maximum((own * sizes).sum(axis=1) - 1, 1)
    b = np.where(own, np.inf, sums / sizes).min(axis=1)
    alone = (own * sizes).sum(axis=1) == 1
    return float(np.where(alone, 0.0, (b - a) / np.maximum(np.maximum(a, b), 1e-300)).mean())
