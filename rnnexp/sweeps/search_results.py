"""What a search leaves: search.csv, its picture, the tables of its jobs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.errors import reason_of

if TYPE_CHECKING:
    import optuna
    import pandas as pd


def conclude(study: "optuna.Study", objective: str, is_maximized: bool, directory: Path) -> None:
    """Write search.csv and its picture, collect the jobs, and name the best trial."""
    from rnnexp.plots import style
    from rnnexp.plots.search import search_picture
    from rnnexp.saved.collecting import collect

    table = trial_table(study)
    if not len(table):
        return
    table.to_csv(directory / "search.csv", index=False)
    params = [name for name in table.columns if name not in ("trial", "state", "value", "seconds")]
    done = table[table["state"] == "complete"]
    told = [f"{len(done)} of {len(table)} trials finished; tables and pictures: {directory}"]
    try:
        picture = search_picture(table, params, objective, is_maximized)
        style.save(picture, directory / "plots" / "search.png")
        collect(directory, objective if len(done) else None)
    except Exception as error:
        told.append(f"rnnexp: the results were not collected: {reason_of(error)}")
    if len(done):
        best = done.loc[done["value"].idxmax() if is_maximized else done["value"].idxmin()]
        chosen = " ".join(f"{name}={best[name]}" for name in params)
        told.insert(0, f"best: job {best['trial']}, {objective} {best['value']:.4g}: {chosen}")
    print("\n".join(told), file=sys.stderr)


def trial_table(study: "optuna.Study") -> "pd.DataFrame":
    """Return a row per trial: trial, state, value of the objective, seconds, and the settings.

    The value of a pruned trial is its last validation; that of one that failed or runs is missing.
    """
    import pandas as pd

    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value if trial.state.name in ("COMPLETE", "PRUNED") else None,
            "seconds": None if trial.duration is None else trial.duration.total_seconds(),
            **trial.params,
        }
        for trial in study.get_trials(deepcopy=False)
    ]
    return pd.DataFrame(rows)
