"""N-back: is this item the one that was shown N items ago?"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import fraction, integer_at_least
from rnnexp.tasks.distributions import Uniform
from rnnexp.tasks.phases import Phase, PhasedTask


class NBack(PhasedTask):
    """Items follow each other; while one is shown, output 0 must rise if it is that of `n_back` items ago, else 1.

    The first `n_back` items are not scored. Half of the others match, or as many as `match_probability` says; an item
    that shall not match is another one by chance. Conditions beside those of `PhasedTask`: item_1, ... (int64).

    Args:
        n_back: how far back, >= 1.
        n_sequence: items in a trial, > n_back.
        n_items: different items, each with an input of its own, >= 2.
        match_probability: share of matches, in [0, 1].
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0.
        fixation: (D) before the first item, ms, >= 0.
        item: (D) how long an item is shown, ms, > 0.
        gap: (D) between two items, ms, >= 0.
        grace: time after an item has come that is not scored, ms, >= 0.
        stim_noise: standard deviation of the input noise at every step, >= 0.

    Raises:
        ValueError: an argument is out of its range.

    Source: Kirchner, Journal of Experimental Psychology 55:352 (1958); as a task of networks Braver et al. 1997.
    """

    condition = "matches"
    condition_names = MappingProxyType({})

    def __init__(
        self,
        n_back: int = 2,
        n_sequence: int = 6,
        n_items: int = 3,
        match_probability: float = 0.5,
        dt: float = 20.0,
        tau: float = 100.0,
        fixation: Any = 100.0,
        item: Any = 200.0,
        gap: Any = 200.0,
        grace: float = 60.0,
        stim_noise: float = 0.1,
    ) -> None:
        self.n_back = integer_at_least("n_back", n_back, 1)
        self.n_sequence = integer_at_least("n_sequence", n_sequence, self.n_back + 1)
        self.n_items = integer_at_least("n_items", n_items, 2)
        self.match_probability = fraction("match_probability", match_probability)
        self.grace = grace
        durations = {"fixation": fixation}
        for number in range(1, self.n_sequence + 1):
            durations |= {f"item {number}": item, f"gap {number}": gap}
        super().__init__(
            inputs={"item": self.n_items}, outputs={"match": 1, "no match": 1}, durations=durations,
            dt=dt, tau=tau, input_noise=stim_noise,
        )  # fmt: skip

    def draw(self, n_trials: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the items, (B,) int64 each, and count the matches."""
        items: list[Tensor] = []
        matches = torch.zeros(n_trials, dtype=torch.int64)
        for number in range(self.n_sequence):
            drawn = torch.randint(self.n_items, (n_trials,), generator=generator)
            if number >= self.n_back:
                before = items[number - self.n_back]
                other = (before + 1 + drawn % (self.n_items - 1)) % self.n_items
                is_match = Uniform(0.0, 1.0).sample(n_trials, generator) < self.match_probability
                drawn = torch.where(is_match, before, other)
                matches += is_match
            items.append(drawn)
        return {**{f"item_{number + 1}": item for number, item in enumerate(items)}, "matches": matches}

    def phases(self, conditions: dict[str, Tensor]) -> Sequence[Phase]:
        """Return the phases, see the class and `PhasedTask.phases`."""
        phases = [Phase("fixation", weight=0)]
        items = [conditions[f"item_{number + 1}"] for number in range(self.n_sequence)]
        for number, item in enumerate(items):
            shown = {"item": torch.nn.functional.one_hot(item, self.n_items)}
            if number < self.n_back:
                phases.append(Phase(f"item {number + 1}", shown, weight=0))
            else:
                is_match = item == items[number - self.n_back]
                asked = {"match": is_match, "no match": ~is_match}
                phases.append(Phase(f"item {number + 1}", shown, asked, grace=self.grace))
            phases.append(Phase(f"gap {number + 1}", weight=0))
        return phases

    def metrics(self, outputs: Tensor, trials: Any) -> dict[str, Tensor]:
        """Return the accuracy: the share of scored steps in which the right output is the larger one."""
        counts = trials.mask[:, :, 0] > 0
        is_right = (outputs.argmax(2) == trials.targets.argmax(2)) & counts
        return {"accuracy": is_right.sum().to(outputs.dtype) / counts.sum()}

    @property
    def chance(self) -> dict[str, float]:
        """Always saying the more frequent answer."""
        return {"accuracy": max(self.match_probability, 1 - self.match_probability)}
