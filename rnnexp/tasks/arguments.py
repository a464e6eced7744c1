"""Checks of constructor arguments: each returns the value, or raises a ValueError saying what is allowed."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any


def is_number(value: Any) -> bool:
    """Say whether `value` is a real number; True, False and NaN are not."""
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def number(name: str, value: Any) -> float:
    """Return `value` as a float if it is a finite number."""
    if not is_number(value) or math.isinf(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return float(value)


def positive(name: str, value: Any, unit: str = "") -> float:
    """Return `value` as a float if it is a finite number > 0."""
    if not is_number(value) or math.isinf(value) or value <= 0:
        raise ValueError(f"{name} must be > 0{_spaced(unit)}, got {value!r}")
    return float(value)


def non_negative(name: str, value: Any, unit: str = "") -> float:
    """Return `value` as a float if it is a finite number >= 0."""
    if not is_number(value) or math.isinf(value) or value < 0:
        raise ValueError(f"{name} must be >= 0{_spaced(unit)}, got {value!r}")
    return float(value)


def increasing(low_name: str, low: Any, high_name: str, high: Any) -> tuple[float, float]:
    """Return both values as floats if they are finite numbers and the second is larger."""
    pair = number(low_name, low), number(high_name, high)
    if not pair[0] < pair[1]:
        raise ValueError(f"{high_name} must be > {low_name} = {low!r}, got {high!r}")
    return pair


def integer_at_least(name: str, value: Any, least: int) -> int:
    """Return `value` as an int if it is a whole number >= `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    return int(value)


def one_of(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """Return `value` if it is one of `allowed` (which True and 1.0 are not, where 1 is)."""
    for candidate in allowed:
        if type(value) is type(candidate) and value == candidate:
            return value
    spelled = ["null" if candidate is None else str(candidate) for candidate in allowed]
    raise ValueError(f"{name} must be {', '.join(spelled[:-1])} or {spelled[-1]}, got {value!r}")


def _spaced(unit: str) -> str:
    return f" {unit}" if unit else ""
