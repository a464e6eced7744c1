"""The jobs of a sweep: which there are, and their configurations."""

import copy
from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf

from rnnexp.config.composition import Composer, without_hydra

BASIC_SWEEPER = f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"


def expand(composing: Composer, cfg: DictConfig, overrides: Sequence[Override]) -> list[list[str]] | None:
    """Return the overrides of every job of a sweep, in the order in which they are numbered.

    Args:
        composing: parses what stands in the configuration.
        cfg: the configuration composed without the overrides that sweep.
        overrides: all of the command line.

    Returns:
        None if the sweeper is not Hydra's basic one: others choose their jobs as they go.
    """
    if cfg.hydra.sweeper._target_ != BASIC_SWEEPER:
        return None
    parameters = cfg.hydra.sweeper.params or {}
    swept = [composing.parse(f"{key}={value}") for key, value in parameters.items()]
    swept += [override for override in overrides if not override.is_hydra_override()]
    fixed = [override.input_line or "" for override in overrides if override.is_hydra_override()]
    (jobs,) = BasicSweeper.split_arguments(swept, None)
    return [[*fixed, *job] for job in jobs]


def covering(jobs: Sequence[Sequence[str]], limit: int) -> list[int]:
    """Return numbers of jobs among which every override occurs, and further ones up to a limit.

    All of them if they are no more than the limit.
    """
    if len(jobs) <= limit:
        return list(range(len(jobs)))
    seen: set[str] = set()
    chosen = []
    for number, job in enumerate(jobs):
        if not seen.issuperset(job):
            seen.update(job)
            chosen.append(number)
    spread = [round(i * (len(jobs) - 1) / (limit - 1)) for i in range(limit)]
    return sorted({*chosen, *spread[: max(limit - len(chosen), 0)]})


class JobComposer:
    """Composes the configurations of many jobs.

    Hydra composes once for each combination of groups; jobs that differ in plain values only are copies with
    these values set, which is ten times faster.

    Args:
        composing: composes one configuration.
    """

    def __init__(self, composing: Composer) -> None:
        self._composing = composing
        self._parsed: dict[str, Override] = {}
        self._groups: set[str] = set()
        self._bases: dict[tuple[tuple[str, ...], ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Return what the job with these overrides and this number receives."""
        plain = {text: override for text in overrides if (override := self._plain(text)) is not None}
        others = tuple(text for text in overrides if text not in plain)
        identity = (others, tuple(override.key_or_group for override in plain.values()))
        if identity not in self._bases:
            self._bases[identity] = without_hydra(self._composing.compose_job(overrides, number))
        job = copy.deepcopy(self._bases[identity])
        for override in plain.values():
            OmegaConf.update(job, override.key_or_group, override.value())
        return job

    def _plain(self, text: str) -> Override | None:
        """Return the override if it sets one plain value of an existing key, else None."""
        if text not in self._parsed:
            override = self._composing.parse(text)
            self._parsed[text] = override
            if self._composing.options(override.key_or_group):
                self._groups.add(override.key_or_group)
        override = self._parsed[text]
        is_special = override.type is not OverrideType.CHANGE or override.is_hydra_override()
        is_group = override.package is not None or override.key_or_group in self._groups
        return None if is_special or is_group or isinstance(override.value(), dict) else override
