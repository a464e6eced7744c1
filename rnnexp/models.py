"""The model: a latent step, an observation and an initial state."""

import torch
from torch import Tensor, nn

from rnnexp.constraints.initializers import Initializer
from rnnexp.latent_steps.base import LatentStep
from rnnexp.observation.base import Observation
from rnnexp.recurrence.rollout import rollout
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.tasks.base import Trials

INITIAL_STATES = ("learned", "zero")


class RNN(nn.Module):
    """A recurrent network: z_{t+1} = F(z_t, s_t), r_t = f(z_t), y_t = g(r_t).

    Args:
        latent_step: F and f.
        observation: g.
        initial_state: "learned" trains one start z0 (M), the same for every trial; "zero" fixes it at 0.

    Raises:
        ValueError: initial_state is neither of the two.
    """

    def __init__(
        self, latent_step: LatentStep, observation: Observation, initial_state: str = "learned"
    ) -> None:
        super().__init__()
        if initial_state not in INITIAL_STATES:
            raise ValueError(
                f"initial_state must be one of {', '.join(INITIAL_STATES)}, got {initial_state!r}"
            )
        self.latent_step = latent_step
        self.observation = observation
        self.z0 = nn.Parameter(torch.zeros(latent_step.latent_dim), requires_grad=initial_state == "learned")

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw all initial parameters; a learned z0 is normal with sd 0.1."""
        self.latent_step.initialize(initializer, generator)
        self.observation.initialize(generator)
        if self.z0.requires_grad:
            with torch.no_grad():
                self.z0.normal_(0, 0.1, generator=generator)

    def forward(self, trials: Trials) -> Trajectory:
        """Run the network on a batch of trials from its own initial state."""
        return self.run(trials.inputs)

    def run(
        self, inputs: Tensor | None, initial: Tensor | None = None, n_steps: int | None = None
    ) -> Trajectory:
        """Run the network open loop.

        Args:
            inputs: (B, T, K), or None for a free run, which needs n_steps.
            initial: (B, M); None starts every trial at z0 (a free run then has B = 1).
            n_steps: T of a free run.
        """
        if inputs is not None:
            n_steps = inputs.shape[1]
        if initial is None:
            initial = self.z0.expand(1 if inputs is None else inputs.shape[0], -1)
        latents = rollout(self.latent_step, initial, inputs, n_steps)
        rates = self.latent_step.rates(latents)
        return Trajectory(latents, rates, self.observation(rates), initial)

    @property
    def input_matrix(self) -> Tensor | None:
        """The effective input matrix (M, K), or None."""
        return self.latent_step.input_matrix

    @property
    def recurrent_matrices(self) -> tuple[Tensor, ...]:
        """The effective recurrent matrices, (post, pre)."""
        return self.latent_step.recurrent_matrices

    @property
    def output_matrix(self) -> Tensor | None:
        """The effective readout matrix (O, M), or None."""
        return self.observation.output_matrix

    def weights(self) -> dict[str, Tensor]:
        """Return all effective weights under the names of the equations, detached."""
        named = {**self.latent_step.weights(), **self.observation.weights(), "z0": self.z0}
        return {name: weight.detach() for name, weight in named.items()}
