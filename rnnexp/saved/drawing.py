"""The pictures of a saved run, drawn from its checkpoint and its metrics.csv."""

import logging
from pathlib import Path
from typing import Any

from rnnexp.building.tasks import build_curriculum
from rnnexp.errors import UserError
from rnnexp.plots.album import Album
from rnnexp.plots.drawing import drawing
from rnnexp.saved.files import files_of, located
from rnnexp.saved.model import SavedModel, load_model
from rnnexp.saved.pictures import draw_run
from rnnexp.tasks.no_task import refuse_no_task
from rnnexp.training.checkpoint import load_checkpoint

log = logging.getLogger(__name__)


def draw_saved(command: dict[str, Any], directory: Path, album: Album, asks: bool = True) -> None:
    """Draw a run from a checkpoint; of a time series whose data are gone, the curves of the training and the weights.

    Args:
        command: checkpoint, trust, device; see `load_model`.
        directory: of the run, with metrics.csv.
        album: takes the pictures.
        asks: one that the album wants and does not get is an error.

    Raises:
        UserError: the checkpoint cannot be used, or the run has no picture of a name that is wanted.
    """
    record = load_checkpoint(command["checkpoint"])
    saved = _load(record, command)
    refuse_no_task(saved.task)
    config, curriculum = record["config"], None
    if config["curriculum"]["stages"]:
        with drawing("curriculum"):  # whose stages may read files that are gone
            files = files_of(record, str(directory))
            curriculum = build_curriculum(located(config, files, directory.absolute()))
    validation = record["state"]["validation"]
    terms = [name for name in validation if name in saved.loss.used]
    metrics = [name for name in validation if name not in ("loss", *terms)]
    draw_run(
        saved.model, saved.task, curriculum, directory, terms, metrics, config["seed"], saved.step, album
    )
    if asks:
        album.check()


def _load(record: dict[str, Any], command: dict[str, Any]) -> SavedModel:
    """Load the network with the data of its task or, where those of a time series are gone, without.

    Raises:
        UserError: the checkpoint cannot be used.
    """
    if record.get("task") is None:
        return load_model(command)
    remembered = load_model(command)  # refuses what the next would, but for the data
    try:
        return load_model(command, needs_data=True)
    except UserError as error:
        log.warning("%s; drawn without the data", error)
        return remembered
