"""Where configuration files are: the bundled folder, the user's own folders, and what they hold.

Imports the standard library only, since `rnnexp --help` and `rnnexp list` need it.
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rnnexp.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]
ENVIRONMENT_VARIABLE = "RNNEXP_CONFIG_PATH"
MARKER = "# rnnexp"


@dataclass(frozen=True)
class ConfigDirectory:
    """A folder with configuration groups of the user.

    Args:
        path: absolute path.
        origin: how it came in: "--config-dir", "./conf" or "RNNEXP_CONFIG_PATH".
    """

    path: Path
    origin: str

    @property
    def is_implicit(self) -> bool:
        """Whether nobody named the folder: it just lies in the working directory."""
        return self.origin == "./conf"


def bundled_conf() -> Path:
    """Return the folder of the configurations that come with rnnexp: inside a wheel, else beside the package.

    Raises:
        UserError: neither is there, so the installation is broken.
    """
    for folder in (PACKAGE / "conf", PACKAGE.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise UserError(f"the configurations of rnnexp are missing from {PACKAGE / 'conf'}: reinstall rnnexp")


def primary_names() -> list[str]:
    """Return the names of the bundled primary configurations: train, eval, ..."""
    return sorted(path.stem for path in bundled_conf().glob("*.yaml"))


def group_names() -> list[str]:
    """Return the names of the bundled groups: task, latent_step, ..."""
    return sorted(path.name for path in bundled_conf().iterdir() if path.is_dir() and path.name != "hydra")


def user_directories(config_dir: str | None = None) -> list[ConfigDirectory]:
    """Return the user's configuration folders, the most specific first.

    Order: --config-dir, ./conf if it holds at least one group of ours and is not the bundled folder itself,
    the entries of RNNEXP_CONFIG_PATH.

    Args:
        config_dir: what followed --config-dir, or None.

    Raises:
        UserError: a folder that was named does not exist.
    """
    named = [] if config_dir is None else [(config_dir, "--config-dir")]
    entries = os.environ.get(ENVIRONMENT_VARIABLE, "").split(os.pathsep)
    found = [_existing(path, origin) for path, origin in named]
    local = Path.cwd() / "conf"
    if any((local / group).is_dir() for group in group_names()):
        found.append(ConfigDirectory(local, "./conf"))
    found += [_existing(entry, ENVIRONMENT_VARIABLE) for entry in entries if entry]
    unique: dict[str, ConfigDirectory] = {}
    for directory in found:
        unique.setdefault(os.path.realpath(directory.path), directory)
    unique.pop(os.path.realpath(bundled_conf()), None)
    return list(unique.values())


def _existing(path: str, origin: str) -> ConfigDirectory:
    absolute = Path(path).expanduser().absolute()
    if not absolute.is_dir():
        raise UserError(f"{origin}: {path}: no such directory")
    return ConfigDirectory(absolute, origin)


def announce(directories: Iterable[ConfigDirectory]) -> None:
    """Say on stderr which folders are used though they were not named on the command line."""
    for directory in directories:
        if directory.origin != "--config-dir":
            print(
                f"rnnexp: configurations of {directory.path} ({directory.origin}) come first", file=sys.stderr
            )


def is_marked(path: Path) -> bool:
    """Whether a file says in its first line, `# rnnexp`, that it is meant for rnnexp."""
    with path.open(encoding="utf-8") as file:
        return file.readline().startswith(MARKER)


def options_by_group(directories: Iterable[ConfigDirectory] = ()) -> dict[str, dict[str, Path]]:
    """Return group -> option -> file; of two files with the same name that of the earlier folder counts.

    Files whose name begins with _ are no options: they hold what options share.
    """
    groups: dict[str, dict[str, Path]] = {}
    for root in [*(directory.path for directory in directories), bundled_conf()]:
        for path in sorted(root.glob("*/**/*.yaml")):
            group, _, option = path.relative_to(root).with_suffix("").as_posix().partition("/")
            if group != "hydra" and not path.name.startswith("_"):
                groups.setdefault(group, {}).setdefault(option, path)
    return {group: dict(sorted(options.items())) for group, options in sorted(groups.items())}


def description(path: Path) -> str:
    """Return the first comment of a YAML file that is not an instruction to Hydra, or ""."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            text = line.strip()
            if not text.startswith("#"):
                return ""
            text = text.lstrip("# ")
            if not text.startswith("@"):
                return text
    return ""


def make_working_directory_importable() -> None:
    """Let `_target_: my_lab.tasks.MyTask` find ./my_lab/tasks.py; installed packages come first."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
