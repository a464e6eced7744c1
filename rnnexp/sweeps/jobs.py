"""The jobs of a sweep, and sweep.json, in which all of them stand from the start with what each was composed to."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rnnexp.errors import UserError
from rnnexp.training.records import read_record, write_record

SWEEP_FILE = "sweep.json"
OF_HYDRA = ("hydra.", "hydra/", "+hydra", "++hydra", "~hydra")


@dataclass(frozen=True)
class SweepJob:
    """One job of a sweep.

    Attributes:
        number: in the order in which they were planned, from 0.
        overrides: that make it, those of Hydra itself included.
        choices: option of every group.
        config: composed configuration, interpolations unresolved; plain data.
        directory: where it runs, absolute.
    """

    number: int
    overrides: list[str]
    choices: dict[str, Any]
    config: dict[str, Any]
    directory: str

    @property
    def path(self) -> Path:
        """The directory."""
        return Path(self.directory)

    @property
    def own_overrides(self) -> list[str]:
        """Overrides without those of Hydra itself."""
        return [text for text in self.overrides if not text.startswith(OF_HYDRA)]

    @property
    def identity(self) -> frozenset[str]:
        """What tells the job from others of its sweep: its overrides, values as values; the order does not matter."""
        return frozenset(_normal(text) for text in self.own_overrides)


@dataclass
class Sweep:
    """All jobs of a sweep, and what they share.

    Attributes:
        command: "train", "eval", ...
        overrides: of the line that began it, as typed.
        jobs: by number.
        directory: of the sweep, absolute.
        hydra: Hydra's own part of the configuration, plain data, unresolved. It is not in sweep.json: it can name code,
            which a file must not.
        working_directory: in which the line was typed.
        search: of a search its settings and what its jobs share; these have no place among `jobs` then.
    """

    command: str
    overrides: list[str]
    jobs: list[SweepJob]
    directory: str
    hydra: dict[str, Any] = field(default_factory=dict)
    working_directory: str = field(default_factory=os.getcwd)
    search: dict[str, Any] | None = None

    def save(self) -> None:
        """Write sweep.json; directories are those below the sweep's, so that it can be moved.

        Raises:
            UserError: it cannot be written.
        """
        record = asdict(self)
        del record["hydra"]
        record["jobs"] = [
            {**job, "directory": os.path.relpath(job["directory"], self.directory)} for job in record["jobs"]
        ]
        path = Path(record.pop("directory")) / SWEEP_FILE
        try:
            write_record(path, record)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from error

    @classmethod
    def load(cls, directory: str | Path) -> "Sweep":
        """Read the sweep.json of a directory.

        Raises:
            UserError: there is none, or it is damaged.
        """
        directory = Path(directory).absolute()
        record = read_record(directory / SWEEP_FILE)
        try:
            jobs = [
                SweepJob(**{**job, "directory": str((directory / job["directory"]).resolve())})
                for job in record.pop("jobs")
            ]
            sweep = cls(**record, jobs=jobs, directory=str(directory))
        except (TypeError, KeyError) as error:
            raise UserError(f"{directory / SWEEP_FILE}: is damaged: {error}") from error
        outside = [job.directory for job in jobs if directory.resolve() not in job.path.parents]
        if outside:
            raise UserError(f"{directory / SWEEP_FILE}: {outside[0]}: a job outside of its sweep")
        return sweep

    def telling(self, job: SweepJob) -> str:
        """Return what tells a job from the others, in words of the command line."""
        shared = set(self.jobs[0].overrides).intersection(*(set(other.overrides) for other in self.jobs))
        own = [text for text in job.own_overrides if len(self.jobs) == 1 or text not in shared]
        return " ".join(text.lstrip("+") for text in own) or "(no overrides)"


def full_config(
    hydra: Mapping[str, Any], job: SweepJob | None, overrides: Sequence[str], number: int
) -> DictConfig:
    """Return a configuration with Hydra's part for one job, as Hydra's own launchers compose it.

    Args:
        hydra: Hydra's part, plain data.
        job: whose configuration and choices go in; None for Hydra's part alone.
        overrides: of the job.
        number: of the job.
    """
    config = OmegaConf.create({} if job is None else job.config)
    with read_write(config), open_dict(config):
        config.hydra = _part_of_hydra(json.dumps(hydra, sort_keys=True, default=str), hydra)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.mode = RunMode.MULTIRUN
        config.hydra.job.num = number
        config.hydra.job.id = f"{config.hydra.job.name}_{number}"
        task = [text for text in overrides if not text.startswith(OF_HYDRA)]
        config.hydra.overrides.task = task
        names = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=OverridesParser.create().parse_overrides(task),
            kv_sep=names.kv_sep,
            item_sep=names.item_sep,
            exclude_keys=list(names.exclude_keys),
        )
        if job is not None:
            config.hydra.runtime.choices = job.choices
    return config


_PARTS: dict[str, DictConfig] = {}


def _part_of_hydra(identity: str, hydra: Mapping[str, Any]) -> DictConfig:
    """Return Hydra's part of a configuration, which takes long to build and is the same for all jobs of a sweep."""
    if identity not in _PARTS:
        node = OmegaConf.structured(HydraConf)
        OmegaConf.set_struct(node, False)
        _PARTS.clear()
        _PARTS[identity] = OmegaConf.merge(node, dict(hydra))
    return _PARTS[identity]


def place(hydra: Mapping[str, Any], job: SweepJob) -> Path:
    """Return the directory of a job, by hydra.sweep.dir and hydra.sweep.subdir."""
    config = full_config(hydra, job, job.overrides, job.number)
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        return (Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)).absolute()
    finally:
        HydraConfig.instance().cfg = before


def identities(jobs: Iterable[SweepJob]) -> dict[frozenset[str], SweepJob]:
    """Return jobs by what tells them apart."""
    return {job.identity: job for job in jobs}


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Return a part of a configuration as data that JSON can hold; interpolations stay as they are."""
    container = OmegaConf.to_container(cfg, resolve=False, enum_to_str=True)
    return json.loads(json.dumps(container))


def _normal(text: str) -> str:
    override = OverridesParser.create().parse_override(text)
    value = None if override.is_delete() else override.value()
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return f"{'~' if override.is_delete() else ''}{override.key_or_group}={value!s}"
