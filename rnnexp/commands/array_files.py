"""Arrays in files that a command reads or writes."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnnexp.array_files import Archive, load_arrays
from rnnexp.errors import UserError


def check_out(name: str, overwrite: bool) -> Path:
    """Return the path of the .npz file to write; folders that are missing are made when it is written.

    Raises:
        UserError: it cannot be written, or is there already and shall stay.
    """
    out = Path(name)
    if out.suffix != ".npz":
        raise UserError(f"out: {out}: must be a file name that ends with .npz")
    folder = next(path for path in out.absolute().parents if path.exists())
    if not folder.is_dir():
        raise UserError(f"out: {out}: {folder} is a file, must be a folder")
    if not os.access(folder, os.W_OK):
        raise UserError(f"out: {out}: the folder {folder} cannot be written")
    if out.is_dir():
        raise UserError(f"out: {out}: is a folder, must be the name of a file")
    if out.exists() and not overwrite:
        raise UserError(f"out: {out}: exists already; choose another name or set overwrite=true")
    return out


def write_npz(out: Path, arrays: Mapping[str, np.ndarray | float]) -> None:
    """Write a .npz file; one of that name is replaced only once the new one is complete.

    Raises:
        UserError: the disk is full.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}.npz")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        np.savez(temporary, **arrays)
        os.replace(temporary, out)
    except OSError as error:
        raise UserError(f"out: {out}: cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_array(key: str, name: str) -> np.ndarray:
    """Read an array of finite numbers, as float64.

    Args:
        key: what error messages begin with, and the name of the array in a .npz file with several.
        name: a .npy or .npz file.

    Raises:
        UserError: it cannot be read.
    """
    path = Path(name)
    if not path.is_file():
        raise UserError(f"{key}: {name}: no such file")
    try:
        loaded = load_arrays(path)
    except ValueError as error:
        raise UserError(f"{key}: {name}: cannot be read as a .npy or .npz file of numbers") from error
    array = loaded if isinstance(loaded, np.ndarray) else _pick(key, name, loaded)
    if array.dtype.kind not in "fiub":
        raise UserError(f"{key}: {name}: must hold real numbers, got dtype {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise UserError(f"{key}: {name}: must be finite, got {array[first]} at index {first}")
    return array


def _pick(key: str, name: str, archive: Archive) -> np.ndarray:
    names = list(archive)
    wanted = key if key in names else names[0] if len(names) == 1 else None
    if wanted is None:
        raise UserError(
            f"{key}: {name}: holds {', '.join(names) or 'no array'}; must hold an array called {key}, or one array only"
        )
    try:
        return archive[wanted]
    except ValueError as error:
        raise UserError(f"{key}: {name}: the array {wanted} cannot be read as numbers") from error
