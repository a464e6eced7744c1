"""Context-dependent integration (Mante): say the sign of one of two signals, the one that the context names."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from rnnexp.numbers import non_negative, one_of, positive
from rnnexp.tasks.base import InputCondition, Task, Trials
from rnnexp.tasks.cognitive.response import (
    check_response_fits,
    judged_steps,
    mask_without_last_step,
    reaches_side,
    read_accuracy_window,
)
from rnnexp.tasks.cognitive.stimulus import add_signal, gated, input_noise
from rnnexp.tasks.distributions import Choice, Distribution, Law, Uniform, from_config, sample_laws
from rnnexp.tasks.epochs import during

CONTEXTS = ("color", "motion")


@dataclass(frozen=True)
class Variant:
    """Where the inputs of a version of the task are, and what it draws by default.

    Args:
        labels: of the four inputs.
        signals: the inputs that carry color and motion, in this order.
        cues: the four inputs that context color adds, and those of context motion, at amplitude 1.
        cues_whole_trial: the cue is on for the whole trial, otherwise during the stimulus only.
        coherence: law of color and of motion.
        stim_noise: standard deviation of the noise of the two signals.
    """

    labels: tuple[str, str, str, str]
    signals: slice
    cues: tuple[tuple[float, ...], tuple[float, ...]]
    cues_whole_trial: bool
    coherence: Distribution
    stim_noise: float


VARIANTS = {
    "paper": Variant(
        labels=("color", "motion", "context color", "context motion"),
        signals=slice(0, 2),
        cues=((0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
        cues_whole_trial=True,
        coherence=Choice((-0.5, 0.5)),
        stim_noise=1.0,
    ),
    "torch_port": Variant(
        labels=("context", "color", "motion", "unused"),
        signals=slice(1, 3),
        cues=((1.0, 0.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0)),
        cues_whole_trial=False,
        coherence=Uniform(-1.25, 1.25),
        stim_noise=0.0,
    ),
}


class Mante(Task):
    """Two signals are shown; afterwards the output must go up or down with the sign of the one that is cued.

        signals = [stim_on <= t < stop] (coherence + noise) for color and motion,   stop = stim_on + stim_dur
        choice = 1 if the coherence of the cued signal is > 0, else -1
        target = target_amplitude choice [stop <= t],   mask = 1, but 0 in the last step

    Four inputs. Variant "paper": color, motion, and a cue for each of the two contexts, context_amplitude for
    the whole trial. Variant "torch_port": a cue during the stimulus, context_amplitude for color and its
    negative for motion, then color, motion, and an input that is always 0.
    The last step is masked because the networks of spikeRNN have one output less than inputs.
    The metric `accuracy` is the fraction of correct trials: over the steps from `stop` to the last but one,
    max y > accuracy_threshold for choice 1, min y < -accuracy_threshold for choice -1.
    Arguments marked (D) are a number, a list to choose from or a distribution (`rnnexp.tasks.distributions`).
    Conditions: context (0 color, 1 motion), color, motion (coherences), choice (1 or -1, decides the target),
    stim_on, stim_dur.

    Args:
        dt: duration of a time step, ms, > 0.
        T: (D) duration of a trial, ms, >= dt; all epochs fit into the shortest.
        variant: "paper" or "torch_port".
        stim_on: (D) start of the stimulus, ms, >= 0.
        stim_dur: (D) duration of the stimulus, ms, >= 0.
        context: which signal is cued, "color" or "motion"; None: either.
        color: (D) coherence of color, of either sign; None: -0.5 or 0.5 ("paper"), uniform from -1.25 to 1.25
            ("torch_port").
        motion: (D) coherence of motion, as color.
        stim_noise: standard deviation of the noise of the two signals at every step, >= 0; None: 1 ("paper"),
            0 ("torch_port").
        context_amplitude: size of the cue, > 0.
        target_amplitude: target of the response is this or its negative, > 0.
        accuracy_threshold: what a correct response exceeds, >= 0.
        accuracy_window: [start, stop], ms, in which outputs are judged; None: from `stop` to the end. The code
            of the paper judges the last 200 outputs, [1495, 2500].

    Raises:
        ValueError: an argument is out of its range, or no response is left after the stimulus.

    Source: Kim, Li and Sejnowski, PNAS 116:22811 (2019), and its code spikeRNN, with steps of 5 ms, after Mante,
    Sussillo, Shenoy and Newsome, Nature 503:78 (2013). "torch_port" is the version in the torch port of that
    code, which has the accuracy_threshold 0.3.
    """

    condition = "choice"
    condition_names = MappingProxyType({-1: "down", 1: "up"})

    def __init__(
        self,
        dt: float = 5.0,
        T: Law = 2500.0,
        variant: Literal["paper", "torch_port"] = "paper",
        stim_on: Any = 250.0,
        stim_dur: Any = 1000.0,
        context: Literal["color", "motion"] | None = None,
        color: Any = None,
        motion: Any = None,
        stim_noise: float | None = None,
        context_amplitude: float = 1.0,
        target_amplitude: float = 1.0,
        accuracy_threshold: float = 0.7,
        accuracy_window: Sequence[float] | None = None,
    ) -> None:
        self.variant = VARIANTS[one_of("variant", variant, tuple(VARIANTS))]
        super().__init__(
            input_dim=4,
            output_dim=1,
            dt=dt,
            T=T,
            input_labels=self.variant.labels,
            output_labels=("choice",),
        )
        self.stim_noise = (
            self.variant.stim_noise if stim_noise is None else non_negative("stim_noise", stim_noise)
        )
        self.context_amplitude = positive("context_amplitude", context_amplitude)
        self.target_amplitude = positive("target_amplitude", target_amplitude)
        self.accuracy_threshold = non_negative("accuracy_threshold", accuracy_threshold)
        self.accuracy_window = read_accuracy_window(accuracy_window, self.times)
        durations = {
            name: from_config(value, name, low=0.0, unit="ms")
            for name, value in (("stim_on", stim_on), ("stim_dur", stim_dur))
        }
        check_response_fits(durations, self.shortest_T, self.dt)
        one_of("context", context, (None, *CONTEXTS))
        self.laws = {
            "context": Choice((0.0, 1.0) if context is None else (float(CONTEXTS.index(context)),)),
            "color": from_config(color, "color", default=self.variant.coherence),
            "motion": from_config(motion, "motion", default=self.variant.coherence),
            **durations,
        }

    @property
    def input_conditions(self) -> dict[str, InputCondition]:
        """Each context, with its cue and without signals."""
        return {
            f"context {name}": InputCondition(
                tuple(self.context_amplitude * value for value in cue), {"context": index}
            )
            for index, (name, cue) in enumerate(zip(CONTEXTS, self.variant.cues, strict=True))
            if index in self.laws["context"].values
        }

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw context and choice (int64), color and motion (float64), stim_on and stim_dur (float64, ms)."""
        drawn = sample_laws(self.laws, batch_size, generator)
        context = drawn["context"].long()
        cued = torch.where(context == 0, drawn["color"], drawn["motion"])
        return {**drawn, "context": context, "choice": 2 * (cued > 0).long() - 1}

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        variant, choice = self.variant, conditions["choice"]
        stop = conditions["stim_on"] + conditions["stim_dur"]
        shown = during(self.times, conditions["stim_on"], stop)
        coherences = torch.stack((conditions["color"], conditions["motion"]), dim=1).to(dtype)
        noise = input_noise((len(choice), self.n_steps, 2), self.stim_noise, generator, dtype)
        inputs = torch.zeros(len(choice), self.n_steps, self.input_dim, dtype=dtype)
        inputs[:, :, variant.signals] = noise.add_(coherences[:, None]).mul_(shown[:, :, None])
        cues = torch.tensor(variant.cues, dtype=dtype)[conditions["context"]] * self.context_amplitude
        cued = torch.ones_like(shown) if variant.cues_whole_trial else shown
        add_signal(inputs, cued, cues)
        targets = gated(self.times >= stop[:, None], choice[:, None] * self.target_amplitude, dtype)
        return Trials(inputs, targets, mask_without_last_step(len(choice), self.n_steps, dtype), conditions)

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the accuracy, the fraction of correct trials; see the class and `Task.metrics`.

        A trial in which no step is judged counts as wrong.
        """
        stop = trials.conditions["stim_on"] + trials.conditions["stim_dur"]
        end = torch.full_like(stop, torch.inf)
        judged = judged_steps(trials, self.times, stop, end, self.accuracy_window)
        correct = reaches_side(outputs, judged, trials.conditions["choice"], self.accuracy_threshold)
        return {"accuracy": correct.to(outputs.dtype).mean()}
