"""`rnnexp list [GROUP | GROUP=OPTION]`: the options of every group, one line each, or the settings of one."""

import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

from rnnexp.config.arguments import UsageError, parse
from rnnexp.config.explaining import notes_and_settings
from rnnexp.config.paths import bundled_conf, description, options_by_group, user_directories
from rnnexp.config.suggestions import did_you_mean

HELP = """\
usage: rnnexp list [GROUP | GROUP=OPTION] [--config-dir DIR] [--json]

Options of a group, or of all of them, with a line about each; or the settings of one option, with defaults, units and
ranges. Your own configurations are listed too. --json gives the same to programs.

examples
  rnnexp list
  rnnexp list task
  rnnexp list task=delayed_discrim"""
NARROWEST, WIDEST = 70, 120


def main(words: list[str]) -> int:
    """Print the options, or the settings of one; returns the exit code.

    Args:
        words: what follows `rnnexp list`.

    Raises:
        UsageError: there is no such group or option, more than one is asked for, or a flag does not belong here.
        UserError: the folder of --config-dir does not exist.
    """
    as_json = "--json" in words
    arguments = parse([word for word in words if word != "--json"])
    if arguments.help:
        print(HELP)
        return 0
    options = options_by_group(user_directories(arguments.config_dir))
    if len(arguments.overrides) > 1:
        raise UsageError(f"{' '.join(arguments.overrides)}: must be one group, or none for all of them")
    wanted, is_option, option = (arguments.overrides or [""])[0].partition("=")
    if wanted and wanted not in options:
        raise UsageError(f"{wanted}: there is no such group{did_you_mean(wanted, options)}")
    if is_option:
        if option not in options[wanted]:
            raise UsageError(
                f"{wanted}: {option}: there is no such option{did_you_mean(option, options[wanted])}"
            )
        if as_json:
            print(json.dumps(_plain_settings(options[wanted][option]), indent=2))
        else:
            explain(wanted, option, options[wanted][option])
        return 0
    groups = {wanted: options[wanted]} if wanted else options
    if as_json:
        told = {
            group: {
                name: {"description": description(path), "file": str(path)} for name, path in files.items()
            }
            for group, files in groups.items()
        }
        print(json.dumps(told, indent=2))
        return 0
    width = max(len(f"{group}={name}") for group, files in groups.items() for name in files)
    for group, files in groups.items():
        for name, path in files.items():
            origin = "" if path.is_relative_to(bundled_conf()) else f"  ({path})"
            print(f"{f'{group}={name}':<{width}}  {description(path)}{origin}".rstrip())
    return 0


def _plain_settings(path: Path) -> dict[str, Any]:
    """Return what an option is and its settings, for programs."""
    notes, settings = notes_and_settings(path)
    return {
        "description": description(path),
        "notes": notes,
        "settings": {s.key: {"default": s.value, "meaning": s.comment} for s in settings},
    }


def explain(group: str, option: str, path: Path) -> None:
    """Print what an option is and its settings, a key, its default and its meaning each, as wide as the terminal."""
    notes, settings = notes_and_settings(path)
    prefix = "" if group == "experiment" else f"{group}."
    print(f"{group}={option}: {description(path)}".rstrip(": "))
    for note in notes:
        print(note)
    if not settings:
        return
    print()
    names = [f"{prefix}{setting.key} = {setting.value}".rstrip(" =") for setting in settings]
    indent = min(max(map(len, names)), 34) + 2
    width = min(max(shutil.get_terminal_size((100, 24)).columns, NARROWEST), WIDEST) - indent
    for name, setting in zip(names, settings, strict=True):
        lines = textwrap.wrap(setting.comment, width) or [""]
        if len(name) > indent - 2:
            print(name)
            name = ""
        print(f"{name:<{indent}}{lines[0]}".rstrip())
        for line in lines[1:]:
            print(" " * indent + line)
