"""How the state before the first step comes about."""

from dataclasses import dataclass
from typing import Literal

from rnnexp.numbers import finite_non_negative, number

InitialMode = Literal["learned", "fixed", "random"]


@dataclass(frozen=True)
class InitialState:
    """The law of the initial state, mean + sd N(0, 1) for every unit by itself.

    Args:
        mode: "learned" draws one state for all trials and trains it, "fixed" draws one and keeps it, "random"
            draws a state for every trial whenever the network runs with noise; without noise it is the mean.
        mean: finite.
        sd: finite, >= 0.

    Raises:
        ValueError: an argument is not allowed.
    """

    mode: InitialMode = "learned"
    mean: float = 0.0
    sd: float = 0.1

    def __post_init__(self) -> None:
        if self.mode not in ("learned", "fixed", "random"):
            raise ValueError(f"initial_state must be one of learned, fixed, random, got {self.mode!r}")
        object.__setattr__(self, "mean", number("initial_mean", self.mean))
        object.__setattr__(self, "sd", finite_non_negative("initial_sd", self.sd))
