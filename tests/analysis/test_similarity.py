"""Similarities of states and flows: computed a second way, by the published package, and with known answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.spatial import procrustes

from rnnexp.analysis.dynamical_similarity import flow_similarity, linear_flow
from rnnexp.analysis.similarity import arrangement, linear_cka, procrustes_similarity

GOLDEN = np.load(Path(__file__).parents[1] / "vectors" / "dsa" / "golden.npz")
MEASURES = (linear_cka, procrustes_similarity)


def states(seed, n_units=6, shape=(8, 40)):
    rng = np.random.default_rng(seed)
    W, z = (
        1.5 * rng.standard_normal((n_units, n_units)) / n_units**0.5,
        rng.standard_normal((shape[0], n_units)),
    )
    steps = []
    for _ in range(shape[1]):
        z = z + 0.2 * (-z + np.tanh(z) @ W.T)
        steps.append(z)
    return np.stack(steps, axis=1)


def rotation(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


@pytest.mark.parametrize("measure", MEASURES)
def test_a_rotated_shifted_and_scaled_copy_is_the_same_and_another_network_is_not(measure):
    x, y = states(0), states(1)
    copy = 3.0 * x @ rotation(6) + 7.0
    assert measure(x, copy) == pytest.approx(1, abs=1e-12)
    assert measure(x, y) < 0.9
    assert measure(x, y) == pytest.approx(measure(y, x), abs=1e-12)
    assert measure(x, y) == pytest.approx(measure(copy, y @ rotation(6, 1)), abs=1e-12)
    wide = np.concatenate((x, np.zeros((8, 40, 3))), axis=2) @ rotation(9)
    assert measure(x, wide) == pytest.approx(1, abs=1e-12)


def test_cka_is_that_of_the_gram_matrices():
    """Kornblith et al. 2019, eq. 2: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of K = X X^T."""
    x, y = states(0), states(1, 9)
    n = 8 * 40
    centring = np.eye(n) - 1 / n
    K, L = (centring @ (z.reshape(n, -1) @ z.reshape(n, -1).T) @ centring for z in (x, y))
    expected = np.trace(K @ L) / np.sqrt(np.trace(K @ K) * np.trace(L @ L))
    assert linear_cka(x, y) == pytest.approx(expected, abs=1e-12)


def test_procrustes_is_that_of_scipy():
    x, y = states(0), states(1)
    disparity = procrustes(x.reshape(-1, 6), y.reshape(-1, 6))[2]  # 1 - similarity^2 after scaling
    assert procrustes_similarity(x, y) == pytest.approx(np.sqrt(1 - disparity), abs=1e-9)


@pytest.mark.parametrize(("delays", "rank"), [(1, 4), (4, 8)])
def test_flows_are_those_of_the_published_package_and_their_similarity_at_least_as_large(delays, rank):
    flows = [linear_flow(GOLDEN[f"states_{seed}"], delays, rank) for seed in (0, 1)]
    for seed, flow in enumerate(flows):
        theirs = GOLDEN[f"A_v_{seed}_{delays}_{rank}"].astype(np.float64)  # from float32, axes of either sign
        signs = np.sign(np.linalg.eigh(flow * theirs + (flow * theirs).T)[1][:, -1])
        np.testing.assert_allclose(flow, signs[:, None] * theirs * signs, atol=5e-6)
    ours = np.arccos(flow_similarity(*flows))
    assert ours <= GOLDEN[f"angular_{delays}_{rank}"] + 1e-4
    assert ours > 0.9 * GOLDEN[f"angular_{delays}_{rank}"]


def test_similar_flows_by_brute_force_over_rotations_and_reflections():
    rng = np.random.default_rng(3)
    for _ in range(5):
        a, b = rng.standard_normal((2, 2, 2))
        angles = np.linspace(0, 2 * np.pi, 20001)
        turns = np.stack([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(
            2, 0, 1
        )
        both = np.concatenate((turns, turns @ np.diag([1.0, -1.0])))
        best = np.einsum("ij,kij->k", a, both @ b @ both.transpose(0, 2, 1)).max()
        expected = best / (np.linalg.norm(a) * np.linalg.norm(b))
        assert flow_similarity(a, b) == pytest.approx(expected, abs=1e-6)


def test_a_flow_in_other_coordinates_is_the_same_and_its_inverse_is_not():
    rng = np.random.default_rng(0)
    flow = expm(0.3 * rng.standard_normal((10, 10)))
    turned = rotation(10) @ flow @ rotation(10).T
    assert flow_similarity(flow, turned) == pytest.approx(1, abs=1e-9)
    assert flow_similarity(flow, np.linalg.inv(flow)) < 0.98
    x = states(0)
    moved = flow_similarity(linear_flow(x, 4, 8), linear_flow(3.0 * x @ rotation(6), 4, 8))
    assert moved == pytest.approx(1, abs=1e-9)
    assert flow_similarity(linear_flow(x, 4, 8), linear_flow(states(1), 4, 8)) < 0.997


def test_a_flow_predicts_linear_dynamics():
    W = np.diag([0.9, 0.7, -0.5])
    z = [np.random.default_rng(0).standard_normal((20, 3))]
    for _ in range(10):
        z.append(z[-1] @ W)
    flow = linear_flow(np.stack(z, axis=1), 1, 3)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(flow)), [-0.5, 0.7, 0.9], atol=1e-9)
    assert linear_flow(np.stack(z, axis=1), 2, 50).shape == (3, 3), "the rank of the states"


def test_an_arrangement_keeps_distances_and_puts_neighbours_beside_each_other():
    points = np.array([[0.0, 0.0], [5.0, 0.2], [0.1, 0.3], [5.2, 0.0], [2.4, 3.0]])
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    found, order = arrangement(distances)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=2), distances, atol=1e-9)
    assert sorted(order) == list(range(5))
    places = np.argsort(order)
    assert abs(places[0] - places[2]) == abs(places[1] - places[3]) == 1
    on_a_line, _ = arrangement(np.array([[0.0, 2.0], [2.0, 0.0]]))
    np.testing.assert_allclose(np.abs(on_a_line), [[1, 0], [1, 0]], atol=1e-12)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: linear_cka(np.zeros((2, 3)), np.zeros((2, 3, 1))),
            r"states must be \(B, T, M\) and \(B, T, N\)",
        ),
        (lambda: procrustes_similarity(states(0), states(0)[:4]), "on the same trials"),
        (lambda: linear_cka(states(0), np.full((8, 40, 2), np.nan)), "states must be finite"),
        (lambda: linear_cka(states(0), np.ones((8, 40, 2))), "states must vary"),
        (
            lambda: linear_flow(states(0), n_delays=40),
            "n_delays: 40: must be less than the number of steps, 40",
        ),
        (lambda: linear_flow(states(0), rank=0), "rank must be a whole number >= 1"),
        (lambda: flow_similarity(np.zeros((2, 2)), np.eye(2)), "flows must not be zero"),
        (lambda: flow_similarity(np.zeros((2, 3)), np.eye(2)), "flows must be finite and square"),
        (lambda: arrangement(np.zeros((1, 1))), r"\(K, K\) with K >= 2"),
        (lambda: arrangement(np.array([[0.0, 1.0], [2.0, 0.0]])), "distances must be symmetric"),
    ],
)
def test_bad_arguments(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_torch_states_work_too():
    x = torch.from_numpy(states(0))
    assert linear_cka(x, x) == pytest.approx(1)
