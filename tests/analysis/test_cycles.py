"""Fixed points and cycles against exhaustive published lists, and searches against enumerations."""

from pathlib import Path

import numpy as np
import pytest

from rnnexp.analysis.cycles import find_cycles, find_fixed_points, virtual_fixed_points
from rnnexp.analysis.piecewise_linear import PiecewiseLinearMap, piecewise_linear_map
from rnnexp.analysis.region_sequences import all_sequences, lyndon_words, n_sequences

VECTORS = Path(__file__).parents[1] / "vectors" / "dsr"
CASES = ("plrnn2d_a", "plrnn2d_b", "plrnn3d", "alrnn5_p2")
MODELS = ("PLRNN", "ALRNN", "shPLRNN", "clipped_shPLRNN")


@pytest.fixture(scope="module")
def golden():
    with np.load(VECTORS / "cycles_small.npz") as arrays:
        return dict(arrays)


def published(golden, case):
    weights = {name: golden[f"{case}_{name}"] for name in "AWh"}
    return piecewise_linear_map("ALRNN", weights, num_relus=len(golden[f"{case}_relu_idx"]))


def two_units(decay, weight):
    """The map of two units of the SCYFI paper's tests."""
    weights = {
        "A": np.array(decay),
        "W": np.array([[0, weight], [0.52505308, 0]]),
        "h": np.array([0.37298253, -0.97931491]),
    }
    return piecewise_linear_map("PLRNN", weights, mean_centering=False)


def random_map(model, seed, **options):
    rng = np.random.default_rng(seed)
    if model in ("PLRNN", "ALRNN"):
        weights = {"W": 0.6 * rng.normal(size=(7, 7)), "h": rng.normal(size=7)}
    else:
        n_hidden = 9 if model == "shPLRNN" else 5
        weights = {
            "W1": 0.8 * rng.normal(size=(3, n_hidden)), "W2": rng.normal(size=(n_hidden, 3)),
            "h1": 0.3 * rng.normal(size=3), "h2": rng.normal(size=n_hidden),
        }  # fmt: skip
    n_units = 7 if "W" in weights else 3
    weights["A"] = rng.uniform(0.3, 0.9, n_units)
    return piecewise_linear_map(model, weights, num_relus=4, **options)


def assert_is_a_cycle(system, cycle):
    assert system.step(cycle.states) == pytest.approx(np.roll(cycle.states, -1, axis=0), abs=1e-8)
    assert np.array_equal(system.pattern(cycle.states), cycle.patterns)
    points = np.unique(np.round(cycle.states, 6), axis=0)
    assert len(points) == cycle.order


def distance(cycle, states):
    """The largest difference of states, of the rotation that fits best."""
    return min(np.abs(np.roll(cycle.states, shift, axis=0) - states).max() for shift in range(cycle.order))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("enumerated", [20_000, 0])
def test_the_published_lists_are_found_whole(golden, case, enumerated):
    system, max_order = published(golden, case), int(golden[f"{case}_max_order"])
    found = find_cycles(system, max_order, enumerated=enumerated)
    assert found.complete_orders == (list(range(1, max_order + 1)) if enumerated else [])
    for order, count in enumerate(golden[f"{case}_counts"], 1):
        cycles = found.of_order(order)
        assert len(cycles) == count
        for index in range(count):
            states = golden[f"{case}_k{order}_z"][index]
            match = min(cycles, key=lambda cycle, states=states: distance(cycle, states))
            assert distance(match, states) < 1e-8
            moduli = golden[f"{case}_k{order}_abs_eig"][index]
            assert np.abs(match.eigenvalues) == pytest.approx(np.sort(moduli)[::-1], abs=1e-8)
            assert_is_a_cycle(system, match)


def test_fixed_points_of_the_published_network():
    with np.load(VECTORS / "alrnn_lorenz_m20_p2.npz") as arrays:
        arrays = dict(arrays)
    system = piecewise_linear_map("ALRNN", arrays, num_relus=int(arrays["num_relus"]))
    found = find_fixed_points(system)
    assert (len(found.cycles), found.complete_orders) == (4, [1])
    for z, bits, modulus in zip(arrays["fp_z"], arrays["fp_bits"], arrays["fp_max_abs_eig"], strict=True):
        (match,) = [cycle for cycle in found.cycles if np.array_equal(cycle.patterns[0], bits)]
        assert match.states[0] == pytest.approx(z, abs=1e-8)
        assert match.max_modulus == pytest.approx(modulus, abs=1e-8)
        assert match.stability == "saddle"
    candidates, real = virtual_fixed_points(system, arrays["fp_bits"].astype(np.int8))
    assert candidates == pytest.approx(arrays["fp_z"], abs=1e-8)
    assert np.array_equal(real, arrays["fp_is_real"])


