"""The "did you mean" part of messages, and how values are shown in them."""

from collections.abc import Iterable
from typing import Any

LONGEST_VALUE = 60
MOST_LISTED = 25


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is spelled most like the word, or None if none is close."""
    import difflib

    names = sorted(set(candidates))
    by_lower_case = {name.lower(): name for name in reversed(names)}
    if word.lower() in by_lower_case:
        return by_lower_case[word.lower()]
    matches = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return ", did you mean X?", or "; there is: A, B" when nothing is close and the list is short."""
    names = list(candidates)
    match = closest(word, names)
    return _list(names) if match is None else f", did you mean {match}?"


def _list(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return f"; there is: {', '.join(ordered)}" if 0 < len(ordered) <= MOST_LISTED else ""


def did_you_mean_key(path: str, known: Iterable[str]) -> str:
    """Do the same for a dotted key, where only what stands in the same place can be meant.

    Args:
        path: the mistyped key, "task.dtt".
        known: dotted keys.
    """
    parent, _, name = path.rpartition(".")
    siblings = {key.rpartition(".")[2]: key for key in known if key.rpartition(".")[0] == parent}
    match = closest(name, siblings)
    return _list(siblings) if match is None else f", did you mean {siblings[match]}?"


def shown(value: Any) -> str:
    """Return a value as it is written in a configuration, shortened if it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) and (not value or value != value.strip()) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."
