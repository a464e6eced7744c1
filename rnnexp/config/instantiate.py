"""Builds objects from `_target_` nodes: the only place where classes named in a configuration are called."""

import importlib
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from rnnexp.config.components import path_of
from rnnexp.config.paths import make_working_directory_importable
from rnnexp.config.suggestions import did_you_mean, did_you_mean_key
from rnnexp.config.targets import is_own
from rnnexp.errors import UserError

BUILDING_KEYS = (
    "_target_",
    "_partial_",
    "_convert_",
)  # not arguments; everything is converted to plain containers


def instantiate(node: Mapping[str, Any], key: str, **arguments: Any) -> Any:
    """Build the object that a node describes.

    A text is a text: interpolations are resolved when a configuration is composed, never here.

    Args:
        node: plain mapping with `_target_` and constructor arguments; nested nodes are built first. `_partial_: true`
            leaves the call to whoever gets the object.
        key: where the node stands in the configuration; error messages begin with it.
        arguments: further constructor arguments, handed over untouched.

    Raises:
        UserError: the class cannot be found, does not take an argument, or refuses a value.
    """
    target = node.get("_target_")
    if not isinstance(target, str) or not target:
        raise UserError(f"{key}._target_: {target}: must be the dotted path of a class, package.module.Class")
    called = locate(target, f"{key}._target_")
    given = {name: value for name, value in node.items() if name not in BUILDING_KEYS}
    is_partial = node.get("_partial_", False)
    _check_arguments(called, list(given), arguments, key, is_partial)
    given = {name: _built(value, path_of(key, name)) for name, value in given.items()}
    if is_partial:
        return partial(called, **given, **arguments)
    try:
        return called(**given, **arguments)
    except (ValueError, TypeError) as error:
        raise UserError(f"{key}: {error}") from error


def _built(value: Any, key: str) -> Any:
    """Return a value with the nodes in it built."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            return instantiate(value, key)
        return {name: _built(inner, path_of(key, str(name))) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_built(inner, f"{key}[{index}]") for index, inner in enumerate(value)]
    return value


def locate(target: str, key: str = "_target_") -> Any:
    """Return the class or function at a dotted path.

    Args:
        target: "package.module.Class".
        key: where the target stands in the configuration; error messages begin with it.

    Classes from outside rnnexp are looked for in the working directory too, behind all that is installed.

    Raises:
        UserError: there is no such module or class, or its module fails to import.
    """
    module, _, name = target.rpartition(".")
    if not module or not all(part.isidentifier() for part in target.split(".")):
        raise UserError(f"{key}: {target}: must be the dotted path of a class, package.module.Class")
    if not is_own(target):
        make_working_directory_importable()
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            where = "the working directory and the installed packages were searched"
            raise UserError(f"{key}: {target}: there is no module {error.name}; {where}") from error
        raise UserError(f"{key}: {target}: importing {module} fails: {error}") from error
    except Exception as error:
        message = f"importing {module} fails: {type(error).__name__}: {error}"
        raise UserError(f"{key}: {target}: {message}") from error
    if not hasattr(loaded, name):
        hint = did_you_mean(name, [n for n, o in vars(loaded).items() if inspect.isclass(o)])
        raise UserError(f"{key}: {target}: {module} has no {name}{hint}")
    return getattr(loaded, name)


def _check_arguments(
    called: Any, given: list[str], arguments: Mapping[str, Any], key: str, is_partial: bool
) -> None:
    """Refuse names that a constructor does not take, and name those that it misses, unless they may come later."""
    try:
        parameters = inspect.signature(called).parameters
    except (TypeError, ValueError):  # not callable, or written in C: the call itself will tell
        return
    keyword_kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    taken = {name: parameter for name, parameter in parameters.items() if parameter.kind in keyword_kinds}
    name = getattr(called, "__qualname__", str(called))
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        for argument in given:
            if argument not in taken:
                free = [path_of(key, other) for other in taken if other not in arguments]
                path = path_of(key, argument)
                raise UserError(f"{path}: {name} takes no such argument{did_you_mean_key(path, free)}")
        for argument in arguments:
            if argument not in taken:
                raise UserError(
                    f"{key}: {name} must take the argument {argument}, which the program supplies"
                )
    for argument, parameter in taken.items() if not is_partial else ():
        if parameter.default is inspect.Parameter.empty and argument not in [*given, *arguments]:
            raise UserError(f"{path_of(key, argument)}: not given, but {name} needs it")
