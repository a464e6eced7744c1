"""Checks a whole configuration before anything heavy is imported, and reports all problems at once."""

from collections.abc import Callable
from typing import Any

from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.config.components import check_component, path_of
from rnnexp.config.rules import UNRESOLVED, Rule, is_integer, is_number
from rnnexp.config.schema import SCHEMAS, Component, OpenMapping, Schema
from rnnexp.config.signatures import constructor, fixed_size
from rnnexp.config.stages import stage_problems
from rnnexp.config.suggestions import did_you_mean_key, shown
from rnnexp.errors import ConfigError


def validate(cfg: DictConfig, command: str) -> None:
    """Check the configuration of a command.

    Args:
        cfg: composed configuration, without Hydra's own part.
        command: one of `HYDRA_COMMANDS`, such as "train".

    Raises:
        ConfigError: something is wrong; all problems are listed, one line each.
    """
    problems = find_problems(cfg, command)
    if problems:
        raise ConfigError(problems)


def find_problems(cfg: DictConfig, command: str) -> list[str]:
    """Return what is wrong with a configuration, one line each: `key: value: what is allowed`."""
    problems: list[str] = []
    values = _plain(cfg, "", problems)
    problems += check_mapping(values, SCHEMAS[command], "")
    for check in CROSS_CHECKS[command]:
        problem = check(values)
        if problem is not None:
            problems.append(problem)
    if command == "train":
        problems += stage_problems(values)
    return problems


def check_mapping(values: dict[str, Any], schema: Schema, prefix: str) -> list[str]:
    """Return the problems of a mapping whose keys are fixed."""
    problems = []
    for key, value in values.items():
        if key not in schema:
            problems.append(_unknown(path_of(prefix, key), value, [path_of(prefix, name) for name in schema]))
    for key, expected in schema.items():
        value = values.get(key, "???")
        if value is not UNRESOLVED:
            problems += _check_entry(path_of(prefix, key), value, expected)
    return problems


def _check_entry(path: str, value: Any, expected: Rule | Component | OpenMapping | Schema) -> list[str]:
    if isinstance(expected, Component):
        if expected.is_optional and value in ("???", None):
            return []
        return check_component(path, value, expected.handed_over)
    if value == "???":
        must = f": must be {expected.allowed}" if isinstance(expected, Rule) else ""
        return [f"{path}: not given{must}"]
    if isinstance(expected, Rule):
        return [] if expected.accepts(value) else [f"{path}: {shown(value)}: must be {expected.allowed}"]
    if not isinstance(value, dict):
        return [f"{path}: {shown(value)}: must be a group of settings, {path}.<key>=<value>"]
    return [] if isinstance(expected, OpenMapping) else check_mapping(value, expected, path)


def _unknown(path: str, value: Any, known: list[str]) -> str:
    if path == "experiment":
        return "experiment: its file must start with the line `# @package _global_`"
    return f"{path}: {shown(value)}: unknown key{did_you_mean_key(path, known)}"


def _plain(node: Container, prefix: str, problems: list[str]) -> Any:
    """Return plain lists and dicts with all interpolations resolved; those that cannot be are reported."""
    if isinstance(node, ListConfig):
        return [_entry(node, i, f"{prefix}[{i}]", problems) for i in range(len(node))]
    return {key: _entry(node, key, path_of(prefix, str(key)), problems) for key in node}


def _entry(node: Container, key: Any, path: str, problems: list[str]) -> Any:
    if OmegaConf.is_missing(node, key):
        return "???"
    try:
        value = node[key]
    except OmegaConfBaseException as error:
        raw = OmegaConf.to_container(node, resolve=False)[key]
        problems.append(f"{path}: {raw}: {str(error).splitlines()[0]}")
        return UNRESOLVED
    return _plain(value, path, problems) if isinstance(value, DictConfig | ListConfig) else value


