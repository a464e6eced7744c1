"""`rnnexp diff`: the settings in which runs differ, and what came of it."""

import argparse
import json

from rnnexp.saved.differences import differences


def main(argv: list[str]) -> int:
    """Run `rnnexp diff` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp diff",
        description="Show the settings in which runs differ, and their summaries side by side.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run directories, two at least, or latest")
    parser.add_argument("--json", action="store_true", help="print both tables as JSON, nothing else")
    arguments = parser.parse_args(argv)
    settings, summaries = differences(arguments.runs)
    if arguments.json:
        tables = {"settings": settings, "summary": summaries}
        print(
            json.dumps(
                {name: json.loads(table.to_json(orient="index")) for name, table in tables.items()}, indent=2
            )
        )
        return 0
    print(settings.to_string() if len(settings) else "the same settings")
    if len(summaries):
        print()
        print(summaries.to_string(float_format=lambda value: f"{value:.4g}", na_rep="-"))
    return 0
