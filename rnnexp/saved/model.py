"""A trained model, rebuilt from its checkpoint alone."""

from dataclasses import dataclass
from typing import Any

import torch

from rnnexp.building.loops import AS_TRAINED, build_loop, changed_perturbation, network_sizes
from rnnexp.building.parts import build_loss, build_model, prepare_device
from rnnexp.config.instantiate import instantiate
from rnnexp.config.targets import check_trusted
from rnnexp.errors import UserError
from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.saved.task import rebuilt_task, remembered_task
from rnnexp.tasks.base import Task
from rnnexp.tasks.units import DataUnits
from rnnexp.training.checkpoint import check_sizes, load_checkpoint, load_weights
from rnnexp.training.checkpoint_file import run_directory_of


@dataclass(frozen=True)
class SavedModel:
    """What a checkpoint holds, ready to run on the device of the command."""

    model: RNN
    task: Task
    loss: CompositeLoss
    config: dict[str, Any]
    step: int

    def units(self, wanted: str) -> DataUnits | None:
        """Return how outputs and inputs follow from those of the user; None where the network sees them as they are.

        Args:
            wanted: "data" or "standardized".

        Raises:
            UserError: they shall be standardised ones, and the task knows no others.
        """
        if wanted == "standardized" and self.task.data_units is None:
            raise UserError(
                f"units: standardized: the task {type(self.task).__name__} standardises nothing; must be data"
            )
        return self.task.data_units if wanted == "data" else None


def load_model(
    command: dict[str, Any], task_changes: dict[str, Any] | None = None, needs_data: bool = False
) -> SavedModel:
    """Rebuild a trained model, with the task that it was to learn: that of the last stage of its curriculum, if any.

    Args:
        command: configuration of the command: checkpoint, trust, device.
        task_changes: constructor arguments of that task that differ from the training.
        needs_data: a time series comes with its data; else with what the checkpoint remembers of it, if it does.

    Raises:
        UserError: the checkpoint cannot be used, names foreign classes without trust, or a change is refused.
    """
    path = command["checkpoint"]
    origin, directory = f"checkpoint={path}", run_directory_of(path)
    record = load_checkpoint(path)
    config = record["config"]
    check_trusted(config, command["trust"])
    device, dtype = prepare_device(command["device"])
    task = None if needs_data else remembered_task(record, origin)
    default_tau = None
    if task is None:
        task = rebuilt_task(record, directory, origin, task_changes)
        if task_changes and task.tau is not None:
            default_tau = rebuilt_task(record, directory, origin).tau
    if "perturbation" in command:
        config = changed_perturbation(config, command["perturbation"])
    n_inputs, n_outputs = network_sizes(task, build_loop(config, task))
    check_sizes(config, record["model"], origin, inputs=n_inputs, outputs=n_outputs)
    model = build_model(config, task, default_tau, restoring=True)
    model.to(torch.float64)  # which holds the weights of every dtype exactly
    load_weights(model, record["model"], origin=origin)
    for name, weight in model.state_dict().items():
        if not weight.isfinite().all():
            raise UserError(f"{origin}: {name} is not finite: such a network computes nothing")
    model = model.to(device, dtype).eval()
    step = record["state"]["step"]
    if command.get("perturbation", AS_TRAINED) == AS_TRAINED:
        model.at_update(step)
    return SavedModel(model, task, loss_at(config, step), config, step)


def loss_at(config: dict[str, Any], step: int) -> CompositeLoss:
    """Build the loss of a configuration with the weights that its training has after `step` updates."""
    loss = build_loss(config)
    return loss.at(step, instantiate(config["trainer"], key="trainer").n_steps) if loss.is_scheduled else loss
