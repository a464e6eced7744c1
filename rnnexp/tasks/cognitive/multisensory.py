"""Multi-sensory integration: a choice from evidence of two senses, alone or together."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from rnnexp.tasks.distributions import Choice, from_config
from rnnexp.tasks.phases import Phase, PhasedTask

VISUAL, AUDITORY, BOTH = 0, 1, 2


class MultisensoryIntegration(PhasedTask):
    """Evidence for one of two sides comes by the eye, by the ear, or by both; the output of that side must rise.

        s_side = (1 + coherence) / 2 or (1 - coherence) / 2 in the senses that are given, 0 in the other

    Fixation is on until the response. Conditions beside those of `PhasedTask`: choice (0 or 1), coherence, modality
    (0 visual, 1 auditory, 2 both).

    Args:
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0.
        fixation: (D) before the stimulus, ms, >= 0.
        stimulus: (D) ms, >= 0.
        response: (D) ms, >= 0.
        coherence: (D) strength of the evidence, in [0, 1].
        modality: (D) which senses are given: 0 visual, 1 auditory, 2 both.
        stim_noise: standard deviation of the input noise at every step, >= 0.
        target_low, target_high: targets of the wrong and the right output in the response.
        catch_probability: share of trials without stimulus, in which neither output shall rise, in [0, 1].

    Raises:
        ValueError: an argument is out of its range.

    Source: Raposo, Kaufman & Churchland, Nature Neuroscience 17:1784 (2014).
    """

    condition = "choice"
    condition_names = MappingProxyType({0: "low", 1: "high"})

    def __init__(
        self,
        dt: float = 20.0,
        tau: float = 100.0,
        fixation: Any = 200.0,
        stimulus: Any = 800.0,
        response: Any = 300.0,
        coherence: Any = (0.1, 0.2, 0.4, 0.8),
        modality: Any = (VISUAL, AUDITORY, BOTH),
        stim_noise: float = 0.5,
        target_low: float = 0.2,
        target_high: float = 1.0,
        catch_probability: float = 0.0,
    ) -> None:
        super().__init__(
            inputs={"fixation": 1, "visual": 2, "auditory": 2}, outputs={"choice": 2},
            durations={"fixation": fixation, "stimulus": stimulus, "response": response},
            dt=dt, tau=tau, input_noise=stim_noise, rest=target_low, catch_probability=catch_probability,
        )  # fmt: skip
        self.target_high = target_high
        self.coherence = from_config(coherence, "coherence", low=0.0, high=1.0)
        self.modality = from_config(modality, "modality", low=0, high=2)

    def draw(self, n_trials: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw choice and modality (int64) and coherence (float64)."""
        return {
            "choice": Choice((0, 1)).sample(n_trials, generator).long(),
            "coherence": self.coherence.sample(n_trials, generator),
            "modality": self.modality.sample(n_trials, generator).round().long(),
        }

    def phases(self, conditions: dict[str, Tensor]) -> Sequence[Phase]:
        """Return the phases, see the class and `PhasedTask.phases`."""
        side = torch.nn.functional.one_hot(conditions["choice"], 2).double()
        evidence = (1 + (2 * side - 1) * conditions["coherence"][:, None]) / 2
        modality = conditions["modality"][:, None]
        shown = {"visual": evidence * (modality != AUDITORY), "auditory": evidence * (modality != VISUAL)}
        answer = self.rest + side * (self.target_high - self.rest)
        return [
            Phase("fixation", {"fixation": 1}, weight=0),
            Phase("stimulus", {"fixation": 1, **shown}, weight=0, is_cue=True),
            Phase("response", ask={"choice": answer}, is_cue=False),
        ]
