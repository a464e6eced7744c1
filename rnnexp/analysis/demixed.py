"""Demixed principal components: directions in which rates tell of one factor of the trials and of no other.

Letters: B trials, T time steps, M units, q components.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from rnnexp.numbers import integer_at_least, non_negative

TIME = "time"


@dataclass(frozen=True, eq=False)
class DemixedComponents:
    """The components of one marginalisation, such as "choice", the most telling first.

    Attributes:
        decoders: (M, q); scores are rates, centred, times these.
        encoders: (M, q), orthonormal; rates are reconstructed as scores times these.
        scores: (combinations of the factors, T, q), of the mean rates.
        explained: (q,), share of the variance of all mean rates that each reconstructs.
    """

    decoders: np.ndarray
    encoders: np.ndarray
    scores: np.ndarray
    explained: np.ndarray


@dataclass(frozen=True, eq=False)
class Demixing:
    """All marginalisations.

    Attributes:
        factors: their names.
        combinations: values of the factors, one tuple for each row of the scores.
        components: by name: "time", each factor, and "a x b" of factors that interact; time is part of each.
        variance: share of the variance of the mean rates in each marginalisation, adding up to 1.
    """

    factors: list[str]
    combinations: list[tuple[float, ...]]
    components: dict[str, DemixedComponents]
    variance: dict[str, float]


def demixed_components(
    rates: np.ndarray, factors: Mapping[str, np.ndarray], n_components: int = 3, penalty: float = 1e-3
) -> Demixing:
    """Split the mean rates by the factors of the trials, and find the components of each part.

    With X (M, combinations x T) the mean rates, centred, and X_f the part that is about factor f, F = X_f X^T (X X^T +
    l^2 1)^-1; the encoders are the first left singular vectors U of F [X, l 1], the decoders F^T U. l = penalty |X|.

    Args:
        rates: (B, T, M), finite.
        factors: labels (B,) of the trials by name, at most 3, each of two values at least; every combination of their
            values must have a trial. Means are over the trials of a combination, so that these count alike.
        n_components: q >= 1; at most M are given.
        penalty: >= 0; of the regression, relative to the size of X.

    Raises:
        ValueError: shapes do not agree, there is no factor, or a combination has no trial.

    Source: Kobak et al. 2016, eLife 5:e10989, with l chosen instead of cross-validated.
    """
    integer_at_least("n_components", n_components, 1)
    non_negative("penalty", penalty)
    rates, values, means = _means(rates, factors)
    parts = _marginals(means, list(factors))
    n_units = rates.shape[2]
    flat = {name: part.reshape(-1, n_units).T for name, part in parts.items()}
    whole = sum(flat.values())
    total = float((whole**2).sum())
    if total == 0:
        raise ValueError("rates must vary over conditions or time")
    inverse = np.linalg.pinv(whole @ whole.T + penalty**2 * total * np.eye(n_units), hermitian=True)
    components = {}
    for name, part in flat.items():
        regression = part @ whole.T @ inverse
        target = np.hstack((regression @ whole, penalty * np.sqrt(total) * regression))
        encoders = np.linalg.svd(target, full_matrices=False)[0][:, :n_components]
        signs = np.sign(encoders[np.abs(encoders).argmax(axis=0), range(encoders.shape[1])])
        encoders = encoders * np.where(signs == 0, 1.0, signs)
        decoders = regression.T @ encoders
        scores = decoders.T @ whole
        left = [((whole - np.outer(encoders[:, i], scores[i])) ** 2).sum() for i in range(len(scores))]
        components[name] = DemixedComponents(
            decoders, encoders, scores.T.reshape(len(values), rates.shape[1], -1), 1 - np.array(left) / total
        )
    shares = {name: float((part**2).sum()) / total for name, part in flat.items()}
    return Demixing(list(factors), values, components, shares)


def _means(
    rates: np.ndarray, factors: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, list[tuple[float, ...]], np.ndarray]:
    """Return checked rates, the combinations of values, and mean rates (values of each factor ..., T, M), centred."""
    rates = np.asarray(rates, dtype=np.float64)
    if rates.ndim != 3 or 0 in rates.shape or not np.isfinite(rates).all():
        raise ValueError(f"rates must be finite numbers (B, T, M), got shape {rates.shape}")
    if not 1 <= len(factors) <= 3:
        raise ValueError(f"factors must be from 1 to 3, got {', '.join(factors) or 'none'}")
    labels = {name: np.asarray(label) for name, label in factors.items()}
    levels = {name: np.unique(label) for name, label in labels.items()}
    for name, label in labels.items():
        if name == TIME or label.shape != rates.shape[:1]:
            raise ValueError(
                f"factors: {name}: must be ({len(rates)},), one label per trial, got {label.shape}"
            )
        if len(levels[name]) < 2:
            raise ValueError(f"factors: {name}: must have two different values at least")
    values = list(product(*(level.tolist() for level in levels.values())))
    means = []
    for combination in values:
        rows = np.all(
            [labels[name] == value for name, value in zip(labels, combination, strict=True)], axis=0
        )
        if not rows.any():
            raise ValueError(f"factors: no trial has {dict(zip(labels, combination, strict=True))}")
        means.append(rates[rows].mean(axis=0))
    shape = (*(len(level) for level in levels.values()), *rates.shape[1:])
    stacked = np.stack(means).reshape(shape)
    return rates, values, stacked - stacked.reshape(-1, shape[-1]).mean(axis=0)


def _marginals(means: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the parts of mean rates (factors ..., T, M) that add up to them, each of the same shape.

    A factor comes with its interaction with time, since both are what a component of it is about.
    """
    time = means.ndim - 2
    by_axes: dict[tuple[int, ...], np.ndarray] = {}
    axes = range(time + 1)
    for size in range(1, time + 2):
        for kept in combinations(axes, size):
            averaged = means.mean(axis=tuple(axis for axis in axes if axis not in kept), keepdims=True)
            lower = [part for inner, part in by_axes.items() if set(inner) < set(kept)]
            by_axes[kept] = averaged - sum(lower) if lower else averaged
    parts: dict[str, np.ndarray] = {TIME: 0.0}
    for kept, part in by_axes.items():
        of_factors = [names[axis] for axis in kept if axis != time]
        name = " x ".join(of_factors) or TIME
        parts[name] = parts.get(name, 0.0) + np.broadcast_to(part, means.shape)
    return parts
