"""Checkpoints: one file of plain tensors, numbers and strings, with their checksum, written atomically."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rnnexp.config.plain_data import refuse_interpolations
from rnnexp.config.targets import is_own
from rnnexp.errors import UserError
from rnnexp.numbers import is_whole
from rnnexp.training.checkpoint_file import checkpoint_file

FORMAT = "rnnexp checkpoint"
FORMAT_VERSION = 2  # version 1 had no checksum
READ_VERSIONS = (1, 2)
PREVIOUS = ".previous.pt"  # the last.pt before the present one


class DamagedError(UserError):
    """A file is no intact checkpoint."""


def save_checkpoint(path: Path, config: dict[str, Any], content: dict[str, Any]) -> None:
    """Write a checkpoint; a file of that name is replaced only once the new one is complete.

    Args:
        path: the file; its folder exists.
        config: the run's resolved configuration, plain containers.
        content: state dicts, numbers, strings (all that `torch.load(weights_only=True)` accepts).

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    content = {"config": json.dumps(config), **_compact(content)}
    record = {"format": FORMAT, "format_version": FORMAT_VERSION, "sha256": checksum(content), **content}
    packed = io.BytesIO()  # torch's own writer says little of a full disk, and keeps the broken file open
    torch.save(record, packed)
    try:
        temporary.write_bytes(packed.getbuffer())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _compact(value: Any) -> Any:
    """Return containers, tensors that are parts of larger ones copied: torch would write the whole of these."""
    if isinstance(value, torch.Tensor):
        is_part = value.untyped_storage().nbytes() > value.numel() * value.element_size()
        return value.clone() if is_part else value
    if isinstance(value, Mapping):
        return {key: _compact(inner) for key, inner in value.items()}
    return [_compact(inner) for inner in value] if isinstance(value, list) else value


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint; tensors arrive on the CPU, the configuration as plain containers.

    Args:
        path: a checkpoint file, or a run directory, which stands for its best checkpoint.

    Raises:
        UserError: the file is missing, damaged, no checkpoint of rnnexp, of another format version, or its
            configuration holds more than plain data.
    """
    path = checkpoint_file(path)
    try:
        _refuse_compression(path)
        record = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a file that is no intact archive of plain data
        reason = "truncated, or not a checkpoint of rnnexp"
        if "Unsupported global" in str(error):
            reason = "it holds more than tensors, numbers and texts, and to load that could run foreign code"
        raise DamagedError(f"checkpoint={path}: cannot be read: {reason}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise DamagedError(f"checkpoint={path}: a torch file, but not a checkpoint of rnnexp")
    version = record.get("format_version")
    if version not in READ_VERSIONS:
        raise UserError(
            f"checkpoint={path}: has format version {version}, "
            f"this rnnexp reads versions {', '.join(map(str, READ_VERSIONS))}"
        )
    told = record.pop("sha256", None)
    content = {name: value for name, value in record.items() if name not in ("format", "format_version")}
    try:
        is_intact = checksum(content) == told or version == 1
        record["config"] = json.loads(content["config"])
    except (ValueError, TypeError, KeyError):
        is_intact = False
    if not is_intact or not isinstance(record["config"], dict):
        raise DamagedError(f"checkpoint={path}: is damaged: its content does not agree with its checksum")
    refuse_interpolations(record["config"], f"checkpoint={path}")
    return record


def checksum(content: Any) -> str:
    """Return the SHA-256 of plain containers: of all texts, numbers and tensors, their kinds and their order.

    Raises:
        ValueError: a tensor claims more values than its storage holds.
    """
    digest = hashlib.sha256()
    _feed(digest, content)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError("a tensor claims more values than its storage holds")
        digest.update(f"tensor {value.dtype} {tuple(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        flat = torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat
        digest.update(flat.view(torch.uint8).numpy().data)
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)}".encode())
        for key, inner in value.items():
            _feed(digest, key)
            _feed(digest, inner)
    elif isinstance(value, list | tuple):
        digest.update(f"sequence {len(value)}".encode())
        for inner in value:
            _feed(digest, inner)
    else:
        text = repr(value).encode()
        digest.update(f"{type(value).__name__} {len(text)} ".encode() + text)


def _refuse_compression(path: Path) -> None:
    """Refuse an archive that expands: torch writes none, and a small one could fill the memory."""
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("compressed")


def resume_point(directory: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Return the checkpoint that a run goes on from, and a sentence where that is not an intact last.pt.

    Args:
        directory: of the run.

    Returns:
        The content of the most recent intact checkpoint; None where there is no checkpoint at all.

    Raises:
        UserError: there are checkpoints, and none of them is intact, or one holds more than plain data.
    """
    folder = directory / "checkpoints"
    last = folder / "last.pt"
    problem = None
    if last.exists():
        try:
            return _complete(last), None
        except DamagedError as error:
            problem = error
    intact = []
    others = [path for path in folder.glob("*.pt") if path != last] if folder.is_dir() else []
    for path in others:
        try:
            intact.append((_complete(path), path))
        except DamagedError as error:
            problem = problem or error
    if not intact:
        if problem is not None:
            raise problem
        return None, None
    record, path = max(intact, key=lambda pair: (pair[0]["state"]["step"], pair[1].name == PREVIOUS))
    why = "last.pt is missing" if not last.exists() else f"last.pt cannot be used ({problem})"
    return record, f"{why}; the run goes on from {path.name}, step {record['state']['step']}"


