"""Puts the user's configuration folders before the bundled one on Hydra's search path."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from rnnexp.config.paths import ConfigDirectory, bundled_conf, is_marked, primary_names


class UnnamedConfigSource(FileConfigSource):
    """The folder ./conf, maybe of another project: its primary configurations count only when marked."""

    @staticmethod
    def scheme() -> str:
        """Return the URL scheme under which Hydra finds this class."""
        return "rnnexp-unnamed"

    def is_config(self, config_path: str) -> bool:
        """Whether the path is a configuration that may be used."""
        if not super().is_config(config_path):
            return False
        name = self._normalize_file_name(config_path)
        return Path(name).stem not in primary_names() or "/" in name or is_marked(Path(self.path) / name)


class UserSearchPath(SearchPathPlugin):
    """Prepends the user's folders; Hydra makes the object itself, so the folders stand on the class."""

    directories: ClassVar[Sequence[ConfigDirectory]] = ()

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders before the bundled one, the first of them first."""
        for directory in self.directories:
            scheme = UnnamedConfigSource.scheme() if directory.is_implicit else "file"
            search_path.prepend(
                provider=f"rnnexp {directory.origin}",
                path=f"{scheme}://{directory.path}",
                anchor=SearchPathQuery(provider="main", path=None),
            )


def use_directories(directories: Sequence[ConfigDirectory]) -> None:
    """Make Hydra look into these folders, the first of them first, and then into the bundled one."""
    UserSearchPath.directories = tuple(directories)
    for plugin in (UnnamedConfigSource, UserSearchPath):
        Plugins.instance().register(plugin)
    hide_launchers_of_plugins()


def hide_launchers_of_plugins() -> None:
    """Take what plugins offer under the names of our launchers out of Hydra's store, or it would check ours by it."""
    offered = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    for path in (bundled_conf() / "hydra" / "launcher").glob("*.yaml"):
        offered.pop(path.name, None)
