"""MLflow: settings, scalars, pictures, final metrics, in an SQLite file or on a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnexp.loggers.names import is_finite_number, scalars, settings
from rnnexp.training.watchers import Watcher, package

LONGEST = 500  # of a setting's value
STATES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class MLflow(Watcher):
    """logger=mlflow: `mlflow ui --backend-store-uri sqlite:///mlflow.db` shows the runs.

    A training that goes on continues its own run, whose id is in mlflow.txt of the run directory.

    Args:
        tracking_uri: of the store, an SQLite file or a server; relative to the working directory.
        experiment: name that the runs have in common.
        figures: whether pictures are uploaded too.
    """

    def __init__(
        self, tracking_uri: str = "sqlite:///mlflow.db", experiment: str = "rnnexp", figures: bool = True
    ) -> None:
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.figures = figures

    def check(self) -> None:
        """Look for mlflow."""
        package("mlflow", "mlflow", "mlflow")

    def begin(self, directory: Path, config: dict[str, Any], step: int) -> None:
        """Create the run, or take it up again."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient(self.tracking_uri)
        note = directory / "mlflow.txt"
        if step and note.is_file():
            self._run = note.read_text().strip()
            self._client.update_run(self._run, status="RUNNING")
            return
        found = self._client.get_experiment_by_name(self.experiment)
        experiment = found.experiment_id if found else self._client.create_experiment(self.experiment)
        self._run = self._client.create_run(experiment, run_name=directory.name).info.run_id
        note.write_text(self._run + "\n")
        self._client.set_tag(self._run, "directory", str(directory))
        params = [Param(key, str(value)[:LONGEST]) for key, value in settings(config).items()]
        self._client.log_batch(self._run, params=params[:1000])

    def row(self, row: dict[str, Any]) -> None:
        """Log scalars split/name at the step of the row."""
        self._log(scalars(row), row["step"])

    def summary(self, summary: dict[str, Any]) -> None:
        """Log the final metrics under final/."""
        self._log({f"final/{name}": float(v) for name, v in summary.items() if is_finite_number(v)}, 0)

    def _log(self, values: dict[str, float], step: int) -> None:
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._run, metrics=[Metric(k, v, now, step) for k, v in values.items()])

    def pictures(self, files: Sequence[Path]) -> None:
        """Upload pictures."""
        for file in files if self.figures else ():
            self._client.log_artifact(self._run, str(file), "plots")

    def end(self, status: str) -> None:
        """Close the run."""
        self._client.set_terminated(self._run, STATES[status])
