"""Fixed and slow points of hand-built networks, whose places are known."""

import numpy as np
import pytest
from scipy.optimize import brentq

from rnnexp.analysis.slow_points import find_slow_points


def leaky(W, alpha, drive=0.0):
    """Return step and Jacobian of z' = (1 - alpha) z + alpha (W tanh(z) + drive)."""

    def step(z):
        return (1 - alpha) * z + alpha * (np.tanh(z) @ W.T + drive)

    def jacobian(z):
        slopes = 1 - np.tanh(z) ** 2
        return (1 - alpha) * np.eye(len(W)) + alpha * W * slopes[:, None, :]

    return step, jacobian


def starts(n, size, scale=1.0, seed=0):
    return scale * np.random.default_rng(seed).standard_normal((n, size))


def test_the_two_wells_and_the_saddle_between_them():
    W = np.array([[2.0, 0.0], [0.0, 0.5]])
    found = find_slow_points(*leaky(W, 0.1), starts(60, 2))
    well = brentq(lambda z: 2 * np.tanh(z) - z, 0.1, 3)
    expected = np.array([[-well, 0.0], [0.0, 0.0], [well, 0.0]])
    order = np.argsort(found.states[:, 0])
    np.testing.assert_allclose(found.states[order], expected, atol=1e-9)
    assert found.is_fixed.all()
    assert found.n_unstable[order].tolist() == [0, 1, 0]
    assert found.n_starts.sum() + found.n_outliers + found.n_fast == 60
    slopes = 1 - np.tanh(expected[order.argsort()][:, :1]) ** 2
    modes = np.sort(np.hstack([0.9 + 0.1 * 2 * slopes, np.full_like(slopes, 0.95)]), axis=1)[:, ::-1]
    np.testing.assert_allclose(found.eigenvalues, modes, atol=1e-9)
    np.testing.assert_allclose(found.time_constants(10.0)[:, 1], -10 / np.log(modes[:, 1]), rtol=1e-9)


def test_a_ring_of_tuned_units():
    """W_ij = 2 J / N cos(theta_i - theta_j) has a ring of fixed points z_i = r cos(theta_i - phi)."""
    n_units, J = 64, 2.0
    angles = 2 * np.pi * np.arange(n_units) / n_units
    W = 2 * J / n_units * np.cos(angles[:, None] - angles)
    radius = brentq(lambda r: 2 * J * np.mean(np.tanh(r * np.cos(angles)) * np.cos(angles)) - r, 0.5, 4)
    phases = np.random.default_rng(1).uniform(0, 2 * np.pi, 40)
    around = radius * np.cos(angles - phases[:, None]) + starts(40, n_units, 0.3)
    found = find_slow_points(*leaky(W, 0.2), around)
    amplitude = 2 / n_units * np.hypot(found.states @ np.cos(angles), found.states @ np.sin(angles))
    on_ring = amplitude > 0.1
    assert on_ring.sum() >= 30
    np.testing.assert_allclose(amplitude[on_ring], radius, atol=1e-6)
    phase = np.arctan2(found.states[on_ring] @ np.sin(angles), found.states[on_ring] @ np.cos(angles))
    bump = radius * np.cos(angles - phase[:, None])
    np.testing.assert_allclose(found.states[on_ring], bump, atol=1e-6)
    np.testing.assert_allclose(np.abs(found.eigenvalues[on_ring, 0]), 1, atol=1e-6)
    spread = np.sort(phase)
    assert np.diff(spread).max() < np.pi / 3, "the points do not run together"


def test_slow_points_of_a_line_that_leaks():
    """z' along the line is 0.9999 z: only 0 is fixed, but the whole line is slow."""
    turn = np.linalg.qr(starts(3, 3, seed=3))[0]
    A = turn @ np.diag([0.9999, 0.3, 0.2]) @ turn.T
    found = find_slow_points(
        lambda z: z @ A.T, lambda z: np.broadcast_to(A, (len(z), 3, 3)), starts(50, 3), 1e-7
    )
    along = found.states @ turn[:, 0]
    assert len(found) > 30
    assert np.ptp(along) > 2
    assert np.abs(found.states - along[:, None] * turn[:, 0]).max() < 1e-2
    assert found.is_fixed.sum() <= 1
    assert (found.q <= 1e-7 * 3).all()


def test_what_leads_away_or_nowhere_is_counted():
    shift = find_slow_points(
        lambda z: z + 1.0, lambda z: np.broadcast_to(np.eye(2), (len(z), 2, 2)), starts(8, 2)
    )
    assert (len(shift), shift.n_fast, shift.n_outliers) == (0, 8, 0)
    far = np.array([50.0, 0.0])
    away = find_slow_points(
        lambda z: far + 0.5 * (z - far),
        lambda z: np.broadcast_to(0.5 * np.eye(2), (len(z), 2, 2)),
        starts(8, 2),
    )
    assert (len(away), away.n_fast, away.n_outliers) == (0, 0, 8)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"starts": np.zeros(3)}, r"starts must be finite numbers \(N, S\)"),
        ({"starts": np.full((2, 2), np.nan)}, "starts must be finite"),
        ({"tolerance": 0}, "tolerance must be > 0"),
        ({"max_iterations": 0}, "max_iterations must be a whole number >= 1"),
    ],
)
def test_bad_arguments(arguments, text):
    step, jacobian = leaky(np.eye(2), 0.1)
    with pytest.raises(ValueError, match=text):
        find_slow_points(step, jacobian, **{"starts": np.zeros((1, 2)), **arguments})
