"""`rnnexp collect`: gather the runs below a directory into tables and pictures."""

import argparse

from rnnexp.saved.collecting import collect
from rnnexp.saved.tables import table_text
from rnnexp.sweeps.telling import best_line


def choosing_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags by which `rnnexp collect` and `rnnexp ls` choose and order runs."""
    parser.add_argument(
        "--where", action="append", default=[], metavar="CONDITION",
        help="only runs for which it holds: optimizer.lr<=1e-3, latent_step=ALRNN, status!=finished; may be repeated",
    )  # fmt: skip
    parser.add_argument("--sort", metavar="COLUMN", help="order by a column; --sort=-COLUMN: largest first")


def main(argv: list[str]) -> int:
    """Run `rnnexp collect` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp collect",
        description="Gather the runs below a directory into tables and pictures. Without --out they go into the "
        "directory, where results.csv, results_by_group.csv and plots/ are brought up to date; with flags that choose "
        "or group, nothing is written but into --out.",
    )
    parser.add_argument("directory", help="a sweep, a run, or a directory above runs")
    parser.add_argument(
        "--metric", help="column to compare by; test_accuracy, test_d_stsp, a loss or lyapunov if not given"
    )
    choosing_flags(parser)
    parser.add_argument(
        "--group-by", action="append", default=[], metavar="COLUMN",
        help="what makes a group, may be repeated; all settings in which runs differ, seeds apart, if not given",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="DIR", help="a new folder for the tables (csv, md, tex) and pictures"
    )
    parser.add_argument(
        "--format", choices=("text", "markdown", "latex"), default="text", help="of the table that is printed"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the rows of the runs as JSON, nothing else"
    )
    arguments = parser.parse_args(argv)
    is_plain = not (arguments.where or arguments.sort or arguments.group_by or arguments.metric)
    collection = collect(
        arguments.directory,
        arguments.metric,
        arguments.where,
        arguments.sort,
        arguments.group_by,
        arguments.out,
        write=is_plain or arguments.out is not None,
    )
    if arguments.json:
        print(collection.table.to_json(orient="records", indent=2))
        return 0
    print(table_text(collection, form=arguments.format))
    if arguments.format == "text" and (best := best_line(collection)):
        print(best)
    for path in collection.files:
        print(path)
    return 0
