"""The jobs of a sweep: which there are, and their configurations."""

import copy
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from rnnexp.config.composition import Composer, without_hydra
from rnnexp.config.plain_data import read_yaml
from rnnexp.config.suggestions import did_you_mean_key
from rnnexp.errors import ConfigError, UserError

BASIC_SWEEPER = f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"
BASIC_LAUNCHER = f"{BasicLauncher.__module__}.{BasicLauncher.__name__}"
ASSIGNMENT = re.compile(r"\s*[+~]{0,2}[\w./@-]+=")


@dataclass(frozen=True)
class SweepWords:
    """The words of a line that only sweeps have.

    Attributes:
        together: of zip(...) and jobs=FILE: for each its alternatives, lists of overrides.
        where_known: of ?key=value: overrides for those jobs that have the setting.
    """

    together: list[list[list[str]]]
    where_known: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self.together and not self.where_known


def split_words(overrides: Sequence[str]) -> tuple[list[str], SweepWords]:
    """Take zip(a=1,2, b=x,y), jobs=FILE.yaml and ?key=value out of the overrides of a line.

    Raises:
        ConfigError: one cannot be read; all problems are listed.
    """
    plain, together, where_known = [], [], []
    problems: list[str] = []
    for text in overrides:
        try:
            if text.startswith("zip("):
                together.append(_zipped(text))
            elif text.startswith("jobs="):
                together.append(_listed(text))
            elif text.startswith("?"):
                where_known.append(text[1:])
            else:
                plain.append(text)
        except UserError as error:
            problems += str(error).splitlines()
    if problems:
        raise ConfigError(problems)
    return plain, SweepWords(together, where_known)


def _zipped(text: str) -> list[list[str]]:
    """Return the alternatives of zip(a=1,2, b=x,y): [[a=1, b=x], [a=2, b=y]].

    Raises:
        ConfigError: it has another form, or lists of different lengths.
    """
    form = "must have the form zip(key=value,value, key=value,value), with as many values of each key"
    if not text.endswith(")"):
        raise ConfigError([f"{text}: {form}"])
    columns = []
    for part in _assignments(text[len("zip(") : -1]):
        try:
            override = OverridesParser.create().parse_override(part)
            values = _values(override)
        except HydraException as error:
            raise ConfigError([f"{text}: {part}: {form}"]) from error
        columns.append([f"{part.partition('=')[0]}={value}" for value in values])
    lengths = {column[0].partition("=")[0]: len(column) for column in columns}
    if len(columns) < 2 or len(set(lengths.values())) != 1 or len(lengths) != len(columns):
        found = ", ".join(f"{key} {count}" for key, count in lengths.items())
        raise ConfigError([f"{text}: {form}, has {found or 'none'}"])
    return [list(row) for row in zip(*columns, strict=True)]


def _assignments(text: str) -> list[str]:
    """Split a=1,2, b=x,y at the commas before the next key, not at those inside of brackets and quotes."""
    parts, start, depth, quote = [], 0, 0, ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote and text[place - 1] != "\\" else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and not depth and ASSIGNMENT.match(text, place + 1):
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]


def _values(override: Override) -> list[str]:
    """Return the values that an override goes over, one if it does not sweep."""
    if override.is_sweep_override():
        if not override.is_discrete_sweep():
            raise ConfigError([f"{override.input_line}: must list its values"])
        return list(override.sweep_string_iterator())
    return [override.get_value_element_as_str()]


