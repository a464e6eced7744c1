"""TensorBoard: scalars, pictures, settings with the final metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnexp.loggers.names import is_finite_number, scalars, settings
from rnnexp.training.watchers import Watcher, package


class TensorBoard(Watcher):
    """logger=tensorboard: an event file in the run directory; `tensorboard --logdir outputs` shows all runs.

    Args:
        folder: below the run directory.
        figures: whether pictures are written too.
    """

    def __init__(self, folder: str = "tensorboard", figures: bool = True) -> None:
        self.folder = folder
        self.figures = figures
        self._summary: dict[str, float] = {}

    def check(self) -> None:
        """Look for tensorboard."""
        package("tensorboard", "tensorboard", "tensorboard")

    def begin(self, directory: Path, config: dict[str, Any], step: int) -> None:
        """Open the event file; of a training that goes on, later entries than its checkpoint are purged."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(directory / self.folder, purge_step=step + 1 if step else None)
        self._settings = settings(config)
        self._step = step

    def row(self, row: dict[str, Any]) -> None:
        """Write scalars split/name at the step of the row."""
        self._step = row["step"]
        for name, value in scalars(row).items():
            self._writer.add_scalar(name, value, row["step"])

    def summary(self, summary: dict[str, Any]) -> None:
        """Write the settings and the final metrics, for the hparams table."""
        metrics = {f"final/{name}": float(v) for name, v in summary.items() if is_finite_number(v)}
        self._writer.add_hparams(self._settings, metrics, run_name=".", global_step=self._step)

    def pictures(self, files: Sequence[Path]) -> None:
        """Write pictures under the names of their files."""
        if not self.figures:
            return
        import numpy as np
        from PIL import Image

        for file in files:
            if file.suffix == ".png":
                with Image.open(file) as image:
                    array = np.asarray(image.convert("RGB"))
                self._writer.add_image(file.stem, array, self._step, dataformats="HWC")

    def end(self, status: str) -> None:
        """Close the event file."""
        self._writer.add_text("status", status, self._step)
        self._writer.close()
