"""Reads .npy and .npz files that anybody may have written: no pickles, and no more memory than the file deserves.

Imports numpy and the standard library only, since the simulator uses it.
"""

import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

MOST_EXPANSION = 200  # how many times its size an archive may unfold ..
ALWAYS_ALLOWED = 2**30  # .. where that is more than this many bytes; masks of zeros shrink a thousandfold


class Archive(Mapping[str, np.ndarray]):
    """The arrays of a .npz file by name, each read when it is asked for; a wrong one is a ValueError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with zipfile.ZipFile(path) as archive:
            self._entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        for name in self._entries:
            if not name.isprintable():
                raise ValueError(f"it holds an array whose name cannot be printed, {name!r}")
        unfolded = sum(entry.file_size for entry in self._entries.values())
        if unfolded > max(ALWAYS_ALLOWED, MOST_EXPANSION * path.stat().st_size):
            raise ValueError(f"it would unfold to {unfolded / 1e9:.3g} GB")

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._entries[name]
        try:
            with zipfile.ZipFile(self._path) as archive:
                with archive.open(entry) as file:
                    _check_header(file, entry.file_size)
                with archive.open(entry) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                    file.read()  # to the end, where the checksum is compared
                    return array
        except Exception as error:  # zipfile, zlib and numpy raise nearly anything for a damaged file
            raise ValueError(f"the array {name} cannot be read: {error or type(error).__name__}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def load_arrays(path: Path) -> np.ndarray | Archive:
    """Return the array of a .npy file, or the arrays of a .npz file.

    Raises:
        ValueError: it is neither, is damaged, claims more numbers than it holds, unfolds to far more than its size, or
            holds pickles ("Object arrays" stands in the message then).
    """
    try:
        if zipfile.is_zipfile(path):
            return Archive(path)
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size)
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # as above
        raise ValueError(str(error) or type(error).__name__) from error


def _check_header(file: IO[bytes], size: int) -> None:
    """Refuse an array whose header claims more than its file, of size bytes, can hold.

    Raises:
        ValueError: it does, or it is no header of numbers.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the format is for arrays with named columns")
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded")
    if math.prod(shape) * dtype.itemsize > size or any(length < 0 for length in shape):
        raise ValueError(f"its header claims the shape {shape}, which is more than the file holds")
