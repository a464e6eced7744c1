"""What a page shows, as plain data: runs, settings, curves, pictures."""

import base64
import json
import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnexp.config.resuming import load_run
from rnnexp.errors import UserError
from rnnexp.plots.names import metric_label
from rnnexp.plots.sweep import group_label
from rnnexp.saved.differences import flat
from rnnexp.saved.sweep_pictures import validations
from rnnexp.saved.tables import group_columns, main_metric, run_table
from rnnexp.sweeps.telling import is_higher_better

if TYPE_CHECKING:
    import pandas as pd

MOST_POINTS = 200  # of a curve
MOST_CURVES = 300  # runs whose curves are in the page
NOT_METRICS = ("step", "seconds", "lr", "grad_norm", "stage", "forcing_alpha", "n_nonfinite", "trials")
MOST_PICTURES = 40


def page_data(directory: Path, metric: str | None = None) -> dict[str, Any]:
    """Return what the page of a directory shows.

    Args:
        directory: a sweep, a run, or a directory above runs.
        metric: column to compare by; None takes the one that runs are compared by.

    Returns:
        title, made (time), metric, counts by status, best, columns and rows of the table, shared settings, groups,
        curves by metric, pictures; JSON can hold all of it.

    Raises:
        UserError: there is no run, or no such metric.
    """
    table = run_table(directory)
    metric = main_metric(table, metric)
    keys = group_columns(table, table.attrs["overrides"])
    labels = [group_label({key: row.get(key) for key in keys}) for row in table.to_dict("records")]
    summary = [name for name in table.attrs["summary"] if name in table.columns]
    first = ["job", *keys, "seed", "status", *([metric] if metric else []), "run_seconds", "error"]
    columns = [name for name in dict.fromkeys([*first, *summary]) if name in table.columns]
    is_one = (directory / "run.json").exists()
    return {
        "title": "/".join(directory.absolute().parts[-2 if is_one else -1 :]),
        "path": str(directory.absolute()),
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
        "is_run": is_one,
        "metric": metric,
        "higher_is_better": None if metric is None else is_higher_better(metric),
        "labels": {name: metric_label(name) for name in columns},
        "counts": {str(k): int(v) for k, v in table["status"].value_counts().items()},
        "command": _command(Path(table["path"].iloc[0])),
        "columns": columns,
        "keys": keys,
        "rows": [
            {
                **{name: plain(row.get(name)) for name in columns},
                "_group": label,
                "_link": _link(Path(row["path"]), directory),
            }
            for row, label in zip(table.to_dict("records"), labels, strict=True)
        ],
        "settings": _settings(Path(table["path"].iloc[0])),
        "curves": _curves(table, labels),
        "pictures": _pictures(directory),
    }


def plain(value: Any) -> Any:
    """Return a value that JSON can hold; None for a number that is not finite."""
    import pandas as pd

    if value is None or value is pd.NA:
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)


def _link(path: Path, directory: Path) -> str:
    relative = path.relative_to(directory).as_posix()
    return "./" if relative == "." else f"{relative}/"


def _command(path: Path) -> str | None:
    try:
        return json.loads((path / "run.json").read_text()).get("command")
    except (OSError, ValueError):
        return None


def _settings(path: Path) -> dict[str, Any]:
    """Return the settings of a run by dotted keys; nothing if it left none."""
    try:
        return {key: plain(value) for key, value in flat(load_run(path)).items()}
    except UserError:
        return {}


def _curves(table: "pd.DataFrame", labels: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the validations of every run by metric: job, group, trials, values; a run in MOST_POINTS at most."""
    histories, settings = validations(table.head(MOST_CURVES), [])
    if not len(histories):
        return {}
    of_group = dict(zip(table["job"].astype(str), labels, strict=True))
    curves: dict[str, list[dict[str, Any]]] = {}
    names = [name for name in histories if name not in NOT_METRICS and histories[name].notna().any()]
    names.sort(
        key=lambda name: (
            name != "loss" and "accuracy" not in name and name != "d_stsp",
            "_direction_" in name,
        )
    )
    for job, rows in histories.groupby(settings["job"].astype(str), sort=False):
        thin = rows.iloc[:: max(1, -(-len(rows) // MOST_POINTS))]
        for name in names[:40]:
            if thin[name].notna().any():
                curves.setdefault(name, []).append(
                    {"job": job, "group": of_group[job], "x": thin["trials"].astype(float).tolist(),
                     "y": [plain(value) for value in thin[name]]}
                )  # fmt: skip
    return curves


def _pictures(directory: Path) -> list[dict[str, str]]:
    """Return the pictures of a sweep or a run, as data of images."""
    files = sorted((directory / "plots").glob("*.png"))[:MOST_PICTURES]
    return [
        {"name": file.stem.replace("_", " "), "data": base64.b64encode(file.read_bytes()).decode()}
        for file in files
    ]