@pytest.mark.parametrize(
    ("decay", "weight", "with_cycles", "without"),
    [((0.8377689, 0.96461297), -0.64375, 16, 15), ((0.9777689, 0.96461297), -0.14375, 27, 25)],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_long_cycles_of_the_scyfi_paper(decay, weight, with_cycles, without, seed):
    system = two_units(decay, weight)
    found = find_cycles(system, with_cycles, orders=[without, with_cycles], rng=seed)
    assert found.of_order(without) == []
    assert len(found.of_order(with_cycles)) == 2
    assert sorted(cycle.stability for cycle in found.of_order(with_cycles)) == ["saddle", "stable"]
    for cycle in found.of_order(with_cycles):
        assert_is_a_cycle(system, cycle)


def test_the_fixed_point_of_the_scyfi_paper():
    (point,) = find_fixed_points(two_units((-0.0222311, 0.96461297), -0.64375)).cycles
    assert point.states[0] == pytest.approx([0.36, -22.26], abs=0.01)
    assert (point.stability, point.n_unstable) == ("stable", 0)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_a_search_finds_what_an_enumeration_finds(model, seed):
    system = random_map(model, seed)
    max_order = 2 if model == "ALRNN" else 1
    whole = find_cycles(system, max_order, enumerated=10**6)
    searched = find_cycles(system, max_order, enumerated=0, rng=seed)
    assert [c.order for c in searched.cycles] == [c.order for c in whole.cycles]
    for one, other in zip(searched.cycles, whole.cycles, strict=True):
        assert distance(one, other.states) < 1e-8


def test_near_returns_of_an_orbit_lead_to_its_cycles():
    """The tent map of slope 2 - 1e-3 has 2^k / k cycles of order k, about; all are on its orbit."""
    tent = PiecewiseLinearMap(
        np.array([1.999]), np.array([[-3.998]]), np.zeros(1), np.eye(1), np.array([-0.5])
    )
    orbit = tent.orbit(np.array([0.3]), 5000)
    found = find_cycles(tent, 9, orbit, orders=[9], enumerated=0)
    assert len(found.cycles) == len(find_cycles(tent, 9, orders=[9]).cycles) == 56
    assert {cycle.stability for cycle in found.cycles} == {"unstable"}


def test_clamped_states_can_be_fixed_points():
    weights = {"A": np.array([1.5, 0.5]), "W": np.zeros((2, 2)), "h": np.array([0.5, 1.0])}
    system = piecewise_linear_map("PLRNN", weights, mean_centering=False, clip_range=3.0)
    points = {tuple(np.round(c.states[0], 9)): c.stability for c in find_fixed_points(system).cycles}
    assert points == {(3.0, 2.0): "stable", (-3.0, 2.0): "stable", (-1.0, 2.0): "saddle"}
    searched = find_cycles(system, 1, system.orbit(np.array([2.0, 0.0]), 50), enumerated=0)
    assert len(searched.cycles) == 3


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_line_of_fixed_points_is_no_isolated_cycle(order):
    weights = {"A": np.array([1.0, 0.5]), "W": np.zeros((2, 2)), "h": np.array([0.0, 1.0])}
    system = piecewise_linear_map("PLRNN", weights, mean_centering=False)
    assert find_cycles(system, order).cycles == []


def test_rotations_of_negative_slope_are_no_cycles_of_order_two():
    system = piecewise_linear_map(
        "ALRNN", {"A": -np.ones(1), "W": np.zeros((1, 1)), "h": np.ones(1)}, num_relus=1
    )
    found = find_cycles(system, 3)
    assert [cycle.order for cycle in found.cycles] == [1]
    assert (found.cycles[0].states[0, 0], found.cycles[0].stability) == (0.5, "neutral")


def test_the_zero_state_of_an_unbiased_map_is_found_once():
    weights = {"A": 0.5 * np.ones(3), "W": 0.1 * np.ones((3, 3)) - 0.1 * np.eye(3), "h": np.zeros(3)}
    for centred in (True, False):
        (point,) = find_fixed_points(piecewise_linear_map("PLRNN", weights, mean_centering=centred)).cycles
        assert point.states == pytest.approx(np.zeros((1, 3)))


def test_the_same_seed_finds_the_same_cycles():
    system = random_map("shPLRNN", 5)
    first, second = (find_cycles(system, 3, enumerated=0, rng=7) for _ in range(2))
    assert first.n_candidates == second.n_candidates
    assert all(np.array_equal(a.states, b.states) for a, b in zip(first.cycles, second.cycles, strict=True))


def test_the_work_of_a_search_is_capped():
    found = find_cycles(random_map("shPLRNN", 5), 4, enumerated=0, max_candidates=256)
    assert all(count <= 256 for count in found.n_candidates.values())


@pytest.mark.parametrize(("n_symbols", "length"), [(2, 6), (3, 4), (4, 1), (1, 3)])
def test_every_primitive_word_is_enumerated_up_to_rotation(n_symbols, length):
    words = list(lyndon_words(n_symbols, length))
    rotations = {word[i:] + word[:i] for word in words for i in range(length)}
    expected = {
        word
        for word in np.ndindex(*[n_symbols] * length)
        if all(word != word[i:] + word[:i] for i in range(1, length))
    }
    assert rotations == expected
    assert len(words) * length == len(expected)


def test_enumerated_sequences_are_as_many_as_counted():
    system = random_map("ALRNN", 0)
    batches = list(all_sequences(system, 3, 100))
    assert sum(map(len, batches)) == n_sequences(system, 3) == (16**3 - 16) // 3
    assert max(map(len, batches)) == 100


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_order": 0}, "max_order must be >= 1, got 0"),
        ({"max_order": 1, "max_candidates": 0}, "max_candidates must be >= 1, got 0"),
        ({"max_order": 1, "patience": 0}, "patience must be >= 1, got 0"),
    ],
)
def test_wrong_numbers_are_one_sentence(options, text):
    with pytest.raises(ValueError, match=text):
        find_cycles(random_map("PLRNN", 0), **options)
