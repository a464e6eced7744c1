"""What tells runs apart: the settings that differ, and their summaries side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnexp.config.resuming import load_run
from rnnexp.errors import UserError
from rnnexp.training.checkpoint_file import run_directory
from rnnexp.training.records import read_record

if TYPE_CHECKING:
    import pandas as pd

MISSING = "-"


def differences(paths: Sequence[str | Path]) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Compare runs.

    Args:
        paths: run directories, two at least, or "latest".

    Returns:
        A row per setting that is not the same in all runs, under its dotted key, and a row per entry of summary.json;
        columns are the runs as they were named; "-" for a setting that a run does not have, nan for a number.

    Raises:
        UserError: there are fewer than two runs, or one cannot be read.
    """
    import pandas as pd

    if len(paths) < 2:
        raise UserError(f"a comparison needs two runs at least, got {len(paths)}")
    names = [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise UserError(f"{', '.join(names)}: names a run twice")
    settings, summaries = {}, {}
    for name, path in zip(names, paths, strict=True):
        directory = run_directory(path)
        if not directory.is_dir():
            raise UserError(f"{path}: must be the directory of a run")
        settings[name] = flat(load_run(directory))
        summary = directory / "summary.json"
        summaries[name] = read_record(summary) if summary.is_file() else {}
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    differing = [
        key for key in keys if len({repr(values.get(key, MISSING)) for values in settings.values()}) > 1
    ]
    of_settings = pd.DataFrame(
        {name: [values.get(key, MISSING) for key in differing] for name, values in settings.items()}, index=differing,
        dtype=object,
    )  # fmt: skip
    entries = dict.fromkeys(key for values in summaries.values() for key in values)
    of_summaries = pd.DataFrame(
        {name: [values.get(key) for key in entries] for name, values in summaries.items()},
        index=list(entries),
    )
    return of_settings, of_summaries


def flat(node: Any) -> dict[str, Any]:
    """Return the settings of a configuration by their dotted keys; lists are values."""
    return dict(_pairs(node, ""))


def _pairs(node: Any, prefix: str) -> list[tuple[str, Any]]:
    if not isinstance(node, Mapping) or not node:
        return [(prefix, node)]
    return [
        pair
        for key, value in node.items()
        for pair in _pairs(value, f"{prefix}.{key}" if prefix else str(key))
    ]
