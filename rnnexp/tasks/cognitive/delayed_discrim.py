"""Delayed discrimination: compare two frequencies that are shown one after the other, a delay apart."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import increasing, is_number, listed, non_negative, plain, positive
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.stimulus import add_signal, gated, input_noise, one_raised, stimulus_noise_sd
from rnnexp.tasks.distributions import Choice, Law, Uniform, from_config, sample_laws
from rnnexp.tasks.epochs import check_epochs_fit, during

FREQUENCY_PAIRS = ((18, 10), (22, 14), (26, 18), (30, 22), (34, 26))


class DelayedDiscrim(Task):
    """Two frequencies f1 and f2 are shown, a delay apart; then output 0 must rise if f1 > f2, else output 1.

        s = noise + [stimulus_1 <= t < delay] (p(f1), n(f1)) + [stimulus_2 <= t < decision] (p(f2), n(f2))
        target = [decision <= t < end] (target_high for the choice, target_low for the other)
        mask = [decision <= t < end]
        p(f) = input_low ... input_high,   n(f) = input_high ... input_low, linear over frequency_range

    Each epoch starts where the one before ends; an epoch shorter than dt may fall between two steps.
    Arguments marked (D) are a number, a list to choose from or a distribution (`rnnexp.tasks.distributions`).
    Conditions: stimulus_1, delay, stimulus_2, decision, end (starts of the epochs, ms), f1, f2, choice.

    Args:
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0; alpha = dt / tau follows, the trials
            do not depend on it.
        T: (D) duration of a trial, ms, >= dt; all epochs fit into the shortest.
        onset_time: (D) start of the first stimulus, ms, >= 0; None: uniform from 0 to T / 8.
        stim_duration_1: (D) of the first stimulus, ms, >= 0; None: uniform from 0 to T / 4.
        delay_duration: (D) of the delay, ms, >= 0; None: uniform from 0 to T / 4.
        stim_duration_2: (D) of the second stimulus, ms, >= 0; None: uniform from 0 to T / 4.
        decision_duration: (D) of the decision, ms, >= 0; None: uniform from 0 to T / 8.
        stim_noise: size of the input noise, >= 0; its standard deviation is
            sqrt(0.02 sqrt(10 dt)) * stim_noise.
        frequency_pairs: the pairs of frequencies to compare, each as likely and in either order.
        frequency_range: lowest and highest frequency, which map to input_low and input_high.
        input_low: smallest input that a frequency gives.
        input_high: largest input that a frequency gives, > input_low.
        target_low: target of the wrong output.
        target_high: target of the right output, > target_low.

    Raises:
        ValueError: an argument is out of its range, or the epochs do not fit into T.

    Source: PsychRNN, DelayedDiscrimination.
    """

    condition = "choice"
    condition_names = MappingProxyType({0: "f1 > f2", 1: "f1 < f2"})

    def __init__(
        self,
        dt: float = 10.0,
        tau: float = 100.0,
        T: Law = 2000.0,
        onset_time: Any = None,
        stim_duration_1: Any = None,
        delay_duration: Any = None,
        stim_duration_2: Any = None,
        decision_duration: Any = None,
        stim_noise: float = 0.1,
        frequency_pairs: Sequence[Sequence[float]] = FREQUENCY_PAIRS,
        frequency_range: Sequence[float] = (10, 34),
        input_low: float = 0.4,
        input_high: float = 1.2,
        target_low: float = 0.2,
        target_high: float = 1.0,
    ) -> None:
        super().__init__(
            input_dim=2,
            output_dim=2,
            dt=dt,
            T=T,
            tau=positive("tau", tau, "ms"),
            input_labels=("rises with f", "falls with f"),
            output_labels=("f1 > f2", "f1 < f2"),
        )
        self.stim_noise = non_negative("stim_noise", stim_noise)
        self.noise_sd = stimulus_noise_sd(self.dt, self.stim_noise)
        self.frequency_range = _frequency_range(frequency_range)
        self.frequency_pairs = _frequency_pairs(frequency_pairs, self.frequency_range)
        self.input_levels = increasing("input_low", input_low, "input_high", input_high)
        self.target_levels = increasing("target_low", target_low, "target_high", target_high)
        epochs = {  # duration of each epoch as configured, and the longest by default
            "onset_time": (onset_time, self.shortest_T / 8),
            "stim_duration_1": (stim_duration_1, self.shortest_T / 4),
            "delay_duration": (delay_duration, self.shortest_T / 4),
            "stim_duration_2": (stim_duration_2, self.shortest_T / 4),
            "decision_duration": (decision_duration, self.shortest_T / 8),
        }
        self.durations = {
            name: from_config(value, name, default=Uniform(0.0, longest), low=0.0, unit="ms")
            for name, (value, longest) in epochs.items()
        }
        check_epochs_fit(self.durations, self.shortest_T, cuts_last=True)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the starts of the epochs (float64, ms), f1 and f2 (float64) and the choice (int64)."""
        durations = torch.stack(list(sample_laws(self.durations, batch_size, generator).values()))
        starts = dict(
            zip(("stimulus_1", "delay", "stimulus_2", "decision", "end"), durations.cumsum(0), strict=True)
        )
        pair = Choice(tuple(range(len(self.frequency_pairs)))).sample(batch_size, generator).long()
        choice = Choice((0, 1)).sample(batch_size, generator).long()
        low, high = torch.tensor(self.frequency_pairs, dtype=torch.float64)[pair].aminmax(dim=1)
        falls = choice == 0
        f1, f2 = torch.where(falls, high, low), torch.where(falls, low, high)
        return {**starts, "f1": f1, "f2": f2, "choice": choice}

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        choice = conditions["choice"]
        shape = (len(choice), self.n_steps, self.input_dim)
        inputs = input_noise(shape, self.noise_sd, generator, dtype)
        for start, stop, frequency in (("stimulus_1", "delay", "f1"), ("stimulus_2", "decision", "f2")):
            shown = during(self.times, conditions[start], conditions[stop])
            add_signal(inputs, shown, self._encode(conditions[frequency]))
        deciding = during(self.times, conditions["decision"], conditions["end"])
        targets = gated(deciding, one_raised(choice, 2, *self.target_levels), dtype)
        return Trials(inputs, targets, gated(deciding, torch.ones(len(choice), 2), dtype), conditions)

    def _encode(self, frequency: Tensor) -> Tensor:
        """Map frequencies (B,) to the two inputs (B, 2), p(f) and n(f)."""
        (lowest, highest), (low, high) = self.frequency_range, self.input_levels
        both = torch.stack((frequency - lowest, highest - frequency), dim=1)
        return low + (high - low) * both / (highest - lowest)


def _frequency_range(values: Sequence[float]) -> tuple[float, float]:
    values = plain(values)
    if not _is_pair(values) or not values[0] < values[1]:
        raise ValueError(f"frequency_range must be [lowest, highest] with lowest < highest, got {values!r}")
    return float(values[0]), float(values[1])


def _frequency_pairs(
    pairs: Sequence[Sequence[float]], limits: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    lowest, highest = limits
    listed_pairs = listed(pairs)
    if not listed_pairs:
        raise ValueError(f"frequency_pairs must be a list of at least one [f, g], got {pairs!r}")
    for pair in listed_pairs:
        if not _is_pair(pair) or pair[0] == pair[1] or not all(lowest <= f <= highest for f in pair):
            raise ValueError(
                "frequency_pairs must hold pairs of different frequencies within frequency_range = "
                f"[{lowest:g}, {highest:g}], got {pair!r}"
            )
    return tuple((float(f), float(g)) for f, g in listed_pairs)


def _is_pair(values: Any) -> bool:
    pair = listed(values)
    return pair is not None and len(pair) == 2 and all(is_number(value) for value in pair)
