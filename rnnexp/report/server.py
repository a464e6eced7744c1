"""Serves the page of a running sweep on this machine; the page asks for new data every few seconds."""

import json
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rnnexp.errors import UserError
from rnnexp.report.data import page_data
from rnnexp.report.page import page

REFRESH_SECONDS = 5


class Source:
    """The data of a directory, gathered anew when they are older than a moment.

    Args:
        directory: a sweep, a run, or a directory above runs.
        metric: column to compare by.
        seconds: for which gathered data are good.
    """

    def __init__(self, directory: Path, metric: str | None, seconds: float = REFRESH_SECONDS / 2) -> None:
        self.directory = directory
        self._metric = metric
        self._seconds = seconds
        self._lock = threading.Lock()
        self._data: dict[str, Any] | None = None
        self._time = 0.0

    def data(self) -> dict[str, Any]:
        """Return the data."""
        with self._lock:
            if self._data is None or time.monotonic() - self._time > self._seconds:
                self._data = page_data(self.directory, self._metric)
                self._time = time.monotonic()
            return self._data


class Handler(SimpleHTTPRequestHandler):
    """Answers / with the page, /data.json with its data, and anything else with files below the directory."""

    def __init__(self, *arguments: Any, source: Source, **settings: Any) -> None:
        self._source = source
        super().__init__(*arguments, directory=str(source.directory), **settings)

    def do_GET(self) -> None:
        """Answer a request."""
        path = self.path.partition("?")[0]
        if path not in ("/", "/data.json"):
            super().do_GET()
            return
        try:
            data = self._source.data()
            text = page(data, REFRESH_SECONDS) if path == "/" else json.dumps(data, allow_nan=False)
        except UserError as error:
            self.send_error(503, str(error)[:200])
            return
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8" if path == "/" else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep the terminal quiet."""


def make_server(directory: Path, port: int, metric: str | None = None) -> ThreadingHTTPServer:
    """Return a server on this machine alone, not begun.

    Args:
        directory: a sweep, a run, or a directory above runs.
        port: 0 takes any that is free.
        metric: column to compare by.

    Raises:
        UserError: there is no run, or the port is taken.
    """
    source = Source(directory, metric)
    page(source.data())  # what is wrong with it is said at once
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, source=source))
    except (OSError, OverflowError) as error:
        raise UserError(f"--port {port}: cannot be used: {error}") from error
