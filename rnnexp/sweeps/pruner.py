"""Lets a study see the validations of a training, and end it early where it does worse than others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnnexp.training.watchers import Watcher, watched_by

if TYPE_CHECKING:
    import optuna

PRUNED = "pruned"
SPARED = 0.2  # share of a training before which it is not ended


@dataclass(frozen=True)
class Study:
    """Where a study of Optuna is, for the processes that run its trials.

    Attributes:
        storage: URL of the database.
        name: of the study.
        metric: column of the validation rows that is reported.
        pruner: "median", "hyperband" or "none".
        n_startup_trials: trials without pruning at the beginning.
    """

    storage: str
    name: str
    metric: str
    pruner: str
    n_startup_trials: int

    def make_pruner(self) -> "optuna.pruners.BasePruner":
        """Return Optuna's pruner."""
        import optuna

        if self.pruner == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=self.n_startup_trials)
        return optuna.pruners.HyperbandPruner() if self.pruner == "hyperband" else optuna.pruners.NopPruner()

    @contextmanager
    def watching(self, number: int) -> Iterator[None]:
        """Let the study watch the training that runs inside the block as the trial of a number."""
        with watched_by(ReportingTrial(self, number)):
            yield


class ReportingTrial(Watcher):
    """Reports every validation of a training to a study.

    Args:
        study: where it is.
        number: of the trial.
    """

    def __init__(self, study: Study, number: int) -> None:
        self._where = study
        self._number = number
        self._reason: str | None = None

    def begin(self, directory: Any, config: dict[str, Any], step: int) -> None:
        """Look the trial up."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        where = self._where
        study = optuna.load_study(storage=where.storage, study_name=where.name, pruner=where.make_pruner())
        trial = next(trial for trial in study.get_trials(deepcopy=False) if trial.number == self._number)
        trainer = config["trainer"]
        self._n_steps = trainer["n_steps"] or trainer["n_trials"] / trainer["batch_size"]
        self._trial = optuna.trial.Trial(study, trial._trial_id)

    def row(self, row: dict[str, Any]) -> None:
        """Report the metric of a validation; step 0 is no progress yet and is left out."""
        import math

        value = row.get(self._where.metric)
        if row["split"] != "validation" or not row["step"] or value is None or not math.isfinite(value):
            return
        self._trial.report(float(value), row["step"])
        if self._where.pruner == "none" or row["step"] < SPARED * self._n_steps:
            return
        if self._trial.should_prune():
            self._reason = f"{PRUNED} by the search after step {row['step']}: others did better by then"

    def reason_to_stop(self) -> str | None:
        """Return that others did better."""
        return self._reason
