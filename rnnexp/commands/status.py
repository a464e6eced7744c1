"""`rnnexp status`: how the jobs of a sweep stand, from the files alone, also while it runs elsewhere."""

import argparse
import json

from rnnexp.sweeps.standing import standing, told


def main(argv: list[str]) -> int:
    """Run `rnnexp status` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp status", description="Say how the jobs of a sweep stand, also while it runs elsewhere."
    )
    parser.add_argument("sweep", help="the directory of a sweep")
    parser.add_argument("--json", action="store_true", help="print the jobs as JSON, nothing else")
    arguments = parser.parse_args(argv)
    jobs = standing(arguments.sweep)
    print(
        json.dumps([job.record() for job in jobs], indent=2)
        if arguments.json
        else told(arguments.sweep, jobs)
    )
    return 0
