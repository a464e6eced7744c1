"""Tables of runs: one row per run directory, and one per group of runs that differ by their seed only."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnexp.config.option_names import OF_ANCESTOR, option_name
from rnnexp.config.plain_data import read_yaml
from rnnexp.errors import UserError
from rnnexp.training.records import file_checksum, read_record

if TYPE_CHECKING:
    import pandas as pd

    from rnnexp.saved.collecting import Collection

FIRST_COLUMNS = ("job", "task", "latent_step", "seed", "status", "error", "run_seconds")
GROUP_CHOICES = ("task", "latent_step")
METRICS = (
    "test_accuracy", "validation_accuracy", "test_d_stsp", "validation_d_stsp", "test_loss", "best_validation_loss",
    "lyapunov",
)  # fmt: skip


def find_runs(directory: Path) -> list[Path]:
    """Return the run directories at and below a directory, in numerical order.

    A directory with a run.json is one, and so is one where a job was composed but left no run.json.

    Raises:
        UserError: there is no such directory, or no run in it.
    """
    if not directory.is_dir():
        problem = "is a file, must be a directory" if directory.exists() else "no such directory"
        raise UserError(f"{directory}: {problem}")
    found = {path.parent for path in directory.rglob("run.json")}
    found |= {path.parent.parent for path in directory.rglob(".hydra/overrides.yaml")}
    if not found:
        raise UserError(f"{directory}: holds no run; name a run, a sweep or a directory above them")
    return sorted(
        found, key=lambda path: [_numeric_first(part) for part in path.relative_to(directory).parts]
    )


def run_table(directory: Path) -> "pd.DataFrame":
    """Return a row per run: where and what it was, how it ended, its overrides and its summary.

    Columns: job (its place below the directory), task, latent_step, seed, status, error, run_seconds, one per override
    under Hydra's key, one per entry of summary.json, path. A run that left no run.json is "missing", one that cannot
    be read "unreadable", with the reason under error. `attrs` holds the names of the override and summary columns.
    """
    import pandas as pd

    runs = [_Run(path, directory) for path in find_runs(directory)]
    rows = [run.row() for run in runs]
    names = dict.fromkeys(name for row in rows for name in row)
    ordered = [name for name in FIRST_COLUMNS if name in names]
    ordered += [name for name in names if name not in FIRST_COLUMNS and name != "path"]
    table = pd.DataFrame(rows, columns=[*ordered, "path"])
    table.attrs["overrides"] = list(dict.fromkeys(key for run in runs for key in run.overrides))
    table.attrs["summary"] = list(dict.fromkeys(key for run in runs for key in run.summary))
    for name in ordered:
        numbers = pd.to_numeric(table[name], errors="coerce")
        if numbers.notna().sum() == table[name].notna().sum() > 0:
            is_whole = name in ("job", "seed") or all(
                isinstance(row.get(name, 0), int | None) for row in rows
            )
            table[name] = numbers.convert_dtypes() if is_whole else numbers
    return table


def group_columns(table: "pd.DataFrame", overrides: Iterable[str]) -> list[str]:
    """Return the columns by which runs differ, their seeds apart: task, latent step and overrides."""
    candidates = dict.fromkeys([*GROUP_CHOICES, *overrides])
    return [
        name
        for name in candidates
        if name in table.columns and not is_seed(name) and table[name].nunique(dropna=False) > 1
    ]


def is_seed(name: str) -> bool:
    """Whether a column holds seeds: that of the run, or that of a part such as lesion.seed."""
    return name.rpartition(".")[2] == "seed"


def varied_number(table: "pd.DataFrame", groups: list[str], metric: str) -> str | None:
    """Return the column of numbers with the most different values, of those that tell the groups apart, or None.

    Only runs that have the metric count.
    """
    import pandas as pd

    known = table[table[metric].notna()]
    numbers = [
        name for name in groups if pd.api.types.is_numeric_dtype(table[name]) and known[name].nunique() > 1
    ]
    return max(numbers, key=lambda name: known[name].nunique(), default=None)


def group_table(table: "pd.DataFrame", groups: list[str], summary: list[str]) -> "pd.DataFrame":
    """Return a row per group: n finished runs, n_failed others, and mean, sd (ddof 1), median of every number.

    Args:
        table: a row per run.
        groups: columns that tell the groups apart; empty for one group of all runs.
        summary: columns with numbers.
    """
    import pandas as pd

    numeric = [name for name in summary if pd.api.types.is_numeric_dtype(table[name])]
    keyed = table if groups else table.copy().assign(group="all runs")
    rows = []
    for key, runs in keyed.groupby(groups or ["group"], sort=False, dropna=False):
        finished = runs[runs["status"] == "finished"]
        row = dict(zip(groups or ["group"], key if isinstance(key, tuple) else (key,), strict=True))
        row |= {"n": len(finished), "n_failed": int((~runs["status"].isin(["finished", "running"])).sum())}
        for name in numeric:
            values = finished[name]
            row |= {
                f"{name}_mean": values.mean(),
                f"{name}_sd": values.std(),
                f"{name}_median": values.median(),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def main_metric(table: "pd.DataFrame", wanted: str | None) -> str | None:
    """Return the column to compare runs by: the wanted one, else the first of `METRICS` that there is.

    Raises:
        UserError: the wanted one is no column of numbers.
    """
    import pandas as pd

    numbers = [name for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]
    if wanted is None:
        return next((name for name in METRICS if name in numbers), None)
    if wanted not in numbers:
        raise UserError(f"--metric {wanted}: must be one of {', '.join(numbers)}")
    return wanted


def table_text(collection: "Collection", most: int | None = None) -> str:
    """Return the groups as a table for the terminal: n and the metric.

    Args:
        collection: what was gathered.
        most: rows; the last line says how many more there are.
    """
    columns = [*(collection.keys or ["group"]), "n", "n_failed"]
    if collection.metric is not None:
        columns += [f"{collection.metric}_{name}" for name in ("mean", "sd", "median")]
    shown = collection.groups[[name for name in columns if name in collection.groups.columns]]
    n_shown = len(shown) if most is None else most
    text = shown.head(n_shown).to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="-")
    n_more = len(shown) - n_shown
    return f"{text}\n... {n_more} more groups" if n_more > 0 else text


class _Run:
    """What the files of a run directory say."""

    def __init__(self, path: Path, root: Path) -> None:
        place = path.relative_to(root).as_posix()
        self.path = path
        self.job = path.name if place == "." else place
        self.choices = _choices(path)
        self.overrides = _overrides(path)
        self.record: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.obstacle: str | None = None
        try:
            if (path / "run.json").exists():
                self.record = read_record(path / "run.json")
            if (path / "summary.json").exists():
                self.summary = read_record(path / "summary.json")
                self._check_summary(path / "summary.json")
        except UserError as error:
            self.obstacle = str(error)

    def _check_summary(self, path: Path) -> None:
        """Refuse a summary that is not the one that the run wrote last.

        Raises:
            UserError: its checksum is not that of run.json.
        """
        told = self.record.get("summary_sha256")
        if told is not None and told != file_checksum(path):
            self.summary = {}
            raise UserError(f"{path}: is damaged or was edited: its content does not agree with run.json")

    def row(self) -> dict[str, Any]:
        """Return the row of the run."""
        status, error = self._outcome()
        record = self.record
        facts = {"seed": record.get("seed"), "run_seconds": _seconds(record.get("start"), record.get("end"))}
        row = {"job": self.job, **self.choices, "status": status, "error": error, **facts}
        own = {key: value for key, value in self.overrides.items() if key not in row}
        return {**row, **own, **self.summary, "path": str(self.path)}

    def _outcome(self) -> tuple[str, str | None]:
        if self.obstacle is not None:
            return "unreadable", self.obstacle
        if not self.record:
            return "missing", "left no run.json: was its process killed?"
        status = str(self.record.get("status"))
        return status, None if status in ("finished", "running") else self.record.get("exit_reason")


def _overrides(path: Path) -> dict[str, str]:
    """Return the overrides of a job by key, those of Hydra itself and prefixes left out."""
    try:
        lines = read_yaml(path / ".hydra" / "overrides.yaml")
    except (OSError, UserError):
        return {}
    lines = lines if isinstance(lines, list) else []
    pairs = (str(line).lstrip("+~").partition("=") for line in lines if not str(line).startswith("hydra"))
    return {key: value.strip("'\"") for key, _, value in pairs}


def _choices(path: Path) -> dict[str, str]:
    """Return the options of the groups task and latent_step, which Hydra notes."""
    try:
        choices = read_yaml(path / ".hydra" / "hydra.yaml")
        for key in ("hydra", "runtime", "choices"):
            choices = choices.get(key) if isinstance(choices, dict) else None
        choices = choices if isinstance(choices, dict) else {}
        chosen = {name: choices[name] for name in GROUP_CHOICES if choices.get(name) is not None}
        if OF_ANCESTOR in chosen.values():
            config = read_yaml(path / ".hydra" / "config.yaml")
            for name in [name for name, choice in chosen.items() if choice == OF_ANCESTOR]:
                chosen[name] = option_name(name, config[name])
        return chosen
    except (OSError, UserError, KeyError, TypeError):  # not there, or damaged
        return {}


def _seconds(start: str | None, end: str | None) -> float:
    from datetime import datetime

    if not start or not end:
        return math.nan
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _numeric_first(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)
