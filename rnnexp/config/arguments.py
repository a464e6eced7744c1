"""The command line of a Hydra sub-command: flags in any order, then overrides.

Hydra 1.3 refuses flags that follow overrides, so flags are taken out here and handed over in front.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from rnnexp.config.suggestions import did_you_mean
from rnnexp.errors import UserError


class UsageError(UserError):
    """The command line itself is wrong: exit code 2."""


CFG_CHOICES = ("job", "hydra", "all")
INFO_CHOICES = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
SWITCHES = {
    "-h": "help",
    "--help": "help",
    "--hydra-help": "hydra_help",
    "-m": "multirun",
    "--multirun": "multirun",
    "--dry-run": "dry_run",
    "--check": "check",
    "--resolve": "resolve",
}
VALUED = {
    "-c": "cfg",
    "--cfg": "cfg",
    "-p": "package",
    "--package": "package",
    "-cn": "config_name",
    "--config-name": "config_name",
    "-cd": "config_dir",
    "--config-dir": "config_dir",
}
INFO = ("-i", "--info")
REFUSED = {
    "-cp": "it would hide the configurations of rnnexp; add a folder of your own with --config-dir",
    "--config-path": "it would hide the configurations of rnnexp; add a folder of your own with --config-dir",
    "--experimental-rerun": "it runs whatever code is in the file; continue a run with resume=RUN_DIR",
}
PATH_KEYS = (
    "checkpoint", "resume", "init_from", "file", "inputs", "initial", "start", "t_connectivity", "out", "task.path",
    "task.inputs_path", "initializer.path",
)  # fmt: skip
ALLOWED_VALUES = {"cfg": CFG_CHOICES, "info": INFO_CHOICES}


@dataclass
class Arguments:
    """What a command line says.

    Args:
        overrides: all that is not a flag, in order.
        cfg: "job", "hydra" or "all" to print that part of the configuration.
        package: with cfg, the part of it to print.
        info: what Hydra shall report on itself.
        config_name: the primary configuration in place of the command's own.
        config_dir: a folder of the user's configurations.
    """

    overrides: list[str] = field(default_factory=list)
    help: bool = False
    hydra_help: bool = False
    multirun: bool = False
    dry_run: bool = False
    check: bool = False
    resolve: bool = False
    cfg: str | None = None
    package: str | None = None
    info: str | None = None
    config_name: str | None = None
    config_dir: str | None = None

    @property
    def only_shows(self) -> bool:
        """Whether Hydra shall only print something."""
        return self.hydra_help or self.cfg is not None or self.info is not None

    def for_hydra(self, extra_overrides: tuple[str, ...] = ()) -> list[str]:
        """Return the arguments in Hydra's order; the folder of --config-dir is on the search path already."""
        switches = {"--hydra-help": self.hydra_help, "--multirun": self.multirun, "--resolve": self.resolve}
        values = {"--cfg": self.cfg, "--package": self.package, "--info": self.info}
        values["--config-name"] = self.config_name
        flags = [flag for flag, is_on in switches.items() if is_on]
        for flag, value in values.items():
            flags += [] if value is None else [flag, value]
        return [*flags, *self.overrides, *extra_overrides]


def parse(words: list[str]) -> Arguments:
    """Sort a command line into flags and overrides.

    Args:
        words: what follows the sub-command.

    Raises:
        UsageError: an unknown flag, a flag without its value, or flags that exclude each other.
    """
    arguments = Arguments()
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        if not word.startswith("-"):
            arguments.overrides.append(_with_path_quoted(word))
            continue
        flag, has_value, value = word.partition("=")
        if flag in REFUSED:
            raise UsageError(f"{flag}: not available: {REFUSED[flag]}")
        if flag in SWITCHES and not has_value:
            setattr(arguments, SWITCHES[flag], True)
        elif flag in VALUED:
            if not has_value:
                value = _next_value(flag, remaining)
            _set_value(arguments, flag, VALUED[flag], value)
        elif flag in INFO:
            if not has_value:
                value = remaining.pop(0) if remaining and remaining[0] in INFO_CHOICES else "all"
            _set_value(arguments, flag, "info", value)
        else:
            raise UsageError(f"{word}: unknown flag{did_you_mean(flag, known_flags())}")
    _check_combination(arguments)
    return arguments


def _with_path_quoted(override: str) -> str:
    """Quote the name of a file that Hydra's grammar would not read, because of an = or another special character.

    Only files that exist are meant, and of those to be written names with an =, but no lists or quotes.
    """
    key, has_value, value = override.partition("=")
    if not has_value or key not in PATH_KEYS or re.fullmatch(r"[\w./~:+-]*", value):
        return override
    is_new = key == "out" and not re.search(r"[\[\]{}'\",$]", value)
    if value[:1] in "'\"" or not (is_new or _exists(value)):
        return override
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'"


def _exists(name: str) -> bool:
    try:
        return Path(name).expanduser().exists()
    except (OSError, ValueError):  # too long, or no name at all
        return False


def known_flags() -> list[str]:
    """Return every flag that may be given."""
    return [*SWITCHES, *VALUED, *INFO]


def _next_value(flag: str, remaining: list[str]) -> str:
    if not remaining or remaining[0].startswith("-"):
        allowed = ALLOWED_VALUES.get(VALUED[flag])
        raise UsageError(f"{flag}: needs a value{': ' + ', '.join(allowed) if allowed else ''}")
    return remaining.pop(0)


def _set_value(arguments: Arguments, flag: str, name: str, value: str) -> None:
    allowed = ALLOWED_VALUES.get(name)
    if allowed and value not in allowed:
        raise UsageError(f"{flag}: {value}: must be one of {', '.join(allowed)}")
    setattr(arguments, name, value)


def _check_combination(arguments: Arguments) -> None:
    if arguments.multirun and arguments.cfg is not None:
        raise UsageError("--cfg: not together with -m: --dry-run lists the jobs of a sweep")
    if arguments.multirun and arguments.info is not None:
        raise UsageError("--info: not together with -m: --dry-run lists the jobs of a sweep")
    if arguments.cfg is not None and arguments.info is not None:
        raise UsageError("--cfg: not together with --info")
    if arguments.package is not None and arguments.cfg is None:
        raise UsageError("--package: only together with --cfg, e.g. --cfg job --package task")
    if arguments.resolve and arguments.cfg is None:
        raise UsageError("--resolve: only together with --cfg")
