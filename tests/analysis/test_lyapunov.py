"""Lyapunov exponents against published and known ones."""

import math
from pathlib import Path

import numpy as np
import pytest

from rnnexp.analysis.lyapunov import (
    kaplan_yorke_dimension,
    lyapunov_spectrum,
    lyapunov_spectrum_along,
    maximal_exponent,
)
from rnnexp.analysis.piecewise_linear import PiecewiseLinearMap, piecewise_linear_map

VECTORS = Path(__file__).parents[1] / "vectors" / "dsr"
TENT = PiecewiseLinearMap(
    np.array([1.9]), np.array([[-3.8]]), np.zeros(1), np.eye(1), np.array([-0.5])
)  # slopes 1.9 and -1.9


@pytest.fixture(scope="module")
def trained():
    """The published AL-RNN of the Lorenz-63 system, and the states of its run after 5000 steps."""
    with np.load(VECTORS / "alrnn_lorenz_m20_p2.npz") as arrays:
        arrays = dict(arrays)
    system = piecewise_linear_map("ALRNN", arrays, num_relus=int(arrays["num_relus"]))
    return system, arrays, system.orbit(arrays["z0"], 34_999)[4999:]


def test_the_spectrum_of_the_published_network(trained):
    """The orbit is chaotic: where sums are taken in another order it is another one, so the tolerances are 4 sd."""
    system, arrays, states = trained
    spectrum = lyapunov_spectrum_along(system.jacobian_at, states)
    expected = arrays["lyapunov_spectrum_per_step"]
    assert spectrum[0] == pytest.approx(expected[0], abs=3e-3)
    assert spectrum[:15] == pytest.approx(expected[:15], abs=1e-2)
    assert spectrum == pytest.approx(expected, abs=0.15)


def test_the_spectrum_is_that_of_plain_qr_iterations(trained):
    system, _, states = trained
    sums, frame = np.zeros(20), np.eye(20)
    for jacobian in system.jacobian_at(states[:600]):
        frame, upper = np.linalg.qr(jacobian @ frame)
        sums += np.log(np.abs(np.diag(upper)))
    expected = np.sort(sums / 600)[::-1]
    assert lyapunov_spectrum_along(system.jacobian_at, states[:600]) == pytest.approx(expected, abs=1e-9)


def test_rare_decompositions_give_the_leading_exponents(trained):
    system, _, states = trained
    every = lyapunov_spectrum_along(system.jacobian_at, states[:5000])
    rarely = lyapunov_spectrum_along(system.jacobian_at, states[:5000], interval=7)
    assert rarely[:15] == pytest.approx(every[:15], abs=1e-9)


def test_the_sum_of_the_spectrum_is_the_mean_log_of_the_volume(trained):
    system, _, states = trained
    determinants = np.linalg.slogdet(system.jacobian_at(states[:3000]))[1]
    spectrum = lyapunov_spectrum_along(system.jacobian_at, states[:3000])
    assert spectrum.sum() == pytest.approx(determinants.mean(), abs=1e-9)


def test_the_maximal_exponent_is_the_first_of_the_spectrum(trained):
    system, _, states = trained
    first = lyapunov_spectrum_along(system.jacobian_at, states, n_exponents=1)[0]
    assert maximal_exponent(system.jacobian_at, states) == pytest.approx(first, abs=5e-4)
    assert maximal_exponent(TENT.jacobian_at, TENT.orbit(np.array([0.3]), 1000)) == pytest.approx(
        math.log(1.9)
    )


def test_a_linear_map_has_the_logarithms_of_its_moduli():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(4, 4)) / 3
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(matrix))))[::-1]
    spectrum = lyapunov_spectrum(
        lambda z: matrix @ z,
        lambda z: np.broadcast_to(matrix, (len(z), 4, 4)),
        rng.normal(size=4),
        20_000,
        10,
    )
    assert spectrum == pytest.approx(expected, abs=1e-3)


def test_the_transient_is_left_out():
    kinked = PiecewiseLinearMap(
        np.array([0.5]), np.array([[0.4]]), np.array([-1.0])
    )  # slope 0.9 above 0, else 0.5
    spectrum = lyapunov_spectrum(kinked.step, kinked.jacobian_at, np.array([9.0]), 100, n_transient=50)
    assert spectrum == pytest.approx([math.log(0.5)])
    assert lyapunov_spectrum(kinked.step, kinked.jacobian_at, np.array([9.0]), 3, 0) == pytest.approx(
        [math.log(0.9)]
    )


def test_a_direction_that_is_lost_has_exponent_minus_infinity():
    matrix = np.array([[0.5, 0.0], [0.5, 0.0]])
    states = np.ones((50, 2))
    spectrum = lyapunov_spectrum_along(lambda z: np.broadcast_to(matrix, (len(z), 2, 2)), states)
    assert spectrum[0] == pytest.approx(math.log(0.5), abs=0.02)
    assert spectrum[1] < -0.7
    nothing = maximal_exponent(lambda z: np.zeros((len(z), 2, 2)), states)
    assert nothing == -math.inf


def test_a_part_of_the_spectrum_holds_the_largest_exponents():
    matrix = np.diag([0.3, 0.9])
    spectrum = lyapunov_spectrum_along(
        lambda z: np.broadcast_to(matrix, (len(z), 2, 2)), np.ones((3000, 2)), n_exponents=1
    )
    assert spectrum == pytest.approx([math.log(0.9)], abs=1e-3)


def test_a_diverging_orbit_has_no_exponents():
    states = np.array([[1.0, 2.0], [np.inf, 3.0]])
    assert np.isnan(lyapunov_spectrum_along(lambda z: np.ones((len(z), 2, 2)), states)).all()
    assert math.isnan(maximal_exponent(lambda z: np.ones((len(z), 2, 2)), states))


@pytest.mark.parametrize(
    ("spectrum", "dimension"),
    [
        ([0.906, 0.0, -14.572], 2 + 0.906 / 14.572),
        ([-1.0, -2.0], 0.0),
        ([0.0, -1.0], 1.0),
        ([-0.5, 1.0], 2.0),
        ([math.nan, 1.0], math.nan),
        ([1.0, -math.inf], 1.0),
    ],
)
def test_kaplan_yorke_dimension(spectrum, dimension):
    assert kaplan_yorke_dimension(np.array(spectrum)) == pytest.approx(dimension, nan_ok=True)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: lyapunov_spectrum(TENT.step, TENT.jacobian_at, np.ones(1), 0), "n_steps must be a whole number"),
        (lambda: lyapunov_spectrum(TENT.step, TENT.jacobian_at, np.ones(1), 5, -1), "n_transient must be a whole"),
        (lambda: lyapunov_spectrum_along(TENT.jacobian_at, np.ones((3, 1)), 0), "interval must be a whole number"),
        (lambda: lyapunov_spectrum_along(TENT.jacobian_at, np.ones((3, 1)), 1, 2), "n_exponents must be from 1 to 1"),
        (lambda: lyapunov_spectrum_along(TENT.jacobian_at, np.ones(3)), r"states must be \(T, M\) with T >= 1"),
        (lambda: maximal_exponent(TENT.jacobian_at, np.ones((1, 1))), r"states must be \(T, M\) with T >= 2"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()
