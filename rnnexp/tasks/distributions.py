"""Trial parameters that are fixed or drawn anew in every trial, as they are written in a configuration.

What may stand for a parameter:

    200                               always this value
    [100, 200, 400]                   one of these, each as likely; a value written twice is twice as likely
    {choice: [100, 200, 400]}         the same
    {uniform: [low, high]}            uniform between low and high
    {normal: [mean, sd]}              Gaussian
    {normal: [mean, sd, min, max]}    Gaussian, restricted to min ... max (tails are cut off, not piled up)
    {exponential: mean}               exponential, from 0
    {exponential: [mean, min, max]}   min + exponential, restricted to values up to max (.inf for no limit)

The mean and sd are those before the restriction. A distribution is its quantile function: each draw takes
exactly one uniform number, so changing one parameter of a task leaves the draws of the others as they were.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import is_number, listed, plain

FORMS = (
    "a number, a list of numbers to choose from, {choice: [a, b, ...]}, {uniform: [low, high]}, "
    "{normal: [mean, sd]}, {normal: [mean, sd, min, max]}, {exponential: mean} or "
    "{exponential: [mean, min, max]}"
)

Law = float | Sequence[float] | Mapping[str, Any]
"""Such a parameter as it stands in a configuration, where None is not allowed."""

_LEAST_MASS = 1e-6
"""Smallest probability of the range of a restricted Gaussian: below it the quantiles lose their digits."""


class Distribution(ABC):
    """A law of a trial parameter; `minimum` and `maximum` bound what it can give and may be infinite."""

    minimum: float
    maximum: float

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """Return the value below which the fraction `u` of all draws lies.

        Args:
            u: float64 in [0, 1), any shape.
        """

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` values, (n,) float64."""
        return self.quantile(torch.rand(n, generator=generator, dtype=torch.float64))


@dataclass(frozen=True)
class Choice(Distribution):
    """One of `values`, each as likely; a single value is a constant."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values or not all(math.isfinite(value) for value in self.values):
            raise ValueError("a choice needs at least one value, all finite")

    @property
    def minimum(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def maximum(self) -> float:
        """The largest value."""
        return max(self.values)

    def quantile(self, u: Tensor) -> Tensor:
        """See `Distribution.quantile`."""
        index = (u * len(self.values)).long().clamp_(max=len(self.values) - 1)
        return torch.tensor(self.values, dtype=torch.float64)[index]


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform from `minimum` to `maximum`."""

    minimum: float
    maximum: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.minimum) and math.isfinite(self.maximum) and self.minimum <= self.maximum):
            raise ValueError("uniform needs [low, high], both finite, with low <= high")

    def quantile(self, u: Tensor) -> Tensor:
        """See `Distribution.quantile`."""
        return (self.minimum + u * (self.maximum - self.minimum)).clamp_(max=self.maximum)


@dataclass(frozen=True)
class Normal(Distribution):
    """Gaussian of the given mean and standard deviation, restricted to `minimum` ... `maximum`."""

    mean: float
    sd: float
    minimum: float = -math.inf
    maximum: float = math.inf

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise ValueError("normal needs a finite mean and a finite sd > 0")
        if not self.minimum < self.maximum:
            raise ValueError("normal needs min < max")
        below, up_to = self._cumulative_limits()
        if up_to - below < _LEAST_MASS:
            raise ValueError("the range from min to max is too far from the mean of this normal")

    def _cumulative_limits(self) -> tuple[float, float]:
        scale = self.sd * math.sqrt(2)
        below = (1 + math.erf((self.minimum - self.mean) / scale)) / 2
        return below, (1 + math.erf((self.maximum - self.mean) / scale)) / 2

    def quantile(self, u: Tensor) -> Tensor:
        """See `Distribution.quantile`."""
        below, up_to = self._cumulative_limits()
        p = (below + u * (up_to - below)).clamp_(2.0**-54, 1 - 2.0**-53)  # 0 and 1 would give infinite values
        return (self.mean + self.sd * torch.special.ndtri(p)).clamp_(self.minimum, self.maximum)


