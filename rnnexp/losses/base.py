"""The loss system: terms (LossTerm), weighted sums of terms (CompositeLoss) and their operators."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from rnnexp.losses.entries import (
    Entry,
    TermLike,
    Weight,
    as_weight,
    label_of,
    make_entry,
    snake_case,
    weights_in_order,
    with_distinct_names,
)
from rnnexp.losses.loss_dict import LossDict
from rnnexp.numbers import number

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.noise import Noise
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials


class Comparison(NamedTuple):
    """A term that is factor * sum over trials of s or sqrt(s), s = sum over t, o of (mask * (output - target))^2.

    Attributes:
        kind: "squares" for s, "norms" for its root.
        factor: a number; None for 1 / sum of mask^2, or 1 where that is 0.
        fill: a further factor, the `Trials.fill` of a mean over steps.
    """

    kind: Literal["squares", "norms"]
    factor: float | None
    fill: Tensor | float = 1.0


def scaled(mean: Tensor, trials: Trials) -> Tensor:
    """Return the mean over trials and steps without padding, given that over all where padding counts as 0."""
    return mean if lengths_of(trials) is None else mean * trials.fill.to(mean.dtype)


def lengths_of(trials: Trials | None) -> Tensor | None:
    """Return the steps of each trial (B,), None where all have the same or a term is called without trials."""
    return getattr(trials, "lengths", None)


class LossAlgebra:
    """The operators of losses: a + b, a - b, -a, s * a, a * s, a / s and sum([...]), s a finite scalar.

    In s * a and a * s, s may be a schedule as well, see `rnnexp.losses.schedules`.
    """

    __array_ufunc__ = None  # numpy scalars and arrays leave `s * loss` to __rmul__

    def __add__(self, other: object) -> LossAlgebra:
        if isinstance(other, int | float) and other == 0:  # the start value of sum()
            return self
        return CompositeLoss([self, other]) if isinstance(other, LossAlgebra) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: object) -> CompositeLoss:
        return CompositeLoss([self, other], [1.0, -1.0]) if isinstance(other, LossAlgebra) else NotImplemented

    def __neg__(self) -> CompositeLoss:
        return CompositeLoss([self], [-1.0])

    def __mul__(self, scalar: object) -> CompositeLoss:
        return CompositeLoss([self], [as_weight(scalar, "the factor of a loss")])

    __rmul__ = __mul__

    def __truediv__(self, scalar: object) -> CompositeLoss:
        return CompositeLoss([self], [1.0 / number("the divisor of a loss", scalar)])


class LossTerm(LossAlgebra, ABC):
    """One summand of a loss; a subclass implements `term` and may set `label` and `key`.

    `term` may take two arguments, (trajectory, trials), or three, (trajectory, trials, model). A bare term
    used as a loss is the same as `1.0 * term`.

    Attributes:
        needs_trajectory: `term` looks at it; False, for the class that says so, if it is about the model alone.
    """

    needs_trajectory: ClassVar[bool] = True

    @cached_property
    def label(self) -> str:
        """Text for plots; the class name in words unless the subclass or the object sets its own."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(self).__name__)

    @cached_property
    def key(self) -> str:
        """Name for files, lower_snake_case; from the label unless the subclass or the object sets its own."""
        return snake_case(self.label)

    @abstractmethod
    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """The value of the term, before any weight.

        Args:
            trajectory: latents (B, T, M), rates (B, T, M) and outputs (B, T, O) of the model on the trials, 0 in
                padding.
            trials: inputs (B, T, K), targets (B, T, O) and mask (B, T, O); `scaled` takes padding out of a mean.
            model: the model, for penalties on its weights.

        Returns:
            One value per trial (B,), which the loss averages over trials, or a 0-d tensor.
        """

    def comparison(self, trials: Trials) -> Comparison | None:
        """Return what the term is as a plain comparison of outputs and targets, None if it is more than that.

        Counts for the class that defines it: a recurrence then gives the term without its trajectory.
        """
        del trials
        return None

    def check_model(self, model: RNN) -> None:
        """Refuse a model on which the term cannot work; called once, before training.

        Raises:
            ValueError: with what the term needs.
        """

    def __call__(self, trajectory: Trajectory, trials: Trials, model: RNN | None = None) -> LossDict:
        """The values of `1.0 * term`, see CompositeLoss."""
        return self._alone(trajectory, trials, model)

    @cached_property
    def _alone(self) -> CompositeLoss:
        return CompositeLoss([self])


