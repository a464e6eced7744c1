"""The constructor arguments of rnnexp's own classes, read from their source: nothing is imported, not torch.

Annotations become rules: int, float, bool, str, Literal, lists, tuples, mappings, unions of these and None,
and aliases of them, and the Lambda of a loss. Any other annotation allows every value.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rnnexp.config import rules
from rnnexp.config.paths import PACKAGE
from rnnexp.config.rules import Bounds, Rule
from rnnexp.config.schema import WEIGHT_SCHEDULES, range_of

PLAIN_BASES = {"ABC", "object", "nn.Module", "Protocol"}  # their constructors take no arguments
NUMBERS = {"int": rules.integer, "float": rules.number}
SCALARS = {"bool": rules.boolean, "str": rules.text}
SEQUENCES = {"list", "Sequence", "Iterable", "Collection"}
MAPPINGS = {"dict", "Mapping"}


@dataclass(frozen=True)
class Constructor:
    """What a class takes.

    Args:
        rules: argument name -> rule of its annotation, or None where every value is allowed.
        is_open: further arguments may be allowed, since a base class lies outside rnnexp.
        required: arguments without a default.
    """

    rules: dict[str, Rule | None]
    is_open: bool = False
    required: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Class:
    module: str
    node: ast.ClassDef


def constructor(target: str) -> Constructor | None:
    """Return what a class of rnnexp takes, or None if there is no such class.

    Args:
        target: dotted path, "rnnexp.tasks.cognitive.delayed_discrim.DelayedDiscrim".
    """
    found = _find_class(target)
    return None if found is None else _constructor_of(found)


def defined_as(target: str) -> str | None:
    """Return module.Class where a class of rnnexp is defined, re-exports followed; None if there is no such class."""
    found = _find_class(target)
    return None if found is None else f"{found.module}.{found.node.name}"


def class_names(target: str) -> list[str]:
    """Return the dotted paths of the public classes in the module of a target; for "did you mean".

    Of a package, these are the classes that it imports from its modules.
    """
    module = target.rpartition(".")[0]
    path = _source_file(module)
    if path is None:
        return []
    nodes = list(ast.walk(_parse(path)))
    names = [node.name for node in nodes if isinstance(node, ast.ClassDef)]
    if path.name == "__init__.py":
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        names += [alias.asname or alias.name for node in imports for alias in node.names]
    return [f"{module}.{name}" for name in names if name[:1].isupper()]


def fixed_size(target: str, name: str) -> int | None:
    """Return input_dim or output_dim of a class if its source fixes it to a number, else None."""
    found = _find_class(target)
    if found is None:
        return None
    for node in ast.walk(found.node):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__":
            for keyword in node.keywords:
                if keyword.arg == name and isinstance(keyword.value, ast.Constant):
                    return keyword.value.value
    return None


def _source_file(module: str) -> Path | None:
    """Return the file of a module of rnnexp, without importing any package."""
    if module.split(".")[0] != PACKAGE.name:
        return None
    stem = PACKAGE.joinpath(*module.split(".")[1:])
    candidates = (stem / "__init__.py", stem.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _find_class(target: str) -> _Class | None:
    module, _, name = target.rpartition(".")
    found = _find(module, name)
    return _Class(found[0], found[1]) if found is not None and isinstance(found[1], ast.ClassDef) else None


def _find(module: str, name: str) -> tuple[str, ast.stmt] | None:
    """Return the statement that defines a name in a module, imports followed, and the module it stands in."""
    path = _source_file(module)
    if path is None:
        return None
    for node in _parse(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return module, node
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _find(node.module, alias.name)
    return None


def _constructor_of(found: _Class) -> Constructor:
    for node in found.node.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return _from_init(found, node)
    if any("dataclass" in ast.unparse(decorator) for decorator in found.node.decorator_list):
        fields = [node for node in found.node.body if isinstance(node, ast.AnnAssign)]
        named = {node.target.id: node for node in fields if isinstance(node.target, ast.Name)}
        return Constructor(
            {name: _rule_of(name, node.annotation, found.module) for name, node in named.items()},
            required=tuple(name for name, node in named.items() if node.value is None),
        )
    return _of_bases(found)


def _from_init(found: _Class, init: ast.FunctionDef) -> Constructor:
    # A configuration gives names, so arguments that have none are not for it.
    positional = init.args.args if init.args.posonlyargs else init.args.args[1:]
    listed = [*positional, *init.args.kwonlyargs]
    own = {a.arg: _rule_of(a.arg, a.annotation, found.module) for a in listed}
    if init.args.kwarg is None:
        return Constructor(own)
    inherited = _of_bases(found)
    return Constructor({**inherited.rules, **own}, inherited.is_open)


def _of_bases(found: _Class) -> Constructor:
    for base in found.node.bases:
        name = ast.unparse(base)
        resolved = _find(found.module, name)
        if resolved is not None and isinstance(resolved[1], ast.ClassDef):
            return _constructor_of(_Class(resolved[0], resolved[1]))
        if name not in PLAIN_BASES:
            return Constructor({}, is_open=True)
    return Constructor({})


def _rule_of(name: str, annotation: ast.expr | None, module: str) -> Rule | None:
    return _rule(annotation, module, range_of(name) or Bounds())


def _rule(annotation: ast.expr | None, module: str, bounds: Bounds) -> Rule | None:
    """Turn an annotation into a rule, or None where it says nothing that can be checked."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    if isinstance(annotation, ast.BinOp):
        return _union(list(_members(annotation)), module, bounds)
    if isinstance(annotation, ast.Subscript):
        return _generic(annotation, module, bounds)
    if isinstance(annotation, ast.Name):
        if annotation.id in NUMBERS:
            return NUMBERS[annotation.id](bounds)
        if annotation.id in SCALARS:
            return SCALARS[annotation.id]()
        if annotation.id in SEQUENCES:
            return rules.sequence()
        if annotation.id in MAPPINGS:
            return rules.mapping()
        if annotation.id == "Lambda":
            return rules.number_or_schedule(bounds, WEIGHT_SCHEDULES)
        alias = _find(module, annotation.id)
        if alias is not None and isinstance(alias[1], ast.Assign):
            return _rule(alias[1].value, alias[0], bounds)
    return None


