"""Epochs of a trial: whether they fit into its duration, and when one is on."""

import logging
import math
from collections.abc import Iterable, Mapping

from torch import Tensor

from rnnexp.tasks.distributions import Distribution

log = logging.getLogger(__name__)


def check_epochs_fit(epochs: Mapping[str, Distribution], T: float, cuts_last: bool = False) -> None:
    """Refuse epochs that cannot follow each other within a trial.

    Refused is what is known to run over the end of some trial: the longest total of the epochs must be
    at most T. An epoch without a longest duration (normal or exponential without a maximum) cannot be
    known, then the shortest total must be at most T, and what a trial has beyond T is cut off.

    Args:
        epochs: duration of each epoch by name, in their order, ms.
        T: duration of a trial, ms.
        cuts_last: as in PsychRNN, the last epoch may run over the end if it begins before it, with a warning.

    Raises:
        ValueError: they do not fit; the text holds all the durations.
    """
    shortest, longest = _total(epochs.values())
    if _critical(shortest, longest) <= T * (1 + 1e-12):
        return
    parts = " + ".join(f"{name} ({_span(epoch.minimum, epoch.maximum)})" for name, epoch in epochs.items())
    taken = f"{parts} take {_span(shortest, longest)} ms"
    if cuts_last and _critical(*_total([*epochs.values()][:-1])) < T:
        log.warning("%s, longer than T = %g ms: %s is cut off there", taken, T, [*epochs][-1])
        return
    raise ValueError(f"epochs must fit into T = {T:g} ms, but {taken}; shorten them or raise T")


def _total(epochs: Iterable[Distribution]) -> tuple[float, float]:
    epochs = list(epochs)
    return sum(epoch.minimum for epoch in epochs), sum(epoch.maximum for epoch in epochs)


def _critical(shortest: float, longest: float) -> float:
    return longest if math.isfinite(longest) else shortest


def during(times: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """Say which time steps lie in an epoch, start included, stop not.

    Args:
        times: (T,) float64, ms.
        start: (B,) float64, ms.
        stop: (B,) float64, ms.

    Returns:
        (B, T) bool.
    """
    return (times >= start[:, None]) & (times < stop[:, None])


def _span(shortest: float, longest: float) -> str:
    if shortest == longest:
        return f"{shortest:g}"
    return f"{shortest:g} to {longest:g}" if math.isfinite(longest) else f"{shortest:g} or more"
