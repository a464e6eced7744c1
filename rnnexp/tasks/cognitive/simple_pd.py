"""Perceptual discrimination with fixed times: say which of two noisy inputs was the stronger one."""

import math
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import increasing, non_negative, number, positive
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.stimulus import input_noise
from rnnexp.tasks.cognitive.two_choice import (
    INPUT_LABELS,
    OUTPUT_LABELS,
    coherence_law,
    direction_law,
    epoch_laws,
    sample_two_choice,
    two_choice_trials,
)
from rnnexp.tasks.distributions import Choice, Law


class SimplePD(Task):
    """Two inputs are on for half of the trial, one of them stronger; afterwards its output must rise.

        s = noise + [onset_time < t < stop] (input_baseline + coherence [input is direction])
        target = [t > stop + target_delay] (target_high for direction, target_low for the other)
        mask = [t >= stop],   stop = onset_time + stim_duration

    Arguments marked (D) are a number, a list to choose from or a distribution (`rnnexp.tasks.distributions`).
    Conditions: coherence, direction, onset_time, stim_duration.

    Args:
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0; sets the input noise through
            alpha = dt / tau.
        T: (D) duration of a trial, ms, >= dt; all epochs fit into the shortest.
        coherence: (D) by how much the stronger input exceeds the other, >= 0; None: as `coherence_dist` says.
        coherence_dist: law of the coherence where `coherence` is None: "exponential" (mean 0.2; also for
            None) or "discrete" (0.1, 0.3, 0.5 or 0.7, each as likely).
        direction: number of the stronger input, 0 or 1; None: either.
        onset_time: (D) start of the stimulus, ms, >= 0; None: T / 4.
        stim_duration: (D) duration of the stimulus, ms, >= 0; None: T / 2.
        target_delay: from the end of the stimulus to the start of the target, ms, >= 0.
        stim_noise: size of the input noise, >= 0; its standard deviation is
            sqrt(2 alpha) * stim_noise.
        input_baseline: what both inputs get during the stimulus.
        target_low: target of the wrong output.
        target_high: target of the right output, > target_low.

    Raises:
        ValueError: an argument is out of its range, or the epochs do not fit into T.

    Source: PsychRNN, SimplePD, the example of a user-made task in its tutorial.
    """

    condition = "direction"

    def __init__(
        self,
        dt: float = 10.0,
        tau: float = 100.0,
        T: Law = 2000.0,
        coherence: Any = None,
        coherence_dist: str | None = None,
        direction: int | None = None,
        onset_time: Any = None,
        stim_duration: Any = None,
        target_delay: float = 20.0,
        stim_noise: float = 0.1,
        input_baseline: float = 1.0,
        target_low: float = 0.0,
        target_high: float = 1.0,
    ) -> None:
        super().__init__(
            input_dim=2,
            output_dim=2,
            dt=dt,
            T=T,
            tau=positive("tau", tau, "ms"),
            input_labels=INPUT_LABELS,
            output_labels=OUTPUT_LABELS,
        )
        self.target_delay = non_negative("target_delay", target_delay, "ms")
        self.stim_noise = non_negative("stim_noise", stim_noise)
        self.input_baseline = number("input_baseline", input_baseline)
        self.target_levels = increasing("target_low", target_low, "target_high", target_high)
        self.noise_sd = math.sqrt(2 * self.alpha) * self.stim_noise
        self.laws = {
            "coherence": coherence_law(coherence, coherence_dist, default="exponential"),
            "direction": direction_law(direction),
            **epoch_laws(
                self.shortest_T,
                self.target_delay,
                onset_time=(onset_time, Choice((self.shortest_T / 4,))),
                stim_duration=(stim_duration, Choice((self.shortest_T / 2,))),
            ),
        }

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw coherence (float64), direction (int64), onset_time and stim_duration (float64, ms)."""
        return sample_two_choice(self.laws, batch_size, generator)

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        shape = (len(conditions["direction"]), self.n_steps, self.input_dim)
        return two_choice_trials(
            conditions,
            input_noise(shape, self.noise_sd, generator, dtype),
            self.times,
            input_baseline=self.input_baseline,
            target_levels=self.target_levels,
            target_delay=self.target_delay,
        )
