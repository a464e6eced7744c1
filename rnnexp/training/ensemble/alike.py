"""Which trainings can be one: those whose networks have the same structure."""

import json
from collections.abc import Mapping
from typing import Any

from rnnexp.training.ensemble.scoring import obstacle
from rnnexp.training.state import Session
from rnnexp.training.trainer import Trainer

OF_EACH = ("seed", "initializer", "scheduler", "logger", "init_optimizer")  # whole nodes
OF_TRAINER = (
    "n_trials", "n_steps", "eval_every", "eval_batch_size", "n_validation_trials", "n_test_trials", "clip_norm",
    "best_metric", "best_mode", "accuracy_cutoff", "loss_cutoff", "patience", "min_steps", "on_nonfinite",
    "max_nonfinite", "save_every", "plots", "progress",
)  # fmt: skip
OF_STEP = ("pre_noise", "post_noise", "initial_sd")
OF_FORCING = ("tau", "alpha", "final_alpha", "anneal", "interval", "method", "decay", "update_every")


def structure(config: Mapping[str, Any]) -> str:
    """Return what trainings must share to be one, as far as their configurations tell.

    Seeds, initial weights, learning rates, lambdas, noise, parameters of the task, forcing and stopping may differ.

    Args:
        config: resolved and validated.
    """
    shared = {key: value for key, value in config.items() if key not in OF_EACH}
    shared["trainer"] = _without(config["trainer"], OF_TRAINER)
    shared["latent_step"] = _without(config["latent_step"], OF_STEP)
    shared["forcing"] = _without(config["forcing"], OF_FORCING)
    shared["optimizer"] = config["optimizer"]["_target_"]
    shared["task"] = config["task"]["_target_"]
    shared["connectivity"] = config["connectivity"]["_target_"]
    shared["loss"] = {key: value for key, value in config["loss"].items() if not key.startswith("lambda_")}
    return json.dumps(shared, sort_keys=True, default=str)


def facts(trainer: Trainer, session: Session) -> str | None:
    """Return what trainings must share to be one, as far as their parts tell; None for one that must be alone."""
    parts, task = session.parts, session.task
    model = parts.model
    if obstacle(model) is not None:
        return None
    tensors = [
        (name, tuple(tensor.shape), str(tensor.dtype), tensor.requires_grad)
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
    ]
    found = {
        "tensors": tensors,
        "task": (task.n_steps, task.input_dim, task.output_dim, task.dt, task.tau, task.kind),
        "terms": parts.loss.labels,
        "forced": model.forcing is not None and model.forcing.acts,
        "step": session.state.step,
        "batch": (trainer.batch_size, trainer.chunk_size),
        "place": (str(parts.device), str(parts.dtype)),
    }
    return json.dumps(found, default=str)


def _without(node: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in keys}
