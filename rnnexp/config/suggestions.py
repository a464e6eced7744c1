"""The "did you mean" part of messages, and how values are shown in them."""

from collections.abc import Iterable
from typing import Any

LONGEST_VALUE = 60


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
    if match is not None:
        return f", did you mean {match}?"
    return f"; there is: {', '.join(sorted(names))}" if 0 < len(names) <= 25 else ""


def shown(value: Any) -> str:
    """Return a value as it is written in a configuration, shortened if it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) and (not value or value != value.strip()) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."
