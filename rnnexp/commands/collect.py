"""`rnnexp collect`: gather the runs below a directory into tables and a picture."""

import argparse

from rnnexp.saved.collecting import collect
from rnnexp.saved.tables import table_text


def main(argv: list[str]) -> int:
    """Run `rnnexp collect` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp collect", description="Gather the runs below a directory into one table and picture."
    )
    parser.add_argument("directory", help="a sweep, a run, or a directory above runs")
    parser.add_argument(
        "--metric", help="column to compare by; test_accuracy, test_d_stsp, a loss or lyapunov if not given"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the rows of the runs as JSON, nothing else"
    )
    arguments = parser.parse_args(argv)
    collection = collect(arguments.directory, arguments.metric)
    if arguments.json:
        print(collection.table.to_json(orient="records", indent=2))
        return 0
    print(table_text(collection))
    for path in collection.files:
        print(path)
    return 0
