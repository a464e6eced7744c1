"""Match to category: say in which sector of a circle an angle lies, from the activity of a ring of inputs."""

import math
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import increasing, integer_at_least, non_negative, one_of, positive
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.stimulus import add_signal, gated, input_noise, one_raised
from rnnexp.tasks.distributions import Law, Uniform, from_config, sample_laws
from rnnexp.tasks.epochs import check_epochs_fit, during


class MatchToCategory(Task):
    """A ring of inputs shows an angle for a while; afterwards the output of the angle's sector must rise.

        s_i = noise + [onset_time <= t < stop] exp(-d_i^2 / (2 tuning_width^2)) / sqrt(2 pi)
        target = [stop <= t < stop + output_dur] (target_high for the category, target_low for the others)
        mask = [stop <= t < stop + output_dur],   stop = onset_time + input_dur
        category = floor(angle / (2 pi / n_out)),   d_i = angle of input i - angle, within -pi ... pi

    Arguments marked (D) are a number, a list to choose from or a distribution (`rnnexp.tasks.distributions`).
    Conditions: angle, category, onset_time, input_dur, output_dur.

    Args:
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0; alpha = dt / tau follows, the trials
            do not depend on it.
        T: (D) duration of a trial, ms, >= dt; all epochs fit into the shortest.
        n_in: number of inputs K, >= 2.
        n_out: number of categories O, >= 2.
        angle: (D) the angle shown, rad, taken modulo 2 pi; None: uniform over the circle.
        onset_time: (D) start of the stimulus, ms, >= 0.
        input_dur: (D) duration of the stimulus, ms, >= 0.
        output_dur: (D) duration of the response after the stimulus, ms, >= 0.
        ring_endpoint: "include": the inputs are n_in angles from 0 to 2 pi, so that the first and the
            last are the same one; "exclude": they are evenly spaced around the circle.
        tuning_width: width of the input bump, rad, > 0.
        stim_noise: size of the input noise, >= 0; its standard deviation is stim_noise / (2 dt).
        target_low: target of the wrong outputs.
        target_high: target of the right output, > target_low.

    Raises:
        ValueError: an argument is out of its range, or the epochs do not fit into T.

    Source: PsychRNN, MatchToCategory.
    """

    condition = "category"

    def __init__(
        self,
        dt: float = 10.0,
        tau: float = 100.0,
        T: Law = 2000.0,
        n_in: int = 16,
        n_out: int = 2,
        angle: Any = None,
        onset_time: Any = 200.0,
        input_dur: Any = 1000.0,
        output_dur: Any = 800.0,
        ring_endpoint: str = "include",
        tuning_width: float = 1.0,
        stim_noise: float = 0.1,
        target_low: float = 0.0,
        target_high: float = 1.0,
    ) -> None:
        one_of("ring_endpoint", ring_endpoint, ("include", "exclude"))
        n_in, n_out = integer_at_least("n_in", n_in, 2), integer_at_least("n_out", n_out, 2)
        spacings = n_in - 1 if ring_endpoint == "include" else n_in
        self.ring = torch.arange(n_in, dtype=torch.float64) * (2 * math.pi / spacings)
        super().__init__(
            input_dim=n_in,
            output_dim=n_out,
            dt=dt,
            T=T,
            tau=positive("tau", tau, "ms"),
            input_labels=[f"{math.degrees(theta):.4g} deg" for theta in self.ring.tolist()],
            output_labels=[f"category {index}" for index in range(n_out)],
        )
        self.tuning_width = positive("tuning_width", tuning_width, "rad")
        self.stim_noise = non_negative("stim_noise", stim_noise)
        self.noise_sd = self.stim_noise / (2 * self.dt)
        self.target_levels = increasing("target_low", target_low, "target_high", target_high)
        epochs = {"onset_time": onset_time, "input_dur": input_dur, "output_dur": output_dur}
        self.durations = {
            name: from_config(value, name, low=0.0, unit="ms") for name, value in epochs.items()
        }
        check_epochs_fit(self.durations, self.shortest_T, cuts_last=True)
        self.angle = from_config(angle, "angle", default=Uniform(0.0, 2 * math.pi))

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the angle (float64, rad), its category (int64) and the durations (float64, ms)."""
        durations = sample_laws(self.durations, batch_size, generator)
        angle = self.angle.sample(batch_size, generator).remainder(2 * math.pi)
        category = (angle / (2 * math.pi / self.output_dim)).long().clamp_(max=self.output_dim - 1)
        return {"angle": angle, "category": category, **durations}

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        onset, category = conditions["onset_time"], conditions["category"]
        stop = onset + conditions["input_dur"]
        inputs = input_noise((len(onset), self.n_steps, self.input_dim), self.noise_sd, generator, dtype)
        add_signal(inputs, during(self.times, onset, stop), self._bump(conditions["angle"]))
        responding = during(self.times, stop, stop + conditions["output_dur"])
        targets = gated(responding, one_raised(category, self.output_dim, *self.target_levels), dtype)
        mask = gated(responding, torch.ones(len(onset), self.output_dim), dtype)
        return Trials(inputs, targets, mask, conditions)

    def _bump(self, angle: Tensor) -> Tensor:
        """Map angles (B,) in [0, 2 pi] to the activity of the ring (B, K)."""
        distance = (self.ring - angle[:, None]).abs()
        distance = torch.minimum(distance, 2 * math.pi - distance)
        return torch.exp(-0.5 * (distance / self.tuning_width) ** 2) / math.sqrt(2 * math.pi)
