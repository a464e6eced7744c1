"""Composes configurations with Hydra before anything runs."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.default_element import ConfigDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rnnexp.config.option_names import OF_ANCESTOR
from rnnexp.config.paths import ConfigDirectory, bundled_conf
from rnnexp.config.search_path import use_directories
from rnnexp.errors import UserError


class Composer:
    """Composes the configuration of one command from different overrides; made by `composer`.

    Args:
        config_name: the primary configuration.
    """

    def __init__(self, config_name: str) -> None:
        self.config_name = config_name

    @property
    def _loader(self) -> Any:
        return GlobalHydra.instance().config_loader()

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return the configuration, Hydra's own part included, with `${hydra:...}` working in it.

        A missing folder in hydra.searchpath, of which Hydra only warns, is an error.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*is not available", category=UserWarning)
            cfg = compose(self.config_name, overrides=list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        return cfg

    def compose_job(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Return the configuration of one job of a sweep."""
        cfg = self.compose(overrides)
        with read_write(cfg.hydra), open_dict(cfg.hydra):
            cfg.hydra.job.num = number
            cfg.hydra.job.id = f"{cfg.hydra.job.name}_{number}"
        HydraConfig.instance().set_config(cfg)
        return cfg

    def parse(self, text: str) -> Override:
        """Read one override.

        Raises:
            HydraException: it does not have the form key=value.
        """
        (override,) = OverridesParser.create(config_loader=self._loader).parse_overrides([text])
        if not override.key_or_group:
            raise OverrideParseException(text, "the key is empty")
        return override

    def options(self, group: str) -> list[str]:
        """Return the options of a group, the user's included; nothing if there is no such group.

        Files whose name begins with _ hold what options share, and are none themselves.
        """
        return [name for name in self._loader.get_group_options(group) if not name.startswith("_")]

    def holds(self, group: str, option: str, setting: str) -> bool:
        """Return whether the file of an option, or one in its folder that it builds on, has a setting of that name."""
        loaded = self._loader.repository.load_config(f"{group}/{option}")
        if loaded is None:
            return False
        base = [default.path for default in loaded.defaults_list or [] if isinstance(default, ConfigDefault)]
        return setting in loaded.config or any(
            self.holds(group, name, setting) for name in base if name != "_self_"
        )

    def groups(self) -> list[str]:
        """Return the names of all groups but Hydra's."""
        return [group for group in self._loader.list_groups("") if group != "hydra"]


@contextmanager
def composer(config_name: str, directories: Sequence[ConfigDirectory]) -> Iterator[Composer]:
    """Look configurations up in the user's folders and then in the bundled one.

    Raises:
        UserError: there is no primary configuration of this name.
    """
    use_directories(directories)
    previous = HydraConfig.instance().cfg
    with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
        try:
            composing = Composer(config_name)
            names = composing.options("")
            if config_name not in (*names, OF_ANCESTOR):
                raise UserError(f"--config-name: {config_name}: must be one of {', '.join(names)}")
            yield composing
        finally:
            HydraConfig.instance().cfg = previous


def without_hydra(cfg: DictConfig) -> DictConfig:
    """Return the configuration that a job receives."""
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])


def is_multirun(cfg: DictConfig) -> bool:
    """Whether a configuration asks for a sweep itself: hydra.mode=MULTIRUN."""
    return cfg.hydra.mode == RunMode.MULTIRUN
