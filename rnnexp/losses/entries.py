"""The entries of a composite loss: a term with its names, its weight and the way to call it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor, nn

from rnnexp.config.suggestions import did_you_mean
from rnnexp.losses.schedules import WeightSchedule, times, weight_at
from rnnexp.numbers import number

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

TermLike = Callable[..., Tensor]
"""A LossTerm, or any callable(trajectory, trials[, model]) that returns a (B,) or 0-d tensor."""


Weight = float | WeightSchedule


@dataclass(frozen=True)
class Entry:
    """A term in a composite loss.

    Attributes:
        label: text for plots, unique in its composite.
        key: lower_snake_case name for files, unique in its composite.
        weight: finite factor of the term, now.
        term: what the user gave.
        function: what is called.
        takes_model: whether the function has the model as its third argument.
        schedule: what the weight follows in a training; None: it stays.
    """

    label: str
    key: str
    weight: float
    term: TermLike
    function: TermLike
    takes_model: bool
    schedule: WeightSchedule | None = None

    @property
    def is_used(self) -> bool:
        """Whether the term has a weight, now or in the course of a training."""
        return self.weight != 0.0 or self.schedule is not None

    def at(self, step: int, n_steps: int) -> Entry:
        """The entry with its weight of update number `step` of `n_steps`."""
        if self.schedule is None:
            return self
        return replace(self, weight=self.schedule.value(step, n_steps))

    def scaled(self, factor: Weight) -> Entry:
        """The entry with its weight multiplied by another one."""
        return replace(
            self, **_weight(times(factor, self.weight if self.schedule is None else self.schedule))
        )

    def value(self, trajectory: Trajectory, trials: Trials, model: RNN | None) -> Tensor:
        """The term without its weight, averaged over trials: 0-d.

        Raises:
            ValueError: if the term returns anything but a (B,) or 0-d tensor.
        """
        arguments = (trajectory, trials, model) if self.takes_model else (trajectory, trials)
        value = self.function(*arguments)
        if not isinstance(value, Tensor) or value.dim() > 1:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"loss term {self.label!r} must return a tensor of shape (B,) or (), got {got}")
        return value.mean() if value.dim() else value


def make_entry(term: TermLike, name: str | None, weight: Weight) -> Entry:
    """The entry of one simple term.

    Args:
        term: a LossTerm or a callable, see TermLike.
        name: its label, from which the key follows; None: the term's own label and key.
        weight: finite factor, or the schedule that it follows.

    Raises:
        ValueError: if it cannot be called as a term or has a label without letters and digits.
    """
    if isinstance(term, type):
        raise ValueError(
            f"a loss term must be an object, got the class {term.__name__}: write {term.__name__}(...)"
        )
    label = label_of(term) if name is None else name
    key = snake_case(label if name is not None else getattr(term, "key", label))
    if not key:
        raise ValueError(f"the label of a loss term must have a letter a-z or a digit, got {label!r}")
    function = getattr(term, "term", term)
    if not callable(function):
        raise ValueError(f"loss term {label!r} must be a LossTerm or a callable, got {type(term).__name__}")
    return Entry(
        label, key, term=term, function=function, takes_model=_takes_model(function, label), **_weight(weight)
    )


def _weight(weight: Weight) -> dict[str, Weight | None]:
    """The fields of an entry that hold its weight; a schedule begins with update 0."""
    schedule = weight if isinstance(weight, WeightSchedule) else None
    return {"weight": weight_at(weight, 0, 1), "schedule": schedule}


def label_of(term: TermLike) -> str:
    """The term's own label; for other callables their name."""
    return str(getattr(term, "label", None) or getattr(term, "__name__", None) or type(term).__name__)


def _takes_model(function: TermLike, label: str) -> bool:
    """Whether the function is to be called with (trajectory, trials, model) rather than (trajectory, trials).

    An optional third argument receives the model only if it is called `model`.
    """
    signature = inspect.signature(function.forward if isinstance(function, nn.Module) else function)
    for n_arguments in (3, 2):
        try:
            names = list(signature.bind(*range(n_arguments)).arguments)
        except TypeError:
            continue
        is_option = len(names) == 3 and signature.parameters[names[2]].default is not inspect.Parameter.empty
        if not is_option or names[2] == "model":
            return n_arguments == 3
    raise ValueError(
        f"loss term {label!r} must take (trajectory, trials) or (trajectory, trials, model), got {signature}"
    )


def weights_in_order(
    weights: Sequence[Weight] | Mapping[str, Weight] | None, names: Sequence[str]
) -> list[Weight]:
    """One weight per name: a mapping is matched by name, a sequence by position, None is all 1.

    Raises:
        ValueError: if a name has no weight, a weight has no name, or a weight is neither a finite number nor a
            schedule.
    """
    if weights is None:
        return [1.0] * len(names)
    if not isinstance(weights, Mapping):
        values = list(weights)
        if len(values) != len(names):
            raise ValueError(
                f"one weight per term is needed, got {len(values)} weights for {len(names)} terms"
            )
    elif len(set(names)) < len(names):
        raise ValueError(
            f"weights by name need distinct names, got {list(names)}: give the weights as a list"
        )
    else:
        for name in weights:
            if name not in names:
                raise ValueError(f"the loss has no term {name!r} to weight{did_you_mean(str(name), names)}")
        missing = [repr(name) for name in names if name not in weights]
        if missing:
            raise ValueError(f"every term needs a weight, none was given for {', '.join(missing)}")
        values = [weights[name] for name in names]
    return [as_weight(value, f"the weight of {name!r}") for name, value in zip(names, values, strict=True)]


def with_distinct_names(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries, with the smallest free suffix _0, _1, ... on repeated labels and on repeated keys."""
    labels: set[str] = set()
    keys: set[str] = set()
    return tuple(
        replace(entry, label=_claim(entry.label, labels), key=_claim(entry.key, keys)) for entry in entries
    )


def _claim(name: str, taken: set[str]) -> str:
    """The name, or the first free one of name_0, name_1, ...; it is taken from then on."""
    free, n = name, 0
    while free in taken:
        free, n = f"{name}_{n}", n + 1
    taken.add(free)
    return free


def as_weight(value: object, name: str) -> Weight:
    """The value as a finite Python float, or the schedule that it is; ValueError for anything else."""
    return value if isinstance(value, WeightSchedule) else number(name, value)


def snake_case(text: str) -> str:
    """The text with only a-z, 0-9 and single underscores: "NN output" becomes "nn_output"."""
    return re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")
