"""JSON files that carry their own checksum, and what becomes of damaged files."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from rnnexp.errors import UserError

CHECKSUM = "sha256"


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object and its checksum; a file of that name is replaced only once the new one is complete."""
    write_text(path, json.dumps({**content, CHECKSUM: _checksum(content)}, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON object; one that carries a checksum must agree with it, and arrives without it.

    Raises:
        UserError: it cannot be read, is no object, or is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read: not a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: cannot be read: not a JSON object")
    told = content.pop(CHECKSUM, None)
    if told is not None and told != _checksum(content):
        raise UserError(f"{path}: is damaged or was edited: its content does not agree with its checksum")
    return content


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def free_name(path: Path) -> Path:
    """Return a name beside a damaged file under which it can be kept, and that nothing has yet."""
    number = 1
    while (free := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return free


def set_aside(path: Path) -> Path:
    """Give a damaged file a name under which nothing overwrites it; returns the name."""
    aside = free_name(path)
    os.replace(path, aside)
    return aside
