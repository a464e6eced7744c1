"""Timing: reproduce an interval that was shown, as long again or scaled.

Letters: B trials, T time steps.
"""

from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import non_negative, positive, positive_fraction
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.stimulus import add_signal, input_noise
from rnnexp.tasks.distributions import Distribution, from_config, sample_laws
from rnnexp.tasks.epochs import during


class _Production(Task):
    """An interval is produced by an output that rises from 0 to 1 in it; a trial ends `hold` after that.

    Args:
        laws: what is drawn for each trial, by name; of times the longest counts for the duration of a trial.
        longest: of a trial, ms.
        others: further arguments of the subclass, see there.
    """

    condition = "interval"

    def __init__(
        self, laws: dict[str, Distribution], longest: float, dt: float, tau: float, pulse: float, hold: float,
        tolerance: float, stim_noise: float, input_labels: tuple[str, str],
    ) -> None:  # fmt: skip
        for name, law in laws.items():
            if law.maximum == float("inf"):
                raise ValueError(f"{name} must have a largest value")
        super().__init__(
            input_dim=2, output_dim=1, dt=dt, T=longest, tau=positive("tau", tau, "ms"),
            input_labels=input_labels, output_labels=("ramp",),
        )  # fmt: skip
        self.laws = laws
        self.pulse, self.hold = positive("pulse", pulse, "ms"), positive("hold", hold, "ms")
        self.tolerance = positive_fraction("tolerance", tolerance)
        self.stim_noise = non_negative("stim_noise", stim_noise)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the parameters of trials, (B,) float64, ms but for the gain."""
        return sample_laws(self.laws, batch_size, generator)

    def _trials(
        self,
        inputs: Tensor,
        conditions: dict[str, Tensor],
        start: Tensor,
        interval: Tensor,
        dtype: torch.dtype,
    ) -> Trials:
        """Return trials in which an interval (B,), ms, is to be produced from a start (B,), ms, on."""
        progress = (self.times - start[:, None]) / interval[:, None]
        targets = progress.clamp(0.0, 1.0).to(dtype)[:, :, None]
        lengths = ((start + interval + self.hold) / self.dt - 1e-9).ceil().long().clamp(max=self.n_steps)
        return Trials(inputs, targets, torch.ones_like(targets), conditions).ending_after(lengths)

    def _produced(
        self, outputs: Tensor, trials: Trials, start: Tensor, interval: Tensor
    ) -> dict[str, Tensor]:
        """Return accuracy and relative error of the intervals at whose end outputs pass nine tenths of the ramp."""
        level, times = 0.9, self.times.to(start.device)
        has_begun = times >= start[:, None]
        passed = (outputs[:, : len(times), 0] >= level) & has_begun
        if trials.lengths is not None:
            passed &= trials.is_real[:, : len(times)]
        when = times[passed.int().argmax(1)]
        error = ((when - start) / level - interval) / interval
        is_right = passed.any(1) & (error.abs() <= self.tolerance)
        return {
            "accuracy": is_right.to(outputs.dtype).mean(),
            "interval_error": torch.where(passed.any(1), error.abs(), 1.0).to(outputs.dtype).mean(),
        }


class ReadySetGo(_Production):
    """Two pulses, ready and set, show an interval; from set on it is to be produced again, `gain` times as long.

        s_0 = pulses at ready and set, s_1 = gain
        target = 0 before set, (t - set) / (gain interval) after it, at most 1

    Conditions: ready, interval (ms), gain. Metrics: accuracy, the share of trials in which the output passes 0.9 at 0.9
    times the interval, within `tolerance` of it; interval_error, the mean relative error, 1 where it is not passed.

    Args:
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0.
        ready: (D) time of the first pulse, ms, >= 0.
        interval: (D) from ready to set, ms, >= dt.
        gain: (D) of the interval to be produced, >= 0.1.
        pulse: duration of a pulse, ms, > 0.
        hold: time after the end of the interval, ms, > 0.
        tolerance: largest relative error that counts as right, in (0, 1].
        stim_noise: standard deviation of the input noise at every step, >= 0.

    Raises:
        ValueError: an argument is out of its range.

    Source: Jazayeri & Shadlen, Nature Neuroscience 13:1020 (2010); with a gain Remington et al., Neuron 98:1005 (2018).
    """

    def __init__(
        self,
        dt: float = 20.0,
        tau: float = 100.0,
        ready: Any = (100.0, 200.0, 300.0),
        interval: Any = (480.0, 560.0, 640.0, 720.0, 800.0),
        gain: Any = (1.0, 1.5),
        pulse: float = 60.0,
        hold: float = 200.0,
        tolerance: float = 0.15,
        stim_noise: float = 0.05,
    ) -> None:
        laws = {
            "ready": from_config(ready, "ready", low=0.0, unit="ms"),
            "interval": from_config(interval, "interval", low=positive("dt", dt, "ms"), unit="ms"),
            "gain": from_config(gain, "gain", low=0.1),
        }
        most = {name: law.maximum for name, law in laws.items()}
        longest = most["ready"] + most["interval"] * (1 + most["gain"]) + positive("hold", hold, "ms")
        super().__init__(
            laws, longest, dt, tau, pulse, hold, tolerance, stim_noise, ("ready and set", "gain")
        )

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        ready, interval, gain = conditions["ready"], conditions["interval"], conditions["gain"]
        inputs = input_noise((len(ready), self.n_steps, 2), self.stim_noise, generator, dtype)
        on = torch.tensor([[1.0, 0.0]])
        for start in (ready, ready + interval):
            add_signal(inputs, during(self.times, start, start + self.pulse), on.expand(len(ready), -1))
        inputs[:, :, 1] += gain.to(dtype)[:, None]
        return self._trials(inputs, conditions, ready + interval, gain * interval, dtype)

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the metrics, see the class and `Task.metrics`."""
        c = trials.conditions
        return self._produced(outputs, trials, c["ready"] + c["interval"], c["gain"] * c["interval"])

    def events(self, trials: Trials) -> dict[str, Tensor]:
        """Return ready, set and go, (B,), ms."""
        c = trials.conditions
        set_time = c["ready"] + c["interval"]
        return {"ready": c["ready"], "set": set_time, "go": set_time + c["gain"] * c["interval"]}


