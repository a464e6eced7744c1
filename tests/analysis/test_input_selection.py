"""The slowest mode of linear dynamics that are known."""

import numpy as np
import pytest

from rnnexp.analysis.input_selection import slow_modes


def test_the_line_and_the_selection_vector_of_dynamics_that_are_not_normal():
    rng = np.random.default_rng(0)
    right = rng.standard_normal((5, 5))
    right /= np.linalg.norm(right, axis=0)
    left = np.linalg.inv(right)
    values = np.array([0.999, 0.8, 0.5, 0.1, -0.9])
    inputs = rng.standard_normal((2, 5, 3))
    found = slow_modes(np.stack([(right * values) @ left] * 2), inputs)
    sign = np.sign(right[:, 0][np.abs(right[:, 0]).argmax()])
    np.testing.assert_allclose(found.eigenvalues, 0.999, atol=1e-9)
    np.testing.assert_allclose(found.directions, [sign * right[:, 0]] * 2, atol=1e-9)
    np.testing.assert_allclose(found.selection, [sign * left[0]] * 2, atol=1e-9)
    np.testing.assert_allclose(found.input_effects, sign * left[0] @ inputs, atol=1e-9)
    moved = inputs[0, :, 1]  # a push by the second input, after very many steps
    rest = np.linalg.matrix_power((right * (values / 0.999)) @ left, 500) @ moved
    np.testing.assert_allclose(rest, found.input_effects[0, 1] * found.directions[0], atol=1e-9)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"jacobians must be \(P, S, S\)"):
        slow_modes(np.zeros((0, 2, 2)), np.zeros((0, 2, 1)))
    with pytest.raises(ValueError, match="input_jacobians"):
        slow_modes(np.zeros((1, 2, 2)), np.zeros((1, 3, 1)))
