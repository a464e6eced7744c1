"""Fixed points of smooth maps, and spectra of weights."""

import numpy as np
import pytest

from rnnexp.analysis.cycles import find_fixed_points
from rnnexp.analysis.piecewise_linear import piecewise_linear_map
from rnnexp.analysis.slow_points import find_fixed_points_from
from rnnexp.analysis.weight_spectra import weight_spectra

W = np.array([[1.8, 0.3], [-0.2, 1.6]])


def step(z):
    return np.tanh(z @ W.T)


def jacobian(z):
    return (1 - np.tanh(z @ W.T) ** 2)[..., None] * W


def test_all_fixed_points_of_a_small_network_are_found_once():
    starts = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    found = find_fixed_points_from(step, jacobian, starts)
    for point in found:
        z = point.states[0]
        assert step(z) == pytest.approx(z, abs=1e-9)
        modulus = np.abs(np.linalg.eigvals(jacobian(z[None])[0])).max()
        assert point.max_modulus == pytest.approx(modulus)
    states = np.array([point.states[0] for point in found])
    assert (np.abs(states - np.zeros(2)).max(1) < 1e-8).sum() == 1
    assert len(np.unique(np.round(states, 5), axis=0)) == len(states) == 9
    assert [point.stability for point in found].count("stable") == 4
    moduli = [point.max_modulus for point in found]
    assert moduli == sorted(moduli)


def test_the_root_finder_agrees_with_exact_fixed_points():
    rng = np.random.default_rng(2)
    weights = {"A": rng.uniform(0.2, 0.8, 4), "W": 0.5 * rng.normal(size=(4, 4)), "h": rng.normal(size=4)}
    system = piecewise_linear_map("ALRNN", weights, num_relus=2)
    exact = np.array([cycle.states[0] for cycle in find_fixed_points(system).cycles])
    roots = find_fixed_points_from(system.step, system.jacobian_at, 5 * rng.normal(size=(40, 4)))
    assert len(exact)
    assert {tuple(np.round(c.states[0], 6)) for c in roots} == {tuple(np.round(z, 6)) for z in exact}


def test_a_map_without_fixed_points_gives_none():
    found = find_fixed_points_from(lambda z: z + 1, lambda z: np.ones((len(z), 1, 1)), np.zeros((3, 1)))
    assert found == []


def test_starts_of_a_wrong_shape_are_one_sentence():
    with pytest.raises(ValueError, match=r"starts must be finite numbers \(N, S\), N >= 1, got shape \(3,\)"):
        find_fixed_points_from(step, jacobian, np.zeros(3))


def test_spectra_of_matrices_only():
    weights = {
        "W": np.array([[0.0, 2.0], [-2.0, 0.0]]),
        "C": np.array([[3.0], [4.0]]),
        "B": np.eye(2),
        "h": np.ones(2),
        "empty": np.ones((2, 0)),
        "lost": np.full((2, 2), np.nan),
    }
    spectra = weight_spectra(weights, recurrent=["W"])
    assert set(spectra) == {("W", "eigenvalue"), *((name, "singular_value") for name in "WCB")}
    assert np.sort_complex(spectra["W", "eigenvalue"]) == pytest.approx([-2j, 2j])
    assert spectra["C", "singular_value"] == pytest.approx([5.0])
