"""What tests of faults share: command lines in processes of their own, and what a training must give again."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnexp.training.checkpoint import checksum, load_checkpoint

ROOT = Path(__file__).parents[2]
WALL_CLOCK = ("seconds", "trials_per_second")


@dataclass
class Ended:
    """How a command line ended: exit code, minus a signal, or None after a hang; what it said."""

    code: int | None
    out: str
    err: str


class Processes:
    """Starts command lines in forked processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forking.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self._number = 0

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(30)

    def _ask(self, order: dict) -> int | None:
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(self, words: Sequence[str], cwd: Path | None = None, **faults: object) -> tuple[int, int]:
        """Start a command line; returns process id and number."""
        self._number += 1
        files = {name: str(self.folder / f"{self._number}.{name}") for name in ("out", "err", "counts")}
        order = {"words": list(words), "cwd": str(cwd or self.folder), "faults": faults, **files}
        return self._ask(order), self._number

    def wait(self, started: tuple[int, int], seconds: float = 120) -> Ended:
        """Wait until a command line has ended; one that takes longer is ended."""
        pid, number = started
        code = self._ask({"pid": pid, "seconds": seconds})
        said = [(self.folder / f"{number}.{name}").read_text(errors="replace") for name in ("out", "err")]
        return Ended(code, *said)

    def run(
        self, words: Sequence[str], cwd: Path | None = None, seconds: float = 120, **faults: object
    ) -> Ended:
        """Start a command line and wait for it."""
        return self.wait(self.start(words, cwd, **faults), seconds)

    def counts(self) -> tuple[int, int]:
        """Return the file operations and the writes of the last run that was watched to its end."""
        return tuple(json.loads((self.folder / f"{self._number}.counts").read_text()))


@pytest.fixture(scope="session")
def processes(tmp_path_factory):
    """Command lines in processes of their own."""
    started = Processes(tmp_path_factory.mktemp("processes"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def is_long():
    """Whether the long form of the tests was asked for."""
    return os.environ.get("RNNEXP_FAULTS") == "long"


@pytest.fixture(scope="session")
def results():
    """All that a training must give again, to the last bit, by name."""
    return _results


def _results(folder: Path) -> dict[str, object]:
    found = {"metrics.csv": pd.read_csv(folder / "metrics.csv", dtype=str).drop(columns="seconds").to_csv()}
    for path in (folder / "checkpoints").glob("[!.]*"):
        record = load_checkpoint(path)
        for entry in ("seconds", "history"):
            del record["state"][entry]
        for name in record.keys() - {"config"}:
            found[f"{path.name}: {name}"] = checksum(record[name])
    summary = json.loads((folder / "summary.json").read_text())
    found |= {f"summary: {name}": value for name, value in summary.items() if name not in WALL_CLOCK}
    with np.load(folder / "weights.npz") as weights:
        found |= {f"weights: {name}": weights[name].tobytes() for name in weights}
    run = json.loads((folder / "run.json").read_text())
    return {**found, "status": run["status"], "exit_reason": run["exit_reason"]}


@pytest.fixture(scope="session")
def said_in_sentences():
    """Assert that a command line that did not go well said why, in sentences."""
    return _said_in_sentences


def _said_in_sentences(ended: Ended, command: str = "train", codes: Sequence[int] = (1,)) -> None:
    assert ended.code in codes, (ended.code, ended.err)
    assert "Traceback" not in ended.err, ended.err
    assert "HYDRA_FULL_ERROR" not in ended.err, ended.err
    lines = [line for line in ended.err.splitlines() if line.startswith(f"rnnexp {command}: ")]
    assert lines, ended.err
    assert not any("Error: " in line for line in lines), ended.err
