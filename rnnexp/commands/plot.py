"""`rnnexp plot`: draw the pictures of a run again, or those that were not drawn when it ended."""

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnexp.errors import UserError
from rnnexp.training.checkpoint_file import run_directory

if TYPE_CHECKING:
    from rnnexp.saved.model import SavedModel

log = logging.getLogger(__name__)


def plot(directory: str | Path, trust: bool = False) -> Path:
    """Draw all pictures of a training into the folder plots/ of its run directory, from its best checkpoint.

    Pictures of the same names are replaced, all else is only read. One that cannot be drawn is a warning. Of a time
    series whose data are gone, the curves of the training and the weights are drawn.

    Args:
        directory: of the run.
        trust: build classes from outside rnnexp that the run names.

    Returns:
        The folder of the pictures.

    Raises:
        UserError: it is no run with a checkpoint, a file of its task is gone, or it names foreign classes without
            trust.
    """
    from rnnexp.building.tasks import build_curriculum
    from rnnexp.commands.pictures import draw_run
    from rnnexp.plots.drawing import drawing
    from rnnexp.saved.files import files_of, located
    from rnnexp.tasks.no_task import refuse_no_task
    from rnnexp.training.checkpoint import load_checkpoint

    directory = run_directory(directory)
    if not directory.is_dir():
        raise UserError(f"{directory}: must be the directory of a run; there is none")
    record = load_checkpoint(directory)
    saved = _load(record, directory, trust)
    refuse_no_task(saved.task)
    config = record["config"]
    validation = record["state"]["validation"]
    terms = [name for name in validation if name in saved.loss.used]
    metrics = [name for name in validation if name not in ("loss", *terms)]
    curriculum = None
    if config["curriculum"]["stages"]:
        with drawing("curriculum.png"):  # whose stages may read files that are gone
            files = files_of(record, str(directory))
            curriculum = build_curriculum(located(config, files, directory.absolute()))
    draw_run(saved.model, saved.task, curriculum, directory, terms, metrics, config["seed"], saved.step)
    return directory / "plots"


def _load(record: dict[str, Any], directory: Path, trust: bool) -> "SavedModel":
    """Load the network with the data of its task or, where those of a time series are gone, without.

    Raises:
        UserError: the checkpoint cannot be used.
    """
    from rnnexp.saved.model import load_model

    device = {**record["config"]["device"], "name": "cpu"}
    command = {"checkpoint": str(directory), "trust": trust, "device": device}
    if record.get("task") is None:
        return load_model(command)
    remembered = load_model(command)  # refuses what the next would, but for the data
    try:
        return load_model(command, needs_data=True)
    except UserError as error:
        log.warning("%s; drawn without the data", error)
        return remembered


def main(argv: list[str]) -> int:
    """Run `rnnexp plot` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp plot", description="Draw the pictures of a run into its folder plots/."
    )
    parser.add_argument("directory", help="the directory of a run")
    parser.add_argument(
        "--trust", action="store_true", help="build classes from outside rnnexp that it names"
    )
    arguments = parser.parse_args(argv)
    print(plot(arguments.directory, arguments.trust))
    return 0
