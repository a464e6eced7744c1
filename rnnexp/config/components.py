"""Checks nodes with a `_target_` against the arguments of the class that they name."""

from math import isnan
from typing import Any

from rnnexp.config.paths import PACKAGE, options_by_group
from rnnexp.config.rules import UNRESOLVED, Bounds, Rule, numbers_in
from rnnexp.config.schema import OPTIMIZERS, range_of
from rnnexp.config.signatures import Constructor, class_names, constructor
from rnnexp.config.suggestions import did_you_mean, did_you_mean_key, shown

HYDRA_KEYS = ("_target_", "_convert_")


def path_of(prefix: str, key: str) -> str:
    """Return the dotted path of a key."""
    return f"{prefix}.{key}" if prefix else key


def check_component(path: str, node: Any, handed_over: tuple[str, ...] = ()) -> list[str]:
    """Return the problems of a node that is built into an object; nodes of classes outside rnnexp stay open.

    Args:
        path: its dotted path.
        node: plain dict, or whatever stands in its place.
        handed_over: constructor arguments that the program supplies.
    """
    if not isinstance(node, dict):
        options = ", ".join(options_by_group().get(path, ()))
        choice = f"one of {options}, or an option of your own" if options else "a mapping with _target_"
        return [f"{path}: {'not given' if node == '???' else shown(node)}: must be {choice}"]
    target = node.get("_target_")
    if target is UNRESOLVED:
        return []
    if not isinstance(target, str) or not target.strip() or target == "???":
        given = "not given" if target == "???" else shown(target)
        return [f"{path}._target_: {given}: must be the dotted path of a class, package.module.Class"]
    nested = [
        problem
        for key, value in node.items()
        for problem in _check_nested(path_of(path, key), value)
        if key != "_target_"
    ]
    if target in OPTIMIZERS:
        return [*_check_optimizer(path, node, target), *nested]
    if target.split(".")[0] != PACKAGE.name:
        return nested
    takes = constructor(target)
    if takes is None:
        hint = did_you_mean(target, class_names(target))
        return [f"{path}._target_: {target}: rnnexp has no such class{hint}"]
    return [*_check_arguments(path, node, takes, handed_over), *nested]


def _check_nested(path: str, value: Any) -> list[str]:
    """Components inside an argument, such as the user's own terms of a loss."""
    if not isinstance(value, dict):
        return []
    if "_target_" in value:
        return check_component(path, value)
    return [problem for key, inner in value.items() for problem in _check_nested(path_of(path, key), inner)]


def _check_optimizer(path: str, node: dict[str, Any], target: str) -> list[str]:
    allowed = OPTIMIZERS[target]
    problems = []
    for key, value in node.items():
        if key in HYDRA_KEYS:
            continue
        rule = allowed.get(key)
        if rule is None:
            problems.append(_unknown(path, key, value, target, list(allowed)))
        else:
            problems += _check_value(path_of(path, key), value, rule)
    return problems


def _check_arguments(
    path: str, node: dict[str, Any], takes: Constructor, handed_over: tuple[str, ...]
) -> list[str]:
    problems = []
    for key, value in node.items():
        if key in HYDRA_KEYS:
            continue
        if key in handed_over:
            problems.append(f"{path_of(path, key)}: {shown(value)}: is set by the program, not here")
        elif key in takes.rules:
            problems += _check_value(path_of(path, key), value, takes.rules[key] or _numbers_of(key))
        elif not takes.is_open:
            known = [name for name in takes.rules if name not in handed_over]
            problems.append(_unknown(path, key, value, node["_target_"], known))
    return problems


def _unknown(path: str, key: str, value: Any, target: str, known: list[str]) -> str:
    name = target.rpartition(".")[2]
    hint = (
        did_you_mean_key(path_of(path, key), [path_of(path, k) for k in known])
        if known
        else ", it takes none"
    )
    return f"{path_of(path, key)}: {shown(value)}: unknown key of {name}{hint}"


def _check_value(path: str, value: Any, rule: Rule) -> list[str]:
    if value is UNRESOLVED:
        return []
    if value == "???":
        return [f"{path}: not given: must be {rule.allowed}"]
    if isinstance(value, dict) and rule.schedules is not None:
        return _check_schedule(path, value, rule)
    if isinstance(value, dict) and rule.entries is not None:
        each = ((path_of(path, key), entry) for key, entry in value.items())
        return [problem for place, entry in each for problem in _check_value(place, entry, rule.entries)]
    return [] if rule.accepts(value) else [f"{path}: {shown(value)}: must be {rule.allowed}"]


def _check_schedule(path: str, value: dict[str, Any], rule: Rule) -> list[str]:
    """Check {name: {argument: value}} as a component without `_target_`, all its arguments given."""
    names = ", ".join(rule.schedules)
    if len(value) != 1:
        return [f"{path}: {shown(value)}: must be {rule.allowed} or one schedule, {names}"]
    ((name, settings),) = value.items()
    place = path_of(path, name)
    if name not in rule.schedules:
        return [f"{place}: {shown(settings)}: there is no such schedule{did_you_mean(name, rule.schedules)}"]
    if not isinstance(settings, dict):
        return [f"{place}: {shown(settings)}: must be a group of settings, {place}.<key>=<value>"]
    not_given = {key: "???" for key in constructor(rule.schedules[name]).required if key not in settings}
    return check_component(place, {**settings, **not_given, "_target_": rule.schedules[name]})


def _numbers_of(name: str) -> Rule:
    """The rule of an argument whose annotation says nothing: only the numbers in it are checked."""
    bounds = range_of(name) or Bounds()
    return Rule(
        f"without nan, its numbers{bounds}" if str(bounds) else "without nan",
        lambda value: all(not _is_nan(entry) and bounds.hold(entry) for entry in numbers_in(value)),
    )


def _is_nan(value: int | float) -> bool:
    return isinstance(value, float) and isnan(value)