def _lookup(values: dict[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None."""
    for key in path.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _rectified_units_fit(values: dict[str, Any]) -> str | None:
    n_relus, latent_dim = _lookup(values, "latent_step.num_relus"), values.get("latent_dim")
    if is_integer(n_relus) and is_integer(latent_dim) and n_relus > latent_dim >= 1:
        return f"latent_step.num_relus: {n_relus}: must be at most latent_dim, which is {latent_dim}"
    return None


def _trial_holds_a_step(values: dict[str, Any]) -> str | None:
    dt, duration = _lookup(values, "task.dt"), _lookup(values, "task.T")
    if is_number(dt) and is_number(duration) and dt > duration > 0:
        return f"task.T: {shown(duration)}: must be at least task.dt, which is {shown(dt)} ms"
    return None


def _fixed_inputs_fit(values: dict[str, Any]) -> str | None:
    n_inputs, latent_dim = _size(values, "input_dim"), values.get("latent_dim")
    is_fixed = _lookup(values, "latent_step.learnable_C") is False
    if is_fixed and n_inputs is not None and is_integer(latent_dim) and latent_dim <= n_inputs:
        return (
            f"latent_step.learnable_C: false: the inputs then drive the last units one to one, so latent_dim "
            f"must be > the number of inputs, {n_inputs}, but is {latent_dim}"
        )
    return None


def _outputs_fit(values: dict[str, Any]) -> str | None:
    n_outputs, latent_dim = _size(values, "output_dim"), values.get("latent_dim")
    is_identity = _lookup(values, "observation._target_") == "rnnexp.observation.Identity"
    if is_identity and n_outputs is not None and is_integer(latent_dim) and latent_dim < n_outputs:
        return (
            f"observation: identity: reads the outputs from the first units, so latent_dim must be >= the "
            f"number of outputs, {n_outputs}, but is {latent_dim}"
        )
    return None


def _weights_obey_the_constraint(values: dict[str, Any]) -> str | None:
    target = _lookup(values, "latent_step._target_")
    takes = constructor(target) if isinstance(target, str) else None
    if takes is None or takes.is_open or "rules" in takes.rules:
        return None
    name = target.rpartition(".")[2]
    only = f"{name} has no such weights; choose latent_step=Basic, CTRNN or FR_RNN_dale"
    sign_rule = _lookup(values, "constraint.sign_rule")
    if sign_rule is not None:
        return f"constraint.sign_rule: {shown(sign_rule)}: Dale's law acts on W_rec of leaky networks, {only}"
    connectivity = str(_lookup(values, "connectivity._target_")).rpartition(".")[2]
    if connectivity != "Full" or _lookup(values, "connectivity.autapses") is False:
        return f"connectivity: {connectivity}: connections act on W_rec and W_in of leaky networks, {only}"
    return None


def _size(values: dict[str, Any], name: str) -> int | None:
    target = _lookup(values, "task._target_")
    return fixed_size(target, name) if isinstance(target, str) else None


def _nesterov_has_momentum(values: dict[str, Any]) -> str | None:
    optimizer = values.get("optimizer")
    if isinstance(optimizer, dict) and optimizer.get("nesterov") is True and not optimizer.get("momentum"):
        return "optimizer.nesterov: true: needs optimizer.momentum > 0"
    return None


def _there_is_an_ancestor(values: dict[str, Any]) -> str | None:
    if values.get("init_from") is not None:
        return None
    for key, default in (("init_weights", ["*"]), ("init_optimizer", False)):
        value = values.get(key, default)
        if value != default and value is not UNRESOLVED:
            return f"{key}: {shown(value)}: has no effect without init_from=RUN"
    return None


def _simulation_has_a_length(values: dict[str, Any]) -> str | None:
    if values.get("inputs") is None and values.get("n_steps") is None:
        return "inputs: null: give inputs=FILE.npy (B, T, K), or n_steps=N for a free run"
    return None


def _lesion_has_an_aim(values: dict[str, Any]) -> str | None:
    lesion = values.get("lesion")
    if not isinstance(lesion, dict):
        return None
    weakens, draws = lesion.get("percentage") is not None, lesion.get("unit_type") is not None
    settings = (
        ("scale", 0, weakens, "lesion.percentage"),
        ("by_type", False, weakens, "lesion.percentage"),
        ("unit_fraction", 1, draws, "lesion.unit_type"),
        ("seed", None, weakens or draws, "lesion.percentage or lesion.unit_type"),
    )
    for key, default, is_used, needed in settings:
        value = lesion.get(key, default)
        if value != default and value is not UNRESOLVED and not is_used:
            return f"lesion.{key}: {shown(value)}: has no effect without {needed}"
    return None


Check = Callable[[dict[str, Any]], str | None]
CROSS_CHECKS: dict[str, tuple[Check, ...]] = {
    "train": (
        _rectified_units_fit,
        _trial_holds_a_step,
        _fixed_inputs_fit,
        _outputs_fit,
        _weights_obey_the_constraint,
        _nesterov_has_momentum,
        _there_is_an_ancestor,
    ),
    "eval": (_lesion_has_an_aim,),
    "simulate": (_simulation_has_a_length, _lesion_has_an_aim),
    "analyze": (),
    "export": (),
    "import": (_trial_holds_a_step, _nesterov_has_momentum),
}
