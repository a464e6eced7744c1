"""From a configuration to the plant of a network, its feedback and what disturbs it."""

from typing import Any

from rnnexp.config.instantiate import instantiate
from rnnexp.config.schema import OPEN_LOOP
from rnnexp.errors import UserError
from rnnexp.perturbations import NoPerturbation, Perturbation
from rnnexp.plants import NoPlant, Plant
from rnnexp.recurrence.closed_loop import ClosedLoop, Feedback, NoFeedback
from rnnexp.tasks.base import Task

Config = dict[str, Any]
AS_TRAINED = {"_target_": "rnnexp.perturbations.AsTrained"}


def network_sizes(task: Task, loop: ClosedLoop | None) -> tuple[int, int]:
    """Return how many inputs and outputs the network of a task has: with a plant, feedback and commands count."""
    if loop is None:
        return task.input_dim, task.output_dim
    return task.input_dim + loop.feedback_dim, loop.plant.command_dim


def build_loop(config: Config, task: Task) -> ClosedLoop | None:
    """Build what a network moves, None if it moves nothing.

    Raises:
        UserError: an argument is refused, or plant, feedback, perturbation and task do not fit together.
    """
    plant_node = config.get("plant", OPEN_LOOP["plant"])
    is_none = plant_node == OPEN_LOOP["plant"]
    plant = NoPlant() if is_none else instantiate(plant_node, key="plant", dt=task.dt / 1000)
    feedback, perturbation = (
        instantiate(config.get(key, OPEN_LOOP[key]), key=key) for key in ("feedback", "perturbation")
    )
    name = type(task).__name__
    if isinstance(plant, NoPlant):
        if task.kind == "reaching":
            raise UserError(
                f"plant: none: {name} moves a plant; choose plant=point_mass or plant=two_link_arm"
            )
        for key, part, none in (
            ("feedback", feedback, NoFeedback),
            ("perturbation", perturbation, NoPerturbation),
        ):
            if not isinstance(part, none):
                raise UserError(
                    f"{key}: {type(part).__name__}: has no effect without a plant; choose {key}=none"
                )
        return None
    _check_type("plant", plant, Plant)
    if task.kind != "reaching":
        raise UserError(
            f"plant: {type(plant).__name__}: {name} judges the outputs themselves; choose plant=none, or a task of "
            "movements such as task=simple_reaches"
        )
    feedback = Feedback({}) if isinstance(feedback, NoFeedback) else feedback
    _check_type("feedback", feedback, Feedback)
    disturbing = () if isinstance(perturbation, NoPerturbation) else (perturbation,)
    for part in disturbing:
        _check_type("perturbation", part, Perturbation)
    try:
        loop = ClosedLoop(plant, feedback, disturbing, task.dt)
    except ValueError as error:
        raise UserError(f"feedback: {error}") from error
    for channel, lag in zip(feedback.channels, feedback.lags, strict=True):
        if lag >= task.n_steps:
            raise UserError(
                f"feedback.channels.{channel.name}.delay: {channel.delay}: the network would be told nothing of its "
                f"movement, must be below the {task.n_steps} steps of a trial"
            )
    try:
        for position in task.positions:
            plant.check_position(position)
    except ValueError as error:
        raise UserError(f"task.workspace: {error}") from error
    return loop


def check_perturbations(loop: ClosedLoop | None, n_states: int, duration: float) -> None:
    """Refuse perturbations that the network or plant lacks what they act on, or that never begin.

    Args:
        loop: of the network.
        n_states: of the network.
        duration: of a trial, ms.

    Raises:
        UserError: with what is lacking.
    """
    for perturbation in () if loop is None else loop.perturbations:
        try:
            perturbation.check(n_states, loop.plant.takes_load, duration)
        except ValueError as error:
            raise UserError(f"perturbation.{error}") from error


def changed_perturbation(config: Config, node: Config) -> Config:
    """Return the configuration of a run with the perturbation of an evaluation, which may be that of the training.

    Raises:
        UserError: it shall begin or end at an update, of which an evaluation has none.
    """
    for key, default in (("from_update", 0), ("to_update", None)):
        if node.get(key, default) != default:
            raise UserError(
                f"perturbation.{key}: {node[key]}: has no effect in an evaluation, where it is on; leave it at "
                f"{'null' if default is None else default}"
            )
    return config if node == AS_TRAINED else {**config, "perturbation": node}


def _check_type(key: str, part: Any, wanted: type) -> None:
    if not isinstance(part, wanted):
        raise UserError(
            f"{key}._target_: {type(part).__name__}: must be a subclass of {wanted.__module__}.{wanted.__name__}"
        )
