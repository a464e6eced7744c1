"""The twenty tasks of Yang, Joglekar, Song, Newsome & Wang (2019), under the names of the paper.

Letters: B trials, R = 2 rings of inputs (modalities).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from rnnexp.numbers import one_of
from rnnexp.tasks.cognitive.rings import HOLD, RingTask
from rnnexp.tasks.distributions import Choice, Distribution, Uniform, from_config
from rnnexp.tasks.multitask import Multitask
from rnnexp.tasks.phases import Phase

Rule = Literal[
    "Go", "RT Go", "Dly Go", "Anti", "RT Anti", "Dly Anti", "DM 1", "DM 2", "Ctx DM 1", "Ctx DM 2", "MultSen DM",
    "Dly DM 1", "Dly DM 2", "Ctx Dly DM 1", "Ctx Dly DM 2", "MultSen Dly DM", "DMS", "DNMS", "DMC", "DNMC",
]  # fmt: skip
RULES: tuple[Rule, ...] = Rule.__args__

BRIEF = [200, 400, 600]
DELAY = [200, 400, 800, 1600]
RESPONSE = 500
DURATIONS: dict[str, dict[str, Any]] = {  # ms, of each family of rules
    "Go": {"fixation": {"uniform": [300, 700]}, "stimulus": {"uniform": [500, 1500]}, "response": RESPONSE},
    "RT": {"fixation": {"uniform": [500, 2500]}, "response": RESPONSE},
    "Dly": {"fixation": [300, 500, 700], "stimulus": BRIEF, "delay": DELAY, "response": RESPONSE},
    "DM": {"fixation": {"uniform": [100, 400]}, "stimulus": [400, 800, 1600], "response": RESPONSE},
    "Dly DM": {
        "fixation": BRIEF, "stimulus 1": BRIEF, "delay 1": DELAY, "stimulus 2": BRIEF,
        "delay 2": {"uniform": [100, 300]}, "response": RESPONSE,
    },
    "DMS": {"fixation": BRIEF, "stimulus": BRIEF, "delay": DELAY, "response": RESPONSE},
    "DMC": {"fixation": BRIEF, "stimulus": BRIEF, "delay": DELAY, "response": BRIEF},
}  # fmt: skip
COHERENCES = {"DM": (0.01, 0.02, 0.04, 0.08), "Dly DM": (0.08, 0.16, 0.32)}
GRACE = 100.0  # ms at the start of a trial and of a response that are not scored
WEIGHT, RESPONSE_WEIGHT, FIXATION_WEIGHT = (
    1.0,
    5.0,
    2.0,
)  # of the mask, whose square weighs the squared errors
CATEGORIES = tuple(math.pi * (0.1 + 0.2 * index) for index in range(10))  # of DMC; below and above pi


class YangTask(RingTask):
    """One of the twenty tasks of Yang et al. (2019).

        Go, RT Go, Dly Go         respond in the direction of a stimulus: once fixation goes off; as soon as it is
                                  shown; after a delay. Anti, RT Anti, Dly Anti: in the opposite direction
        DM 1, DM 2                of two stimuli in ring 1 or 2, respond to the stronger one
        Ctx DM 1, Ctx DM 2        both rings have two stimuli; those in ring 1 or 2 count
        MultSen DM                the sum over both rings counts
        Dly DM 1, ...             the same with the stimuli one after the other
        DMS, DNMS                 respond to the second of two stimuli if it is in the direction of the first; if not
        DMC, DNMC                 the same for the category of the direction, below or above pi

    Stimuli are shown as bumps on rings of `n_ring` inputs tuned to directions; in the tasks with one stimulus at a time
    its ring is drawn. Fixation is on until the response, and throughout in the RT, DMS and DMC tasks. Targets are 0.05,
    of fixation while it is to be kept 0.8, and a bump of 0.8 on the ring in the direction of the response. The mask is
    1 before the response and 5 in it, twice that for the fixation output, and 0 in the first 100 ms of both.
    Conditions beside those of `PhasedTask`: response; direction, ring (one stimulus); direction_1, direction_2,
    strength_<stimulus>_<ring> (decisions); ring_1, ring_2, match (comparisons).

    Args:
        rule: which of the twenty.
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0.
        noise: of the inputs, >= 0; its standard deviation at a step is sqrt(2 tau / dt) * noise.
        n_ring: units of a ring, >= 2.
        coherences: half the differences of strength of decisions, a list to choose from or a distribution; None: those
            of the paper's code, 0.01 to 0.08, with a delay 0.08 to 0.32.
        durations: of phases by name that shall not be those of the paper's code, ms, as of `PhasedTask`.

    Raises:
        ValueError: an argument is out of its range, or the rule has no such phase.

    Source: Yang, Joglekar, Song, Newsome & Wang, Nature Neuroscience 22:297 (2019), and its code, in which all trials
    of a batch share durations and rings.
    """

    def __init__(
        self,
        rule: Rule = "Go",
        dt: float = 20.0,
        tau: float = 100.0,
        noise: float = 0.01,
        n_ring: int = 32,
        coherences: Any = None,
        durations: Mapping[str, Any] | None = None,
    ) -> None:
        self.rule = one_of("rule", rule, RULES)
        self.family = _family(rule)
        lasting = dict(DURATIONS[self.family])
        for name, duration in (durations or {}).items():
            if name not in lasting:
                raise ValueError(f"durations.{name}: {rule} has no such phase, only {', '.join(lasting)}")
            lasting[name] = duration
        super().__init__(lasting, 2, n_ring, dt, tau, noise)
        own = COHERENCES.get(self.family, (0.0,))
        self.coherences = from_config(coherences, "coherences", default=Choice(own), low=0.0)
        if coherences is not None and self.family not in COHERENCES:
            raise ValueError(f"coherences: has no effect in {rule}; set it to null")

    def draw(self, n_trials: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw directions, rings and strengths, and what they ask for; see the class."""
        return {"DM": self._draw_decision, "Dly DM": self._draw_decision, "DMS": self._draw_comparison,
                "DMC": self._draw_comparison}.get(self.family, self._draw_one)(n_trials, generator)  # fmt: skip

    def phases(self, conditions: dict[str, Tensor]) -> Sequence[Phase]:
        """Return the phases, see the class and `PhasedTask.phases`."""
        if self.family in COHERENCES:
            shown = [self._stimulus(conditions, number) for number in (1, 2)]
            if self.family == "DM":
                shown = [{ring: shown[0][ring] + shown[1][ring] for ring in shown[0]}]
        elif self.family in ("DMS", "DMC"):
            shown = [self._in_one_ring(conditions, f"_{number}") for number in (1, 2)]
        else:
            shown = [self._in_one_ring(conditions, "")]
        stays_on = self.family in ("Go", "RT", "DMS", "DMC")  # the last stimulus, in the response
        keeps_fixation = self.family in ("RT", "DMS", "DMC")
        stimuli = iter(shown)
        phases = []
        for name in self.durations:
            lights = {} if name == "response" and not keeps_fixation else {"fixation": 1.0}
            if name.startswith("stimulus"):
                last = next(stimuli)
                lights |= last
            elif name == "response" and stays_on:
                lights |= next(stimuli, shown[-1])
            if name == "response":
                asked, weight = self.respond(conditions["response"]), RESPONSE_WEIGHT
            else:
                asked, weight = {"fixation": 0.8}, WEIGHT
            weights = {"fixation": FIXATION_WEIGHT * weight, "ring": weight}
            grace = GRACE if name in ("fixation", "response") else 0.0
            phases.append(Phase(name, lights, asked, weights, grace))
        return phases

    def _draw_one(self, n_trials: int, generator: torch.Generator) -> dict[str, Tensor]:
        direction = _angle(n_trials, generator)
        ring = Choice((1, 2)).sample(n_trials, generator).long()
        response = (direction + math.pi) % (2 * math.pi) if "Anti" in self.rule else direction
        return {"direction": direction, "ring": ring, "response": response}

    def _draw_decision(self, n_trials: int, generator: torch.Generator) -> dict[str, Tensor]:
        def drawn(law: Distribution) -> Tensor:
            return law.sample(n_trials, generator)

        first = _angle(n_trials, generator)
        second = (first + drawn(Uniform(0.5 * math.pi, 1.5 * math.pi))) % (2 * math.pi)
        strengths = torch.zeros(n_trials, 2, 2, dtype=torch.float64)  # of stimulus and ring
        for ring in range(2):
            mean, sign = drawn(Uniform(0.8, 1.2)), drawn(Choice((-1.0, 1.0)))
            change = drawn(self.coherences) * sign
            strengths[:, 0, ring], strengths[:, 1, ring] = mean + change, mean - change
        if self.rule.startswith(
            "MultSen"
        ):  # each stimulus has one strength, parted unequally between the rings
            for stimulus in range(2):
                whole = strengths[:, stimulus, 0].clone()
                part = whole * drawn(Uniform(0.2, 0.8)) * drawn(Choice((-1.0, 1.0))) / 2
                strengths[:, stimulus, 0], strengths[:, stimulus, 1] = whole + part, whole - part
            counting = strengths.sum(2)
        else:
            counted = int(self.rule[-1]) - 1
            if not self.rule.startswith("Ctx"):
                strengths[:, :, 1 - counted] = 0.0
            counting = strengths[:, :, counted]
        named = {f"strength_{s + 1}_{r + 1}": strengths[:, s, r] for s in range(2) for r in range(2)}
        response = torch.where(counting[:, 0] > counting[:, 1], first, second)
        return {"direction_1": first, "direction_2": second, **named, "response": response}

    def _draw_comparison(self, n_trials: int, generator: torch.Generator) -> dict[str, Tensor]:
        rings = [Choice((1, 2)).sample(n_trials, generator).long() for _ in range(2)]
        if self.family == "DMS":
            first = _angle(n_trials, generator)
            match = Choice((0, 1)).sample(n_trials, generator).long()
            off = Uniform(math.pi / 9, 17 * math.pi / 9).sample(n_trials, generator)
            second = (first + off * (1 - match)) % (2 * math.pi)
        else:
            first, second = (Choice(CATEGORIES).sample(n_trials, generator) for _ in range(2))
            match = ((first < math.pi) == (second < math.pi)).long()
        goes = match == (0 if self.rule in ("DNMS", "DNMC") else 1)
        return {
            "direction_1": first, "direction_2": second, "ring_1": rings[0], "ring_2": rings[1], "match": match,
            "response": torch.where(goes, second, HOLD),
        }  # fmt: skip

    def _stimulus(self, conditions: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
        strengths = torch.stack([conditions[f"strength_{number}_{ring}"] for ring in (1, 2)], dim=1)
        return self.show(conditions[f"direction_{number}"], strengths)

    def _in_one_ring(self, conditions: Mapping[str, Tensor], suffix: str) -> dict[str, Tensor]:
        strengths = torch.nn.functional.one_hot(conditions[f"ring{suffix}"] - 1, 2).double()
        return self.show(conditions[f"direction{suffix}"], strengths)


def _family(rule: str) -> str:
    """Return the rules with the same phases that one belongs to, a key of DURATIONS."""
    if "DM " in rule or rule.endswith("DM"):
        return "Dly DM" if "Dly" in rule else "DM"
    if rule in ("DMS", "DNMS", "DMC", "DNMC"):
        return "DMS" if rule.endswith("S") else "DMC"
    return rule.split()[0] if " " in rule else "Go"


def _angle(n_trials: int, generator: torch.Generator) -> Tensor:
    return Uniform(0.0, 2 * math.pi).sample(n_trials, generator)


class YangTasks(Multitask):
    """The twenty tasks of Yang et al. (2019), or some of them, for one network.

    Args:
        rules: which; None: all.
        dt, tau, noise, n_ring: of each, see `YangTask`.
        weights, train_on, mix: see `Multitask`.

    Raises:
        ValueError: an argument is out of its range.

    Source: as of `YangTask`; there every batch is of one rule.
    """

    def __init__(
        self,
        rules: Sequence[Rule] | None = None,
        dt: float = 20.0,
        tau: float = 100.0,
        noise: float = 0.01,
        n_ring: int = 32,
        weights: Mapping[str, float] | None = None,
        train_on: Sequence[str] | None = None,
        mix: Literal["trial", "batch"] = "trial",
    ) -> None:
        chosen = RULES if rules is None else rules
        for rule in chosen:
            one_of("rules", rule, RULES)
        tasks = {rule: YangTask(rule, dt, tau, noise, n_ring) for rule in chosen}
        super().__init__(tasks, weights, train_on, mix=mix)