def check_sizes(
    config: dict[str, Any], weights: Mapping[str, torch.Tensor], origin: str, **others: int
) -> None:
    """Refuse a configuration whose network is far larger than any weight, before memory is taken for it.

    Up to twice as large passes: then `load_weights` says better what does not fit. Classes of the user are left alone.

    Args:
        config: with latent_dim and latent_step.
        weights: that shall go into the network.
        origin: what error messages begin with.
        others: further sizes, by what they count.

    Raises:
        DamagedError: a size has no weight of about that size.
    """
    step = config["latent_step"]
    if not isinstance(step, Mapping) or not is_own(str(step.get("_target_"))):
        return
    largest = max((size for weight in weights.values() for size in weight.shape), default=0)
    for name, size in {
        "latent_dim": config["latent_dim"],
        "hidden_dim": step.get("hidden_dim"),
        **others,
    }.items():
        if is_whole(size, 1) and size > 2 * largest + 100:  # anything else is refused where it is used
            raise DamagedError(f"{origin}: is damaged: {name} is {size}, no weight has as many a side")


def best_step(folder: Path) -> int | None:
    """Return the step of the best checkpoint in a folder, None if there is none.

    Raises:
        UserError: it cannot be read.
    """
    path = folder / "best.pt"
    return load_checkpoint(path)["state"]["step"] if path.exists() else None


def _complete(path: Path) -> dict[str, Any]:
    """Read a checkpoint that a run can go on from.

    Raises:
        UserError: it cannot be read, or lacks what a training needs.
    """
    record = load_checkpoint(path)
    kinds = {"model": dict, "optimizer": dict, "state": dict}
    if any(not isinstance(record.get(name), kind) for name, kind in kinds.items()) or not isinstance(
        record["state"].get("step"), int
    ):
        raise DamagedError(f"checkpoint={path}: lacks what a training needs to go on from it")
    return record


def keep_previous(last: Path) -> None:
    """Let last.pt be the previous one, before it is replaced."""
    if last.exists():
        os.replace(last, last.with_name(PREVIOUS))


def load_weights(module: nn.Module, state: dict[str, torch.Tensor], origin: str) -> None:
    """Load a state dict, all of it and nothing more.

    Raises:
        UserError: names or shapes differ; the message lists them.
    """
    expected = module.state_dict()
    problems = [f"{name} is missing" for name in expected if name not in state]
    problems += [f"{name} is unknown" for name in state if name not in expected]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected
        if name in state and state[name].shape != expected[name].shape
    ]
    if problems:
        raise UserError(f"{origin}: weights do not fit the model: {'; '.join(problems)}")
    module.load_state_dict(state)
