"""Reads tables of numbers from .npy, .npz, HDF5, MATLAB and text files; all that can be wrong is one sentence.

Letters: R rows, which are samples, C columns.
"""

import logging
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnexp.array_files import load_arrays
from rnnexp.named_arrays import SUFFIXES, named_arrays

if TYPE_CHECKING:
    import pandas

log = logging.getLogger(__name__)

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, eq=False)
class Table:
    """A file as numbers.

    Args:
        origin: the file, for messages.
        values: (R, C) float64, nan where missing.
        labels: C names; the numbers "0", "1", .. where the file has none.
        lengths: rows of each trial, in their order; one entry for a file of one trial.
    """

    origin: str
    values: np.ndarray
    labels: tuple[str, ...]
    lengths: tuple[int, ...]


def read_table(
    path: str, key: str | None = None, text_column: int | str | None = None, may_have_no_column: bool = False
) -> Table:
    """Read a file of samples in rows: an array (R,), (R, C) or (trials, R, C), or text with or without a header.

    Args:
        path: a .npy, .npz, .h5, .hdf5, .mat, .csv, .tsv or .txt file.
        key: which array of a file that holds several by name; None takes the only one. One that is a MATLAB cell array
            holds trials.
        text_column: number or name of a column of a text file that may hold words; they become numbers.
        may_have_no_column: an array (R, 0), which holds no inputs, is read too.

    Raises:
        ValueError: the file is missing, empty, of another kind, or holds something that is not a number.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        where = "" if file.is_absolute() else f" in {Path.cwd()}"
        raise ValueError(f"{path}: no such file{where}")
    if file.stat().st_size == 0:
        raise ValueError(f"{path}: is empty")
    if key is not None and file.suffix not in SUFFIXES:
        raise ValueError(
            f"{path}: only a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file has names for its arrays; "
            f"leave out the key {key}"
        )
    if file.suffix in TEXT_SUFFIXES:
        table = _read_text(path, file, text_column)
    elif file.suffix in (".npy", *SUFFIXES):
        found = _read_array(path, file, key)
        table = _of_cells(path, found) if isinstance(found, list) else _as_table(path, found)
    else:
        kinds = ", ".join((".npy", *SUFFIXES, *TEXT_SUFFIXES[:-1]))
        raise ValueError(f"{path}: must be a {kinds} or {TEXT_SUFFIXES[-1]} file")
    if not len(table.values):
        raise ValueError(f"{path}: holds no samples")
    if not table.labels and not may_have_no_column:
        raise ValueError(
            f"{path}: has no column, {len(table.values)} rows of nothing; must have at least one"
        )
    if table.values.shape[1] > max(table.lengths):
        log.warning(
            "%s: has %d rows and %d columns: rows are the samples in time; transpose it if columns are",
            path, max(table.lengths), table.values.shape[1],
        )  # fmt: skip
    return table


def _read_array(path: str, file: Path, key: str | None) -> np.ndarray | list[np.ndarray]:
    try:
        is_numpy = file.suffix in (".npy", ".npz")
        loaded = load_arrays(file) if is_numpy else named_arrays(file)
        if isinstance(loaded, np.ndarray):
            return loaded
        names = list(loaded)
        wanted = names[0] if key is None and len(names) == 1 else key
        if wanted not in names:
            asked = "several arrays" if key is None else f"no array {key}"
            raise _WrongKeyError(
                f"{path}: holds {asked}; choose one by its key: {', '.join(names) or 'there is none'}"
            )
        return loaded[wanted]
    except _WrongKeyError:
        raise
    except ModuleNotFoundError as error:
        raise ValueError(f"{path}: {error}") from error
    except ValueError as error:
        if "Object arrays" in str(error):
            raise ValueError(
                f"{path}: holds Python objects (pickled), which are not loaded; save plain numbers"
            ) from error
        why = "" if is_numpy else f": {error}"
        raise ValueError(f"{path}: cannot be read as a {file.suffix} file{why}") from error


class _WrongKeyError(ValueError):
    """A file has no array of that name."""


def _of_cells(path: str, cells: list[np.ndarray]) -> Table:
    """Return the trials of a MATLAB cell array, which may differ in length."""
    tables = [_as_table(path, cell) for cell in cells]
    widths = {table.values.shape[1] for table in tables}
    if len(widths) != 1 or any(len(table.lengths) != 1 for table in tables):
        raise ValueError(
            f"{path}: the cells must be trials (samples, columns) with the same number of columns"
        )
    whole = np.concatenate([table.values for table in tables])
    return Table(path, whole, tables[0].labels, tuple(len(table.values) for table in tables))


def _as_table(path: str, array: np.ndarray) -> Table:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: must hold real numbers, got dtype {array.dtype}")
    if array.ndim not in (1, 2, 3):
        raise ValueError(
            f"{path}: must be (samples,), (samples, columns) or (trials, samples, columns), got the shape {array.shape}"
        )
    array = array.astype(np.float64)
    array = array[:, None] if array.ndim == 1 else array
    lengths = (len(array),) if array.ndim == 2 else (array.shape[1],) * len(array)
    n_rows = math.prod(array.shape[:-1])  # reshape(-1, 0) cannot tell
    values = np.ascontiguousarray(array.reshape(n_rows, array.shape[-1]))
    return Table(path, values, tuple(map(str, range(values.shape[1]))), lengths or (0,))


def _read_text(path: str, file: Path, text_column: int | str | None) -> Table:
    import pandas  # slow to import, and only text needs it

    delimiter, has_header, first = _layout(path, file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # of lines longer than the header
            frame = pandas.read_csv(
                file,
                sep=delimiter or r"\s+",
                header=0 if has_header else None,
                comment="#",
                skipinitialspace=True,
                encoding="utf-8-sig",
                index_col=False,
            )
    except pandas.errors.ParserWarning as error:
        raise ValueError(f"{path}: its lines hold more cells than its header, {first}") from error
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be read as a table, {reason}") from error
    labels = tuple(_printable(str(label)) for label in frame.columns)
    numbers = [
        _column_numbers(path, label, column, text_column in (label, number))
        for number, (label, (_, column)) in enumerate(zip(labels, frame.items(), strict=True))
    ]
    values = np.ascontiguousarray(np.stack(numbers, axis=1))
    return Table(path, values, labels, (len(values),))


def _printable(label: str) -> str:
    """Return the name of a column on one line, what cannot be printed left out."""
    return "".join(letter for letter in " ".join(label.split()) if letter.isprintable())


def _layout(path: str, file: Path) -> tuple[str | None, bool, str]:
    """Return the delimiter of a text file, None for white space, whether its first line is a header, and that line."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not a text file") from error
    delimiter = max(DELIMITERS, key=first.count)
    delimiter = delimiter if delimiter in first else None
    cells = [cell.strip() for cell in (first.split(delimiter) if delimiter else first.split())]
    counts_up = len(cells) > 1 and cells == [str(number) for number in range(len(cells))]
    if counts_up:
        log.warning("%s: the first line, %s, is taken for the names of the columns", path, first.strip())
    return delimiter, counts_up or any(not _is_number_or_gap(cell) for cell in cells), first.strip()


def _is_number_or_gap(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return cell in ("NA", "N/A", "null", "NULL")
    return True


def _column_numbers(path: str, label: str, column: "pandas.Series", may_be_text: bool) -> np.ndarray:
    """Return a column as float64; the words of a column that may hold words are numbered as they come."""
    import pandas

    numbers = pandas.to_numeric(column, errors="coerce")
    wrong = (column.notna() & numbers.isna()).to_numpy()
    if not wrong.any():
        return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    if may_be_text:
        numbered = pandas.factorize(column)[0].astype(np.float64)
        return np.where(numbered < 0, np.nan, numbered)
    row = int(np.flatnonzero(wrong)[0])
    raise ValueError(
        f"{path}: {column.iloc[row]!r} in row {row}, column {label} (counted from 0): must be a number"
    )
