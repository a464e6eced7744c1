"""Checkpoints: one file of plain tensors, numbers and strings, written atomically and read without pickles."""

import io
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rnnexp.config.plain_data import refuse_interpolations
from rnnexp.errors import UserError
from rnnexp.training.checkpoint_file import checkpoint_file

FORMAT = "rnnexp checkpoint"
FORMAT_VERSION = 1


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
    record = {"format": FORMAT, "format_version": FORMAT_VERSION, "config": json.dumps(config), **content}
    packed = io.BytesIO()  # torch's own writer says little of a full disk, and keeps the broken file open
    torch.save(record, packed)
    try:
        temporary.write_bytes(packed.getbuffer())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint; tensors arrive on the CPU, the configuration as plain containers.

    Args:
        path: a checkpoint file, or a run directory, which stands for its best checkpoint.

    Raises:
        UserError: the file is missing, truncated, no checkpoint of rnnexp, of another format version, or its
            configuration holds more than plain data.
    """
    path = checkpoint_file(path)
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a file that is no intact archive of plain data
        reason = "truncated, or not a checkpoint of rnnexp"
        if "Unsupported global" in str(error):
            reason = "it holds more than tensors, numbers and texts, and to load that could run foreign code"
        raise UserError(f"checkpoint={path}: cannot be read: {reason}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise UserError(f"checkpoint={path}: a torch file, but not a checkpoint of rnnexp")
    if record["format_version"] != FORMAT_VERSION:
        raise UserError(
            f"checkpoint={path}: has format version {record['format_version']}, "
            f"this rnnexp reads version {FORMAT_VERSION}"
        )
    record["config"] = json.loads(record["config"])
    refuse_interpolations(record["config"], f"checkpoint={path}")
    return record


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
