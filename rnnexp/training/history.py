"""metrics.csv: one row per evaluation and split, written as the training goes."""

import csv
import io
from pathlib import Path

Row = dict[str, float | int | str | None]


class History:
    """Appends rows to a CSV file; the first row fixes the columns.

    Args:
        path: the file; with `resume_step`, an existing file is continued and its rows after that step dropped.
        resume_step: the last step to keep, or None for a new file.
    """

    def __init__(self, path: Path, resume_step: int | None = None) -> None:
        self.path = path
        self._columns: list[str] | None = None
        if resume_step is not None and path.exists():
            self._keep_until(resume_step)

    def append(self, row: Row) -> None:
        """Write one row and flush it; None and missing columns stay empty.

        Raises:
            ValueError: the row has a column that the first row did not have.
        """
        new = self._columns is None
        if new:
            self._columns = list(row)
        unknown = [name for name in row if name not in self._columns]
        if unknown:
            raise ValueError(f"metrics.csv has no column {', '.join(unknown)}")
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            if new:
                writer.writeheader()
            writer.writerow({name: _format(value) for name, value in row.items()})

    def _keep_until(self, step: int) -> None:
        text = self.path.read_text()
        whole = text[: text.rfind("\n") + 1].replace(
            "\0", ""
        )  # after a crash the last row may be half written
        reader = csv.DictReader(io.StringIO(whole))
        rows = [row for row in reader if row["step"] and int(row["step"]) <= step and row["split"] != "test"]
        self._columns = list(reader.fieldnames or []) or None
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns or [])
            writer.writeheader()
            writer.writerows(rows)
        temporary.replace(self.path)


def _format(value: float | int | str | None) -> str | int:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else value
