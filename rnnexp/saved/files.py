"""The files that a configuration reads, data, masks and initial weights: recorded in the run, and found again later."""

import copy
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from rnnexp.config.components import path_of
from rnnexp.errors import UserError
from rnnexp.training.records import file_checksum

log = logging.getLogger(__name__)
NODES = ("task", "curriculum", "constraint", "connectivity", "initializer")
NEEDED = ("task", "curriculum")  # whose files are read again whenever the run goes on
ENTRIES = {"key", "absolute", "relative", "sha256"}
Config = dict[str, Any]
Place = tuple[Any, Any]  # a container, and the key or index of one of its texts


def input_files(config: Config, directory: Path) -> list[dict[str, str]]:
    """Return where the files that a configuration names are, and what is in them.

    Args:
        config: resolved configuration.
        directory: of the run.

    Returns:
        For each file key, its place in the configuration, absolute and relative (to the run directory) path, and
        sha256 of its content.
    """
    files = []
    for key, (container, name) in _texts(config):
        path = _file(container[name])
        if path is not None:
            absolute = path.absolute()
            relative = os.path.relpath(absolute, directory.absolute())
            files.append(
                {"key": key, "absolute": str(absolute), "relative": relative, "sha256": _checksum(absolute)}
            )
    return files


def files_of(record: Config, origin: str) -> list[dict[str, str]]:
    """Return what a checkpoint or a run.json keeps of the files of its run; nothing if an earlier version wrote it.

    Args:
        record: content of the file.
        origin: what error messages call it.

    Raises:
        UserError: it is no list of files.
    """
    files = record.get("files", [])
    if not isinstance(files, list) or any(
        not isinstance(file, dict)
        or set(file) != ENTRIES
        or not all(isinstance(v, str) for v in file.values())
        for file in files
    ):
        raise UserError(f"{origin}: is damaged: what it keeps of its files cannot be")
    return files


def located(
    config: Config, files: list[dict[str, str]], directory: Path, replaced: Collection[str] = ()
) -> Config:
    """Return a configuration that names its files where they are now.

    Each is looked for where the configuration says, seen from the working directory, then where it was when the run
    began, then where it lies seen from the run directory; one with the content of then is preferred.

    Args:
        config: of a run.
        files: of that run, see `input_files`.
        directory: of that run, wherever it is now.
        replaced: arguments of the task that the command gives anew.

    Raises:
        UserError: a file of the task is nowhere.
    """
    config = copy.deepcopy(config)
    places = dict(_texts(config))
    for file in files:
        key = file["key"]
        if key not in places or key.partition(".")[2].partition("[")[0] in replaced:
            continue
        container, name = places[key]
        typed = container[name]
        candidates = [typed, file["absolute"], os.path.normpath(directory / file["relative"])]
        there = [path for path in map(_file, candidates) if path is not None]
        unchanged = next((path for path in there if _checksum(path) == file["sha256"]), None)
        if there and unchanged is None:
            log.warning("%s: %s has changed since the run began", key, there[0])
        if there:
            container[name] = str(unchanged or there[0])
        elif key.split(".")[0] in NEEDED:
            raise UserError(
                f"{key}: {typed}: the file is gone: it is not in {Path.cwd()}, not at {file['absolute']}, and not at "
                f"{file['relative']} seen from {directory}"
            )
    return config


def _texts(config: Config) -> Iterator[tuple[str, Place]]:
    """Every text in the nodes that may name files, with its dotted path."""
    for node in NODES:
        yield from _inner_texts(config.get(node), node)


def _inner_texts(node: Any, prefix: str) -> Iterator[tuple[str, Place]]:
    if isinstance(node, dict):
        inner = [(name, path_of(prefix, str(name))) for name in node if name != "_target_"]
    elif isinstance(node, list):
        inner = [(index, f"{prefix}[{index}]") for index in range(len(node))]
    else:
        return
    for name, path in inner:
        if isinstance(node[name], str):
            yield path, (node, name)
        else:
            yield from _inner_texts(node[name], path)


def _file(text: str) -> Path | None:
    """Return the file that a text names, None if there is none."""
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):  # too long, a zero byte, or a user that does not exist
        return None


def _checksum(path: Path) -> str:
    try:
        return file_checksum(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
