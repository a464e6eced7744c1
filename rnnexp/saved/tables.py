"""Tables of runs: one row per run directory, and one per group of runs that differ by their seed only."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rnnexp.errors import UserError
from rnnexp.saved.run_facts import GROUP_CHOICES, RunFacts, is_setting

if TYPE_CHECKING:
    import pandas as pd

    from rnnexp.saved.collecting import Collection

FIRST_COLUMNS = ("job", "command", "task", "latent_step", "seed", "status", "error", "run_seconds", "host")
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

    Columns: job (its place below the directory), command, task, latent_step, seed, status, error, run_seconds, host,
    one per setting that the line of any of the runs set, with the value of each run, typed or not, one per entry of
    summary.json, path. A run that left no run.json is "missing", one that cannot be read "unreadable", with the reason
    under error. `attrs` holds the names of the columns of settings and of the summaries.
    """
    import pandas as pd

    runs = [RunFacts(path, directory) for path in find_runs(directory)]
    keys = [key for key in dict.fromkeys(key for run in runs for key in run.typed) if is_setting(key)]
    rows = [run.row(keys) for run in runs]
    names = dict.fromkeys(name for row in rows for name in row)
    ordered = [name for name in FIRST_COLUMNS if name in names]
    ordered += [name for name in names if name not in FIRST_COLUMNS and name != "path"]
    table = pd.DataFrame(rows, columns=[*ordered, "path"])
    table.attrs["overrides"] = [key for key in keys if key in names]
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
    """Return the columns by which runs differ, their seeds apart: command, task, latent step, settings."""
    candidates = dict.fromkeys(["command", *GROUP_CHOICES, *overrides])
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
    """Return a row per group: n finished runs, n_failed others; mean, sd (ddof 1), sem, median, min, max of numbers.

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
                f"{name}_sem": values.sem(),
                f"{name}_median": values.median(),
                f"{name}_min": values.min(),
                f"{name}_max": values.max(),
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


def table_text(
    collection: "Collection", most: int | None = None, form: Literal["text", "markdown", "latex"] = "text"
) -> str:
    """Return the groups as a table: n and the metric.

    Args:
        collection: what was gathered.
        most: rows; the last line says how many more there are.
        form: "text" for a terminal, "markdown", or "latex" with the rules of booktabs.
    """
    columns = [*(collection.keys or ["group"]), "n", "n_failed"]
    if collection.metric is not None:
        columns += [f"{collection.metric}_{name}" for name in ("mean", "sd", "median")]
    shown = collection.groups[[name for name in columns if name in collection.groups.columns]]
    return written(shown, most, form)


def written(frame: "pd.DataFrame", most: int | None = None, form: str = "text") -> str:
    """Return a table for a terminal, in Markdown or in LaTeX; numbers with four digits, - where there is none."""
    n_shown = len(frame) if most is None else most
    cells = [[str(name) for name in frame.columns]]
    cells += [[_cell(value) for value in row] for row in frame.head(n_shown).itertuples(index=False)]
    right = [bool(len(frame)) and _is_numeric(frame.iloc[:, k]) for k in range(frame.shape[1])]
    if form == "latex":
        return _latex(cells, right)
    widths = [max(3, *(len(row[k]) for row in cells)) for k in range(frame.shape[1])]
    columns = list(zip(widths, right, strict=True))
    lines = [[_padded(*cell) for cell in zip(row, columns, strict=True)] for row in cells]
    if form == "markdown":
        rule = ["-" * (width - 1) + (":" if to_right else "-") for width, to_right in columns]
        return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])
    text = "\n".join("  ".join(line).rstrip() for line in lines)
    n_more = len(frame) - n_shown
    return f"{text}\n... {n_more} more" if n_more > 0 else text


def _padded(text: str, column: tuple[int, bool]) -> str:
    width, to_right = column
    return text.rjust(width) if to_right else text.ljust(width)


def _latex(cells: list[list[str]], right: list[bool]) -> str:
    special = {c: f"\\{c}" for c in "_%&#$"} | {"\\": r"\textbackslash{}"}
    rows = [" & ".join("".join(special.get(c, c) for c in text) for text in row) + r" \\" for row in cells]
    layout = "".join("r" if is_right else "l" for is_right in right)
    lines = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}"])


def _is_numeric(values: "pd.Series") -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(values)) and not pd.api.types.is_bool_dtype(values)


def _cell(value: Any) -> str:
    import pandas as pd

    if value is None or value is pd.NA or value != value:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _numeric_first(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)
