"""Symbols and transitions of the linear regions that an orbit visits."""

from pathlib import Path

import numpy as np
import pytest

from rnnexp.analysis.linear_regions import pattern_text, visited_regions
from rnnexp.analysis.piecewise_linear import piecewise_linear_map

VECTORS = Path(__file__).parents[1] / "vectors" / "dsr"


@pytest.fixture(scope="module")
def published():
    with np.load(VECTORS / "alrnn_lorenz_m20_p2.npz") as arrays:
        return dict(arrays)


def as_counts(patterns, counts):
    return {tuple(map(int, pattern)): int(count) for pattern, count in zip(patterns, counts, strict=True)}


def test_regions_of_the_published_run(published):
    regions = visited_regions(published["latent_relu_sign"])
    assert regions.n_regions == int(published["n_regions"])
    expected = as_counts(published["regions"], published["region_counts"])
    assert as_counts(regions.patterns, regions.counts) == expected
    assert list(regions.counts) == sorted(regions.counts, reverse=True)


def test_regions_of_the_published_network_run_anew(published):
    system = piecewise_linear_map("ALRNN", published, num_relus=int(published["num_relus"]))
    regions = visited_regions(system.pattern(system.orbit(published["z0"], 34_999)[4999:]))
    expected = as_counts(published["region_codes_f64"], published["region_counts_f64"])
    own = as_counts(regions.patterns, regions.counts)
    assert own.keys() == expected.keys()
    for pattern, count in expected.items():  # a chaotic run: another order of sums gives another orbit
        assert own[pattern] == pytest.approx(count, rel=0.2)


@pytest.mark.parametrize("n_bits", [6, 50])
def test_symbols_and_transitions_count_every_step(n_bits):
    words = np.random.default_rng(0).integers(-1, 2, size=(4, n_bits))
    symbols = [2, 2, 2, 0, 1, 2, 0, 0, 1, 1, 2, 3]
    regions = visited_regions(words[symbols])
    assert list(regions.counts) == [5, 3, 3, 1]  # the words 2, 0, 1, 3; 0 comes before 1
    assert np.array_equal(regions.patterns, words[[2, 0, 1, 3]])
    assert list(regions.symbols) == [0, 0, 0, 1, 2, 0, 1, 1, 2, 2, 0, 3]
    expected = np.array([[2, 2, 0, 1], [0, 1, 2, 0], [2, 0, 1, 0], [0, 0, 0, 0]]) / np.array(
        [[5], [3], [3], [1]]
    )
    assert regions.transition_matrix() == pytest.approx(expected)


def test_rows_of_the_transition_matrix_sum_to_one(published):
    matrix = visited_regions(published["latent_relu_sign"]).transition_matrix()
    assert matrix.sum(axis=1) == pytest.approx(np.ones(3))


def test_a_linear_map_has_one_region():
    regions = visited_regions(np.zeros((5, 0)))
    assert (regions.n_regions, list(regions.counts), regions.bits(0)) == (1, [5], "")
    assert regions.transition_matrix() == pytest.approx(np.ones((1, 1)))


def test_a_single_step_has_no_transition():
    assert visited_regions(np.ones((1, 2))).transition_matrix() == pytest.approx(np.zeros((1, 1)))


def test_patterns_are_written_bit_by_bit():
    assert pattern_text(np.array([1, 0, -1])) == "10-"


@pytest.mark.parametrize("shape", [(0, 2), (3,)])
def test_wrong_patterns_are_one_sentence(shape):
    with pytest.raises(ValueError, match=r"patterns must be \(T, P\) with T >= 1"):
        visited_regions(np.ones(shape))
