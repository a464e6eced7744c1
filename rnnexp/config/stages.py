"""Checks of a curriculum: its stages are changes to the task."""

from functools import cache
from typing import Any

from omegaconf import OmegaConf

from rnnexp.config.components import check_component, path_of
from rnnexp.config.paths import bundled_conf
from rnnexp.config.rules import UNRESOLVED
from rnnexp.config.suggestions import shown


def stage_problems(values: dict[str, Any]) -> list[str]:
    """Return what is wrong with the stages of a configuration, apart from the types of the settings.

    Args:
        values: plain values of a configuration of `rnnexp train`.
    """
    curriculum, task = values.get("curriculum"), values.get("task")
    stages = curriculum.get("stages") if isinstance(curriculum, dict) else None
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        return []
    if not stages:
        return _without_effect(curriculum)
    target = task.get("_target_") if isinstance(task, dict) else None
    problems = []
    for number, stage in enumerate(stages):
        node = stage if "_target_" in stage else {"_target_": target, **stage}
        if isinstance(node["_target_"], str) or "_target_" in stage:
            problems += check_component(f"curriculum.stages[{number}]", node)
    return [*problems, *_wrong_count(curriculum.get("thresholds"), len(stages))]


def _wrong_count(thresholds: Any, n_stages: int) -> list[str]:
    if not isinstance(thresholds, list) or len(thresholds) == n_stages:
        return []
    return [
        f"curriculum.thresholds: {shown(thresholds)}: must be one number for all stages, or one for each of the "
        f"{n_stages}"
    ]


def _without_effect(curriculum: dict[str, Any]) -> list[str]:
    """Settings that differ from the defaults though there are no stages."""
    return [
        f"{path_of('curriculum', key)}: {shown(value)}: has no effect without curriculum.stages"
        for key, value in curriculum.items()
        if key in _defaults() and value != _defaults()[key] and value is not UNRESOLVED
    ]


@cache
def _defaults() -> dict[str, Any]:
    return OmegaConf.to_container(OmegaConf.load(bundled_conf() / "curriculum" / "none.yaml"))
