"""The `_target_`s of a configuration, and which of them a configuration out of a file may name."""

import logging
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from rnnexp.config.components import path_of
from rnnexp.config.paths import PACKAGE, options_by_group
from rnnexp.config.schema import OPTIMIZERS
from rnnexp.config.signatures import defined_as
from rnnexp.errors import UserError

log = logging.getLogger(__name__)

GROUPS = (  # the keys of a configuration that are built into objects, each from the options of its group
    "task", "latent_step", "observation", "initializer", "constraint", "connectivity", "forcing", "plant",
    "feedback", "perturbation", "loss", "optimizer", "scheduler", "trainer",
    "logger",
)  # fmt: skip
LOSS_TERMS = {
    "activity": ("MeanSquaredRate", "RateSpread", "RateVariation", "SummedSquaredRate"),
    "dynamics": ("ARConvergence", "LatentSize", "ManifoldAttractor", "OrientationReversal"),
    "mean_rates": ("MeanRateLevel", "MeanRateSpread"),
    "output": (
        "ErrorNorm", "MaskedBinaryCrossEntropy", "MaskedCrossEntropy", "MaskedMeanSquaredError",
        "ObservedMeanSquaredError",
    ),
    "population": ("HebbianDrive", "RateEntropy", "StatePrediction"),
    "reaching": (
        "EffectorFinalVelocityLoss", "EffectorFixationLoss", "EffectorPositionLoss", "EffectorStraightPathLoss",
        "EffectorVelocityLoss", "ModelLoss", "NetworkActivityLoss", "NetworkOutputLoss", "StopAtGoalLoss",
        "TargetStateLoss",
    ),
    "weights": ("MeanSquaredWeight", "ObservationCondition", "WeightSize"),
}  # fmt: skip
NO_TASK = "rnnexp.tasks.no_task.NoTask"  # in the place of a task that an imported network has not
PLACES = {  # where else a class may stand: a pattern of the path, and the group whose classes may stand there
    r"curriculum\.stages\[\d+\]": "task",
    r"(task|curriculum\.stages\[\d+\])\.tasks\.[^.\[\]]+": "task",
    r"loss\.terms\.[^.\[\]]+": "loss.terms",
}


def targets(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every `_target_` in a plain configuration, with its dotted path."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            path = path_of(prefix, str(key))
            if key == "_target_":
                yield path, value
            yield from targets(value, path)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from targets(value, f"{prefix}[{index}]")


def is_own(target: str) -> bool:
    """Whether a target is spelled like a class of rnnexp or an optimizer that it knows."""
    return target in OPTIMIZERS or target.split(".")[0] == PACKAGE.name


def check_trusted(config: Mapping[str, Any], trust: bool) -> None:
    """Refuse a configuration out of a file that names more than the classes of rnnexp meant for each place.

    Nothing is imported: targets are compared as texts with the list of `allowed_at`.

    Args:
        config: plain configuration.
        trust: the user vouches for the file: everything is allowed, and what will be imported is told.

    Raises:
        UserError: a `_target_` is not on the list of its place.
    """
    foreign = {}
    for path, target in targets(config):
        place = path.removesuffix("._target_")
        definition = _definition(target)
        if definition is not None and definition in allowed_at(place):
            continue
        if not trust:
            what = (
                "is not a class of rnnexp"
                if definition is None
                else f"is not a class that may stand at {place}"
            )
            raise UserError(
                f"{path}: {target}: {what}; a checkpoint may run such code only with "
                f"trust=true, for checkpoints whose origin you trust"
            )
        foreign[str(target)] = path
    if foreign:
        log.warning("trust=true: imports %s", ", ".join(foreign))


@cache
def allowed_at(place: str) -> frozenset[str]:
    """Return the classes that a stored configuration may name at a place, as module.Class of their definition.

    These are the bundled options of the group that the place belongs to, for the terms of a loss all of `LOSS_TERMS`.

    Args:
        place: dotted path of a node, such as "task" or "loss.terms.slow".
    """
    group = next((group for pattern, group in PLACES.items() if re.fullmatch(pattern, place)), place)
    if group == "loss.terms":
        named = [f"rnnexp.losses.{module}.{name}" for module, names in LOSS_TERMS.items() for name in names]
    elif group in GROUPS:
        texts = [path.read_text(encoding="utf-8") for path in options_by_group()[group].values()]
        named = [name for text in texts for name in re.findall(r"^_target_: *([\w.]+)", text, re.MULTILINE)]
        named += {"optimizer": OPTIMIZERS, "task": [NO_TASK]}.get(group, [])
    else:
        named = []
    return frozenset(filter(None, map(_definition, named)))


def _definition(target: Any) -> str | None:
    """Return module.Class where a class of rnnexp is defined, a known optimizer as it is, None for all else."""
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        return None
    return target if target in OPTIMIZERS else defined_as(target)
