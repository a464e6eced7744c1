"""What counts as a number, for every argument of the package, and the checks of arguments.

Python's and numpy's numbers count, and arrays and tensors without axes; booleans and NaN do not. Each check returns the
plain Python value, or raises a ValueError that says what is allowed.
"""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any


def plain(value: Any) -> Any:
    """Return numpy scalars, arrays and tensors as Python numbers and lists of them; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def listed(value: Any) -> list[Any] | None:
    """Return the entries of a list, a tuple or an array as a list of plain values; None for anything else."""
    value = plain(value)
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return [plain(entry) for entry in value] if is_list else None


def is_number(value: Any) -> bool:
    """Say whether `value` is a real number; True, False, NaN and whole numbers too large for a float are not."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return not math.isnan(value)
    except OverflowError:
        return False


def is_finite(value: Any) -> bool:
    """Say whether `value` is a finite real number."""
    return is_number(value) and not math.isinf(plain(value))


def is_whole(value: Any, least: int) -> bool:
    """Say whether `value` is a whole number >= `least`; 2.0 is not."""
    value = plain(value)
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def is_fraction(value: Any) -> bool:
    """Say whether `value` is a number in [0, 1]."""
    return is_number(value) and 0 <= plain(value) <= 1


def number(name: str, value: Any) -> float:
    """Return `value` as a float if it is a finite number."""
    if not is_finite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return float(value)


def positive(name: str, value: Any, unit: str = "") -> float:
    """Return `value` as a float if it is a finite number > 0."""
    if not is_finite(value) or plain(value) <= 0:
        raise ValueError(f"{name} must be > 0{_spaced(unit)}, got {value!r}")
    return float(value)


def positive_or_none(name: str, value: Any) -> float | None:
    """Return `value` as a float if it is a number > 0, which may be infinite, or None."""
    if value is None:
        return None
    if not is_number(value) or plain(value) <= 0:
        raise ValueError(f"{name} must be a number > 0 or null, got {value!r}")
    return float(value)


def non_negative(name: str, value: Any, unit: str = "") -> float:
    """Return `value` as a float if it is a finite number >= 0."""
    if not is_finite(value) or plain(value) < 0:
        raise ValueError(f"{name} must be >= 0{_spaced(unit)}, got {value!r}")
    return float(value)


def finite_non_negative(name: str, value: Any) -> float:
    """Return `value` as a float if it is a finite number >= 0; the error says that it must be finite."""
    if not is_finite(value) or plain(value) < 0:
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """Return `value` as a float if it is a number in [0, 1]."""
    if not is_fraction(value):
        raise ValueError(f"{name} must be a number in [0, 1], got {value!r}")
    return float(value)


def positive_fraction(name: str, value: Any) -> float:
    """Return `value` as a float if it is a number in (0, 1]."""
    if not is_fraction(value) or plain(value) == 0:
        raise ValueError(f"{name} must be a number in (0, 1], got {value!r}")
    return float(value)


def increasing(low_name: str, low: Any, high_name: str, high: Any) -> tuple[float, float]:
    """Return both values as floats if they are finite numbers and the second is larger."""
    pair = number(low_name, low), number(high_name, high)
    if not pair[0] < pair[1]:
        raise ValueError(f"{high_name} must be > {low_name} = {low!r}, got {high!r}")
    return pair


def integer_at_least(name: str, value: Any, least: int) -> int:
    """Return `value` as an int if it is a whole number >= `least`."""
    if not is_whole(value, least):
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    return int(value)


def one_of(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """Return `value` if it is one of `allowed` (which True and 1.0 are not, where 1 is)."""
    value = plain(value)
    for candidate in allowed:
        if type(value) is type(candidate) and value == candidate:
            return value
    spelled = ["null" if candidate is None else str(candidate) for candidate in allowed]
    raise ValueError(f"{name} must be {', '.join(spelled[:-1])} or {spelled[-1]}, got {value!r}")


def _spaced(unit: str) -> str:
    return f" {unit}" if unit else ""
