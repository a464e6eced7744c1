"""Dynamical similarity analysis: how alike the flows of two networks are, whatever their coordinates.

Letters: B trials, T time steps, M units, D delays, r rank, K starts.
"""

import numpy as np

from rnnexp.numbers import integer_at_least

N_ITERATIONS = 300
TOLERANCE = 1e-12  # of the similarity, over ten iterations


def linear_flow(states: np.ndarray, n_delays: int = 10, rank: int = 10) -> np.ndarray:
    """Return the linear map (r, r) by which delay-embedded states evolve, in their whitened principal components.

    Rows of the Hankel matrix H are the states at D successive steps of a trial; H = U S V^T, cut to rank r; the map A
    is the least-squares solution of u(t + 1) = A u(t) for rows u of U, within trials.

    Args:
        states: (B, T, M), finite, T > n_delays.
        n_delays: D >= 1.
        rank: r >= 1; lower where H has a lower rank.

    Raises:
        ValueError: an argument is not allowed.

    Source: HAVOK dynamic mode decomposition as in Ostrow, Eisen, Kozachkov & Fiete 2023, Beyond geometry.
    """
    states = np.asarray(states, dtype=np.float64)
    integer_at_least("n_delays", n_delays, 1)
    integer_at_least("rank", rank, 1)
    if states.ndim != 3 or 0 in states.shape or not np.isfinite(states).all():
        raise ValueError(f"states must be finite numbers (B, T, M), got shape {states.shape}")
    n_trials, n_steps, n_units = states.shape
    if n_steps <= n_delays:
        raise ValueError(f"n_delays: {n_delays}: must be less than the number of steps, {n_steps}")
    windows = np.lib.stride_tricks.sliding_window_view(states, n_delays, axis=1)
    hankel = windows.transpose(0, 1, 3, 2).reshape(n_trials * windows.shape[1], n_delays * n_units)
    gram = hankel.T @ hankel if hankel.shape[1] <= hankel.shape[0] else hankel @ hankel.T
    values, vectors = np.linalg.eigh(gram)
    kept = np.argsort(values)[::-1][: min(rank, int((values > 1e-12 * values[-1]).sum()))]
    scale = np.sqrt(values[kept])
    scores = hankel @ vectors[:, kept] / scale if hankel.shape[1] <= hankel.shape[0] else vectors[:, kept]
    scores = scores.reshape(n_trials, -1, len(kept))
    before, after = (part.reshape(-1, len(kept)) for part in (scores[:, :-1], scores[:, 1:]))
    return np.linalg.lstsq(before, after, rcond=None)[0].T


def flow_similarity(first: np.ndarray, second: np.ndarray, n_starts: int = 16, seed: int = 0) -> float:
    """Return max over orthogonal C of <A, C B C^T> / (|A| |B|) of two linear flows: 1 where they differ by coordinates.

    arccos of it is the angular distance of the source. The maximum is sought by gradient ascent with steps of Barzilai
    and Borwein along Cayley transforms (Wen & Yin 2013) from several starts, rotations and reflections alike: signs of
    the axes, the eigenvectors of the symmetric parts on top of each other, random ones. A better maximum may exist.

    Args:
        first: A (r, r).
        second: B (s, s); the smaller one is filled up with zeros.
        n_starts: K >= 4.
        seed: of the starts.

    Raises:
        ValueError: shapes do not agree, or a flow is zero.

    Source: Ostrow et al. 2023.
    """
    integer_at_least("n_starts", n_starts, 4)
    a, b = (np.asarray(flow, dtype=np.float64) for flow in (first, second))
    if any(
        flow.ndim != 2 or flow.shape[0] != flow.shape[1] or not np.isfinite(flow).all() for flow in (a, b)
    ):
        raise ValueError(f"flows must be finite and square, got shapes {a.shape} and {b.shape}")
    if not a.any() or not b.any():
        raise ValueError("flows must not be zero")
    size = max(len(a), len(b))
    a, b = (np.pad(flow, (0, size - len(flow))) / np.linalg.norm(flow) for flow in (a, b))
    return min(1.0, float(_ascend(a, b, _starts(a, b, n_starts, seed)).max()))


def _starts(a: np.ndarray, b: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return orthogonal matrices (K, r, r), every second one a reflection of the one before."""
    from scipy.linalg import schur

    def ordered(flow: np.ndarray) -> np.ndarray:
        vectors = schur(flow + flow.T, output="real")[1]  # of the symmetric part: orthogonal eigenvectors
        strength = np.einsum("im,ij,jm->m", vectors, flow, vectors)
        return vectors[:, np.argsort(-strength)]

    rng = np.random.default_rng(seed)
    size = len(a)
    signs = np.sign(np.linalg.eigh(a * b + (a * b).T)[1][:, -1])
    signed = np.diag(np.where(signs == 0, 1.0, signs))
    matched = ordered(a) @ ordered(b).T
    random = [np.linalg.qr(rng.standard_normal((size, size)))[0] for _ in range((count - 3) // 2)]
    flip = np.eye(size)
    flip[0, 0] = -1.0
    return np.stack([start for q in (signed, matched, *random) for start in (q, q @ flip)])


def _ascend(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the similarities (K,) at the ends of ascents from orthogonal matrices (K, r, r)."""
    identity = np.eye(len(a))

    def value(q: np.ndarray) -> np.ndarray:
        return np.einsum("ij,kij->k", a, q @ b @ q.transpose(0, 2, 1))

    def slope(q: np.ndarray) -> np.ndarray:
        """Return the skew part of the gradient, by which q moves to first order."""
        gradient = a @ q @ b.T + a.T @ q @ b
        return gradient @ q.transpose(0, 2, 1) - q @ gradient.transpose(0, 2, 1)

    step = np.ones(len(c))
    best = now = value(c)
    skew = slope(c)
    history = [best]
    for _ in range(N_ITERATIONS):
        half = 0.5 * step[:, None, None] * skew
        tried = np.linalg.solve(identity - half, (identity + half) @ c)
        new = value(tried)
        is_better = new > now - 1e-3 * np.abs(now)  # a step of Barzilai and Borwein may fall a little
        moved_skew = slope(tried)
        move, change = tried - c, moved_skew - skew
        length = (move**2).sum(axis=(1, 2)) / np.maximum(
            np.abs((move * (change @ tried)).sum(axis=(1, 2))), 1e-300
        )
        step = np.where(is_better, np.clip(length, 1e-4, 1e4), 0.25 * step)
        c = np.where(is_better[:, None, None], tried, c)
        skew = np.where(is_better[:, None, None], moved_skew, skew)
        now = np.where(is_better, new, now)
        best = np.maximum(best, now)
        history.append(best)
        if len(history) > 10 and np.abs(history[-1] - history[-11]).max() < TOLERANCE:
            break
    return best
