"""`init_from=RUN`: the configuration of a trained network takes the place of the defaults that overrides change."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from rnnexp.config.arguments import Arguments, UsageError
from rnnexp.config.option_names import OF_ANCESTOR
from rnnexp.config.paths import bundled_conf
from rnnexp.config.planning import OWN_GROUPS, added_to
from rnnexp.config.schema import LOGGER, OPEN_LOOP
from rnnexp.config.targets import check_trusted, is_own
from rnnexp.errors import ConfigError

KEY = "init_from"
DEFAULTS: dict[str, Any] = {
    KEY: None, "init_weights": ["*"], "init_optimizer": False, "freeze": [], "lr_of": {}, "logger": LOGGER,
    **OPEN_LOOP
}  # fmt: skip
NOT_INHERITED = (KEY, "init_weights", "init_optimizer")


@contextmanager
def ancestor_as_base(command: str, arguments: Arguments) -> Iterator[Arguments]:
    """Let Hydra compose upon the configuration of the network that init_from names, if it does.

    Args:
        command: the sub-command; only train has init_from.
        arguments: its command line.

    Yields:
        The command line that means the same.

    Raises:
        UserError: there is no such network, it names foreign classes without trust=true, or its data are gone.
    """
    typed = [text for text in arguments.overrides if _key(text) == KEY]
    path = _path(typed[-1]) if command == "train" and typed else None
    if path is None:
        yield arguments
        return
    if arguments.config_name is not None:
        raise UsageError(f"{KEY}: its configuration is the base, so not together with --config-name")
    trust = [text for text in arguments.overrides if _key(text) == "trust"]
    others = [text for text in arguments.overrides if text not in (*typed, *trust)]
    file, base = _base(path, others, trust[-1:] == ["trust=true"])
    foreign = [group for group in OWN_GROUPS if not is_own(base[group]["_target_"])]
    store = ConfigStore.instance()
    before = copy.copy(store.repo)
    try:
        _offer(store, base)
        quoted = str(file).replace("\\", "\\\\").replace("'", "\\'")
        overrides = [f"{KEY}='{quoted}'", *(added_to(text, foreign) for text in others)]
        yield replace(arguments, overrides=overrides, config_name=OF_ANCESTOR)
    finally:
        store.repo = before


def _key(text: str) -> str:
    return text.lstrip("+").partition("=")[0]


def _path(text: str) -> str | None:
    """Return the path of an override init_from=PATH, None for null.

    Raises:
        UserError: it is no path, or several of them.
    """
    try:
        parsed = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise ConfigError([f"{text}: must have the form key=value, special characters in quotes"]) from error
    if parsed.is_sweep_override():
        raise ConfigError([f"{text}: a sweep has one ancestor; start one line for each"])
    value = parsed.value()
    if value is not None and not isinstance(value, str):
        value = text.partition("=")[2]  # such as 2026
    return value or None


def _base(path: str, overrides: Sequence[str], trust: bool) -> tuple[Path, dict[str, Any]]:
    """Return the absolute checkpoint and its configuration, with its files where they are now."""
    from rnnexp.saved.files import files_of, located
    from rnnexp.training.checkpoint import load_checkpoint
    from rnnexp.training.checkpoint_file import checkpoint_file, run_directory_of

    file = checkpoint_file(Path(path).expanduser(), KEY).absolute()
    record = load_checkpoint(file)
    check_trusted(record["config"], trust)
    keys = [_key(text) for text in overrides]
    files = [
        known
        for known in files_of(record, f"{KEY}={path}")
        if known["key"].partition(".")[0] not in keys  # the whole group is another one
    ]
    replaced = [key.partition(".")[2] for key in keys if "." in key]
    config = located(record["config"], files, run_directory_of(file), replaced)
    inherited = {name: value for name, value in config.items() if name not in (*NOT_INHERITED, "resume")}
    return file, {**DEFAULTS, "resume": None, **inherited}


def _offer(store: ConfigStore, base: dict[str, Any]) -> None:
    """Put a primary configuration into Hydra's store that is `train` with the groups and values of another run."""
    node = OmegaConf.to_container(OmegaConf.load(bundled_conf() / "train.yaml"), resolve=False)
    defaults = []
    for default in node["defaults"]:
        group = next(iter(default)) if isinstance(default, dict) else None
        if group in base:
            store.store(name=OF_ANCESTOR, node=base[group], group=group, provider="rnnexp")
            default = {group: OF_ANCESTOR}
        defaults.append(default)
    groups = {name for default in defaults if isinstance(default, dict) for name in default}
    scalars = {name: value for name, value in base.items() if name not in groups}
    store.store(
        name=OF_ANCESTOR, node={"defaults": defaults, "hydra": node["hydra"], **scalars}, provider="rnnexp"
    )
