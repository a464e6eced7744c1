"""Chooses and claims the directory of a run or sweep before Hydra writes anything."""

import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from rnnexp.config.option_names import OF_ANCESTOR, option_name
from rnnexp.errors import UserError

Kind = Literal["run", "sweep"]
SOON = 60  # seconds in which a process that has claimed a directory writes its first files
RUN_MARKS = ("run.json", ".hydra")
TIME = re.compile(r"\$\{now:([^}]*)\}")


class Claim:
    """A directory that belongs to this process.

    Args:
        key: "hydra.run.dir" or "hydra.sweep.dir".
        path: the directory.
        is_stamped: its name contains the time, so it was chosen here; else the user fixed it.
    """

    def __init__(self, key: str, path: Path, is_stamped: bool) -> None:
        self.key = key
        self.path = path
        self.is_stamped = is_stamped

    def overrides(self) -> tuple[str, ...]:
        """Return what makes Hydra use the directory."""
        if not self.is_stamped:
            return ()
        return (f"{self.key}={QuotedString(str(self.path), Quote.single).with_quotes()}",)

    def release(self) -> None:
        """Remove the directory if nothing was written into it."""
        for folder in (self.path / ".hydra", self.path):
            with suppress(OSError):
                folder.rmdir()
        marker = self.path / "multirun.yaml"
        if marker.is_file() and not marker.stat().st_size:
            marker.unlink()
            with suppress(OSError):
                self.path.rmdir()


def claim(cfg: DictConfig, kind: Kind) -> Claim:
    """Choose the directory and make it, so that no other process can take it.

    A directory whose name holds the time gets a suffix if it exists; one that the user fixed is refused if it
    holds a run already.

    Args:
        cfg: composed configuration, `${hydra:...}` working.
        kind: a single run, or a sweep.

    Raises:
        UserError: the directory is taken or cannot be made; nothing was changed on disk.
    """
    key = f"hydra.{kind}.dir"
    cfg = _with_class_names(cfg, key)
    path = _resolved(cfg, key)
    if TIME.search(_raw(cfg, key)):
        return Claim(key, _make_unique(key, path), is_stamped=True)
    _refuse_taken(key, path)
    marker = path / ("multirun.yaml" if kind == "sweep" else ".hydra")
    try:
        path.mkdir(parents=True, exist_ok=True)
        if kind == "sweep":
            marker.touch(exist_ok=False)
        elif cfg.hydra.output_subdir == marker.name:
            marker.mkdir()
    except FileExistsError as error:
        raise UserError(_taken(key, path, marker.name)) from error
    except OSError as error:
        raise UserError(f"{key}: {path}: cannot be made: {error.strerror}") from error
    return Claim(key, path, is_stamped=False)


def fixed_directory(cfg: DictConfig, kind: Kind) -> Path:
    """Return the directory that the user fixed.

    Raises:
        UserError: its name holds the time, so that it is another one every time.
    """
    key = f"hydra.{kind}.dir"
    if TIME.search(_raw(cfg, key)):
        raise UserError(f"resume=auto: needs a directory that stays the same: {key}=DIR")
    return _resolved(_with_class_names(cfg, key), key)


def pattern(cfg: DictConfig, kind: Kind) -> str:
    """Return the directory with the places of date and time shown as <format>."""
    key = f"hydra.{kind}.dir"
    cfg = _with_class_names(cfg, key)
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        OmegaConf.update(cfg, key, TIME.sub(r"<\1>", _raw(cfg, key)))
    return str(_resolved(cfg, key))


def _with_class_names(cfg: DictConfig, key: str) -> DictConfig:
    """Return a configuration whose directory names classes of the user by their own name, not all of them "own"."""
    raw = _raw(cfg, key)
    for group in ("task", "latent_step"):
        choice = f"${{hydra:runtime.choices.{group}}}"
        chosen = OmegaConf.select(cfg, f"hydra.runtime.choices.{group}") if choice in raw else ""
        target = OmegaConf.select(cfg, f"{group}._target_")
        if chosen is None:
            raw = raw.replace(choice, f"no_{group}")
        elif chosen == "own" and isinstance(target, str):
            raw = raw.replace(choice, re.sub(r"\W", "", target.rpartition(".")[2]))
        elif chosen == OF_ANCESTOR:
            raw = raw.replace(choice, option_name(group, OmegaConf.to_container(cfg[group])))
    cfg = cfg.copy()
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        OmegaConf.update(cfg, key, raw)
    return cfg


def _raw(cfg: DictConfig, key: str) -> str:
    parent, _, name = key.rpartition(".")
    return str(OmegaConf.to_container(OmegaConf.select(cfg, parent), resolve=False)[name])


def _resolved(cfg: DictConfig, key: str) -> Path:
    try:
        return Path(str(OmegaConf.select(cfg, key, throw_on_missing=True)))
    except OmegaConfBaseException as error:
        raise UserError(f"{key}: {_raw(cfg, key)}: {str(error).splitlines()[0]}") from error


def _make_unique(key: str, path: Path) -> Path:
    candidate = path
    while True:
        try:
            candidate.mkdir(parents=True)
            return candidate
        except FileExistsError:
            if not candidate.is_dir():
                raise UserError(f"{key}: {candidate}: cannot be made: a file is in the way") from None
            candidate = path.with_name(f"{path.name}_{secrets.token_hex(3)}")
        except OSError as error:
            raise UserError(f"{key}: {candidate}: cannot be made: {error.strerror}") from error


def _refuse_taken(key: str, path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise UserError(f"{key}: {path}: cannot be made: a file is in the way")
    if key == "hydra.run.dir" and _never_began(path):
        shutil.rmtree(path / ".hydra")
        return
    marks = RUN_MARKS if key == "hydra.run.dir" else ("multirun.yaml",)
    found = [path / mark for mark in marks if (path / mark).exists()]
    if key == "hydra.sweep.dir":
        found += [entry for entry in path.iterdir() if entry.name.isdigit() and entry.is_dir()]
    if found:
        raise UserError(_taken(key, path, found[0].name))


def _never_began(path: Path) -> bool:
    """Whether a run was stopped, a minute ago or more, before anything but a part of its .hydra was written."""
    there = [path, *path.rglob("*")]
    told = [entry for entry in there[1:] if entry.suffix != ".log" or entry.stat().st_size]
    names = {entry.relative_to(path).as_posix() for entry in told}
    if ".hydra" not in names or not names <= {".hydra", ".hydra/config.yaml"}:
        return False  # hydra.yaml is written after config.yaml, and then the run can go on
    return time.time() - max(entry.stat().st_mtime for entry in there) > SOON


def _taken(key: str, path: Path, mark: str) -> str:
    is_run = key == "hydra.run.dir"
    what = "a run" if is_run else "a sweep"
    instead = f", or continue it with rnnexp train {'' if is_run else '-m '}resume={path}"
    told = f"{key}: {path}: holds {what} already ({mark}), which is never overwritten"
    return f"{told}: choose another directory{instead}"
