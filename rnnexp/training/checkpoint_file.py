"""Finds the file of a checkpoint; imports no torch, so that a mistyped path is told at once."""

import os
from pathlib import Path

from rnnexp.errors import UserError

LATEST = "latest"


def checkpoint_file(path: str | Path, key: str = "checkpoint") -> Path:
    """Return the file that a path names: itself, or the best checkpoint of a run directory.

    Args:
        path: a checkpoint, a run directory, or "latest", see `latest_run`.
        key: what error messages call it.

    Raises:
        UserError: there is none.
    """
    path = run_directory(path)
    if (path / "multirun.yaml").is_file():
        raise UserError(f"{key}={path}: is a sweep; name one of its runs, e.g. {key}={path / '0'}")
    if path.is_dir() and not (path / "checkpoints").is_dir():
        raise UserError(
            f"{key}={path}: must be a checkpoint file or the directory of a run, and has no checkpoints/"
        )
    if path.is_dir():
        path = path / "checkpoints" / "best.pt"
    if not path.is_file():
        raise UserError(f"{key}={path}: no such file")
    return path


def run_directory(path: str | Path) -> Path:
    """Return a path as it is, or the latest run where it says "latest" and no file has that name."""
    return latest_run() if str(path) == LATEST and not Path(path).exists() else Path(path)


def latest_run() -> Path:
    """Return the run in the folder of outputs whose best checkpoint was written last.

    The folder is outputs/ in the working directory, or that of RNNEXP_OUTPUT_ROOT.

    Raises:
        UserError: there is none.
    """
    root = Path(os.environ.get("RNNEXP_OUTPUT_ROOT", "outputs"))
    found = [(path.stat().st_mtime_ns, path.parent.parent) for path in root.rglob("checkpoints/best.pt")]
    if not found:
        raise UserError(f"{LATEST}: there is no run with a checkpoint in {root.absolute()}")
    return max(found)[1]


def run_directory_of(path: str | Path) -> Path:
    """Return the directory of the run that a checkpoint belongs to; that of the file, where it lies alone; absolute."""
    folder = checkpoint_file(path).absolute().parent
    return folder.parent if folder.name == "checkpoints" else folder


def checkpoint_paths(path: str | Path, directory: Path) -> dict[str, str]:
    """Return how a result in a directory names the checkpoint that it comes from: absolute, and seen from there."""
    absolute = Path(path).absolute()
    return {"checkpoint": str(absolute), "checkpoint_relative": os.path.relpath(absolute, directory)}
