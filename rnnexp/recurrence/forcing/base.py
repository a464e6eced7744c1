"""The contract of teacher forcing: data pull the states of a network that is trained on a time series.

Letters: B trials, T steps, N observed dimensions, M units, S states.
"""

from abc import ABC, abstractmethod
from typing import Literal, get_args

from torch import Tensor, nn

from rnnexp.latent_steps.base import LatentStep
from rnnexp.observation.base import Observation
from rnnexp.observation.identity import Identity
from rnnexp.recurrence.forced_states import ForcedStates

Through = Literal["auto", "identity", "inverse"]


class NoForcing:
    """Leaves the network free, in the training too."""


class Forcing(nn.Module, ABC):
    """Replaces z_t by (1 - a_t) z_t + a_t z^_t before the step from t to t + 1, t >= 1; z^_t comes from the data x_t.

    A subclass says how large a_t is. Predictions are the states before they are forced, and the first state is
    not forced, since it comes from x_0 anyway.

    Args:
        through: how z^_t follows from x_t. "identity": the first N units are x_t (needs observation=identity);
            "inverse": all units are B^+ (x_t - b) (needs observation=linear or affine); "auto": what the
            observation allows.
        partial: with an identity observation of fewer dimensions than units, force the observed units only;
            False pulls the others towards 0.

    Raises:
        ValueError: through is none of the three.
    """

    def __init__(self, through: Through = "auto", partial: bool = True) -> None:
        super().__init__()
        if through not in get_args(Through):
            raise ValueError(f"through must be one of {', '.join(get_args(Through))}, got {through!r}")
        self.through = through
        self.partial = partial

    @abstractmethod
    def strengths(self, n_steps: int, like: Tensor) -> Tensor:
        """Return a new tensor a (T,) in [0, 1], of the dtype and device of `like`; a_0 is not used."""

    def update(
        self, latent_step: LatentStep, observation: Observation, signal: Tensor, step: int, n_steps: int
    ) -> None:
        """Adapt to the training before the update number `step` of `n_steps`; nothing to do by default.

        Args:
            latent_step, observation: the model as it is.
            signal: (B, T, N), the data of the update.
        """

    @property
    def acts(self) -> bool:
        """Whether states are forced at all."""
        return True

    @property
    def holds_every_step(self) -> bool:
        """Whether the data act on every state, so that no stretch of a run is free."""
        return True

    @property
    def alpha(self) -> Tensor | None:
        """The present a_t where it is one number for all steps, 0-d; None else."""
        return None

    def check_model(self, latent_step: LatentStep, observation: Observation) -> None:
        """Refuse a model that cannot be forced.

        Raises:
            ValueError: with what is needed.
        """
        name = type(latent_step).__name__
        if latent_step.forceable_units == 0:
            raise ValueError(
                f"data can force a network whose rates are its states; those of {name} are not: choose forcing=none, "
                "or a latent step of the PLRNN family"
            )
        if observation.inverted_units == 0:
            raise ValueError(
                f"the observation {type(observation).__name__} has no inverse: choose observation=identity, linear "
                "or affine, or forcing=none"
            )
        is_identity = isinstance(observation, Identity)
        if self.through != "auto" and (self.through == "identity") != is_identity:
            needed = "identity" if self.through == "identity" else "linear or affine"
            raise ValueError(f"through={self.through} needs observation={needed}")

    def targets(self, latent_step: LatentStep, observation: Observation, signal: Tensor) -> Tensor:
        """Return z^ (B, T, F) of a signal (B, T, N), for the F units that are forced."""
        known = observation.invert(signal)
        if self.partial or known.shape[-1] == latent_step.forceable_units:
            return known
        return nn.functional.pad(known, (0, latent_step.forceable_units - known.shape[-1]))

    def forward(
        self,
        latent_step: LatentStep,
        observation: Observation,
        signal: Tensor,
        strength: Tensor | None = None,
    ) -> ForcedStates | None:
        """Return what a rollout over the signal (B, T, N) is forced with, None if nothing.

        Args:
            strength: (T,), of `at_steps`, if that is known already.
        """
        if not self.acts:
            return None
        states = self.targets(latent_step, observation, signal)
        return ForcedStates(states, self.at_steps(signal.shape[1], states) if strength is None else strength)

    def at_steps(self, n_steps: int, like: Tensor) -> Tensor:
        """Return a (T,) as a rollout needs it: the first state is not forced."""
        strength = self.strengths(n_steps, like)
        strength[0] = 0
        return strength
