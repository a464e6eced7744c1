"""Configurations out of files are plain data: read without interpolations, resolvers, aliases or classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnexp.config.components import path_of
from rnnexp.errors import UserError


def refuse_interpolations(content: Any, origin: str) -> None:
    """Refuse texts in which OmegaConf would see an interpolation, escaped or not: none of them is ever resolved.

    Args:
        content: plain containers.
        origin: where it comes from; the message begins with it.

    Raises:
        UserError: a key or a text holds "${".
    """
    for path, text in _texts(content):
        if "${" in text:
            raise UserError(
                f"{origin}: {path}: {_shortened(text)}: must not hold an interpolation, ${{...}}; a stored "
                f"configuration is plain data"
            )


def _texts(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every text in plain containers, keys included, with its dotted path."""
    if isinstance(node, str):
        yield prefix, node
    elif isinstance(node, dict):
        for key, value in node.items():
            path = path_of(prefix, str(key))
            yield path, str(key)
            yield from _texts(value, path)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _texts(value, f"{prefix}[{index}]")


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_yaml(path: Path) -> Any:
    """Read a YAML file that a run left, as plain containers with OmegaConf's reading of numbers.

    Raises:
        OSError: it cannot be read.
        UserError: it is no YAML, names a class, or uses aliases, by which a short file can stand for a huge one.
    """
    import yaml
    from omegaconf._utils import get_yaml_loader

    class PlainLoader(get_yaml_loader()):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise UserError(f"{path}: cannot be read: it uses aliases")
            return super().compose_node(parent, index)

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: cannot be read: {reason}") from error
