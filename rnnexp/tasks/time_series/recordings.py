"""What a time-series task learns from: stretches of observations and inputs, by split, and how they are prepared.

Letters: T samples, N observed dimensions, K inputs, m copies of a delay embedding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rnnexp.numbers import integer_at_least, is_whole
from rnnexp.tasks.units import Scale

SPLITS = ("training", "validation", "test")


@dataclass(frozen=True, eq=False)
class Recording:
    """One stretch of a series without a gap: a trial, or a part of one.

    Args:
        observations: (T, N) float64, nan where missing.
        inputs: (T, K) float64, finite; row t acts from sample t to t + 1; none if left out.

    Raises:
        ValueError: the shapes do not agree.
    """

    observations: np.ndarray
    inputs: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "observations", np.asarray(self.observations))
        if self.inputs is not None:
            object.__setattr__(self, "inputs", np.asarray(self.inputs))
        else:
            object.__setattr__(self, "inputs", np.zeros((len(self.observations), 0)))
        observed, inputs = self.observations.shape, self.inputs.shape
        if len(observed) != 2 or len(inputs) != 2 or observed[0] != inputs[0]:
            raise ValueError(
                f"observations must be (T, N) and inputs (T, K) with the same T, got {observed} and {inputs}"
            )

    def __len__(self) -> int:
        return len(self.observations)

    def __getitem__(self, rows: slice) -> "Recording":
        """Return some of the rows."""
        return Recording(self.observations[rows], self.inputs[rows])

    @property
    def complete(self) -> np.ndarray:
        """(T,) bool, the rows without a missing value."""
        return ~np.isnan(self.observations).any(axis=1)


@dataclass(frozen=True, eq=False)
class Recordings:
    """All data of a task, in three parts that share no sample.

    Args:
        training, validation, test: the stretches of each part.
        labels: N names of the observed dimensions.
        input_labels: K names of the inputs.
        time_unit: of the time step, for axes and messages.
        elsewhere: function(n, rows, spread) -> n stretches of so many rows that begin off the attractor, about states
            of it, with that spread, in units of the sd of each variable; None where no equations are known.
    """

    training: list[Recording]
    validation: list[Recording]
    test: list[Recording]
    labels: tuple[str, ...]
    input_labels: tuple[str, ...] = ()
    time_unit: str = "steps"
    elsewhere: Callable[[int, int, float], list[Recording]] | None = None

    def __iter__(self) -> Iterator[list[Recording]]:
        return iter((self.training, self.validation, self.test))

    def changed(self, change: Callable[[Recording], Recording]) -> "Recordings":
        """Return the recordings with a function applied to every stretch; what is left empty goes."""
        parts = {split: [change(recording) for recording in getattr(self, split)] for split in SPLITS}
        return replace(self, **{split: [r for r in part if len(r)] for split, part in parts.items()})


def measured_scale(series: list[np.ndarray], labels: tuple[str, ...], what: str) -> Scale:
    """Return mean and sd of every dimension over the values that are there.

    Args:
        series: arrays (T, N), nan where missing.
        labels: N names, for messages.
        what: "column" or "input", for messages.

    Raises:
        ValueError: a dimension has no value, or does not vary.
    """
    values = np.concatenate(series)
    for number, (label, column) in enumerate(zip(labels, values.T, strict=True)):
        there = column[~np.isnan(column)]
        place = f"{what} {number}" if label == str(number) else f"{what} {number} ({label})"
        if not len(there):
            raise ValueError(f"{place} has no value in the training part; leave it out")
        if there.std() <= 1e-12 * np.abs(there).max():
            raise ValueError(
                f"{place} is constant in the training part, {there[0]:g}; leave it out, there is nothing to learn"
            )
    return Scale(np.nanmean(values, axis=0), np.nanstd(values, axis=0))


def scaled(recordings: Recordings, scale: Scale, input_scale: Scale) -> Recordings:
    """Return the recordings with observations and inputs standardised."""
    return recordings.changed(lambda r: Recording(scale.apply(r.observations), input_scale.apply(r.inputs)))


def embedded(recordings: Recordings, dimension: int, delay: int | None) -> Recordings:
    """Return the recordings with every sample replaced by m delayed copies, [x_t, x_{t-d}, .., x_{t-(m-1)d}].

    The first (m - 1) d samples of every stretch have no full past and are left out.

    Args:
        dimension: m >= 1; 1 changes nothing.
        delay: d >= 1, steps; given if and only if m > 1.

    Raises:
        ValueError: the two do not fit together.

    Source: Takens 1981.
    """
    if dimension == 1:
        if delay is not None:
            raise ValueError(f"embedding_delay must be null without embedding_dim > 1, got {delay}")
        return recordings
    if delay is None:
        raise ValueError(f"embedding_delay must be given in steps, >= 1, with embedding_dim {dimension}")
    past = (dimension - 1) * integer_at_least("embedding_delay", delay, 1)
    lags = range(0, past + 1, delay)

    def embed(recording: Recording) -> Recording:
        n_left = max(0, len(recording) - past)
        copies = [recording.observations[past - lag :][:n_left] for lag in lags]
        return Recording(np.concatenate(copies, axis=1), recording.inputs[past:])

    labels = tuple(f"{label}(t-{lag})" if lag else label for lag in lags for label in recordings.labels)
    return replace(recordings.changed(embed), labels=labels)


def columns_at(wanted: list[int | str], labels: tuple[str, ...], key: str) -> list[int]:
    """Return the numbers of columns that are named or numbered.

    Args:
        wanted: names, or numbers counted from 0.
        labels: names of all columns.
        key: the argument that asks for them, for messages.

    Raises:
        ValueError: there is no such column, or one is named twice.
    """
    numbers = []
    for column in wanted:
        if isinstance(column, str) and column in labels:
            numbers.append(labels.index(column))
        elif is_whole(column, 0) and column < len(labels):
            numbers.append(int(column))
        else:
            named = "" if labels == tuple(map(str, range(len(labels)))) else f" ({', '.join(labels)})"
            raise ValueError(
                f"{key}: there is no column {column!r}; there are the columns 0 to {len(labels) - 1}{named}"
            )
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{key}: each column may be named once, got {wanted}")
    return numbers
