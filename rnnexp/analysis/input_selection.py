"""What a small input does to the slowest mode at a point: line attractors and selection vectors.

Letters: S state, K inputs, P points.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class SlowMode:
    """The slowest mode of the linearised dynamics at each of some points.

    Attributes:
        eigenvalues: (P,), real parts.
        directions: (P, S), unit vectors along which the state integrates: right eigenvectors, the line attractor.
        selection: (P, S), left eigenvectors l with l . direction = 1: how much of a push ends on the line.
        input_effects: (P, K), l . dF/ds_k, how far along the line one step of a unit input moves the state.
    """

    eigenvalues: np.ndarray
    directions: np.ndarray
    selection: np.ndarray
    input_effects: np.ndarray


def slow_modes(jacobians: np.ndarray, input_jacobians: np.ndarray) -> SlowMode:
    """Return the slowest mode at some points and what the inputs do to it.

    The slowest mode has the real eigenvalue closest to 1; complex pairs count where there is no real one.
    Directions have the sign of their common axis, whose largest entry is positive.

    Args:
        jacobians: (P, S, S) of the step in the state, P >= 1.
        input_jacobians: (P, S, K) of the step in the inputs.

    Raises:
        ValueError: shapes do not agree.

    Source: Mante, Sussillo, Shenoy & Newsome 2013, Nature 503:78, supplement: the selection vector is the left
    eigenvector of the eigenvalue that is almost neutral.
    """
    jacobians = np.asarray(jacobians, dtype=np.float64)
    input_jacobians = np.asarray(input_jacobians, dtype=np.float64)
    n, size = jacobians.shape[:2]
    if n == 0 or jacobians.shape != (n, size, size) or input_jacobians.shape[:2] != (n, size):
        raise ValueError(
            "jacobians must be (P, S, S), P >= 1, and input_jacobians (P, S, K), "
            f"got {jacobians.shape} and {input_jacobians.shape}"
        )
    values, right = np.linalg.eig(jacobians)
    distance = np.abs(values - 1)
    is_real = np.abs(values.imag) <= 1e-9 * np.abs(values).max(axis=1, keepdims=True)
    slowest = np.where(is_real | ~is_real.any(axis=1, keepdims=True), distance, np.inf).argmin(axis=1)
    rows = np.arange(n)
    direction = right[rows, :, slowest]
    turned = direction * np.exp(-1j * np.angle(direction[rows, np.abs(direction).argmax(axis=1)]))[:, None]
    directions = turned.real / np.linalg.norm(turned.real, axis=1, keepdims=True)
    axis = np.linalg.svd(directions, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.abs(axis).argmax()])
    signs = np.sign(directions @ axis)
    directions *= np.where(signs == 0, 1.0, signs)[:, None]
    left_values, left = np.linalg.eig(jacobians.transpose(0, 2, 1))
    same = np.abs(left_values - values[rows, slowest][:, None]).argmin(axis=1)
    selection = left[rows, :, same]
    scale = (selection * directions).sum(axis=1)
    selection = (selection / np.where(scale == 0, np.nan, scale)[:, None]).real
    effects = np.einsum("ps,psk->pk", selection, input_jacobians)
    return SlowMode(values[rows, slowest].real, directions, selection, effects)
