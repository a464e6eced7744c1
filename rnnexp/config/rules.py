"""What a value may be: small rules that check a value and say in words what is allowed."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

UNRESOLVED = object()  # stands for an interpolation that could not be resolved and has been reported


@dataclass(frozen=True)
class Rule:
    """A check of one value.

    Args:
        allowed: what is allowed, in words that follow "must be".
        accepts: says whether a plain value (None, bool, int, float, str, list, dict) is allowed.
        entries: of a mapping, the rule of each entry, which then is reported by itself; None: all go together.
        schedules: name -> dotted path of a class, which a mapping {name: {argument: value}} may stand for instead.
    """

    allowed: str
    accepts: Callable[[Any], bool]
    entries: "Rule | None" = None
    schedules: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Bounds:
    """A range of numbers; None is no bound."""

    low: float | None = None
    high: float | None = None
    low_is_open: bool = False
    high_is_open: bool = False

    def hold(self, value: float) -> bool:
        """Whether a number lies in the range."""
        above = self.low is None or (value > self.low if self.low_is_open else value >= self.low)
        below = self.high is None or (value < self.high if self.high_is_open else value <= self.high)
        return above and below

    def __str__(self) -> str:
        if self.low is not None and self.high is not None:
            opening, closing = "(" if self.low_is_open else "[", ")" if self.high_is_open else "]"
            return f" in {opening}{self.low:g}, {self.high:g}{closing}"
        if self.low is not None:
            return f" {'>' if self.low_is_open else '>='} {self.low:g}"
        return "" if self.high is None else f" {'<' if self.high_is_open else '<='} {self.high:g}"


def above(low: float) -> Bounds:
    """> low."""
    return Bounds(low, low_is_open=True)


def at_least(low: float) -> Bounds:
    """>= low."""
    return Bounds(low)


def is_number(value: Any) -> bool:
    """Whether the value is an int or float that is finite as a float; true and false are not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def is_integer(value: Any) -> bool:
    """Whether the value is an int of 64 bits; true, false and 3.0 are not."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def number(bounds: Bounds = Bounds()) -> Rule:
    """A finite number in a range."""
    return Rule(f"a finite number{bounds}", lambda value: is_number(value) and bounds.hold(value))


def number_or_schedule(bounds: Bounds, schedules: Mapping[str, str]) -> Rule:
    """A finite number in a range, or one of some schedules, whose arguments have their own rules."""
    return replace(number(bounds), schedules=schedules)


def integer(bounds: Bounds = Bounds()) -> Rule:
    """An integer in a range."""
    return Rule(f"an integer{bounds}", lambda value: is_integer(value) and bounds.hold(value))


def boolean() -> Rule:
    """True or false, no other spelling."""
    return Rule("true or false", lambda value: isinstance(value, bool))


def text(what: str = "a text") -> Rule:
    """A string that is not empty."""
    return Rule(f"{what}, not empty", lambda value: isinstance(value, str) and bool(value.strip()))


def choice(*values: str | int | float | bool) -> Rule:
    """One of some values, of the same type."""
    names = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    allowed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return Rule(allowed, lambda value: any(type(value) is type(v) and value == v for v in values))


def nullable(rule: Rule) -> Rule:
    """What another rule allows, or null."""
    return replace(
        rule, allowed=f"{rule.allowed} or null", accepts=lambda value: value is None or rule.accepts(value)
    )


def any_of(*rules: Rule) -> Rule:
    """What at least one of some rules allows."""
    return Rule(" or ".join(rule.allowed for rule in rules), lambda v: any(rule.accepts(v) for rule in rules))


def sequence(item: Rule | None = None, length: int | None = None) -> Rule:
    """A list, of any length or a given one, all entries alike."""
    size = "" if length is None else f" of length {length}"
    each = "" if item is None else f", each {item.allowed}"

    def accepts(value: Any) -> bool:
        if not isinstance(value, list) or (length is not None and len(value) != length):
            return False
        return item is None or all(item.accepts(entry) for entry in value)

    return Rule(f"a list{size}{each}", accepts)


def mapping(item: Rule | None = None) -> Rule:
    """Names with values."""
    each = "" if item is None else f", each {item.allowed}"

    def accepts(value: Any) -> bool:
        return isinstance(value, dict) and (item is None or all(item.accepts(v) for v in value.values()))

    return Rule(f"a mapping{each}", accepts, entries=item)


def numbers_in(value: Any) -> Iterator[int | float]:
    """Every int and float in a value, lists and mappings included; true and false are none."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from numbers_in(entry)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
