"""Perceptual discrimination: say which of two noisy inputs was the stronger one."""

from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import increasing, non_negative, number, positive
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.stimulus import input_noise, stimulus_noise_sd
from rnnexp.tasks.cognitive.two_choice import (
    INPUT_LABELS,
    OUTPUT_LABELS,
    coherence_law,
    direction_law,
    epoch_laws,
    sample_two_choice,
    two_choice_trials,
)
from rnnexp.tasks.distributions import Law, Uniform


class PerceptualDiscrim(Task):
    """Two inputs are on for a while, one of them stronger by the coherence; afterwards its output must rise.

        s = noise + [onset_time < t < stop] (input_baseline + coherence [input is direction])
        target = [t > stop + target_delay] (target_high for direction, target_low for the other)
        mask = [t >= stop],   stop = onset_time + stim_duration

    Arguments marked (D) are a number, a list to choose from or a distribution (`rnnexp.tasks.distributions`).
    Conditions: coherence, direction, onset_time, stim_duration.

    Args:
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0; alpha = dt / tau follows, the trials
            do not depend on it.
        T: (D) duration of a trial, ms, >= dt; all epochs fit into the shortest.
        coherence: (D) by how much the stronger input exceeds the other, >= 0; None: as `coherence_dist` says.
        coherence_dist: law of the coherence where `coherence` is None: "discrete" (0.1, 0.3, 0.5 or 0.7,
            each as likely; also for None) or "exponential" (mean 0.2).
        direction: number of the stronger input, 0 or 1; None: either.
        onset_time: (D) start of the stimulus, ms, >= 0; None: uniform from 0 to T / 2.
        stim_duration: (D) duration of the stimulus, ms, >= 0; None: uniform from T / 8 to 3 T / 8.
        target_delay: from the end of the stimulus to the start of the target, ms, >= 0.
        stim_noise: size of the input noise, >= 0; its standard deviation is
            sqrt(0.02 sqrt(10 dt)) * stim_noise.
        input_baseline: what both inputs get during the stimulus.
        target_low: target of the wrong output.
        target_high: target of the right output, > target_low.

    Raises:
        ValueError: an argument is out of its range, or the epochs do not fit into T.

    Source: PsychRNN, PerceptualDiscrimination (where `direction` has no effect; here it has).
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
        target_low: float = 0.2,
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
        self.noise_sd = stimulus_noise_sd(self.dt, self.stim_noise)
        self.laws = {
            "coherence": coherence_law(coherence, coherence_dist, default="discrete"),
            "direction": direction_law(direction),
            **epoch_laws(
                self.shortest_T,
                self.target_delay,
                onset_time=(onset_time, Uniform(0.0, self.shortest_T / 2)),
                stim_duration=(stim_duration, Uniform(self.shortest_T / 8, 3 * self.shortest_T / 8)),
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
