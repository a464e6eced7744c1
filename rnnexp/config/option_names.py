"""What the part of a configuration is called: the option that it was chosen by, or comes closest to."""

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rnnexp.config.paths import bundled_conf

OF_ANCESTOR = "_of_ancestor"  # in every group, where `init_from` names a network: what that has


def option_name(group: str, node: dict[str, Any]) -> str:
    """Return the bundled option of a group with the most settings of a node, or the class of a node of the user.

    Args:
        group: such as "latent_step"; its options may share a class, as Basic and CTRNN do.
        node: with `_target_`.
    """
    target = node["_target_"]
    options = {name: values for name, values in _options(group).items() if values.get("_target_") == target}
    if not options:
        return target.rpartition(".")[2]
    return max(
        options, key=lambda name: sum(node.get(key, ...) == value for key, value in options[name].items())
    )


@cache
def _options(group: str) -> dict[str, dict[str, Any]]:
    files: list[Path] = sorted((bundled_conf() / group).glob("[!_]*.yaml"))
    return {file.stem: OmegaConf.to_container(OmegaConf.load(file)) for file in files}
