"""From a configuration to the task, or to the tasks of a curriculum."""

from typing import Any

import torch

from rnnexp.config.instantiate import instantiate
from rnnexp.errors import UserError
from rnnexp.tasks.base import Task
from rnnexp.training.curriculum import Curriculum

Config = dict[str, Any]


def build_task(config: Config, key: str = "task") -> Task:
    """Build the task of a configuration.

    Args:
        config: with the node `task`.
        key: what error messages call that node.

    Raises:
        UserError: the class is no task or refuses its arguments.
    """
    node = config["task"]
    task = instantiate(node, key=key)
    if not isinstance(task, Task):
        raise UserError(f"{key}._target_: {node['_target_']}: must be a subclass of rnnexp.tasks.Task")
    return task


def stage_nodes(config: Config) -> list[Config]:
    """Return the task node of every stage; none without a curriculum.

    The entries of a stage replace those of the task; a stage with a `_target_` stands by itself.
    """
    stages = config["curriculum"]["stages"]
    return [stage if "_target_" in stage else {**config["task"], **stage} for stage in stages]


def goal_node(config: Config) -> Config:
    """Return the node of the task that the network shall learn in the end, that of the last stage if there are any."""
    return [config["task"], *stage_nodes(config)][-1]


def build_curriculum(config: Config) -> Curriculum | None:
    """Build the curriculum of a configuration, None if it has no stages.

    Raises:
        UserError: a stage is refused, or two stages do not fit together.
    """
    tasks = [
        build_task({"task": node}, f"curriculum.stages[{stage}]")
        for stage, node in enumerate(stage_nodes(config))
    ]
    if not tasks:
        return None
    settings = {key: value for key, value in config["curriculum"].items() if key != "stages"}
    try:
        curriculum = Curriculum(tasks, **settings)
    except ValueError as error:
        raise UserError(f"curriculum.{error}") from error
    _check_metrics(curriculum)
    return curriculum


def _check_metrics(curriculum: Curriculum) -> None:
    """Refuse stages whose tasks are measured differently: they could not share the columns of a table."""
    generator = torch.Generator().manual_seed(0)
    names = []
    for task in curriculum.tasks:
        trials = task.sample(2, generator)
        names.append(list(task.metrics(torch.zeros_like(trials.targets), trials)))
    for stage, own in enumerate(names):
        if own != names[0]:
            raise UserError(
                f"curriculum.stages[{stage}]: its task has the metrics {', '.join(own) or 'none'}: must be those of "
                f"stage 0, {', '.join(names[0]) or 'none'}"
            )
