"""Finds the file of a checkpoint; imports no torch, so that a mistyped path is told at once."""

from pathlib import Path

from rnnexp.errors import UserError


def checkpoint_file(path: str | Path) -> Path:
    """Return the file that a path names: itself, or the best checkpoint of a run directory.

    Raises:
        UserError: there is none.
    """
    path = Path(path)
    if (path / "multirun.yaml").is_file():
        raise UserError(f"checkpoint={path}: is a sweep; name one of its runs, e.g. checkpoint={path / '0'}")
    if path.is_dir() and not (path / "checkpoints").is_dir():
        raise UserError(
            f"checkpoint={path}: must be a checkpoint file or the directory of a run, and has no checkpoints/"
        )
    if path.is_dir():
        path = path / "checkpoints" / "best.pt"
    if not path.is_file():
        raise UserError(f"checkpoint={path}: no such file")
    return path
