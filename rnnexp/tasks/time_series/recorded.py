"""Reconstruct the system behind the user's own time series, read from files."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from rnnexp.numbers import is_number, is_whole, one_of
from rnnexp.tasks.time_series.base import TimeSeries
from rnnexp.tasks.time_series.reading import Table, read_table
from rnnexp.tasks.time_series.recordings import Recording, Recordings, columns_at

log = logging.getLogger(__name__)
Columns = Sequence[int | str] | None
TIME_NAMES = ("t", "time", "times", "timestamp", "timestamps", "sec", "seconds", "ms")


class RecordedSeries(TimeSeries):
    """A time series from files: samples in rows, observed dimensions in columns.

    A file is a .npy or .npz array, (T, N), (T,) or (trials, T, N), or text (.csv, .tsv, .txt) with or without a
    header. Several files are trials of their own, which may differ in length. The parts are cut in time: the first
    rows of all trials, one after the other, are for training, the last ones for the test.

    Args:
        path: a file, or a list of files.
        key: which array of a .npz file; None takes the only one.
        observed: columns to reconstruct, by number or name; None takes all that are nothing else.
        input_columns: columns that are inputs.
        inputs_path: files with the inputs instead, one for each file of `path`, with as many rows.
        inputs_key: which array of a .npz file holds the inputs: of inputs_path, or else of the file itself.
        trial_column: column whose change marks the border between two trials.
        validation: rows of the validation part: a share of all in (0, 1), a number >= 1, or files of its own; the same
            as `path` is all of it, for data that nothing is trained on.
        test: the same for the test part.
        missing: "refuse" data with a missing value (nan, an empty cell), or "mask" them: they are left out of the loss,
            and missing inputs count as 0.
        dt: time between two samples, > 0.
        time_unit: its unit, for axes; None: "steps" where dt is 1, else "time units".
        settings: see `TimeSeries`.

    Raises:
        ValueError: a file cannot be read, or what it holds does not fit.
    """

    def __init__(
        self,
        path: str | Sequence[str],
        key: str | None = None,
        observed: Columns = None,
        input_columns: Columns = None,
        inputs_path: str | Sequence[str] | None = None,
        inputs_key: str | None = None,
        trial_column: int | str | None = None,
        validation: int | float | str | Sequence[str] = 0.1,
        test: int | float | str | Sequence[str] = 0.2,
        missing: Literal["refuse", "mask"] = "refuse",
        dt: float = 1.0,
        time_unit: str | None = None,
        **settings: Any,
    ) -> None:
        if time_unit is None:
            time_unit = "steps" if dt == 1 else "time units"
        one_of("missing", missing, ("refuse", "mask"))
        reader = _Reader(key, observed, input_columns, inputs_key, trial_column, missing)
        pieces = reader.read("path", path, inputs_path)
        shares = {"validation": validation, "test": test}
        parts = {}
        for split, share in shares.items():
            if not is_number(share) and share == path:
                parts[split] = pieces
            elif not is_number(share):
                if inputs_path is not None:
                    raise ValueError(
                        f"inputs_path: belongs to path alone; the {split} files must hold their inputs themselves, in "
                        "input_columns or under inputs_key"
                    )
                parts[split] = reader.read(split, share, None)
        counts = _counts({s: share for s, share in shares.items() if s not in parts}, pieces)
        cut = dict(zip(counts, cut_in_time(pieces, list(counts.values())), strict=True))
        super().__init__(
            Recordings(
                **cut, **parts, labels=reader.labels, input_labels=reader.input_labels, time_unit=time_unit
            ),
            dt=dt,
            **settings,
        )


@dataclass
class _Reader:
    """Turns files into recordings of the same columns.

    Args:
        key, observed, input_columns, inputs_key, trial_column, missing: see `RecordedSeries`.

    Attributes:
        first: the file read first, which the others must resemble.
        labels, input_labels: names of the columns.
    """

    key: str | None
    observed: Columns
    input_columns: Columns
    inputs_key: str | None
    trial_column: int | str | None
    missing: str
    first: Table | None = None
    labels: tuple[str, ...] = ()
    input_labels: tuple[str, ...] = ()

    def read(
        self, name: str, paths: str | Sequence[str], inputs: str | Sequence[str] | None
    ) -> list[Recording]:
        """Return the recordings of the files that the argument `name` lists, and of those with their inputs."""
        files = _file_list(name, paths)
        beside = [None] * len(files) if inputs is None else _file_list("inputs_path", inputs)
        if len(beside) != len(files):
            raise ValueError(
                f"inputs_path: {len(beside)} files for {len(files)} of {name}: must be one for each"
            )
        if inputs is None and self.inputs_key is not None and self.key is None:
            raise ValueError(
                "key: must name the array with the series, beside inputs_key for that with the inputs"
            )
        return [piece for pair in zip(files, beside, strict=True) for piece in self._read_file(*pair)]

    def _read_file(self, path: str, inputs_path: str | None) -> list[Recording]:
        table = read_table(path, self.key, self.trial_column)
        if self.first is None:
            self.first = table
        self._check_alike(table)
        trial, observed, own_inputs = self._columns(table)
        beside = self._inputs_table(table, inputs_path)
        inputs, numbers = (table, own_inputs) if beside is None else (beside, list(range(len(beside.labels))))
        self._check_values(table, trial, "refuse")
        for checked, columns in ((table, observed), (inputs, numbers)):
            self._check_values(checked, columns, self.missing)
        borders = _borders(table, trial)
        if self.observed is None:
            _refuse_times(table, observed, borders)
        self.labels = tuple(table.labels[number] for number in observed)
        self.input_labels = tuple(inputs.labels[number] for number in numbers)
        whole = Recording(
            np.ascontiguousarray(table.values[:, observed]),
            np.nan_to_num(inputs.values[:, numbers], nan=0.0),
        )
        return _pieces(whole, borders)

    def _columns(self, table: Table) -> tuple[list[int], list[int], list[int]]:
        """Return the numbers of the trial column, of those observed and of the inputs among the columns."""
        trial = [] if self.trial_column is None else [self.trial_column]
        trial = columns_at(trial, table.labels, "trial_column")
        inputs = columns_at(list(self.input_columns or ()), table.labels, "input_columns")
        taken = {*trial, *inputs}
        if self.observed is None:
            observed = [number for number in range(len(table.labels)) if number not in taken]
        else:
            observed = columns_at(list(self.observed), table.labels, "observed")
        for number in taken.intersection(observed):
            raise ValueError(f"observed: column {table.labels[number]} is an input or the trial column")
        if not observed:
            raise ValueError(f"observed: {table.origin} has no column left to reconstruct")
        return trial, observed, inputs

    def _inputs_table(self, table: Table, inputs_path: str | None) -> Table | None:
        """Return the array with the inputs of a file, None where they are columns of it or there are none."""
        if inputs_path is None and self.inputs_key is None:
            return None
        if self.input_columns is not None:
            raise ValueError("input_columns: the inputs come from inputs_path or inputs_key already")
        if inputs_path is None and self.key is None:
            raise ValueError(
                "key: must name the array with the series, beside inputs_key for that with the inputs"
            )
        inputs = read_table(inputs_path or table.origin, self.inputs_key, may_have_no_column=True)
        if inputs.lengths != table.lengths:
            raise ValueError(
                f"{inputs.origin}: has {len(inputs.values)} rows of inputs in {len(inputs.lengths)} trials; must be "
                f"{len(table.values)} in {len(table.lengths)}, as the series in {table.origin}"
            )
        return inputs

    def _check_alike(self, table: Table) -> None:
        if table.labels != self.first.labels:
            raise ValueError(
                f"{table.origin}: has the columns {', '.join(table.labels)}; must have those of {self.first.origin}, "
                f"{', '.join(self.first.labels)}"
            )

    def _check_values(self, table: Table, numbers: list[int], missing: str) -> None:
        """Refuse the first value that is not finite, or the first infinite one where missing values are masked."""
        values = table.values[:, numbers]
        bad = np.isinf(values) if missing == "mask" else ~np.isfinite(values)
        if not bad.any():
            return
        row, column = (int(place) for place in np.argwhere(bad)[0])
        value, label = values[row, column], table.labels[numbers[column]]
        trial, length = "", table.lengths[0]
        if len(table.lengths) > 1:
            trial, row = f"trial {row // length}, ", row % length
        hint = "; task.missing=mask leaves missing values out of the loss" if np.isnan(value) else ""
        raise ValueError(
            f"{table.origin}: {value} in {trial}row {row}, column {label} (counted from 0): must be a finite number"
            f"{hint}"
        )


def cut_in_time(pieces: list[Recording], counts: list[int]) -> list[list[Recording]]:
    """Cut recordings, one after the other, into parts of so many rows.

    Args:
        counts: rows of each part, as many as there are in all.

    Returns:
        The recordings of each part; one that lies across a border is cut there.
    """
    ends = np.cumsum(counts)
    parts: list[list[Recording]] = [[] for _ in counts]
    first = 0
    for piece in pieces:
        for part, (begin, end) in zip(parts, zip((0, *ends[:-1]), ends, strict=True), strict=True):
            low, high = max(begin - first, 0), min(end - first, len(piece))
            if low < high:
                part.append(piece[low:high])
        first += len(piece)
    return parts


def _counts(shares: dict[str, int | float], pieces: list[Recording]) -> dict[str, int]:
    """Return the rows of the training part and of those that are cut from the same files, in this order."""
    n_rows = sum(map(len, pieces))
    counts = {}
    for split, share in shares.items():
        is_count = is_whole(share, 1)
        if not is_count and not 0 < share < 1:
            raise ValueError(
                f"{split} must be a share in (0, 1), a whole number of rows >= 1 or a file of its own, got {share!r}"
            )
        counts[split] = share if is_count else round(share * n_rows)
    left = n_rows - sum(counts.values())
    if left < 1:
        taken = " and ".join(f"{count} {split}" for split, count in counts.items())
        raise ValueError(f"{taken} rows leave nothing of {n_rows} rows to train on")
    return {"training": left, **counts}


def _file_list(name: str, paths: Any) -> list[str]:
    files = [paths] if isinstance(paths, str) else paths
    if not isinstance(files, Sequence) or not files or not all(isinstance(f, str) and f for f in files):
        raise ValueError(f"{name} must be a file or a list of files, got {paths!r}")
    return list(files)


def _borders(table: Table, trial: list[int]) -> np.ndarray:
    """Return the rows with which trials begin, but the first."""
    borders = np.cumsum(table.lengths)[:-1]
    if trial:
        numbers = table.values[:, trial[0]]
        borders = np.union1d(borders, 1 + np.flatnonzero(numbers[1:] != numbers[:-1]))
    return borders


def _pieces(whole: Recording, borders: np.ndarray) -> list[Recording]:
    ends = [0, *borders.tolist(), len(whole)]
    return [whole[begin:end] for begin, end in pairwise(ends)]


def _refuse_times(table: Table, observed: list[int], borders: np.ndarray) -> None:
    """Refuse columns that nobody asked for and that are a time or a row number, by their name or their values.

    Raises:
        ValueError: with the columns to choose instead.
    """
    for number in observed:
        label = table.labels[number]
        within = np.delete(np.diff(table.values[:, number]), borders - 1)
        is_even = len(within) > 1 and within[0] > 0 and np.ptp(within) <= 1e-3 * within[0]
        if not is_even and not _is_time(label):
            continue
        others = [other for other in observed if other != number]
        rest = f"[{','.join(table.labels[other] for other in others)}]"
        why = (
            f"rises evenly, by {within[0]:g} a row, as a time or a row number does"
            if is_even
            else "is called a time"
        )
        dt = f" and its step by task.dt={within[0]:.6g}" if is_even and _is_time(label) else ""
        raise ValueError(
            f"{table.origin}: column {label} {why}, and is not to be reconstructed; choose the others by "
            f"task.observed={rest}{dt}"
            if others
            else f"{table.origin}: column {label} {why}, and there is no other column to reconstruct"
        )


def _is_time(label: str) -> bool:
    """Whether a column is called a time, its unit in brackets left out."""
    return re.split(r"[(\[]", label)[0].strip().lower() in TIME_NAMES