def _listed(text: str) -> list[list[str]]:
    """Return the alternatives of jobs=FILE: a list in YAML, each entry a mapping key -> value, or words of a line.

    Raises:
        ConfigError: the file cannot be read or holds something else.
    """
    path = Path(text.partition("=")[2].strip("'\"")).expanduser()
    try:
        entries = read_yaml(path)
    except (OSError, UserError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError([f"jobs: {path}: cannot be read: {reason}"]) from error
    form = (
        "must hold a list, an entry per job: a mapping key: value, or words such as latent_step=ALRNN seed=1"
    )
    if not isinstance(entries, list) or not entries:
        raise ConfigError([f"jobs: {path}: {form}"])
    jobs = []
    for entry in entries:
        if isinstance(entry, dict):
            jobs.append([f"{key}={_written(value)}" for key, value in entry.items()])
        elif isinstance(entry, str):
            jobs.append(entry.split())
        elif isinstance(entry, list) and all(isinstance(word, str) for word in entry):
            jobs.append(list(entry))
        else:
            raise ConfigError([f"jobs: {path}: {entry!r}: {form}"])
    return jobs


def _written(value: Any) -> str:
    """Return a value of YAML as it is typed in an override."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_written(inner) for inner in value)}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str) and not re.fullmatch(r"[\w./:+-]+", value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def expand(
    composing: Composer, cfg: DictConfig, overrides: Sequence[Override], words: SweepWords | None = None
) -> list[list[str]] | None:
    """Return the overrides of every job of a sweep, in the order in which they are numbered.

    Args:
        composing: parses what stands in the configuration.
        cfg: the configuration composed without the overrides that sweep.
        overrides: all of the command line, but for the words that only sweeps have.
        words: these.

    Returns:
        None if the sweeper is not Hydra's basic one: others choose their jobs as they go.

    Raises:
        ConfigError: the words do not fit the others.
    """
    words = words or SweepWords([], [])
    if cfg.hydra.sweeper._target_ != BASIC_SWEEPER:
        return None
    parameters = cfg.hydra.sweeper.params or {}
    swept = [composing.parse(f"{key}={value}") for key, value in parameters.items()]
    swept += [override for override in overrides if not override.is_hydra_override()]
    fixed = [override.input_line or "" for override in overrides if override.is_hydra_override()]
    (jobs,) = BasicSweeper.split_arguments(swept, None)
    typed = {override.key_or_group for override in swept if override.is_sweep_override()}
    for alternatives in words.together:
        twice = typed & {_key(text) for row in alternatives for text in row}
        if twice:
            raise ConfigError([f"{key}: is swept over twice" for key in sorted(twice)])
        typed |= {_key(text) for row in alternatives for text in row}
    rows = itertools.product(*words.together)
    return [[*fixed, *_later(job, itertools.chain(*row))] for row in rows for job in jobs]


def _later(job: Sequence[str], words: Any) -> list[str]:
    """Return overrides in which words of zip() and jobs= take the place of what was typed for all jobs."""
    words = list(words)
    keys = {_key(text) for text in words}
    return [*(text for text in job if _key(text) not in keys), *words]


def _key(text: str) -> str:
    return text.partition("=")[0].lstrip("+~")


def where_known(
    jobs: list[list[str]], words: Sequence[str], compose: Callable[[Sequence[str]], DictConfig]
) -> list[list[str]]:
    """Add ?key=value to those jobs that have the setting; a list of values makes a job for each.

    Raises:
        ConfigError: no job has it.
    """
    for text in words:
        key = _key(text)
        try:
            values = [f"{key}={value}" for value in _values(OverridesParser.create().parse_override(text))]
        except HydraException as error:
            raise ConfigError([f"?{text}: must have the form ?key=value"]) from error
        found, names, result = False, set(), []
        for job in jobs:
            cfg = compose(job)
            has = _holds(cfg, key)
            found = found or has
            parent = OmegaConf.select(cfg, key.rpartition(".")[0]) if "." in key else cfg
            names |= {f"{key.rpartition('.')[0]}.{name}".lstrip(".") for name in parent or {}}
            result += [[*job, value] for value in values] if has else [job]
        if not found:
            raise ConfigError(
                [f"?{text}: no job of the sweep has this setting{did_you_mean_key(key, sorted(names))}"]
            )
        jobs = result
    return jobs


def _holds(cfg: DictConfig, key: str) -> bool:
    node: Any = cfg
    for name in key.split("."):
        if not isinstance(node, DictConfig) or name not in node:
            return False
        node = node._get_node(name)
        node = node if isinstance(node, DictConfig) else None
    return True


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
        self._bases: dict[tuple[tuple[str, ...], ...], tuple[DictConfig, dict[str, Any]]] = {}

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Return what the job with these overrides and this number receives."""
        plain, base = self._base(overrides, number)
        job = copy.deepcopy(base[0])
        for override in plain.values():
            OmegaConf.update(job, override.key_or_group, override.value())
        return job

    def choices(self, overrides: Sequence[str], number: int) -> dict[str, Any]:
        """Return the option of every group that a job has chosen."""
        return self._base(overrides, number)[1][1]

    def _base(
        self, overrides: Sequence[str], number: int
    ) -> tuple[dict[str, Override], tuple[DictConfig, dict[str, Any]]]:
        plain = {text: override for text in overrides if (override := self._plain(text)) is not None}
        others = tuple(text for text in overrides if text not in plain)
        identity = (others, tuple(override.key_or_group for override in plain.values()))
        if identity not in self._bases:
            cfg = self._composing.compose_job(overrides, number)
            choices = OmegaConf.to_container(cfg.hydra.runtime.choices)
            self._bases[identity] = without_hydra(cfg), choices
        return plain, self._bases[identity]

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
