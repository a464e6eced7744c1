"""`rnnexp ls`: the runs below a directory, a line each."""

import argparse
import json
import os
from pathlib import Path

from rnnexp.commands.collect import choosing_flags
from rnnexp.saved.choosing import chosen, column
from rnnexp.saved.tables import group_columns, main_metric, run_table, written


def main(argv: list[str]) -> int:
    """Run `rnnexp ls` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp ls",
        description="List the runs below a directory: how they stand, and in what they differ.",
    )
    root = os.environ.get("RNNEXP_OUTPUT_ROOT", "outputs")
    parser.add_argument(
        "directory", nargs="?", default=root, help=f"a sweep, or a directory above runs; {root} if not given"
    )
    choosing_flags(parser)
    parser.add_argument("--columns", metavar="A,B", help="what to show, instead of that in which they differ")
    parser.add_argument("--metric", help="the column at the end")
    parser.add_argument(
        "--json", action="store_true", help="print the rows as JSON, all columns, nothing else"
    )
    arguments = parser.parse_args(argv)
    table = chosen(run_table(Path(arguments.directory)), arguments.where, arguments.sort)
    if arguments.json:
        print(json.dumps(json.loads(table.to_json(orient="records")), indent=2))
        return 0
    if arguments.columns:
        names = [column(table, name.strip(), "--columns") for name in arguments.columns.split(",")]
    else:
        metric = main_metric(table, arguments.metric)
        differing = group_columns(table, table.attrs["overrides"])
        names = ["job", *differing, "seed", "status", "run_seconds", *([metric] if metric else [])]
        names = [name for name in dict.fromkeys(names) if name in table.columns]
    print(written(table[names]) if len(table) else "no run")
    return 0
