"""Turns what Hydra says about overrides into sentences that name the key, the value and what is allowed."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.config.composition import Composer
from rnnexp.config.option_names import OF_ANCESTOR
from rnnexp.config.suggestions import closest, did_you_mean_key, shown


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with some overrides.

    Args:
        problems: one line each.
        usable: the other overrides, and those that could be put right to look further.
        swept: the overrides with several values, as typed.
    """

    problems: list[str]
    usable: list[str]
    swept: list[str]


def diagnose(composing: Composer, overrides: Sequence[str], sweeps: bool, error: Exception) -> Diagnosis:
    """Find all overrides that cannot be used.

    Args:
        composing: tries them.
        overrides: as typed.
        sweeps: whether values to sweep over are allowed; overrides that sweep are then not tried.
        error: what Hydra said to all of them together; reported if each of them works by itself.
    """
    problems, readable, swept = [], [], []
    for text in overrides:
        try:
            override = composing.parse(text)
        except Exception as reason:
            problems.append(unreadable(composing, text, reason))
            continue
        if not override.is_sweep_override():
            readable.append(override)
        elif sweeps:
            swept.append(text)
        else:
            problems.append(needs_multirun(override))
    usable: list[str] = []
    for override in sorted(readable, key=lambda override: not _is_group(composing, override)):
        problem, instead = _try(composing, override, usable)
        problems += [problem] if problem is not None else []
        usable += [instead] if instead is not None else []
    return Diagnosis(problems or [one_line(error)], usable, swept)


def one_line(error: BaseException) -> str:
    """Return the text of an error, its cause included, without line breaks."""
    parts = [str(error) or type(error).__name__]
    if error.__cause__ is not None and not str(error).strip():
        parts = [str(error.__cause__)]
    lines = (line.strip() for line in "\n".join(parts).splitlines())
    return "; ".join(line for line in lines if line and not line.startswith("See https://"))


def needs_multirun(override: Override) -> str:
    """The sentence about several values in a single run."""
    key, value = _typed(override)
    as_list = f", or write {key}=[{value}] for a list" if "(" not in value else ""
    return f"{key}: {value}: several values: add -m to run one job for each{as_list}"


def unreadable(composing: Composer, text: str, error: Exception) -> str:
    """The sentence about a word that is not an override."""
    key, equals, value = text.partition("=")
    if not equals:
        places = [f"{group}={text}" for group in composing.groups() if text in composing.options(group)]
        hint = f", did you mean {places[0]}?" if places else ", e.g. task=delayed_discrim or seed=1"
        return f"{text}: must have the form key=value{hint}"
    if not key:
        return f"{text}: must have the form key=value"
    if "Unknown function" in str(error.__cause__):
        return f"{key}: {value}: there is no function of this name; quote the value if it is a text"
    if any(value.count(opening) != value.count(closing) for opening, closing in ("[]", "{}", "()")) or any(
        value.count(quote) % 2 for quote in "'\""
    ):
        return f"{key}: {value}: cannot be read: a bracket or quote is not closed"
    return (
        f"{key}: {value}: cannot be read: a value with special characters needs quotes, '{key}=\"{value}\"'"
    )


def _typed(override: Override) -> tuple[str, str]:
    key, _, value = (override.input_line or "").partition("=")
    return key, value


def _is_group(composing: Composer, override: Override) -> bool:
    return override.package is None and bool(composing.options(override.key_or_group))


def _try(composing: Composer, override: Override, usable: list[str]) -> tuple[str | None, str | None]:
    """Return the problem of an override, or None, and what can be used in its place, or None."""
    if _is_group(composing, override):
        problem, match = _wrong_option(composing, override)
        if problem is not None:
            return problem, match and f"{override.key_or_group}={match}"
    typed = override.input_line or ""
    try:
        composing.compose([*usable, typed])
    except Exception as error:
        return _explain(composing, override, usable, error), None
    return None, typed


def _wrong_option(composing: Composer, override: Override) -> tuple[str | None, str | None]:
    """Return what is wrong with the option of a group, or None, and the option that may be meant, or None."""
    group, value = override.key_or_group, override.value()
    if override.is_delete() or (value is None and group == "experiment"):
        return None, None
    options = composing.options(group)
    for name in value if isinstance(value, list) else [value]:
        if not isinstance(name, str) or ("/" not in name and name not in options):
            match = closest(str(name), options)
            hint = f", did you mean {match}?" if match else ""
            return f"{group}: {shown(name)}: must be one of {', '.join(options)}{hint}", match
    return None, None


def _explain(composing: Composer, override: Override, accepted: list[str], error: Exception) -> str:
    key, value = _typed(override)
    name, text = override.key_or_group, str(error)
    if text.startswith(("Could not append", "Multiple values for")):
        return f"{name}: {value}: is there already: write {name}={value}, without +"
    if "No match in the defaults list" in text and not override.is_delete():
        brought = re.search(r"override '([^'@]+)", text)
        if brought and brought[1] != name:
            return f"{name}: {value}: goes with a choice of {brought[1]}, which this command does not make"
        return f"{name}: {value}: this command does not choose a {name}{_eval_hint(composing, name)}"
    if text.startswith(("Could not override", "Could not delete")):
        known = _keys(composing, accepted, with_hydra=name.startswith("hydra"))
        known += (
            composing.groups() if composing.config_name in ("train", OF_ANCESTOR) else []
        )  # one may be without an option
        if name in known and not override.is_delete():
            return f"{name}: {value}: a mapping is there that would stay: write ~{name} '+{name}={value}' to replace it"
        shown_value = f"{value}: " if value else ""
        hint = _other_options(composing, name) or _hint(name, known)
        return f"{key.lstrip('~+')}: {shown_value}unknown key{hint}"
    if text.startswith("Error merging override") and error.__cause__ is not None:
        return f"{name}: {value}: {str(error.__cause__).splitlines()[0]}"
    return f"{name}: {value}: {one_line(error)}"


def _eval_hint(composing: Composer, name: str) -> str:
    if composing.config_name == "eval" and name == "task":
        return ", it takes that of the checkpoint; change its settings with task.<key>=<value>"
    return ""


def _keys(composing: Composer, accepted: list[str], with_hydra: bool) -> list[str]:
    cfg = composing.compose(accepted)
    return [path for path in _paths(cfg, "") if path.startswith("hydra") == with_hydra]


def _paths(node: DictConfig | ListConfig, prefix: str) -> Iterable[str]:
    for key in node:
        path = f"{prefix}.{key}" if prefix else str(key)
        yield path
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            continue
        value = node._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none():
            yield from _paths(value, path)


def _other_options(composing: Composer, key: str) -> str:
    """Name the other options of the key's group that have such a setting; an empty text if none has."""
    group, _, setting = key.partition(".")
    if not setting:
        return ""
    having = []
    for option in composing.options(group):
        with suppress(HydraException, OmegaConfBaseException):  # an option of the user's may be broken
            if not composing.holds(group, option, setting.partition(".")[0]):
                continue  # most options, and composing takes long
            if key in _keys(composing, [f"{group}={option}"], with_hydra=False):
                having.append(option)
    return f"; it is a setting of {group}={', '.join(having)}" if having else ""


def _hint(key: str, known: list[str]) -> str:
    """Prefer the same name in another place, then a similar name in the same place."""
    leaf = key.rpartition(".")[2]
    same = [path for path in known if path.rpartition(".")[2] == leaf]
    return f", did you mean {' or '.join(same[:3])}?" if same else did_you_mean_key(key, known)
