"""The task of a checkpoint: remembered, rebuilt from the data that it was trained on, or with new data."""

import difflib
import inspect
import logging
from pathlib import Path
from typing import Any

from rnnexp.building.tasks import build_task, goal_node
from rnnexp.config.instantiate import locate
from rnnexp.errors import UserError
from rnnexp.numbers import is_whole
from rnnexp.saved.files import files_of, located
from rnnexp.tasks.base import Task
from rnnexp.tasks.time_series.remembered import RememberedSeries
from rnnexp.training.checkpoint import DamagedError
from rnnexp.training.streams import globals_seeded

log = logging.getLogger(__name__)
Config = dict[str, Any]


def remembered_task(record: Config, origin: str) -> RememberedSeries | None:
    """Return the time series that a checkpoint remembers, None if it keeps none.

    Args:
        record: content of the checkpoint.
        origin: what error messages call it.

    Raises:
        DamagedError: what it keeps cannot be.
    """
    memory = record.get("task")
    if memory is None:
        return None
    try:
        return RememberedSeries(**memory)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{origin}: is damaged: what it keeps of its task cannot be: {error}") from error


def rebuilt_task(record: Config, directory: Path, origin: str, changes: Config | None = None) -> Task:
    """Build the task that a network was to learn, that of the last stage of its curriculum, with its data.

    A time series is standardised as in the training, whatever data it has now. New data, `path`, are all of them what
    the network is evaluated on, unless `validation` or `test` is given too.

    Args:
        record: content of the checkpoint.
        directory: of its run, from which files are looked for.
        origin: what error messages call the checkpoint.
        changes: constructor arguments of the task that differ from the training.

    Raises:
        UserError: a change is refused, or a file of the task is gone or does not fit.
    """
    changes = changes or {}
    config, remembered = record["config"], remembered_task(record, origin)
    node = goal_node(config)
    taken = [name for name in inspect.signature(locate(node["_target_"])).parameters if name != "self"]
    _check_arguments(taken, changes)
    if "path" in changes:
        changes = _as_new_data(node, changes, taken)
    files = _files_of_goal(record, origin)
    node = located({"task": node}, files, directory, replaced=changes)["task"]
    if remembered is not None:
        node |= _scaling_of_training(node, remembered, taken)
    with globals_seeded(config["seed"], "initialisation"):
        task = build_task({"task": {**node, **changes}})
    if remembered is not None and changes:
        _check_columns(task, remembered)
    return task


def _scaling_of_training(node: Config, remembered: RememberedSeries, taken: list[str]) -> Config:
    """Return the arguments by which a time series is standardised as it was in the training."""
    outputs, inputs = remembered.data_units.outputs, remembered.data_units.inputs
    n_copies = node.get("embedding_dim", 1)
    n_columns = remembered.output_dim // n_copies if is_whole(n_copies, 1) else remembered.output_dim
    scaling = {
        "standardize": {"mean": outputs.mean[:n_columns].tolist(), "sd": outputs.sd[:n_columns].tolist()},
        "standardize_inputs": {"mean": inputs.mean.tolist(), "sd": inputs.sd.tolist()},
    }
    return {name: value for name, value in scaling.items() if name in taken}


def _as_new_data(node: Config, changes: Config, taken: list[str]) -> Config:
    """Return the changes with those that let all of the data at `path` be evaluated."""
    if node.get("inputs_path") is not None and "inputs_path" not in changes:
        raise UserError(
            f"task.inputs_path: {node['inputs_path']}: belongs to the data of the training; give the inputs of the new "
            "data too"
        )
    return {name: changes["path"] for name in ("validation", "test") if name in taken} | changes


def _files_of_goal(record: Config, origin: str) -> list[dict[str, str]]:
    """Return the recorded files of the task that the network was to learn, their keys as if there were no curriculum.

    Raises:
        DamagedError: they are no list of files.
    """
    files = files_of(record, origin)
    stages = record["config"]["curriculum"]["stages"]
    last = f"curriculum.stages[{len(stages) - 1}]."
    by_key = {file["key"]: file for file in files if file["key"].startswith("task.")}
    for file in files:
        if file["key"].startswith(last):
            key = f"task.{file['key'].removeprefix(last)}"
            by_key[key] = {**file, "key": key}
    return list(by_key.values())


def _check_columns(task: Task, remembered: RememberedSeries) -> None:
    """Refuse data with other columns than those of the training, and warn of those with other names."""
    own, trained = list(task.output_labels), list(remembered.output_labels)
    own_inputs, trained_inputs = list(task.input_labels), list(remembered.input_labels)
    for what, given, expected in (("columns", own, trained), ("inputs", own_inputs, trained_inputs)):
        if len(given) != len(expected) or (given != expected and sorted(given) == sorted(expected)):
            raise UserError(
                f"task: the data have the {what} {', '.join(given) or 'none'}: must be those of the training in their "
                f"order, {', '.join(expected) or 'none'}"
            )
        if given != expected:
            log.warning(
                "task: the data have the %s %s, those of the training were %s: taken in this order",
                what, ", ".join(given), ", ".join(expected),
            )  # fmt: skip


def _check_arguments(allowed: list[str], changes: Config) -> None:
    for name in changes:
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean task.{close[0]}?" if close else f"must be one of {', '.join(allowed)}"
            raise UserError(f"task.{name}: unknown key: {hint}")
