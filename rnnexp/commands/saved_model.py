"""A trained model, rebuilt from its checkpoint alone."""

import difflib
import inspect
from dataclasses import dataclass
from typing import Any

import torch

from rnnexp.commands.experiment import build_loss, build_model, prepare_device
from rnnexp.commands.tasks import build_task, goal_node
from rnnexp.config.instantiate import instantiate, locate
from rnnexp.config.targets import check_trusted
from rnnexp.errors import UserError
from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.tasks.base import Task
from rnnexp.training.checkpoint import load_checkpoint, load_weights
from rnnexp.training.streams import globals_seeded


@dataclass(frozen=True)
class SavedModel:
    """What a checkpoint holds, ready to run on the device of the command."""

    model: RNN
    task: Task
    loss: CompositeLoss
    config: dict[str, Any]
    step: int


def load_model(command: dict[str, Any], task_changes: dict[str, Any] | None = None) -> SavedModel:
    """Rebuild a trained model, with the task that it was to learn: that of the last stage of its curriculum, if any.

    Args:
        command: configuration of the command: checkpoint, trust, device.
        task_changes: constructor arguments of that task that differ from the training.

    Raises:
        UserError: the checkpoint cannot be used, names foreign classes without trust, or a change is refused.
    """
    path = command["checkpoint"]
    record = load_checkpoint(path)
    config = record["config"]
    check_trusted(config, command["trust"])
    device, dtype = prepare_device(command["device"])
    config["task"] = goal_node(config)
    with globals_seeded(config["seed"], "initialisation"):
        trained_on = task = build_task(config)
    if task_changes:
        _check_arguments(config["task"]["_target_"], task_changes)
        config["task"] = {**config["task"], **task_changes}
        with globals_seeded(config["seed"], "initialisation"):
            task = build_task(config)
    model = build_model(config, task, default_tau=trained_on.tau, restoring=True)
    model.to(torch.float64)  # which holds the weights of every dtype exactly
    load_weights(model, record["model"], origin=f"checkpoint={path}")
    for name, weight in model.state_dict().items():
        if not weight.isfinite().all():
            raise UserError(f"checkpoint={path}: {name} is not finite: such a network computes nothing")
    model = model.to(device, dtype).eval()
    step = record["state"]["step"]
    return SavedModel(model, task, loss_at(config, step), config, step)


def loss_at(config: dict[str, Any], step: int) -> CompositeLoss:
    """Build the loss of a configuration with the weights that its training has after `step` updates."""
    loss = build_loss(config)
    return loss.at(step, instantiate(config["trainer"], key="trainer").n_steps) if loss.is_scheduled else loss


def _check_arguments(target: str, changes: dict[str, Any]) -> None:
    allowed = [name for name in inspect.signature(locate(target)).parameters if name != "self"]
    for name in changes:
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean task.{close[0]}?" if close else f"must be one of {', '.join(allowed)}"
            raise UserError(f"task.{name}: unknown key: {hint}")
