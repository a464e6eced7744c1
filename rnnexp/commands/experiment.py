"""From a configuration to the parts of an experiment: task, model, loss, optimizer."""

from typing import Any

import torch

from rnnexp.config.instantiate import instantiate
from rnnexp.errors import UserError
from rnnexp.latent_steps.base import LatentStep
from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.observation.base import Observation
from rnnexp.tasks.base import Task
from rnnexp.training.state import Parts
from rnnexp.training.streams import seeded, stream

Config = dict[str, Any]
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def build_parts(config: Config) -> Parts:
    """Build everything that a training needs from a resolved, validated configuration.

    Raises:
        UserError: a part refuses its arguments, or two parts do not fit together.
    """
    device, dtype = prepare_device(config["device"])
    task = build_task(config)
    model = build_model(config, task).to(device, dtype)
    loss = build_loss(config)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = instantiate(config["optimizer"], key="optimizer", params=trainable)
    schedule = instantiate(config["scheduler"], key="scheduler")
    parts = Parts(task, model, loss, optimizer, schedule, device, dtype)
    check_fit(parts)
    return parts


def prepare_device(config: Config) -> tuple[torch.device, torch.dtype]:
    """Choose the device and dtype and set the number of threads.

    Raises:
        UserError: cuda was asked for and is not there.
    """
    name = config["name"]
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device.name: {name}: no CUDA device was found; use device=cpu or device=auto")
    torch.set_num_threads(config["threads"])
    return torch.device(name), DTYPES[config["dtype"]]


def build_task(config: Config) -> Task:
    """Build the task."""
    task = instantiate(config["task"], key="task")
    if not isinstance(task, Task):
        raise UserError(
            f"task._target_: {config['task']['_target_']}: must be a subclass of rnnexp.tasks.Task"
        )
    return task


def build_model(config: Config, task: Task) -> RNN:
    """Build the model for a task, float32 on the CPU, with initial parameters from the run's seed."""
    generator = stream(config["seed"], "initialisation")
    latent_dim = config["latent_dim"]
    with seeded(generator):
        latent_step = instantiate(
            config["latent_step"], key="latent_step", latent_dim=latent_dim, input_dim=task.input_dim
        )
        observation = instantiate(
            config["observation"], key="observation", latent_dim=latent_dim, output_dim=task.output_dim
        )
    for key, part, base in (
        ("latent_step", latent_step, LatentStep),
        ("observation", observation, Observation),
    ):
        if not isinstance(part, base):
            target = config[key]["_target_"]
            raise UserError(
                f"{key}._target_: {target}: must be a subclass of {base.__module__}.{base.__name__}"
            )
    initializer = instantiate(config["initializer"], key="initializer").resolve(task.kind)
    model = RNN(latent_step, observation, config["initial_state"])
    model.initialize(initializer, generator)
    return model


def build_loss(config: Config) -> CompositeLoss:
    """Build the loss; a bare term counts as 1.0 times itself."""
    loss = instantiate(config["loss"], key="loss")
    return loss if isinstance(loss, CompositeLoss) else CompositeLoss([loss])


def check_fit(parts: Parts) -> None:
    """Refuse parts that do not work together, before any time is spent.

    Raises:
        UserError: a loss term needs what the model lacks, or the AR convergence threshold has no weight.
    """
    try:
        parts.loss.check_model(parts.model)
    except ValueError as error:
        raise UserError(f"loss: {error}") from error
    epsilon = getattr(parts.model.latent_step, "ar_epsilon", None)
    if epsilon is not None and not parts.loss.weights.get("ar"):
        raise UserError(
            f"latent_step.ar_epsilon: {epsilon}: has no effect while loss.lambda_ar is 0; set loss.lambda_ar > 0"
        )
