"""Temporal exclusive or: say whether two pulses, one after the other, have the same sign."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import non_negative, one_of, positive
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.response import (
    check_response_fits,
    judged_steps,
    mask_without_last_step,
    reaches_side,
    read_accuracy_window,
)
from rnnexp.tasks.cognitive.stimulus import add_signal, gated, input_noise
from rnnexp.tasks.distributions import Choice, Law, from_config, sample_laws
from rnnexp.tasks.epochs import during


class XOR(Task):
    """Input 0 has a pulse, and a delay later input 1; then the output must go up if their signs agree, else down.

        s_0 = noise + stim_amplitude sign_1 [stim_on <= t < stop_1],   stop_1 = stim_on + stim_dur
        s_1 = noise + stim_amplitude sign_2 [start_2 <= t < stop_2],   start_2 = stop_1 + delay
        target = +-target_amplitude [start <= t < start + response_dur],   mask = 1, but 0 in the last step
        stop_2 = start_2 + stim_dur,   start = stop_2 + response_delay

    The last step is masked because the networks of spikeRNN have one output less than inputs. A response that
    is longer than the trial is cut off.
    The metric `accuracy` is the fraction of correct trials: over the steps of the response,
    max y > accuracy_threshold for the same sign, min y < -accuracy_threshold for different signs.
    Arguments marked (D) are a number, a list to choose from or a distribution (`rnnexp.tasks.distributions`).
    Conditions: sign_1, sign_2 (1 or -1), same (1 or 0, decides the target), stim_on, stim_dur, delay.

    Args:
        dt: duration of a time step, ms, > 0.
        T: (D) duration of a trial, ms, >= dt; all epochs fit into the shortest.
        stim_on: (D) start of the first pulse, ms, >= 0.
        stim_dur: (D) duration of each of the two pulses, ms, >= 0.
        delay: (D) from the end of the first to the start of the second pulse, ms, >= 0.
        response_delay: from the end of the second pulse to the start of the response, ms, >= 0.
        response_dur: duration of the response, ms, >= dt.
        sign_1: sign of the first pulse, 1 or -1; None: either.
        sign_2: sign of the second pulse, 1 or -1; None: either.
        stim_amplitude: height of the pulses, > 0.
        target_amplitude: target of the response is this or its negative, > 0.
        stim_noise: standard deviation of the input noise at every step, >= 0.
        accuracy_threshold: what a correct response exceeds, >= 0.
        accuracy_window: [start, stop], ms, in which outputs are judged; None: the response. The code of the
            paper has [1000, 1500].

    Raises:
        ValueError: an argument is out of its range, or no response is left after the pulses.

    Source: Kim, Li and Sejnowski, PNAS 116:22811 (2019), and its code spikeRNN, with steps of 5 ms. The torch
    port of that code has the accuracy_threshold 0.3.
    """

    condition = "same"
    condition_names = MappingProxyType({0: "different", 1: "same"})

    def __init__(
        self,
        dt: float = 5.0,
        T: Law = 1500.0,
        stim_on: Any = 250.0,
        stim_dur: Any = 250.0,
        delay: Any = 50.0,
        response_delay: float = 50.0,
        response_dur: float = 500.0,
        sign_1: int | None = None,
        sign_2: int | None = None,
        stim_amplitude: float = 1.0,
        target_amplitude: float = 1.0,
        stim_noise: float = 0.0,
        accuracy_threshold: float = 0.7,
        accuracy_window: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            input_dim=2,
            output_dim=1,
            dt=dt,
            T=T,
            input_labels=("first pulse", "second pulse"),
            output_labels=("same or different",),
        )
        self.stim_amplitude = positive("stim_amplitude", stim_amplitude)
        self.target_amplitude = positive("target_amplitude", target_amplitude)
        self.stim_noise = non_negative("stim_noise", stim_noise)
        self.accuracy_threshold = non_negative("accuracy_threshold", accuracy_threshold)
        self.accuracy_window = read_accuracy_window(accuracy_window, self.times)
        self.response_delay = non_negative("response_delay", response_delay, "ms")
        self.response_dur = positive("response_dur", response_dur, "ms")
        if self.response_dur < self.dt:
            raise ValueError(f"response_dur must be >= dt = {self.dt:g} ms, got {response_dur!r}")
        self.signs = {"sign_1": _sign_law("sign_1", sign_1), "sign_2": _sign_law("sign_2", sign_2)}
        self.durations = {
            name: from_config(value, name, low=0.0, unit="ms")
            for name, value in (("stim_on", stim_on), ("stim_dur", stim_dur), ("delay", delay))
        }
        epochs = {
            "stim_on": self.durations["stim_on"],
            "stim_dur": self.durations["stim_dur"],
            "delay": self.durations["delay"],
            "stim_dur again": self.durations["stim_dur"],
            "response_delay": Choice((self.response_delay,)),
        }
        check_response_fits(epochs, self.shortest_T, self.dt)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw sign_1, sign_2 and whether they are the same (int64), stim_on, stim_dur and delay (float64, ms)."""
        signs = {k: v.long() for k, v in sample_laws(self.signs, batch_size, generator).items()}
        same = (signs["sign_1"] == signs["sign_2"]).long()
        return {**signs, "same": same, **sample_laws(self.durations, batch_size, generator)}

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        same, duration = conditions["same"], conditions["stim_dur"]
        inputs = input_noise((len(same), self.n_steps, 2), self.stim_noise, generator, dtype)
        start_1 = conditions["stim_on"]
        start_2 = start_1 + duration + conditions["delay"]
        for index, (start, sign) in enumerate(((start_1, "sign_1"), (start_2, "sign_2"))):
            height = conditions[sign][:, None] * self.stim_amplitude
            add_signal(inputs[:, :, index : index + 1], during(self.times, start, start + duration), height)
        responding = during(self.times, *self._response(conditions))
        targets = gated(responding, (2 * same - 1)[:, None] * self.target_amplitude, dtype)
        return Trials(inputs, targets, mask_without_last_step(len(same), self.n_steps, dtype), conditions)

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the accuracy, the fraction of correct trials; see the class and `Task.metrics`.

        A trial in which no step is judged counts as wrong.
        """
        start, stop = self._response(trials.conditions)
        judged = judged_steps(trials, self.times, start, stop, self.accuracy_window)
        correct = reaches_side(outputs, judged, trials.conditions["same"], self.accuracy_threshold)
        return {"accuracy": correct.to(outputs.dtype).mean()}

    def _response(self, conditions: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return start and stop of the response, (B,) float64, ms."""
        stimuli = conditions["stim_on"] + 2 * conditions["stim_dur"] + conditions["delay"]
        start = stimuli + self.response_delay
        return start, start + self.response_dur


def _sign_law(name: str, sign: int | None) -> Choice:
    one_of(name, sign, (None, -1, 1))
    return Choice((-1.0, 1.0)) if sign is None else Choice((float(sign),))
