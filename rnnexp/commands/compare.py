"""`rnnexp compare`: how alike trained networks are, in their states, their flows and what they do."""

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path

from rnnexp.commands.words import add_setting
from rnnexp.errors import UserError

SETTINGS = ("n_trials", "out", "format", "width", "style")


def main(argv: list[str]) -> int:
    """Run `rnnexp compare` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp compare", description="Compare trained networks on the same trials."
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="RUN|MEASURE|KEY=VALUE",
        help="run directories, checkpoints or sweeps, two networks at least; cka, procrustes, dsa: which similarities, "
        "all if none is named; n_trials=64, out=FOLDER, format=png|pdf|svg, width=single|double, style=FILE.mplstyle",
    )
    parser.add_argument(
        "--trust", action="store_true", help="build classes from outside rnnexp that they name"
    )
    arguments = parser.parse_args(argv)
    paths, measures, settings = _sorted(arguments.words)
    folder = _folder(settings.pop("out", None))
    n_trials = _count(settings.pop("n_trials", "64"))
    from rnnexp.saved.comparing import MEASURES, compared
    from rnnexp.saved.comparison_files import album_for, write_comparison

    album = album_for(folder / "plots", **settings)
    comparison = compared(paths, n_trials, measures or MEASURES, arguments.trust)
    write_comparison(comparison, folder, album)
    shown = comparison.table.drop(columns=["path"])
    print(shown.to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="-"))
    for measure, matrix in comparison.similarity.items():
        print(f"\n{measure}")
        print(matrix.to_string(header=False, float_format=lambda value: f"{value:.3f}"))
    print(f"results: {folder}", file=sys.stderr)
    return 0


def _sorted(words: list[str]) -> tuple[list[str], list[str], dict[str, str]]:
    """Return paths, measures and settings of a command line.

    Raises:
        UserError: there is no such setting, or one is given twice.
    """
    paths, measures, settings = [], [], {}
    for word in words:
        if word in ("cka", "procrustes", "dsa") and not Path(word).exists():
            measures.append(word)
        elif "=" in word and not Path(word).exists():
            add_setting(settings, word, SETTINGS)
        else:
            paths.append(word)
    return paths, list(dict.fromkeys(measures)), settings


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UserError(f"n_trials: {text}: must be a whole number >= 2") from error


def _folder(out: str | None) -> Path:
    """Return where the results go: a new directory.

    Raises:
        UserError: it holds something.
    """
    if out is None:
        root = Path(os.environ.get("RNNEXP_OUTPUT_ROOT", "outputs"))
        now = datetime.now()
        return root / "compare" / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S-%f}"
    folder = Path(out)
    if not out or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UserError(f"out: {out!r}: must be a new or an empty folder")
    return folder
