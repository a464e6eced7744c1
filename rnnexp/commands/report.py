"""`rnnexp report`: one page that shows a sweep or a run."""

import argparse
from pathlib import Path

from rnnexp.report.page import write_page


def main(argv: list[str]) -> int:
    """Run `rnnexp report` with the words that follow it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="rnnexp report",
        description="Write one HTML file with the table, curves and pictures of a sweep or a run; it needs no network.",
    )
    parser.add_argument("directory", type=Path, help="a sweep, a run, or a directory above runs")
    parser.add_argument("--metric", help="column to compare by")
    parser.add_argument("--out", type=Path, metavar="FILE", help="DIRECTORY/report.html if not given")
    parser.add_argument(
        "--serve",
        action="store_true",
        help="show it on http://127.0.0.1:PORT, up to date while jobs are running",
    )
    parser.add_argument("--port", type=int, default=8765, help="8765 if not given, 0 for any that is free")
    arguments = parser.parse_args(argv)
    if arguments.serve:
        from rnnexp.report.server import make_server

        server = make_server(arguments.directory, arguments.port, arguments.metric)
        print(f"http://127.0.0.1:{server.server_address[1]}, Ctrl-C ends it", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
        finally:
            server.server_close()
    out = arguments.out or arguments.directory / "report.html"
    write_page(arguments.directory, out, arguments.metric)
    print(out)
    return 0
