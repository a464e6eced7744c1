"""`rnnexp plot`: draw the pictures of a run again, or those that were not drawn when it ended."""

import argparse
from pathlib import Path

from rnnexp.errors import UserError
from rnnexp.training.checkpoint_file import run_directory


def plot(directory: str | Path, trust: bool = False) -> Path:
    """Draw all pictures of a training into the folder plots/ of its run directory, from its best checkpoint.

    Pictures of the same names are replaced, all else is only read. One that cannot be drawn is a warning.

    Args:
        directory: of the run.
        trust: build classes from outside rnnexp that the run names.

    Returns:
        The folder of the pictures.

    Raises:
        UserError: it is no run with a checkpoint, its data are gone, or it names foreign classes without trust.
    """
    from rnnexp.building.parts import build_parts
    from rnnexp.commands.pictures import draw_run
    from rnnexp.config.targets import check_trusted
    from rnnexp.saved.files import files_of, located
    from rnnexp.tasks.no_task import refuse_no_task
    from rnnexp.training.checkpoint import load_checkpoint, load_weights
    from rnnexp.training.streams import globals_seeded

    directory = run_directory(directory)
    if not directory.is_dir():
        raise UserError(f"{directory}: must be the directory of a run; there is none")
    record = load_checkpoint(directory)
    config = record["config"]
    check_trusted(config, trust)
    config = located(config, files_of(record, str(directory)), directory.absolute())
    config["device"] = {**config["device"], "name": "cpu"}
    with globals_seeded(config["seed"], "initialisation"):
        parts = build_parts(config, restoring=True)
    refuse_no_task(parts.task)
    load_weights(parts.model, record["model"], origin=str(directory))
    state = record["state"]
    terms = [name for name in state["validation"] if name in parts.loss.used]
    metrics = [name for name in state["validation"] if name not in ("loss", *terms)]
    draw_run(parts, directory, terms, metrics, config["seed"], state["step"])
    return directory / "plots"


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
