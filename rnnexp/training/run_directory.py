"""The run directory: what one training leaves on disk."""

import contextlib
import json
import logging
import math
import os
import platform
import shutil
import subprocess
import sys
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rnnexp.errors import UserError, reason_of
from rnnexp.training.records import file_checksum, read_record, set_aside, write_record, write_text
from rnnexp.training.watchers import Watchers

log = logging.getLogger(__name__)

PACKAGES = ("rnnexp", "torch", "hydra-core", "omegaconf", "numpy", "scipy", "pandas", "matplotlib")
PACKAGE = Path(__file__).resolve().parents[1]
MINIMUM_FREE_MB = 50


FILES = ("run.json", "config.json", "metrics.csv", "summary.json", "weights.npz", "train.log")


def check_files(directory: Path) -> None:
    """Refuse to go on with a run whose files are something else, before anything is written.

    Raises:
        UserError: a folder stands in the place of a file, or the other way around.
    """
    checkpoints = directory / "checkpoints"
    for path in [*(directory / name for name in FILES), *checkpoints.glob("*.pt")]:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is in the place of a file of the run; move it away")
    if checkpoints.exists() and not checkpoints.is_dir():
        raise UserError(f"{checkpoints}: is in the place of the folder of the checkpoints; move it away")


class RunDirectory:
    """Owns run.json, summary.json and the folders checkpoints/ and plots/ of one run.

    Args:
        path: the directory; created if it is missing.
        resume: continue the run that lies there, instead of refusing it.

    Attributes:
        given_path: the directory as it was given, for what is said.
        files: that the configuration of the run reads.
        watchers: who is told what the training writes.

    Raises:
        UserError: the directory already holds a run, another process is at it, it cannot be written, its disk is full.
    """

    def __init__(self, path: str | Path, resume: bool = False) -> None:
        self.given_path = path
        self.path = Path(path).absolute()
        self.checkpoints = self.path / "checkpoints"
        self.plots = self.path / "plots"
        self._record: dict[str, Any] = {}
        self.files: list[dict[str, str]] = []
        self.watchers = Watchers()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock", timeout=0)
            self._lock.acquire()
            if resume:
                self._remove_halves()
            else:
                self._take()
        except Timeout as error:
            raise UserError(
                f"hydra.run.dir={self.path}: another process is working in this directory; wait for it, or stop it"
            ) from error
        except FileExistsError as error:
            raise UserError(
                f"hydra.run.dir={self.path}: already holds a run; runs are never overwritten, choose another directory "
                f"or continue it with resume={self.path}"
            ) from error
        except OSError as error:
            raise UserError(f"hydra.run.dir={self.path}: cannot be written: {error.strerror}") from error
        free = shutil.disk_usage(self.path).free / 1e6
        if free < MINIMUM_FREE_MB:
            if not resume:
                (self.path / "run.json").unlink(missing_ok=True)
            raise UserError(
                f"hydra.run.dir={self.path}: the disk has {free:.0f} MB left, a run needs {MINIMUM_FREE_MB} MB"
            )

    def _take(self) -> None:
        """Mark the directory as that of a run.

        An empty run.json was left by a process that was killed before it had written anything: it would hold the lock.

        Raises:
            FileExistsError: it holds a run.
        """
        path = self.path / "run.json"
        if path.exists() and (not path.is_file() or path.stat().st_size):
            raise FileExistsError
        path.touch()

    def _remove_halves(self) -> None:
        """Remove what a killed process had begun to write beside the checkpoints and the records."""
        for half in [*self.checkpoints.glob(".*.pt.*"), *self.path.glob(".*.tmp")]:
            half.unlink()

    def start(
        self,
        seed: int,
        overrides: list[str],
        config: dict[str, Any] | None = None,
        files: list[dict[str, str]] | None = None,
        **facts: Any,
    ) -> None:
        """Write run.json with status "running" and all that is needed to repeat the run.

        Args:
            seed: of the run.
            overrides: what the command line changed.
            config: resolved configuration, for config.json; from it a run starts anew that was stopped before its
                first checkpoint.
            files: that the configuration reads, for run.json, config.json and the checkpoints.
            facts: further entries of run.json.
        """
        previous = self._read_record()
        self.files = files or []
        self._record = {
            "status": "running",
            "exit_reason": None,
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "overrides": overrides,
            "seed": seed,
            "start": datetime.now().astimezone().isoformat(timespec="seconds"),
            "end": None,
            "host": platform.node(),
            "python": platform.python_version(),
            "versions": {name: metadata.version(name) for name in PACKAGES},
            "git_commit": git_commit(PACKAGE),
            "working_directory": os.getcwd(),
            "working_directory_git_commit": git_commit(Path.cwd()),
            **({} if files is None else {"files": files}),
            **facts,
        }
        if previous:
            self._record |= {name: previous[name] for name in ("init_from",) if name in previous}
            self._record["resumed_from"] = [*previous.pop("resumed_from", []), previous]
        write_record(self.path / "run.json", self._record)
        if config is not None:
            write_record(self.path / "config.json", {"config": config, "files": self.files})

    def finish(self, status: str, exit_reason: str) -> None:
        """Close run.json.

        Args:
            status: "finished", "failed" or "interrupted".
            exit_reason: why, one sentence.
        """
        end = datetime.now().astimezone().isoformat(timespec="seconds")
        self._record |= {"status": status, "exit_reason": exit_reason, "end": end}
        write_record(self.path / "run.json", self._record)
        self._lock.release()

    def fail(self, error: BaseException) -> None:
        """Close run.json after an error or a Ctrl-C; a full disk does not hide the error itself."""
        was_stopped = isinstance(error, KeyboardInterrupt)
        status, reason = (
            ("interrupted", "stopped by the user") if was_stopped else ("failed", reason_of(error))
        )
        with contextlib.suppress(OSError):
            self.finish(status, reason)

    def write_summary(self, summary: dict[str, float | int | None]) -> None:
        """Write summary.json: flat numbers, null where a number is not finite; its checksum goes into run.json."""
        self.write_json(
            "summary.json",
            {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in summary.items()},
        )
        self.watchers.summary(summary)
        self._record["summary_sha256"] = file_checksum(self.path / "summary.json")

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file atomically."""
        write_text(self.path / name, json.dumps(content, indent=2) + "\n")

    def _read_record(self) -> dict[str, Any]:
        """Return the run.json of an earlier start; a damaged one is kept under another name."""
        path = self.path / "run.json"
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            return {}
        try:
            return read_record(path)
        except UserError as error:
            log.warning("%s; kept as %s", error, set_aside(path).name)
            return {}


def git_commit(folder: Path) -> str | None:
    """Return the commit of the git checkout that a folder belongs to, "+dirty" added when it has changes.

    None where there is no git, no checkout, or one that holds nothing of the folder, such as a virtual environment
    inside of somebody's repository.
    """
    try:
        if not _git(folder, "ls-files", "--", "."):
            return None
        commit = _git(folder, "rev-parse", "HEAD")
        dirty = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+dirty" if dirty else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
