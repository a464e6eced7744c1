"""Weights & Biases, without a network unless asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from rnnexp.loggers.names import is_finite_number, scalars
from rnnexp.numbers import one_of
from rnnexp.training.watchers import Watcher, package


class WandB(Watcher):
    """logger=wandb: files below the run directory; `wandb sync RUN_DIR/wandb/offline-run-*` uploads them.

    Args:
        project: name that the runs have in common.
        mode: "offline" or "online".
        figures: whether pictures are logged too.

    Raises:
        ValueError: there is no such mode.
    """

    def __init__(
        self, project: str = "rnnexp", mode: Literal["offline", "online"] = "offline", figures: bool = True
    ) -> None:
        self.project = project
        self.mode = one_of("mode", mode, ("offline", "online"))
        self.figures = figures

    def check(self) -> None:
        """Look for wandb."""
        package("wandb", "wandb", "wandb")

    def begin(self, directory: Path, config: dict[str, Any], step: int) -> None:
        """Begin a run, or take it up again under the id in wandb.txt."""
        import wandb

        note = directory / "wandb.txt"
        known = note.read_text().strip() if step and note.is_file() else None
        self._run = wandb.init(
            project=self.project, dir=str(directory), mode=self.mode, config=config, name=directory.name, id=known,
            resume="allow" if known else None, reinit="create_new",
            settings=wandb.Settings(console="off", silent=True),
        )  # fmt: skip
        note.write_text(self._run.id + "\n")

    def row(self, row: dict[str, Any]) -> None:
        """Log scalars split/name with their step."""
        self._run.log({**scalars(row), "update": row["step"]})

    def summary(self, summary: dict[str, Any]) -> None:
        """Write the final metrics."""
        self._run.summary.update({f"final/{k}": float(v) for k, v in summary.items() if is_finite_number(v)})

    def pictures(self, files: Sequence[Path]) -> None:
        """Log pictures under the names of their files."""
        import wandb

        images = {file.stem: wandb.Image(str(file)) for file in files if file.suffix == ".png"}
        if self.figures and images:
            self._run.log(images)

    def end(self, status: str) -> None:
        """Close the run."""
        self._run.finish(exit_code=0 if status == "finished" else 1)
