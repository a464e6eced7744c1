"""The run directory: what one training leaves on disk."""

import contextlib
import json
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

PACKAGES = ("rnnexp", "torch", "hydra-core", "omegaconf", "numpy", "scipy", "pandas", "matplotlib")
PACKAGE = Path(__file__).resolve().parents[1]
MINIMUM_FREE_MB = 50


class RunDirectory:
    """Owns run.json, summary.json and the folders checkpoints/ and plots/ of one run.

    Args:
        path: the directory; created if it is missing.
        resume: continue the run that lies there, instead of refusing it.

    Raises:
        UserError: the directory already holds a run, another process is at it, it cannot be written, its disk is full.
    """

    def __init__(self, path: str | Path, resume: bool = False) -> None:
        self.path = Path(path).absolute()
        self.checkpoints = self.path / "checkpoints"
        self.plots = self.path / "plots"
        self._record: dict[str, Any] = {}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock", timeout=0)
            self._lock.acquire()
            if not resume:
                (self.path / "run.json").open("x").close()
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

    def start(self, seed: int, overrides: list[str], **facts: Any) -> None:
        """Write run.json with status "running" and all that is needed to repeat the run."""
        previous = self._read_record()
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
            **facts,
        }
        if previous:
            self._record["resumed_from"] = [*previous.pop("resumed_from", []), previous]
        self.write_json("run.json", self._record)

    def finish(self, status: str, exit_reason: str) -> None:
        """Close run.json.

        Args:
            status: "finished", "failed" or "interrupted".
            exit_reason: why, one sentence.
        """
        end = datetime.now().astimezone().isoformat(timespec="seconds")
        self._record |= {"status": status, "exit_reason": exit_reason, "end": end}
        self.write_json("run.json", self._record)
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
        """Write summary.json: flat numbers, null where a number is not finite."""
        self.write_json(
            "summary.json",
            {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in summary.items()},
        )

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file atomically."""
        temporary = self.path / f".{name}.tmp"
        try:
            temporary.write_text(json.dumps(content, indent=2) + "\n")
            os.replace(temporary, self.path / name)
        finally:
            temporary.unlink(missing_ok=True)

    def _read_record(self) -> dict[str, Any]:
        path = self.path / "run.json"
        text = path.read_text() if path.exists() else ""
        return json.loads(text) if text.strip() else {}


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
