"""Weights of loss terms that change over a training, as pure functions of the update."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter, signature

from rnnexp.config.suggestions import did_you_mean
from rnnexp.numbers import finite_non_negative, integer_at_least, positive_fraction


class WeightSchedule(ABC):
    """The weight of a term as a function of the update; it keeps no state, so a resumed run gets the same weights."""

    @abstractmethod
    def value(self, step: int, n_steps: int) -> float:
        """Return the weight of update number `step` (from 0) of `n_steps`; `step` = `n_steps` is after the last one."""


@dataclass(frozen=True)
class Constant(WeightSchedule):
    """The weight stays `initial`, finite, >= 0: the same as the number itself."""

    initial: float

    def __post_init__(self) -> None:
        _check(self)

    def value(self, step: int, n_steps: int) -> float:
        """Return `initial`."""
        del step, n_steps
        return float(self.initial)


@dataclass(frozen=True)
class Linear(WeightSchedule):
    """A straight line, initial + (final - initial) * step / n_steps; `final` is reached with the last update.

    Args:
        initial: finite, >= 0.
        final: finite, >= 0.
    """

    initial: float
    final: float

    def __post_init__(self) -> None:
        _check(self)

    def value(self, step: int, n_steps: int) -> float:
        """Return the point of the line."""
        progress = min(step / max(n_steps, 1), 1.0)
        return (1 - progress) * self.initial + progress * self.final  # exact at both ends


@dataclass(frozen=True)
class Step(WeightSchedule):
    """initial * gamma ** floor(epoch / step_size), epoch = floor(step / updates_per_epoch).

    Args:
        initial: finite, >= 0.
        gamma: factor, in (0, 1].
        step_size: epochs between two factors, an integer >= 1.
        updates_per_epoch: an integer >= 1.
    """

    initial: float
    gamma: float = 0.1
    step_size: int = 10
    updates_per_epoch: int = 50

    def __post_init__(self) -> None:
        _check(self)

    def value(self, step: int, n_steps: int) -> float:
        """Return the weight of the epoch."""
        del n_steps
        return self.initial * self.gamma ** (step // self.updates_per_epoch // self.step_size)


@dataclass(frozen=True)
class Exponential(WeightSchedule):
    """initial * gamma ** epoch, epoch = floor(step / updates_per_epoch).

    Args:
        initial: finite, >= 0.
        gamma: factor of an epoch, in (0, 1].
        updates_per_epoch: an integer >= 1.
    """

    initial: float
    gamma: float = 0.9
    updates_per_epoch: int = 50

    def __post_init__(self) -> None:
        _check(self)

    def value(self, step: int, n_steps: int) -> float:
        """Return the weight of the epoch."""
        del n_steps
        return self.initial * self.gamma ** (step // self.updates_per_epoch)


@dataclass(frozen=True)
class Product(WeightSchedule):
    """The product of weights, as nested losses have it; each a finite number or a schedule."""

    factors: tuple[float | WeightSchedule, ...]

    def value(self, step: int, n_steps: int) -> float:
        """Return the product of the values."""
        return math.prod(weight_at(factor, step, n_steps) for factor in self.factors)


SCHEDULES: dict[str, type[WeightSchedule]] = {
    "constant": Constant,
    "linear": Linear,
    "step": Step,
    "exponential": Exponential,
}

Lambda = float | Mapping[str, Mapping[str, float]] | WeightSchedule
"""What a lambda may be: a number, a schedule, or a schedule as a mapping {name: {setting: value}}."""


def weight_at(weight: float | WeightSchedule, step: int, n_steps: int) -> float:
    """Return the weight of an update, see `WeightSchedule.value`."""
    return weight.value(step, n_steps) if isinstance(weight, WeightSchedule) else weight


def times(left: float | WeightSchedule, right: float | WeightSchedule) -> float | WeightSchedule:
    """Return the product of two weights; 0 times a schedule is 0."""
    if 0.0 in (left, right):
        return 0.0
    if isinstance(left, WeightSchedule) or isinstance(right, WeightSchedule):
        return Product((left, right))
    return left * right


def schedule_from(name: str, value: Mapping[str, Mapping[str, float]]) -> WeightSchedule:
    """Build the schedule that a mapping describes.

    Args:
        name: of the argument, for the error text.
        value: {name of a schedule: {setting: value}}, such as {"linear": {"initial": 0.0, "final": 0.01}}.

    Raises:
        ValueError: there is no such schedule, or a setting is unknown, missing or out of its range.

    Source: value_scheduler of hierMTF.
    """
    if len(value) != 1:
        raise ValueError(
            f"{name} must be a number or one schedule, {', '.join(SCHEDULES)}, got {dict(value)}"
        )
    ((kind, settings),) = value.items()
    if kind not in SCHEDULES:
        raise ValueError(f"{name}.{kind}: there is no such schedule{did_you_mean(str(kind), SCHEDULES)}")
    if not isinstance(settings, Mapping):
        raise ValueError(f"{name}.{kind} must be a mapping of settings, got {settings!r}")
    parameters = signature(SCHEDULES[kind]).parameters
    for setting in settings:
        if setting not in parameters:
            raise ValueError(
                f"{name}.{kind}.{setting}: unknown setting{did_you_mean(str(setting), parameters)}"
            )
    for setting, parameter in parameters.items():
        if parameter.default is Parameter.empty and setting not in settings:
            raise ValueError(f"{name}.{kind}.{setting} must be given")
    try:
        return SCHEDULES[kind](**settings)
    except ValueError as error:
        raise ValueError(f"{name}.{kind}.{error}") from None


def _check(schedule: WeightSchedule) -> None:
    """Replace the settings of a schedule by plain numbers, or raise ValueError."""
    for name, value in vars(schedule).items():
        if name in ("initial", "final"):
            checked = finite_non_negative(name, value)
        else:
            checked = positive_fraction(name, value) if name == "gamma" else integer_at_least(name, value, 1)
        object.__setattr__(schedule, name, checked)