@dataclass(frozen=True)
class Exponential(Distribution):
    """`minimum` plus an exponential of the given mean, restricted to values up to `maximum`."""

    mean: float
    minimum: float = 0.0
    maximum: float = math.inf

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and self.mean > 0):
            raise ValueError("exponential needs a finite mean > 0")
        if not (math.isfinite(self.minimum) and self.minimum < self.maximum):
            raise ValueError("exponential needs a finite min < max")

    def quantile(self, u: Tensor) -> Tensor:
        """See `Distribution.quantile`."""
        mass = -math.expm1(-(self.maximum - self.minimum) / self.mean)
        return (self.minimum - self.mean * torch.log1p(-u * mass)).clamp_(max=self.maximum)


_LAWS: dict[str, tuple[type[Distribution], tuple[int, ...]]] = {  # law and the possible counts of its numbers
    "uniform": (Uniform, (2,)),
    "normal": (Normal, (2, 4)),
    "exponential": (Exponential, (1, 3)),
}


def from_config(
    value: Any,
    name: str,
    *,
    default: Distribution | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "",
) -> Distribution:
    """Read a trial parameter as it stands in a configuration (forms: first lines of this file).

    Args:
        value: number, list, mapping with one key, or a ready `Distribution`.
        name: of the parameter, for the error text.
        default: what None stands for; without it None is refused.
        low: smallest value that the parameter may take.
        high: largest value that the parameter may take.
        unit: of low and high, for the error text.

    Raises:
        ValueError: the value has no such form, or can leave low ... high.
    """
    if value is None and default is not None:
        return default
    try:
        law = value if isinstance(value, Distribution) else _read(value)
    except ValueError as error:
        raise ValueError(f"{name} must be {FORMS}; got {_plain(value)!r}: {error}") from None
    if law.minimum < low:
        raise ValueError(_out_of_range(name, value, law.minimum, f">= {low:g} {unit}"))
    if law.maximum > high:
        raise ValueError(_out_of_range(name, value, law.maximum, f"<= {high:g} {unit}"))
    return law


def sample_laws(laws: Mapping[str, Distribution], n: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw `n` values of each parameter in their order, (n,) float64 each."""
    return {name: law.sample(n, generator) for name, law in laws.items()}


def _read(value: Any) -> Distribution:
    if is_number(value):
        return Choice((float(value),))
    if listed(value) is not None:
        return Choice(_numbers(value))
    if not isinstance(value, Mapping):
        raise ValueError("that is none of these")
    if len(value) != 1:
        raise ValueError(f"exactly one distribution must be named, not {len(value)}")
    ((key, arguments),) = value.items()
    if key == "choice":
        return Choice(_numbers(arguments))
    if key not in _LAWS:
        raise ValueError(f"there is no distribution {key!r}")
    law, counts = _LAWS[key]
    numbers = (float(arguments),) if is_number(arguments) else _numbers(arguments)
    if len(numbers) not in counts:
        raise ValueError(f"{key} takes {' or '.join(str(count) for count in counts)} numbers")
    return law(*numbers)


def _out_of_range(name: str, value: Any, reach: float, allowed: str) -> str:
    if is_number(value):
        return f"{name} must be {allowed.rstrip()}, got {_plain(value)!r}"
    text = f"{name} must be {allowed.rstrip()}, but {_plain(value)!r} can be {reach:g}"
    if math.isinf(reach):
        text += "; bound it as {normal: [mean, sd, min, max]} or {exponential: [mean, min, max]}"
    return text


def _numbers(values: Any) -> tuple[float, ...]:
    numbers = listed(values)
    if numbers is None or not all(is_number(value) for value in numbers):
        raise ValueError(f"{_plain(values)!r} is not a list of numbers")
    return tuple(float(value) for value in numbers)


def _plain(value: Any) -> Any:
    """Turn containers of any configuration library into dicts and lists, so that they print as written."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    entries = listed(value)
    return plain(value) if entries is None else [_plain(entry) for entry in entries]