class IntervalReproduction(_Production):
    """A stimulus lasts an interval; after a delay, from a go signal on, the interval is to be produced.

        s_0 = 1 [onset <= t < onset + interval],   s_1 = 1 [go <= t < go + pulse],   go = onset + interval + delay
        target = 0 before go, (t - go) / interval after it, at most 1

    Conditions: onset, interval, delay (ms). Metrics as of `ReadySetGo`.

    Args:
        onset: (D) start of the stimulus, ms, >= 0.
        interval: (D) how long it lasts, ms, >= dt.
        delay: (D) from its end to the go signal, ms, >= 0.
        dt, tau, pulse, hold, tolerance, stim_noise: as of `ReadySetGo`.

    Raises:
        ValueError: an argument is out of its range.

    Source: Bi & Zhou, PNAS 117:10530 (2020), interval production.
    """

    def __init__(
        self,
        dt: float = 20.0,
        tau: float = 100.0,
        onset: Any = (100.0, 200.0, 300.0),
        interval: Any = (400.0, 600.0, 800.0, 1000.0),
        delay: Any = (200.0, 400.0, 600.0),
        pulse: float = 60.0,
        hold: float = 200.0,
        tolerance: float = 0.15,
        stim_noise: float = 0.05,
    ) -> None:
        laws = {
            "onset": from_config(onset, "onset", low=0.0, unit="ms"),
            "interval": from_config(interval, "interval", low=positive("dt", dt, "ms"), unit="ms"),
            "delay": from_config(delay, "delay", low=0.0, unit="ms"),
        }
        most = {name: law.maximum for name, law in laws.items()}
        longest = most["onset"] + 2 * most["interval"] + most["delay"] + positive("hold", hold, "ms")
        super().__init__(laws, longest, dt, tau, pulse, hold, tolerance, stim_noise, ("stimulus", "go"))

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        onset, interval, go = conditions["onset"], conditions["interval"], _go(conditions)
        inputs = input_noise((len(onset), self.n_steps, 2), self.stim_noise, generator, dtype)
        for start, lasting, channel in ((onset, interval, 0), (go, self.pulse, 1)):
            on = torch.nn.functional.one_hot(torch.full((len(onset),), channel), 2)
            add_signal(inputs, during(self.times, start, start + lasting), on)
        return self._trials(inputs, conditions, go, interval, dtype)

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the metrics, see the class and `Task.metrics`."""
        return self._produced(outputs, trials, _go(trials.conditions), trials.conditions["interval"])

    def events(self, trials: Trials) -> dict[str, Tensor]:
        """Return the start of the stimulus, the go signal and the end of the interval, (B,), ms."""
        go = _go(trials.conditions)
        return {"stimulus": trials.conditions["onset"], "go": go, "end": go + trials.conditions["interval"]}


def _go(conditions: dict[str, Tensor]) -> Tensor:
    """Return the time of the go signal, (B,), ms."""
    return conditions["onset"] + conditions["interval"] + conditions["delay"]
