"""From a checked plan to the sweep or search that it describes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rnnexp.config.composition import Composer
from rnnexp.config.instantiate import instantiate
from rnnexp.config.planning import Plan, is_search
from rnnexp.errors import ConfigError
from rnnexp.sweeps.jobs import Sweep, SweepJob, place, plain
from rnnexp.sweeps.launchers import Launcher
from rnnexp.sweeps.running import is_own, make_launcher
from rnnexp.sweeps.search import Search, SearchedJobs, distributions, run_search


def own_launcher(plan: Plan) -> Launcher | None:
    """Return what runs the jobs of a planned sweep; None where that is up to a plugin of Hydra, or there is one run.

    Raises:
        UserError: it cannot work here.
    """
    if not plan.is_sweep or (plan.jobs is None and not is_search(plan.cfg)):
        return None
    settings = OmegaConf.to_container(plan.cfg.hydra.launcher, resolve=True)
    return make_launcher(settings) if is_own(settings) else None


def prepared_search(plan: Plan) -> tuple[Search, dict[str, Any]]:
    """Return the settings of a search and what it searches.

    Raises:
        ConfigError: it is none of trainings, or one of them is wrong.
    """
    if plan.command != "train":
        raise ConfigError(["hydra/sweeper=optuna: is for rnnexp train"])
    node = OmegaConf.to_container(plan.cfg.hydra.sweeper, resolve=True)
    return instantiate(node, key="hydra.sweeper"), distributions(plan.swept)


def search(
    composing: Composer,
    plan: Plan,
    settings: Search,
    space: dict[str, Any],
    typed: Sequence[str],
    directory: Path,
    launcher: Launcher,
    words: Sequence[str],
) -> None:
    """Run a search for settings in a directory.

    Raises:
        UserError: all its trials failed.
    """
    hydra = plain(plan.cfg.hydra)
    hydra["sweep"]["dir"] = str(directory.absolute())
    write_line(plan.cfg, typed, directory)
    sweep = Sweep(plan.command, list(typed), [], str(directory.absolute()), hydra)
    jobs = SearchedJobs(composing, fixed_overrides(composing, plan, space), sweep, plan.swept)
    run_search(settings, space, jobs, launcher, words)


def fixed_overrides(composing: Composer, plan: Plan, space: dict[str, Any]) -> list[str]:
    """Return the overrides that all jobs of a search share, without what is for Hydra."""
    parsed = [composing.parse(text) for text in plan.overrides]
    return [o.input_line or "" for o in parsed if o.key_or_group not in space and not o.is_hydra_override()]


def planned_sweep(plan: Plan, typed: Sequence[str], directory: Path) -> Sweep:
    """Return the sweep that a plan describes, in a directory.

    Args:
        plan: of a sweep whose jobs are known.
        typed: overrides of the line.
        directory: which the sweep has claimed.
    """
    hydra = plain(plan.cfg.hydra)
    hydra["sweep"]["dir"] = str(directory.absolute())
    jobs = [
        SweepJob(number, overrides, choices, config, "")
        for number, (overrides, (choices, config)) in enumerate(zip(plan.jobs, plan.composed, strict=True))
    ]
    jobs = [replace(job, directory=str(place(hydra, job))) for job in jobs]
    return Sweep(plan.command, list(typed), jobs, str(directory.absolute()), hydra)


def write_line(cfg: DictConfig, typed: Sequence[str], directory: Path) -> None:
    """Leave the multirun.yaml that Hydra's sweeper leaves, with the overrides of the line."""
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.overrides.task = [text for text in typed if not text.startswith(("hydra.", "hydra/"))]
    (directory / "multirun.yaml").write_text(OmegaConf.to_yaml(cfg))
