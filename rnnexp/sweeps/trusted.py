"""What sweep.json may say: it is a file, so nothing in it may name code unless the user vouches for it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.config.composition import without_hydra
from rnnexp.config.fine_tuning import DEFAULTS
from rnnexp.config.plain_data import refuse_interpolations
from rnnexp.config.resuming import changed, check_ancestry, load_run
from rnnexp.config.targets import check_trusted
from rnnexp.config.validation import find_problems
from rnnexp.errors import ConfigError, UserError
from rnnexp.sweeps.jobs import OF_HYDRA, Sweep, SweepJob, full_config
from rnnexp.sweeps.working import has_begun

HARMLESS = (
    "n_jobs",
    "threads",
    "num_cpus",
    "num_gpus",
    "timeout_min",
    "cpus_per_task",
    "mem_gb",
    "gpus_per_node",
)


def of_hydra(sweep: Sweep, is_trusted: bool) -> list[str]:
    """Return what the line of a sweep said to Hydra, its directory apart.

    Raises:
        UserError: it may name code, and the user does not vouch for it.
    """
    texts = [text for text in sweep.overrides if text.startswith(OF_HYDRA)]
    texts = [text for text in texts if not text.startswith(("hydra.sweep.dir=", "hydra.run.dir="))]
    harmless = [f"hydra.launcher.{name}=" for name in HARMLESS]
    harmless += [
        "hydra/launcher=",
        "hydra/sweeper=",
        "hydra.sweeper.",
        "hydra.sweep.subdir=",
        "hydra.verbose=",
    ]
    unsafe = [text for text in texts if not text.startswith(tuple(harmless))]
    if unsafe and not is_trusted:
        raise UserError(
            f"resume={sweep.directory}: was begun with {' '.join(unsafe)}, which may run code; trust=true vouches "
            "for it"
        )
    return texts


def checked(sweep: Sweep, job: SweepJob, is_trusted: bool, changes: Sequence[Override]) -> SweepJob:
    """Return a job as it can be run, refusing what a file must not name and changes that are not allowed.

    Raises:
        UserError: it names classes from outside without trust, or a change is not allowed.
    """
    if has_begun(job.path):
        try:
            stored = DEFAULTS | load_run(job.path)
        except UserError:
            return job  # which says so when it is run
        check_ancestry(job.path, stored, is_trusted)
    else:
        stored = DEFAULTS | _resolved(sweep, job)
        check_trusted(stored, is_trusted)
    if changes:
        problems = find_problems(changed(OmegaConf.create(stored), changes), "train")
        if problems:
            raise ConfigError(problems)
        stored = OmegaConf.to_container(changed(OmegaConf.create(stored), changes))
    return replace(job, config=stored)


def _resolved(sweep: Sweep, job: SweepJob) -> dict[str, Any]:
    """Return the configuration of a job without interpolations, since these can make a _target_.

    Raises:
        UserError: it cannot be resolved, or a text looks like an interpolation.
    """
    config = full_config(sweep.hydra, job, job.overrides, job.number)
    HydraConfig.instance().set_config(config)
    try:
        resolved = OmegaConf.to_container(without_hydra(config), resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(
            f"resume={sweep.directory}: job {job.number}: {str(error).splitlines()[0]}"
        ) from error
    refuse_interpolations(resolved, f"resume={sweep.directory}")
    return resolved
