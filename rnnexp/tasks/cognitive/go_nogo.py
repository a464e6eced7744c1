"""Go-NoGo: answer to a pulse, and stay silent without one."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import fraction, non_negative, positive
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.response import (
    check_response_fits,
    judged_steps,
    mask_without_last_step,
    peak,
    read_accuracy_window,
)
from rnnexp.tasks.cognitive.stimulus import add_signal, gated, input_noise
from rnnexp.tasks.distributions import Law, Uniform, from_config, sample_laws
from rnnexp.tasks.epochs import during


class GoNogo(Task):
    """In a Go trial the input has a pulse, after which the output must rise; in a NoGo trial it must stay at 0.

        s = noise + stim_amplitude [Go] [stim_on <= t < stop],   stop = stim_on + stim_dur
        target = target_amplitude [Go] [stop <= t],   mask = 1, but 0 in the last step

    The last step is masked because the networks of spikeRNN have one output less than inputs.
    The metric `accuracy` is the fraction of correct trials: over the steps from `stop` to the last but one,
    max y > accuracy_threshold in a Go trial, max |y| < nogo_threshold in a NoGo trial.
    Arguments marked (D) are a number, a list to choose from or a distribution (`rnnexp.tasks.distributions`).
    Conditions: go (1 or 0), stim_on, stim_dur.

    Args:
        dt: duration of a time step, ms, > 0.
        T: (D) duration of a trial, ms, >= dt; all epochs fit into the shortest.
        stim_on: (D) start of the pulse, ms, >= 0.
        stim_dur: (D) duration of the pulse, ms, >= 0.
        go_probability: share of Go trials, in [0, 1].
        stim_amplitude: height of the pulse, > 0.
        target_amplitude: target of the response, > 0.
        stim_noise: standard deviation of the input noise at every step, >= 0.
        accuracy_threshold: what a correct response to Go exceeds, >= 0.
        nogo_threshold: what the output of a correct NoGo trial stays below, > 0.
        accuracy_window: [start, stop], ms, in which outputs are judged; None: from `stop` to the end.

    Raises:
        ValueError: an argument is out of its range, or no response is left after the pulse.

    Source: Kim, Li and Sejnowski, PNAS 116:22811 (2019), and its code spikeRNN, with steps of 5 ms. The torch
    port of that code has the accuracy_threshold 0.3.
    """

    condition = "go"
    condition_names = MappingProxyType({0: "NoGo", 1: "Go"})

    def __init__(
        self,
        dt: float = 5.0,
        T: Law = 1000.0,
        stim_on: Any = 250.0,
        stim_dur: Any = 125.0,
        go_probability: float = 0.5,
        stim_amplitude: float = 1.0,
        target_amplitude: float = 1.0,
        stim_noise: float = 0.0,
        accuracy_threshold: float = 0.7,
        nogo_threshold: float = 0.3,
        accuracy_window: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            input_dim=1, output_dim=1, dt=dt, T=T, input_labels=("Go pulse",), output_labels=("response",)
        )
        self.go_probability = fraction("go_probability", go_probability)
        self.stim_amplitude = positive("stim_amplitude", stim_amplitude)
        self.target_amplitude = positive("target_amplitude", target_amplitude)
        self.stim_noise = non_negative("stim_noise", stim_noise)
        self.accuracy_threshold = non_negative("accuracy_threshold", accuracy_threshold)
        self.nogo_threshold = positive("nogo_threshold", nogo_threshold)
        self.accuracy_window = read_accuracy_window(accuracy_window, self.times)
        self.durations = {
            name: from_config(value, name, low=0.0, unit="ms")
            for name, value in (("stim_on", stim_on), ("stim_dur", stim_dur))
        }
        check_response_fits(self.durations, self.shortest_T, self.dt)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw go (int64, 1 or 0), stim_on and stim_dur (float64, ms)."""
        go = Uniform(0.0, 1.0).sample(batch_size, generator) < self.go_probability
        return {"go": go.long(), **sample_laws(self.durations, batch_size, generator)}

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        go = conditions["go"][:, None]
        start, stop = _pulse(conditions)
        inputs = input_noise((len(go), self.n_steps, 1), self.stim_noise, generator, dtype)
        add_signal(inputs, during(self.times, start, stop), go * self.stim_amplitude)
        targets = gated(self.times >= stop[:, None], go * self.target_amplitude, dtype)
        return Trials(inputs, targets, mask_without_last_step(len(go), self.n_steps, dtype), conditions)

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the accuracy, the fraction of correct trials; see the class and `Task.metrics`.

        A trial in which no step is judged counts as silent.
        """
        _, stop = _pulse(trials.conditions)
        end = torch.full_like(stop, torch.inf)
        judged = judged_steps(trials, self.times, stop, end, self.accuracy_window)
        responds = peak(outputs, judged) > self.accuracy_threshold
        is_silent = peak(outputs.abs(), judged) < self.nogo_threshold
        correct = torch.where(trials.conditions["go"] == 1, responds, is_silent)
        return {"accuracy": correct.to(outputs.dtype).mean()}


def _pulse(conditions: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return start and stop of the pulse, (B,) float64, ms."""
    return conditions["stim_on"], conditions["stim_on"] + conditions["stim_dur"]
