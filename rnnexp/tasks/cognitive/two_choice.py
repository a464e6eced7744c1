"""What PerceptualDiscrim and SimplePD share: two noisy inputs, of which one is stronger for a while.

Letters: B trials, T time steps; K = O = 2.
"""

from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import one_of
from rnnexp.tasks.base import Trials
from rnnexp.tasks.cognitive.stimulus import add_signal, gated, one_raised
from rnnexp.tasks.distributions import Choice, Distribution, Exponential, from_config, sample_laws
from rnnexp.tasks.epochs import check_epochs_fit

INPUT_LABELS = ("evidence for 0", "evidence for 1")
OUTPUT_LABELS = ("choice 0", "choice 1")

DEFAULT_COHERENCES: dict[str, Distribution] = {
    "discrete": Choice((0.1, 0.3, 0.5, 0.7)),
    "exponential": Exponential(mean=0.2),
}


def coherence_law(coherence: Any, coherence_dist: str | None, default: str) -> Distribution:
    """Return the distribution of the coherence.

    Args:
        coherence: number, list or distribution, >= 0; None for a law that `coherence_dist` names.
        coherence_dist: "discrete" (0.1, 0.3, 0.5 or 0.7), "exponential" (mean 0.2) or None, which is
            `default`.
        default: "discrete" or "exponential".

    Raises:
        ValueError: an argument is wrong, or the two contradict each other.
    """
    one_of("coherence_dist", coherence_dist, (None, *DEFAULT_COHERENCES))
    if coherence is None:
        return DEFAULT_COHERENCES[coherence_dist or default]
    law = from_config(coherence, "coherence", low=0.0)
    if coherence_dist is not None and not isinstance(law, type(DEFAULT_COHERENCES[coherence_dist])):
        raise ValueError(
            "coherence_dist must be null where coherence says how it is drawn (as {exponential: mean} for "
            f"another mean), got {coherence_dist!r} with coherence {coherence!r}"
        )
    return law


def direction_law(direction: int | None) -> Choice:
    """Return the distribution of the direction: 0 and 1 equally likely for None, else always the given one.

    Raises:
        ValueError: the direction is neither None nor 0 nor 1.
    """
    one_of("direction", direction, (None, 0, 1))
    return Choice((0.0, 1.0)) if direction is None else Choice((float(direction),))


def epoch_laws(
    T: float,
    target_delay: float,
    *,
    onset_time: tuple[Any, Distribution],
    stim_duration: tuple[Any, Distribution],
) -> dict[str, Distribution]:
    """Return the distributions of onset_time and stim_duration.

    Args:
        T: duration of a trial, ms.
        target_delay: from the end of the stimulus to the start of the target, ms.
        onset_time: what was configured, and the default for None.
        stim_duration: what was configured, and the default for None.

    Raises:
        ValueError: one of them is none or can be negative, or they do not fit into T.
    """
    laws = {
        name: from_config(value, name, default=default, low=0.0, unit="ms")
        for name, (value, default) in (("onset_time", onset_time), ("stim_duration", stim_duration))
    }
    check_epochs_fit({**laws, "target_delay": Choice((target_delay,))}, T)
    return laws


def sample_two_choice(
    laws: dict[str, Distribution], n_trials: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Draw the conditions of `n_trials` trials: (B,) float64, the direction int64."""
    conditions = sample_laws(laws, n_trials, generator)
    return {**conditions, "direction": conditions["direction"].long()}


def two_choice_trials(
    conditions: dict[str, Tensor],
    noise: Tensor,
    times: Tensor,
    *,
    input_baseline: float,
    target_levels: tuple[float, float],
    target_delay: float,
) -> Trials:
    """Build trials from their conditions.

    With stop = onset_time + stim_duration: while onset_time < t < stop the input of the direction gets
    input_baseline + coherence, the other one input_baseline. Targets are given after stop +
    target_delay. The mask is on from stop.

    Args:
        conditions: coherence, direction (0 or 1), onset_time (ms) and stim_duration (ms), each (B,).
        noise: (B, T, 2), becomes the inputs.
        times: (T,) float64, ms.
        input_baseline: what both inputs get during the stimulus.
        target_levels: target of the wrong and of the right output.
        target_delay: from the end of the stimulus to the start of the target, ms; 0 is asked of both
            outputs then.

    Source: PsychRNN, PerceptualDiscrimination.trial_function.
    """
    onset, direction = conditions["onset_time"][:, None], conditions["direction"]
    stop = onset + conditions["stim_duration"][:, None]
    evidence = one_raised(direction, 2, 0.0, 1.0) * conditions["coherence"][:, None]
    inputs = add_signal(noise, (times > onset) & (times < stop), input_baseline + evidence)
    low, high = target_levels
    targets = gated(times > stop + target_delay, one_raised(direction, 2, low, high), noise.dtype)
    mask = gated(times >= stop, torch.ones(len(direction), 2), noise.dtype)
    return Trials(inputs, targets, mask, conditions)
