"""Checks of the arrays that a simulator gets."""

from collections.abc import Sequence

import numpy as np

from rnnexp.errors import UserError

Array = np.ndarray


def per_unit(name: str, value: float | Sequence[float], n_units: int) -> Array:
    """Return one number for each unit, (N,), of one for all or of N; UserError if it is neither."""
    array = np.asarray(value, dtype=np.float64)
    return np.full(n_units, array) if array.ndim == 0 else checked(name, array.reshape(-1), (n_units,))


def checked(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    """Return an array as float64; UserError unless it has the shape and holds finite real numbers."""
    array = np.asarray(array)
    if array.shape != shape:
        raise UserError(f"{name}: must have the shape {shape}, got {array.shape}")
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise UserError(f"{name}: must hold finite real numbers")
    return array.astype(np.float64)


def checked_inputs(x: Array, n_inputs: int) -> Array:
    """Return the inputs of trials (B, T, I), float32 as they are and all else as float64."""
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[2] != n_inputs:
        raise UserError(f"x: must have the shape (trials, time steps, {n_inputs}), got {x.shape}")
    return x if x.dtype == np.float32 else x.astype(np.float64)


def checked_initial(initial: Array, n_trials: int, n_units: int, dtype: np.dtype) -> Array:
    """Return a state for every trial, (B, N), from one for all or from B of them."""
    initial = np.asarray(initial, dtype)
    if initial.shape not in ((n_units,), (1, n_units), (n_trials, n_units)):
        raise UserError(f"initial: must have the shape ({n_trials}, {n_units}), got {initial.shape}")
    return np.broadcast_to(initial, (n_trials, n_units))
