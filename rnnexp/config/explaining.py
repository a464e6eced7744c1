"""The settings of an option as its YAML file tells them: key, value, and the comment with unit and range."""

import re
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(
    r"^(?P<indent> *)(?P<key>[^\s#:][^#:]*):(?: +(?P<value>[^#\s].*?))?(?: +#\s*(?P<comment>.*))?\s*$"
)
NOT_SETTINGS = ("_target_", "_partial_", "defaults")


@dataclass
class Setting:
    """One setting.

    Attributes:
        key: dotted, below its group.
        value: its default, as it is written; empty above others.
        comment: what it means, with unit and range; may be empty.
    """

    key: str
    value: str
    comment: str


def notes_and_settings(path: Path) -> tuple[list[str], list[Setting]]:
    """Return the comments at the head of the file of an option, its first line left out, and its settings.

    Those that a file in the same folder has, on which it builds, follow its own, and lend them their comments.
    """
    text = path.read_text(encoding="utf-8").splitlines()
    settings = {setting.key: setting for setting in _settings(text) if setting.value or setting.comment}
    for base in _bases(text):
        for setting in notes_and_settings(path.with_name(f"{base}.yaml"))[1]:
            own = settings.setdefault(setting.key, setting)
            own.comment = own.comment or setting.comment
    head = [line.lstrip("# ").rstrip() for line in _head(text)]
    return [line for line in head if not line.startswith("@")][1:], list(settings.values())


def _head(text: list[str]) -> list[str]:
    """Return the lines of comment before the first setting."""
    head = []
    for line in text:
        if not line.startswith("#"):
            break
        head.append(line)
    return head


def _bases(text: list[str]) -> list[str]:
    """Return the names of files that an option builds on: plain entries of its defaults list."""
    inside, names = False, []
    for line in text:
        if listed := re.match(r"^defaults: *\[(.*)\]", line):
            return [name.strip() for name in listed[1].split(",") if name.strip() != "_self_"]
        if re.match(r"^defaults:", line):
            inside = True
        elif inside and (found := re.match(r"^ +- (\w+)\s*(#.*)?$", line)):
            names.append(found[1])
        elif inside and not line.startswith(" "):
            break
    return [name for name in names if name != "_self_"]


def _settings(text: list[str]) -> list[Setting]:
    settings: list[Setting] = []
    parents: list[tuple[int, str]] = []
    skipped: int | None = None  # indent of a key whose block says nothing to a reader, such as defaults
    for line in text:
        found = LINE.match(line)
        if found is None or line.lstrip().startswith(("#", "-")):
            if settings and skipped is None and line.strip().startswith("#") and line.startswith("  "):
                settings[-1].comment = f"{settings[-1].comment} {line.strip().lstrip('# ')}".strip()
            continue
        indent, key = len(found["indent"]), found["key"]
        if skipped is not None and indent > skipped:
            continue
        skipped = indent if key in NOT_SETTINGS else None
        if skipped is not None:
            continue
        parents = [(depth, name) for depth, name in parents if depth < indent]
        dotted = ".".join([*(name for _, name in parents), key])
        settings.append(Setting(dotted, found["value"] or "", found["comment"] or ""))
        parents.append((indent, key))
    return settings