class CompositeLoss(LossAlgebra):
    """A weighted sum of terms, flat: composites inside it are taken apart and their weights multiplied.

    Order: the simple terms first, as given, then the terms of nested composites, as given. Terms of a nested
    composite that has a name (its key in `terms`; in a list, its own label) are called `<name>_<label>`.
    Repeated labels and keys get the suffix _0, _1, ... Terms with weight 0 are listed but never evaluated.
    Weights that follow a schedule are those of the first update; `at` gives the loss of another one.
    `A | B` of two composites merges by label; where both have a label, the term and weight of B stay.

    Attributes:
        is_scheduled: whether a weight changes over a training.
        lists_raw: whether tables have the values before their weights too, see `raw_columns`.

    Args:
        terms: list of terms (their names are their labels) or mapping name -> term. A term is a LossTerm, a
            CompositeLoss, any callable(trajectory, trials) or any callable(trajectory, trials, model).
        weights: one finite number or WeightSchedule per term: a sequence in the order of the terms, or a mapping
            with exactly the names of the terms, in any order. None: all 1.
        label: name of the group if this composite is nested in another; its own labels never change by it.
        user_labels: whether the keys of a `terms` mapping become the labels; False keeps the terms' own.

    Raises:
        ValueError: no terms, something that is not a term, or weights that do not match the terms.
    """

    lists_raw: ClassVar[bool] = False

    def __init__(
        self,
        terms: Sequence[TermLike] | Mapping[str, TermLike],
        weights: Sequence[Weight] | Mapping[str, Weight] | None = None,
        label: str = "",
        user_labels: bool = True,
    ) -> None:
        is_mapping = isinstance(terms, Mapping)
        items = list(terms.values()) if is_mapping else list(terms)
        names = list(terms) if is_mapping else [label_of(item) for item in items]
        if not items:
            raise ValueError("a loss must have at least one term, got none")
        simple: list[Entry] = []
        nested: list[Entry] = []
        for name, item, weight in zip(names, items, weights_in_order(weights, names), strict=True):
            given_name = name if is_mapping and user_labels else None
            if isinstance(item, CompositeLoss):
                nested += item._as_group(item.label if given_name is None else given_name, weight)
            else:
                simple.append(make_entry(item, given_name, weight))
        self._set_entries(simple + nested, label)

    def _set_entries(self, entries: Iterable[Entry], label: str) -> None:
        self.label = label
        self._use(with_distinct_names(entries))

    def _use(self, entries: tuple[Entry, ...]) -> None:
        self._entries = entries
        self._used = tuple(entry for entry in entries if entry.is_used)
        # where every weight is 0 at the moment, all are evaluated, so that there is a gradient: of 0
        self._evaluated = tuple(entry for entry in entries if entry.weight != 0.0) or self._used
        self.is_scheduled = any(entry.schedule is not None for entry in entries)
        self._compared = _only_compared(self._evaluated)

    def at(self, step: int, n_steps: int) -> CompositeLoss:
        """The loss with its weights of one update; the loss itself if no weight follows a schedule.

        Args:
            step: updates done before, >= 0; `n_steps` is after the last update.
            n_steps: updates of the training.
        """
        if not self.is_scheduled:
            return self
        loss = copy.copy(self)
        loss._use(tuple(entry.at(step, n_steps) for entry in self._entries))
        return loss

    def _as_group(self, name: str, weight: Weight) -> list[Entry]:
        """The entries as they appear in an enclosing composite."""
        scaled = [entry.scaled(weight) for entry in self._entries]
        if not name:
            return scaled
        return [replace(e, label=f"{name}_{e.label}", key=snake_case(f"{name}_{e.key}")) for e in scaled]

    @property
    def labels(self) -> dict[str, str]:
        """Key -> label of every term, in order, also those with weight 0."""
        return {entry.key: entry.label for entry in self._entries}

    @property
    def weights(self) -> dict[str, float]:
        """Key -> weight of every term, in order, also those with weight 0; of scheduled ones the present weight."""
        return {entry.key: entry.weight for entry in self._entries}

    @property
    def terms(self) -> dict[str, TermLike]:
        """Key -> term, in order, also those with weight 0."""
        return {entry.key: entry.term for entry in self._entries}

    @property
    def used(self) -> tuple[str, ...]:
        """The keys of the terms that have a weight, now or in the course of a training: those of its values."""
        return tuple(entry.key for entry in self._used)

    def raw_columns(self, values: LossDict) -> dict[str, Tensor]:
        """Return the values before their weights as raw_<key>, of the terms with other weights than 1; none by default.

        Args:
            values: what the loss returned.
        """
        return {f"raw_{key}": values.raw[key] for key in self.listed_raw if key in values.raw}

    @property
    def listed_raw(self) -> list[str]:
        """The keys of the terms whose values before their weights are in tables."""
        weighted = [entry.key for entry in self._used if entry.weight != 1.0 or entry.schedule is not None]
        return weighted if self.lists_raw else []

    def check_model(self, model: RNN) -> None:
        """Refuse a model on which a term with a weight, now or later, cannot work; call it once, before training.

        Raises:
            ValueError: with what the term needs.
        """
        for entry in self._used:
            if hasattr(entry.term, "check_model"):
                entry.term.check_model(model)

    def __call__(self, trajectory: Trajectory, trials: Trials, model: RNN | None = None) -> LossDict:
        """The values of all terms with a weight.

        Args:
            trajectory, trials, model: handed on to the terms, see LossTerm.term. The model may be left out if
                no term with a weight looks at it.

        Returns:
            Key -> weight * mean over trials, in the order of the terms; `.total` is their sum. A term whose
            schedule is at 0 has the value 0.

        Raises:
            ValueError: if a term returns anything but a (B,) or 0-d tensor.
        """
        raw = {entry.key: entry.value(trajectory, trials, model) for entry in self._evaluated}
        return self._weighted(raw)

    def of_update(self, model: RNN, trials: Trials, noise: torch.Generator | Noise | None = None) -> LossDict:
        """The values of all terms with a weight for a model on trials, the fastest way.

        Where the only term on outputs is a plain comparison with the targets, no trajectory is made.

        Args:
            model, trials, noise: as of `RNN.forward`.
        """
        raw = _without_trajectory(self._evaluated, self._compared, model, trials, noise)
        return self(model(trials, noise), trials, model) if raw is None else self._weighted(raw)

    def raw_of_update(
        self, keys: Sequence[str], model: RNN, trials: Trials, noise: Noise, strength: Tensor | None
    ) -> dict[str, Tensor]:
        """The values of some terms before their weights, also of those with weight 0, as `of_update` computes them.

        Args:
            keys: of the terms.
            model, trials, noise, strength: as of `RNN.forward`.
        """
        entries = tuple(entry for entry in self._entries if entry.key in keys)
        raw = _without_trajectory(entries, _only_compared(entries), model, trials, noise, strength)
        if raw is not None:
            return raw
        trajectory = model(trials, noise, strength)
        return {entry.key: entry.value(trajectory, trials, model) for entry in entries}

    def _weighted(self, raw: dict[str, Tensor]) -> LossDict:
        weighted = {e.key: raw[e.key] if e.weight == 1.0 else e.weight * raw[e.key] for e in self._evaluated}
        if len(weighted) < len(self._used):
            zero = torch.zeros_like(next(iter(raw.values())))
            weighted = {entry.key: weighted.get(entry.key, zero) for entry in self._used}
        return LossDict(weighted, raw)

    def __or__(self, other: object) -> CompositeLoss:
        if not isinstance(other, CompositeLoss):
            return NotImplemented
        merged = {entry.label: entry for entry in (*self._entries, *other._entries)}
        union = CompositeLoss.__new__(CompositeLoss)
        union._set_entries(merged.values(), other.label)
        return union

    def __repr__(self) -> str:
        return f"{type(self).__name__}({' + '.join(f'{e.weight:g} * {e.key}' for e in self._entries)})"


def _only_compared(entries: Sequence[Entry]) -> Entry | None:
    """Return the entry that compares outputs with targets, if no other one looks at the trajectory."""
    looking = [e for e in entries if vars(type(e.term)).get("needs_trajectory", True)]
    if len(looking) == 1 and "comparison" in vars(type(looking[0].term)):
        return looking[0]
    return None


def _without_trajectory(
    entries: Sequence[Entry],
    compared: Entry | None,
    model: RNN,
    trials: Trials,
    noise: torch.Generator | Noise | None,
    strength: Tensor | None = None,
) -> dict[str, Tensor] | None:
    """Return the values of terms before their weights, None where these, or the model, need a trajectory."""
    comparison = None if compared is None else compared.term.comparison(trials)
    error = None if comparison is None else model.error(trials, comparison, noise, strength)
    if error is None:
        return None
    return {e.key: error if e is compared else e.value(None, trials, model) for e in entries}
