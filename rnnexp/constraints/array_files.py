"""Arrays that the user gives: in .npy and .npz files, as lists, or as one number."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rnnexp.array_files import load_arrays

Table = str | Sequence[Sequence[float]]


def read_array(name: str, given: object, shape: Sequence[int]) -> Tensor:
    """Return an array that a file, nested lists or one number describe.

    Args:
        name: what it is, for the error texts and as the name inside a .npz file.
        given: a path (.npy, or .npz with an array of that name or one only), lists, or a number for all entries.
        shape: that it must have.

    Raises:
        ValueError: it cannot be read, has another shape, or holds something that is not a finite number.
    """
    array = _load(name, Path(given)) if isinstance(given, str) else given
    try:
        array = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be rows of numbers of equal length") from error
    if array.ndim == 0:
        array = np.full(tuple(shape), array)
    if array.shape != tuple(shape):
        hint = (
            "; weights and masks are (post, pre), it looks transposed"
            if array.T.shape == tuple(shape)
            else ""
        )
        raise ValueError(f"{name} must have the shape {tuple(shape)}, got {array.shape}{hint}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers")
    return torch.from_numpy(np.ascontiguousarray(array))


def _load(name: str, path: Path) -> np.ndarray:
    if not path.is_file():
        raise ValueError(f"{name}: {path}: no such file")
    try:
        loaded = load_arrays(path)
        arrays = {name: loaded} if isinstance(loaded, np.ndarray) else loaded
        wanted = name if name in arrays else next(iter(arrays)) if len(arrays) == 1 else None
        array = None if wanted is None else arrays[wanted]
    except ValueError as error:
        raise ValueError(f"{name}: {path}: cannot be read as a .npy or .npz file of numbers") from error
    if array is None:
        raise ValueError(f"{name}: {path}: holds no array called {name}, but {', '.join(arrays) or 'none'}")
    return array
