"""Reads .npz files of weights without ever unpickling anything."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnexp.array_files import load_arrays
from rnnexp.errors import UserError


@dataclass(frozen=True)
class NpzFile:
    """The content of a .npz file.

    Attributes:
        path: where it lies.
        arrays: its plain arrays by name.
        pickled: names of the entries that are stored as pickles, which are not read.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    pickled: frozenset[str]


def read_npz(path: str | Path) -> NpzFile:
    """Read the plain arrays of a .npz file.

    Raises:
        UserError: there is no such file, or it is no intact .npz file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    arrays, pickled = {}, set()
    try:
        archive = load_arrays(path)
        if isinstance(archive, np.ndarray):
            raise UserError(f"{path}: holds one array, must be a .npz file of named arrays")
        for name in archive:
            try:
                arrays[name] = archive[name]
            except ValueError as error:
                if "Object arrays" not in str(error):
                    raise
                pickled.add(name)
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as a .npz file") from error
    return NpzFile(path, arrays, frozenset(pickled))
