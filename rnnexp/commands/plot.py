"""`rnnexp plot`: draw the pictures of a run again, or those that were not drawn when it ended, or some for a paper."""

import argparse
from pathlib import Path

from rnnexp.commands.words import add_setting
from rnnexp.errors import UserError
from rnnexp.training.checkpoint_file import checkpoint_file, run_directory, run_directory_of

SETTINGS = ("format", "width", "style", "out", "metric")


def plot(
    directory: str | Path,
    kinds: list[str] | None = None,
    trust: bool = False,
    format: str = "png",
    width: str | None = None,
    style: str | None = None,
    out: str | Path | None = None,
    metric: str | None = None,
) -> Path:
    """Draw pictures of a training from its best checkpoint, or of all runs below a directory.

    Pictures of the same names are replaced, all else is only read. One that cannot be drawn is a warning,
    or an error if it was asked for.

    Args:
        directory: of the run, or a checkpoint in it; or a sweep, or another directory above runs.
        kinds: names of the pictures, such as "trials"; None draws all.
        trust: build classes from outside rnnexp that the run names.
        format, width, style: see `Album`, where style is called sheet.
        out: folder of the files; None takes plots/ of the run or sweep.
        metric: of a sweep, the column of results.csv to compare by; None chooses one.

    Returns:
        The folder of the pictures.

    Raises:
        UserError: it is no run with a checkpoint, a file of its task is gone, it names foreign classes without trust,
            or a setting or a name of a picture is not allowed.
    """
    from rnnexp.plots.album import Album
    from rnnexp.saved.drawing import draw_saved
    from rnnexp.training.checkpoint import load_checkpoint

    directory = run_directory(directory)
    if not directory.exists():
        raise UserError(f"{directory}: must be the directory of a run; there is none")
    of_many = (
        directory.is_dir() and not (directory / "checkpoints").is_dir() and any(directory.rglob("run.json"))
    )
    if not of_many and metric is not None:
        raise UserError(f"metric: {metric}: is for sweeps; name the pictures of a run")
    checkpoint = None if of_many else checkpoint_file(directory)
    if out is not None and not str(out):
        raise UserError("out: '': must be a folder")
    own = directory if checkpoint is None else run_directory_of(checkpoint)
    folder = own / "plots" if out is None else Path(out)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"out: {folder}: is a file, must be a folder")
    try:
        album = Album(folder, kinds or None, format, width, style)
    except ValueError as error:
        raise UserError(str(error)) from error
    if checkpoint is None:
        from rnnexp.saved.sweep_pictures import draw_runs

        draw_runs(directory, metric, album)
        return folder
    device = {
        **load_checkpoint(checkpoint)["config"]["device"],
        "name": "cpu",
    }  # in the dtype of the training
    command = {"checkpoint": str(checkpoint), "trust": trust, "device": device}
    draw_saved(command, run_directory_of(checkpoint), album)
    return directory / "plots" if out is None and directory.is_dir() else folder


def main(argv: list[str]) -> int:
    """Run `rnnexp plot` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp plot", description="Draw the pictures of a run into its folder plots/."
    )
    parser.add_argument("directory", help="the directory of a run, a sweep, or latest")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="PICTURE|KEY=VALUE",
        help="which pictures, all if none is named; format=png|pdf|svg, width=single|double (85 or 180 mm), "
        "style=FILE.mplstyle, out=FOLDER; of a sweep metric=COLUMN",
    )
    parser.add_argument(
        "--trust", action="store_true", help="build classes from outside rnnexp that it names"
    )
    arguments = parser.parse_args(argv)
    settings: dict[str, str] = {}
    for word in arguments.words:
        if "=" in word:
            add_setting(settings, word, SETTINGS)
    kinds = [word for word in arguments.words if "=" not in word]
    print(plot(arguments.directory, kinds, arguments.trust, **settings))
    return 0
