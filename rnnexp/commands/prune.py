"""`rnnexp prune`: remove what is no longer needed of runs; says what it would do, and does it with --yes."""

import argparse
import sys
from pathlib import Path

from rnnexp.commands.collect import choosing_flags
from rnnexp.errors import UserError
from rnnexp.saved.pruning import Pruning, plan_pruning


def main(argv: list[str]) -> int:
    """Run `rnnexp prune` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp prune",
        description="Remove extra checkpoints, or whole runs, below a directory. Tables, configurations and the best "
        "run stay. Without --yes it says what it would remove, and asks in a terminal.",
    )
    parser.add_argument("directory", help="a sweep, a run, or a directory above runs")
    parser.add_argument(
        "--what", choices=("steps", "checkpoints", "runs"), default="steps",
        help="steps: checkpoints/step_*.pt; checkpoints: these and last.pt, so that runs cannot go on; runs: whole "
        "directories, those that are finished only together with --where",
    )  # fmt: skip
    choosing_flags(parser)
    parser.add_argument(
        "--keep", type=int, default=1, metavar="N", help="best runs that stay whole, 1 if not given"
    )
    parser.add_argument("--metric", help="column by which runs are the best")
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    arguments = parser.parse_args(argv)
    if arguments.keep < 0:
        raise UserError(f"--keep: {arguments.keep}: must be an integer >= 0")
    pruning = plan_pruning(
        Path(arguments.directory),
        arguments.what,
        arguments.where,
        arguments.sort,
        arguments.keep,
        arguments.metric,
    )
    print(pruning.text())
    if not pruning.paths or not (arguments.yes or _agreed(pruning)):
        return 0
    pruning.remove()
    print(f"removed {len(pruning.paths)}")
    return 0


def _agreed(pruning: Pruning) -> bool:
    """Ask, in a terminal; elsewhere nothing is removed."""
    if not sys.stdin.isatty():
        print("nothing was removed; --yes does it")
        return False
    return input(f"remove these {len(pruning.paths)}? [y/N] ").strip().lower() in ("y", "yes")