def _members(annotation: ast.expr) -> Iterator[ast.expr]:
    if isinstance(annotation, ast.BinOp):
        yield from _members(annotation.left)
        yield from _members(annotation.right)
    else:
        yield annotation


def _union(members: list[ast.expr], module: str, bounds: Bounds) -> Rule | None:
    is_null = [isinstance(member, ast.Constant) and member.value is None for member in members]
    options = [
        _rule(member, module, bounds) for member, null in zip(members, is_null, strict=True) if not null
    ]
    if any(option is None for option in options):
        return None
    rule = options[0] if len(options) == 1 else rules.any_of(*options)
    return rules.nullable(rule) if any(is_null) else rule


def _generic(annotation: ast.Subscript, module: str, bounds: Bounds) -> Rule | None:
    name = ast.unparse(annotation.value).rpartition(".")[2]
    arguments = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    if name == "Literal":
        return rules.choice(
            *(ast.literal_eval(argument) for argument in arguments)
        )  # -1 is no constant to ast
    if name == "Optional":
        return _union([*arguments, ast.Constant(None)], module, bounds)
    if name in SEQUENCES:
        return rules.sequence(_rule(arguments[0], module, bounds))
    if name == "tuple":
        if isinstance(arguments[-1], ast.Constant) and arguments[-1].value is ...:
            return rules.sequence(_rule(arguments[0], module, bounds))
        same = len({ast.unparse(argument) for argument in arguments}) == 1
        return rules.sequence(_rule(arguments[0], module, bounds) if same else None, length=len(arguments))
    if name in MAPPINGS:
        return rules.mapping(_rule(arguments[1], module, bounds) if len(arguments) == 2 else None)
    return None
