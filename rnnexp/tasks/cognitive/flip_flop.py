"""Flip-flop: remember the sign of the last pulse on each of several channels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnexp.numbers import fraction, integer_at_least, non_negative, positive
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.cognitive.stimulus import input_noise
from rnnexp.tasks.distributions import Law


class FlipFlop(Task):
    """Each input has rare short pulses of either sign; each output keeps the sign of the last pulse of its input.

        target_k(t) = sign of the last pulse of input k, which has begun at t or before; mask = 0 before its first pulse

    Each output is scored `grace` after the start of a pulse on. A network that solves the task has a stable fixed point
    for each of the 2^n_bits memories. Pulses begin at every step with the same probability, at least a pulse apart from
    one another on the same input; the first steps of a trial, `first_pulse` long, hold one on every input.
    Conditions: none. The metric `accuracy` is the share of scored steps and outputs with the right sign.

    Args:
        n_bits: number of inputs and outputs, >= 1.
        dt: duration of a time step, ms, > 0.
        T: (D) duration of a trial, ms, >= dt.
        pulse_rate: pulses a second on each input, > 0.
        pulse_duration: ms, >= dt.
        pulse_amplitude: height, > 0.
        first_pulse: time within which every input has had a pulse, ms, >= 0; 0 leaves that to chance.
        grace: time after the start of a pulse that is not scored, ms, >= 0.
        stim_noise: standard deviation of the input noise at every step, >= 0.

    Raises:
        ValueError: an argument is out of its range.

    Source: Sussillo & Barak, Neural Computation 25:626 (2013), section 3.2.
    """

    def __init__(
        self,
        n_bits: int = 3,
        dt: float = 10.0,
        T: Law = 2000.0,
        pulse_rate: float = 2.0,
        pulse_duration: float = 50.0,
        pulse_amplitude: float = 1.0,
        first_pulse: float = 100.0,
        grace: float = 100.0,
        stim_noise: float = 0.0,
    ) -> None:
        n_bits = integer_at_least("n_bits", n_bits, 1)
        super().__init__(
            input_dim=n_bits, output_dim=n_bits, dt=dt, T=T,
            input_labels=_numbered("pulses", n_bits), output_labels=_numbered("memory", n_bits),
        )  # fmt: skip
        self.pulse_amplitude = positive("pulse_amplitude", pulse_amplitude)
        self.stim_noise = non_negative("stim_noise", stim_noise)
        self.pulse_steps = round(positive("pulse_duration", pulse_duration, "ms") / self.dt)
        if self.pulse_steps < 1:
            raise ValueError(f"pulse_duration must be >= dt = {self.dt:g} ms, got {pulse_duration!r}")
        self.first_steps = round(non_negative("first_pulse", first_pulse, "ms") / self.dt)
        self.grace_steps = round(non_negative("grace", grace, "ms") / self.dt)
        chance = positive("pulse_rate", pulse_rate) * self.dt / 1000
        self.chance_of_pulse = fraction("pulse_rate * dt / 1000", chance)

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Nothing that is one number for a trial differs: pulses come from the generator in `make_trials`."""
        del generator
        return {"trial": torch.arange(batch_size)}

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build trials with fresh pulses; see `Task.make_trials`."""
        shape = (len(conditions["trial"]), self.n_steps, self.input_dim)
        begins = torch.rand(shape, generator=generator) < self.chance_of_pulse
        signs = torch.where(torch.rand(shape, generator=generator) < 0.5, -1.0, 1.0).to(dtype)
        first = torch.rand(shape[0], 1, shape[2], generator=generator)
        if self.first_steps:
            begins[:, : self.first_steps] = False
            begins.scatter_(1, (first * min(self.first_steps, self.n_steps)).long(), True)
        begins = _apart(begins, 2 * self.pulse_steps)
        steps = torch.arange(self.n_steps)[None, :, None]
        last = torch.where(begins, steps, -1).cummax(1).values  # start of the last pulse, -1 before the first
        is_known = last >= 0
        memory = signs.gather(1, last.clamp(min=0)) * is_known
        is_on = is_known & (steps - last < self.pulse_steps)
        noise = input_noise(shape, self.stim_noise, generator, dtype)
        inputs = noise + self.pulse_amplitude * memory * is_on
        mask = (is_known & (steps - last >= self.grace_steps)).to(dtype)
        return Trials(inputs, memory, mask, conditions)

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the accuracy, see the class; trials of which nothing is scored leave it nan."""
        counts = trials.mask > 0
        is_right = (outputs.sign() == trials.targets.sign()) & counts
        return {"accuracy": is_right.sum().to(outputs.dtype) / counts.sum()}

    @property
    def chance(self) -> dict[str, float]:
        """Half of all signs are right by guessing."""
        return {"accuracy": 0.5}


def _apart(begins: Tensor, least: int) -> Tensor:
    """Return starts (B, T, K) bool without those that come less than `least` steps after one that stays."""
    kept = torch.zeros_like(begins)
    wait = torch.zeros(begins.shape[0], begins.shape[2], dtype=torch.long)
    for t in begins.any(2).any(0).nonzero()[:, 0].tolist():
        free = t >= wait
        kept[:, t] = begins[:, t] & free
        wait = torch.where(kept[:, t], t + least, wait)
    return kept


def _numbered(name: str, count: int) -> Sequence[str]:
    return [f"{name} {index + 1}" for index in range(count)]
