"""What the files of one run directory say, for tables of runs."""

import json
import math
import re
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rnnexp.config.option_names import OF_ANCESTOR, option_name
from rnnexp.config.plain_data import read_yaml
from rnnexp.errors import UserError
from rnnexp.training.records import file_checksum, read_record

GROUP_CHOICES = ("task", "latent_step")
NOT_SETTINGS = (
    "hydra", "trust", "resume", "plots", "trainer.plots", "trainer.progress", "logger", "experiment", "out", "seed",
)  # fmt: skip
"""What a line can say that makes no other network or result, or has a column of its own."""


def is_setting(key: str) -> bool:
    """Whether what a line set under a key belongs into a table of runs."""
    return not any(key == name or key.startswith((f"{name}.", f"{name}/")) for name in NOT_SETTINGS)


class RunFacts:
    """A run directory, as its files tell.

    Args:
        path: of the run.
        root: of the table; the run is named by its place below.
    """

    def __init__(self, path: Path, root: Path) -> None:
        place = path.relative_to(root).as_posix()
        self.path = path
        self.job = path.name if place == "." else place
        self.record: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.obstacle: str | None = None
        try:
            if (path / "run.json").exists():
                self.record = read_record(path / "run.json")
            if (path / "summary.json").exists():
                self.summary = read_record(path / "summary.json")
                self._check_summary(path / "summary.json")
        except UserError as error:
            self.obstacle = str(error)

    def _check_summary(self, path: Path) -> None:
        """Refuse a summary that is not the one that the run wrote last.

        Raises:
            UserError: its checksum is not that of run.json.
        """
        told = self.record.get("summary_sha256")
        if told is not None and told != file_checksum(path):
            self.summary = {}
            raise UserError(f"{path}: is damaged or was edited: its content does not agree with run.json")

    def row(self, keys: list[str]) -> dict[str, Any]:
        """Return the row of the run, with its value of each of these settings."""
        status, error = self.outcome()
        record = self.record
        row = {
            "job": self.job,
            "command": self.command,
            **{name: self.choices[name] for name in GROUP_CHOICES if self.choices.get(name) is not None},
            "status": status,
            "error": error,
            "seed": record.get("seed"),
            "run_seconds": _seconds(record.get("start"), record.get("end")),
            "host": record.get("host"),
        }
        settings = {key: self.setting(key) for key in keys if key not in row}
        return {**row, **settings, **self.summary, "path": str(self.path)}

    def outcome(self) -> tuple[str, str | None]:
        """Return how the run stands, and why if it did not end well."""
        if self.obstacle is not None:
            return "unreadable", self.obstacle
        if not self.record:
            return "missing", "left no run.json: was its process killed?"
        status = str(self.record.get("status"))
        return status, None if status in ("finished", "running") else self.record.get("exit_reason")

    @cached_property
    def typed(self) -> dict[str, str]:
        """The overrides of the run by key, prefixes left out."""
        lines = self.record.get("overrides")
        if not isinstance(lines, list) or not lines:
            try:
                lines = read_yaml(self.path / ".hydra" / "overrides.yaml")
            except (OSError, UserError):
                return {}
        lines = lines if isinstance(lines, list) else []
        pairs = (str(line).lstrip("+~").partition("=") for line in lines)
        return {key: value.strip("'\"") for key, _, value in pairs}

    def setting(self, key: str) -> Any:
        """Return the value of a setting: the option of a group, else what the configuration has, None if nothing."""
        if key in self.choices:
            return self.choices[key]
        node: Any = self.config
        for name in key.split("."):
            if not isinstance(node, dict) or name not in node:
                return _value(self.typed[key]) if key in self.typed and not self.config else None
            node = node[name]
        if key == "checkpoint" and isinstance(node, str):
            return self._checkpoint(node)
        if isinstance(node, dict) and "." not in key:
            return None  # a group, which the run did not choose itself
        return json.dumps(node) if isinstance(node, dict | list) else node

    def _checkpoint(self, path: str) -> str:
        """Return the run that a checkpoint belongs to, where it is its best, so that both names are one."""
        whole = Path(self.record.get("working_directory") or ".", path)
        is_best = whole.parts[-2:] == ("checkpoints", "best.pt")
        return str(whole.parent.parent if is_best else whole)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration of the run, plain data; nothing if it left none that can be read."""
        try:
            if (self.path / "config.json").exists():
                found = read_record(self.path / "config.json").get("config")
            else:
                found = read_yaml(self.path / ".hydra" / "config.yaml")
        except (OSError, UserError):
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def choices(self) -> dict[str, str]:
        """The options of all groups, which Hydra notes; task and network of an evaluation are those of its training."""
        chosen = {key: value for key, value in self._noted("choices").items() if "/" not in key}
        origin = self._origin()
        for name in GROUP_CHOICES:
            if origin is not None and name not in chosen and name in origin.choices:
                chosen[name] = origin.choices[name]
            if chosen.get(name) == OF_ANCESTOR and isinstance(self.config.get(name), dict):
                chosen[name] = option_name(name, self.config[name])
        return chosen

    def _origin(self) -> "RunFacts | None":
        """Return the training whose checkpoint was evaluated or analysed, if it is still there."""
        checkpoint = self.config.get("checkpoint")
        if not isinstance(checkpoint, str):
            return None
        path = Path(self._checkpoint(checkpoint))
        path = path.parent.parent if path.parent.name == "checkpoints" else path
        is_other = path.is_dir() and path.resolve() != self.path.resolve()
        return RunFacts(path, path) if is_other and (path / ".hydra").is_dir() else None

    @cached_property
    def command(self) -> str:
        """The sub-command that left the run: "train" where it is not told."""
        words = str(self.record.get("command") or "").split()
        return words[1] if len(words) > 1 and words[1].isalpha() else "train"

    def _noted(self, block: str) -> dict[str, str]:
        """Return the lines of a block of .hydra/hydra.yaml, which as a whole takes long to read."""
        try:
            text = (self.path / ".hydra" / "hydra.yaml").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return {}
        found = re.search(rf"^( +){block}:\n((?:\1 +.*\n?)*)", text, flags=re.MULTILINE)
        pairs = (line.strip().partition(": ") for line in (found[2].splitlines() if found else []))
        return {key: value.strip("'\"") for key, _, value in pairs if value not in ("", "null")}


def _value(text: str) -> Any:
    """Return the value that a text of a command line stands for."""
    known = {"true": True, "false": False, "null": None}
    if text.lower() in known:
        return known[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _seconds(start: str | None, end: str | None) -> float:
    if not start or not end:
        return math.nan
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
