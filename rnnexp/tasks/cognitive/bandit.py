"""Two-armed bandit in its supervised form: which arm is the better one, given what was chosen and won."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import integer_at_least
from rnnexp.tasks.base import Trials
from rnnexp.tasks.distributions import Uniform, from_config
from rnnexp.tasks.phases import Phase, PhasedTask


class TwoArmedBandit(PhasedTask):
    """Draws of two arms are shown with their rewards, one after the other; after each the better arm is to be told.

    Arm `best` pays with `reward_probability`, the other with 1 - reward_probability. Arms are drawn at random. After
    each draw the output of the arm must rise whose expected reward is the larger one, given all draws so far and equal
    chances of every probability before (rewards + 1) / (draws + 2); where both are equal nothing is scored. So an ideal
    observer is right in all scored steps. Conditions beside those of `PhasedTask`: best, arm_1, reward_1, ... (int64).

    Args:
        n_draws: draws in a trial, >= 1.
        reward_probability: (D) of the better arm, in [0.5, 1].
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0.
        fixation: (D) before the first draw, ms, >= 0.
        outcome: (D) how long arm and reward are shown, ms, > 0.
        response: (D) time to tell the better arm, ms, >= 0.
        grace: time at the start of a response that is not scored, ms, >= 0.
        stim_noise: standard deviation of the input noise at every step, >= 0.

    Raises:
        ValueError: an argument is out of its range.

    Source: the task of Wang et al., Nature Neuroscience 21:860 (2018), with the answers of an ideal observer in the
    place of rewards to the network.
    """

    condition = "best"
    condition_names = MappingProxyType({0: "left better", 1: "right better"})

    def __init__(
        self,
        n_draws: int = 6,
        reward_probability: Any = 0.8,
        dt: float = 20.0,
        tau: float = 100.0,
        fixation: Any = 100.0,
        outcome: Any = 200.0,
        response: Any = 200.0,
        grace: float = 60.0,
        stim_noise: float = 0.1,
    ) -> None:
        self.n_draws = integer_at_least("n_draws", n_draws, 1)
        self.reward_probability = from_config(reward_probability, "reward_probability", low=0.5, high=1.0)
        self.grace = grace
        durations = {"fixation": fixation}
        for number in range(1, self.n_draws + 1):
            durations |= {f"outcome {number}": outcome, f"response {number}": response}
        super().__init__(
            inputs={"left": 1, "right": 1, "reward": 1, "go": 1}, outputs={"left better": 1, "right better": 1},
            durations=durations, dt=dt, tau=tau, input_noise=stim_noise,
        )  # fmt: skip

    def draw(self, n_trials: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the better arm, and arms and rewards, (B,) int64 each."""
        probability = self.reward_probability.sample(n_trials, generator)
        best = torch.randint(2, (n_trials,), generator=generator)
        drawn = {"best": best}
        for number in range(1, self.n_draws + 1):
            arm = torch.randint(2, (n_trials,), generator=generator)
            chance = torch.where(arm == best, probability, 1 - probability)
            drawn[f"arm_{number}"] = arm
            drawn[f"reward_{number}"] = (Uniform(0.0, 1.0).sample(n_trials, generator) < chance).long()
        return drawn

    def phases(self, conditions: dict[str, Tensor]) -> Sequence[Phase]:
        """Return the phases, see the class and `PhasedTask.phases`."""
        phases = [Phase("fixation", weight=0)]
        rewards = torch.ones(len(conditions["best"]), 2, dtype=torch.float64)
        draws = 2 * torch.ones_like(rewards)
        for number in range(1, self.n_draws + 1):
            arm, reward = conditions[f"arm_{number}"], conditions[f"reward_{number}"]
            chosen = torch.nn.functional.one_hot(arm, 2)
            rewards, draws = rewards + chosen * reward[:, None], draws + chosen
            expected = rewards / draws
            tells = (expected[:, 0] - expected[:, 1]).abs() > 1e-12
            right = expected[:, 1] > expected[:, 0]
            shown = {"left": chosen[:, 0], "right": chosen[:, 1], "reward": reward}
            asked = {"left better": tells & ~right, "right better": tells & right}
            phases += [
                Phase(f"outcome {number}", shown, weight=0),
                Phase(f"response {number}", {"go": 1}, asked, weight=tells, grace=self.grace),
            ]
        return phases

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the accuracy: the share of scored steps in which the right output is the larger one."""
        counts = trials.mask[:, :, 0] > 0
        is_right = (outputs.argmax(2) == trials.targets.argmax(2)) & counts
        return {"accuracy": is_right.sum().to(outputs.dtype) / counts.sum()}
