"""What units tell of a condition: their selectivity, and how well a linear decoder reads it from all of them over time.

Letters: B trials, T time steps, M units, C classes.
"""

import numpy as np

from rnnexp.numbers import integer_at_least, positive


def selectivity(rates: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of a unit's variance over trials that the condition explains, and its preferred condition.

    Args:
        rates: (B, T, M), finite.
        labels: (B,), the condition of each trial, two different ones at least.

    Returns:
        eta^2 (T, M) = variance of the means of the conditions / variance over all trials, from 0 to 1, and 0 where the
        unit is constant; the label (M,) in whose trials the unit is most active on average over time.

    Raises:
        ValueError: shapes do not agree, or there is one condition only.
    """
    rates, classes, members = _grouped(rates, labels)
    means = np.stack([rates[rows].mean(axis=0) for rows in members])
    weights = np.array([len(rows) for rows in members])[:, None, None] / len(rates)
    between = (weights * (means - rates.mean(axis=0)) ** 2).sum(axis=0)
    total = rates.var(axis=0)
    is_constant = total <= 1e-24 * max(float((rates**2).max()), 1e-300)
    share = np.where(is_constant, 0.0, between / np.where(is_constant, 1.0, total))
    return share, classes[means.mean(axis=1).argmax(axis=0)]


def decoding_accuracy(
    rates: np.ndarray, labels: np.ndarray, n_folds: int = 5, penalty: float = 1e-3
) -> np.ndarray:
    """Decode the condition of trials from the rates at one step by decoders that were fitted at another.

    A decoder is a linear discriminant analysis with equal priors, whose covariance within classes is regularised. It is
    fitted to all folds but one and tested on that one; fold k has every n_folds-th trial of each class, so that all
    folds hold the classes alike.

    Args:
        rates: (B, T, M), finite.
        labels: (B,), the condition of each trial.
        n_folds: >= 2; each class must have as many trials.
        penalty: added to the variance of each unit, as a share of the mean variance over units, > 0.

    Returns:
        (T, T), share of right answers in [0, 1]; rows are the steps of the fit, columns those of the test. The
        diagonal is the accuracy over time, the rest tells how long a code stays the same.

    Raises:
        ValueError: shapes do not agree, there is one condition only, or a class has fewer trials than folds.
    """
    integer_at_least("n_folds", n_folds, 2)
    positive("penalty", penalty)
    rates, classes, members = _grouped(rates, labels)
    if min(map(len, members)) < n_folds:
        raise ValueError(f"labels: each condition needs {n_folds} trials, as many as folds")
    n_trials, n_steps, n_units = rates.shape
    fold, target = np.empty(n_trials, dtype=int), np.empty(n_trials, dtype=int)
    for number, rows in enumerate(members):
        fold[rows], target[rows] = np.arange(len(rows)) % n_folds, number
    right = np.zeros((n_steps, n_steps))
    for held_out in range(n_folds):
        is_test = fold == held_out
        known = target[~is_test]
        one_hot = np.eye(len(classes))[known]
        for step in range(n_steps):
            x = rates[~is_test, step]
            means = one_hot.T @ x / one_hot.sum(axis=0)[:, None]
            total = np.trace(np.cov(x.T).reshape(n_units, n_units)) / n_units
            within = (x - means[known]).T @ (x - means[known]) / len(x)
            within += penalty * max(total, 1e-300) * np.eye(n_units)
            weights = np.linalg.solve(within, means.T)
            scores = rates[is_test] @ weights - 0.5 * (means.T * weights).sum(axis=0)
            right[step] += (scores.argmax(axis=2) == target[is_test, None]).sum(axis=0)
    return right / n_trials


def chance(labels: np.ndarray) -> float:
    """Return the accuracy of always saying the most frequent condition."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def _grouped(rates: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return checked rates, the classes in order, and the trials of each."""
    rates, labels = np.asarray(rates, dtype=np.float64), np.asarray(labels)
    if rates.ndim != 3 or 0 in rates.shape or not np.isfinite(rates).all():
        raise ValueError(f"rates must be finite numbers (B, T, M), got shape {rates.shape}")
    if labels.shape != rates.shape[:1]:
        raise ValueError(f"labels must be ({len(rates)},), one per trial, got shape {labels.shape}")
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError("labels must hold two different conditions at least")
    return rates, classes, [np.flatnonzero(labels == value) for value in classes]
