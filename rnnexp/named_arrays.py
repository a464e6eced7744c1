"""Arrays by name out of .npz, HDF5 and MATLAB files that anybody may have written: no pickles, no foreign files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnexp.array_files import ALWAYS_ALLOWED, MOST_EXPANSION, load_arrays

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
SUFFIXES = (".npz", *HDF5_SUFFIXES, ".mat")
Found = np.ndarray | list[np.ndarray]
"""An array, or the arrays of a MATLAB cell array."""


def named_arrays(path: Path) -> Mapping[str, Found]:
    """Return the arrays of a file by name; those in groups of an HDF5 file are called group/name.

    Args:
        path: an existing file that ends with one of SUFFIXES. MATLAB files of version 7.3 are HDF5 and need h5py too;
            their arrays come with the axes as MATLAB shows them.

    Raises:
        ValueError: it is damaged, holds pickles or Python objects, or unfolds to far more than its size.
        ModuleNotFoundError: h5py is needed and not installed.
    """
    if path.suffix == ".npz":
        loaded = load_arrays(path)
        if isinstance(loaded, np.ndarray):
            raise ValueError("holds a single array without a name; rename it to .npy")
        return loaded
    if path.suffix in HDF5_SUFFIXES:
        return _from_hdf5(path, is_matlab=False)
    with path.open("rb") as file:
        is_hdf5 = b"MATLAB 7.3" in file.read(128)
    return _from_hdf5(path, is_matlab=True) if is_hdf5 else _from_matlab(path)


def _from_matlab(path: Path) -> dict[str, Found]:
    from scipy.io import loadmat  # slow to import

    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises nearly anything for a damaged file
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
    found: dict[str, Found] = {}
    for name, value in content.items():
        if not name.startswith("__") and isinstance(value, np.ndarray):
            is_cell = value.dtype == object and value.dtype.names is None
            found[name] = [np.asarray(cell) for cell in value.ravel()] if is_cell else value
    return found


def _from_hdf5(path: Path, is_matlab: bool) -> dict[str, Found]:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path.suffix} files of HDF5 need the package h5py: pip install 'rnnexp[hdf5]'", name="h5py"
        ) from error
    found: dict[str, Found] = {}
    try:
        with h5py.File(path, "r") as file:

            def take(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset) and not name.startswith("#refs#"):
                    found[name] = _of_dataset(file, item, path.stat().st_size, is_matlab)

            file.visititems(take)  # follows no link to another file
    except ValueError:
        raise
    except Exception as error:  # h5py raises nearly anything for a damaged file
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
    return found


def _of_dataset(file: Any, dataset: Any, size: int, is_matlab: bool) -> Found:
    import h5py

    if dataset.is_virtual or dataset.external:
        raise ValueError(f"the array {dataset.name} lies in another file")
    if dataset.size is not None and dataset.size * dataset.dtype.itemsize > max(
        ALWAYS_ALLOWED, MOST_EXPANSION * size
    ):
        raise ValueError(
            f"the array {dataset.name} would unfold to {dataset.size * dataset.dtype.itemsize / 1e9:.3g} GB"
        )
    if h5py.check_ref_dtype(dataset.dtype) is not None:  # a MATLAB cell array
        return [np.asarray(file[reference]).T for reference in np.asarray(dataset).T.ravel()]
    array = np.asarray(dataset)
    return array.T if is_matlab else array
