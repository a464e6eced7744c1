"""metrics.csv: one row per evaluation and split, written as the training goes."""

import csv
import hashlib
import io
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnexp.errors import UserError
from rnnexp.training.records import free_name

log = logging.getLogger(__name__)
Row = dict[str, float | int | str | None]


class History:
    """Appends rows to a CSV file; the first row fixes the columns.

    Args:
        path: the file; with `resume_step`, an existing file is continued and its rows after that step dropped.
        resume_step: the last step to keep, or None for a new file.
        fingerprint: what `fingerprint` gave at that step; a file that does not begin like that is kept as it is
            under another name, with a warning, and what can be read of it is continued.
        added: columns that an existing file may lack.

    Raises:
        UserError: the file cannot be read or written.
    """

    def __init__(
        self,
        path: Path,
        resume_step: int | None = None,
        fingerprint: dict[str, Any] | None = None,
        added: Sequence[str] = (),
    ) -> None:
        self.path = path
        self._added = added
        self._columns: list[str] | None = None
        self._digest = hashlib.sha256()
        self._length = 0
        if resume_step is None:
            return
        if path.exists():
            self._keep_until(resume_step, fingerprint or {})
        elif fingerprint:
            log.warning("%s is missing: the run goes on without the rows until step %d", path, resume_step)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Length in bytes, SHA-256 and columns of what was written so far."""
        columns = self._columns or []
        return {"length": self._length, "sha256": self._digest.hexdigest(), "columns": list(columns)}

    def append(self, row: Row) -> None:
        """Write one row and flush it; None and missing columns stay empty.

        Raises:
            ValueError: the row has a column that the first row did not have.
            UserError: the file cannot be written.
        """
        new = self._columns is None
        if new:
            self._columns = list(row)
        unknown = [name for name in row if name not in self._columns]
        if unknown:
            raise ValueError(f"metrics.csv has no column {', '.join(unknown)}")
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, restval="")
        if new:
            writer.writeheader()
        writer.writerow({name: _format(value) for name, value in row.items()})
        try:
            with self.path.open("ab") as file:
                file.write(self._noted(text.getvalue()))
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _noted(self, text: str) -> bytes:
        """Take what is about to be written into the fingerprint."""
        written = text.encode()
        self._digest.update(written)
        self._length += len(written)
        return written

    def _keep_until(self, step: int, fingerprint: dict[str, Any]) -> None:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from error
        known = content[: fingerprint.get("length", 0)]
        is_damaged = bool(fingerprint) and hashlib.sha256(known).hexdigest() != fingerprint.get("sha256")
        text = content.decode(errors="replace").replace("\r\n", "\n")
        whole = text[: text.rfind("\n") + 1].replace(
            "\0", ""
        )  # after a crash the last row may be half written
        rows, columns = _read(whole, fingerprint.get("columns"))
        kept = [
            row for row in rows if _step(row) is not None and _step(row) <= step and row["split"] != "test"
        ]
        is_damaged = is_damaged or not columns or len(rows) != sum(_step(row) is not None for row in rows)
        if is_damaged:
            aside = free_name(self.path)
            shutil.copy2(self.path, aside)
            log.warning(
                "%s is damaged: kept as %s; the run goes on with the %d rows until step %d that can be read",
                self.path, aside.name, len(kept), step,
            )  # fmt: skip
        self._columns = columns or None
        text = io.StringIO(newline="")
        if columns:
            columns = self._columns = list(dict.fromkeys([*columns, *self._added]))
            writer = csv.DictWriter(text, columns, restval="")
            writer.writeheader()
            writer.writerows(kept)
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        temporary.write_bytes(self._noted(text.getvalue()))
        os.replace(temporary, self.path)


def _read(text: str, expected: list[str] | None) -> tuple[list[dict[str, str]], list[str]]:
    """Return the rows of a table of metrics and its columns, or the expected ones; no columns if it has others."""
    reader = csv.DictReader(io.StringIO(text))
    try:
        columns = list(reader.fieldnames or [])
        if expected and len(columns) == len(expected):
            columns = reader.fieldnames = expected
        rows = list(reader)
    except csv.Error:
        return [], []
    if expected and columns != expected:
        return [], []
    if not {"step", "split"} <= set(columns) or len(set(columns)) != len(columns):
        return [], []
    return rows, columns


def _step(row: dict[str, str]) -> int | None:
    """Return the step of a row, None if the row is damaged."""
    is_whole = None not in row and None not in row.values()
    return int(row["step"]) if is_whole and row["step"].isdecimal() else None


def _format(value: float | int | str | None) -> str | int:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else value
