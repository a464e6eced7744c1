"""Builds objects from `_target_` nodes: the only place where classes named in a configuration are called."""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from rnnexp.config.components import path_of
from rnnexp.config.paths import PACKAGE
from rnnexp.config.schema import OPTIMIZERS
from rnnexp.config.suggestions import did_you_mean, did_you_mean_key
from rnnexp.errors import UserError

TRUSTED_TORCH_CLASSES = frozenset(OPTIMIZERS)


def instantiate(node: Mapping[str, Any], key: str, **arguments: Any) -> Any:
    """Build the object that a node describes.

    Args:
        node: mapping with `_target_` and constructor arguments; nested nodes are built first. Lists and
            mappings reach the constructor as plain lists and dicts.
        key: where the node stands in the configuration; error messages begin with it.
        arguments: further constructor arguments, handed over untouched.

    Raises:
        UserError: the class cannot be found, does not take an argument, or refuses a value.
    """
    import hydra
    from hydra.errors import HydraException

    target = node.get("_target_")
    if not isinstance(target, str) or not target:
        raise UserError(f"{key}._target_: {target}: must be the dotted path of a class, package.module.Class")
    called = locate(target, f"{key}._target_")
    _check_arguments(called, [name for name in node if not name.startswith("_")], arguments, key)
    try:
        factory = hydra.utils.instantiate(node, _convert_="all", _partial_=True)
        return factory(**arguments)
    except HydraException as error:
        raise UserError(f"{key}: {_reason(error)}") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{key}: {error}") from error


def _reason(error: BaseException) -> str:
    """The innermost cause of a failed nested node, with the nested key."""
    place = next((line for line in str(error).splitlines() if line.startswith("full_key: ")), "")
    while error.__cause__ is not None:
        error = error.__cause__
    where = place.removeprefix("full_key: ")
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return f"{where}: {reason}" if where else reason


def locate(target: str, key: str = "_target_") -> Any:
    """Return the class or function at a dotted path.

    Args:
        target: "package.module.Class".
        key: where the target stands in the configuration; error messages begin with it.

    Raises:
        UserError: there is no such module or class, or its module fails to import.
    """
    module, _, name = target.rpartition(".")
    if not module or not all(part.isidentifier() for part in target.split(".")):
        raise UserError(f"{key}: {target}: must be the dotted path of a class, package.module.Class")
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


def _check_arguments(called: Any, given: list[str], arguments: Mapping[str, Any], key: str) -> None:
    """Refuse names that a constructor does not take, and name those that it misses."""
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
    for argument, parameter in taken.items():
        if parameter.default is inspect.Parameter.empty and argument not in [*given, *arguments]:
            raise UserError(f"{path_of(key, argument)}: not given, but {name} needs it")


def check_trusted(config: Mapping[str, Any], trust: bool) -> None:
    """Refuse a configuration out of a checkpoint that names more than classes of rnnexp and known optimizers.

    Args:
        config: plain, resolved configuration.
        trust: the user vouches for the checkpoint: everything is allowed.

    Raises:
        UserError: a `_target_` lies elsewhere, is not a class, or is not a plain text.
    """
    if trust:
        return
    for path, target in targets(config):
        if not _is_trusted(target):
            raise UserError(
                f"{path}: {target}: is not a class of rnnexp; a checkpoint may run such code only with "
                f"trust=true, for checkpoints whose origin you trust"
            )


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
    return target in TRUSTED_TORCH_CLASSES or target.split(".")[0] == PACKAGE.name


def _is_trusted(target: Any) -> bool:
    """Whether a target is a class that rnnexp itself defines, or an optimizer that it knows.

    The object counts, not the spelling: `rnnexp.models.os.system` starts well and is not one of ours.
    """
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        return False
    if target in TRUSTED_TORCH_CLASSES or not is_own(target):
        return target in TRUSTED_TORCH_CLASSES
    try:
        found = locate(target)
    except UserError:
        return False
    own = f"{getattr(found, '__module__', '')}.".startswith(f"{PACKAGE.name}.")
    return inspect.isclass(found) and own
