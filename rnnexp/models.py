"""The model: a latent step, an observation and an initial state."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.plasticity import Plasticity
from rnnexp.latent_steps.base import LatentStep
from rnnexp.latent_steps.initial_state import InitialState
from rnnexp.observation.base import Observation
from rnnexp.recurrence.fused.selection import Backend
from rnnexp.recurrence.noise import Noise
from rnnexp.recurrence.rollout import full_rollout
from rnnexp.recurrence.scaled_rollout import scaled_rollout
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.tasks.base import Trials

INITIAL_STATES = ("auto", "learned", "zero")


class RNN(nn.Module):
    """A recurrent network: z_{t+1} = F(z_t, s_t), r_t = f(z_t), y_t = g(r_t).

    Args:
        latent_step: F and f.
        observation: g.
        initial_state: "learned" trains one start z0 (S), the same for every trial; "zero" fixes it at 0; "auto"
            leaves it to the latent step.
        backend: how F is iterated, see `rnnexp.recurrence.rollout.rollout`.

    Attributes:
        plasticity: scales the updates of single entries; None leaves all of them.

    Raises:
        ValueError: initial_state is none of the three.
    """

    def __init__(
        self,
        latent_step: LatentStep,
        observation: Observation,
        initial_state: Literal["auto", "learned", "zero"] = "auto",
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        if initial_state not in INITIAL_STATES:
            raise ValueError(
                f"initial_state must be one of {', '.join(INITIAL_STATES)}, got {initial_state!r}"
            )
        self.latent_step = latent_step
        self.observation = observation
        self.backend = backend
        self.plasticity: Plasticity | None = None
        own = latent_step.initial_state
        self.initial_state = {
            "auto": own,
            "learned": replace(own, mode="learned"),
            "zero": InitialState("fixed", mean=0.0, sd=0.0),
        }[initial_state]
        start = torch.full((latent_step.state_dim,), float(self.initial_state.mean))
        self.z0 = nn.Parameter(start, requires_grad=self.initial_state.mode == "learned")

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw all initial parameters; z0 by its law, see `InitialState`."""
        self.latent_step.initialize(initializer, generator)
        self.observation.initialize(generator, initializer)
        law = self.initial_state
        if law.mode != "random" and law.sd > 0:
            with torch.no_grad():
                self.z0.normal_(law.mean, law.sd, generator=generator)

    def forward(self, trials: Trials, noise: torch.Generator | Noise | None = None) -> Trajectory:
        """Run the network on a batch of trials from its own initial state; for noise see `run`."""
        return self.run(trials.inputs, noise=noise)

    def run(
        self,
        inputs: Tensor | None,
        initial: Tensor | None = None,
        n_steps: int | None = None,
        noise: torch.Generator | Noise | None = None,
        t_connectivity: Tensor | None = None,
    ) -> Trajectory:
        """Run the network open loop.

        Args:
            inputs: (B, T, K), or None for a free run, which needs n_steps.
            initial: (B, S), S the latent step's state_dim; None starts every trial at z0, or at random around it where
                the network has noise there (a free run then has B = 1).
            n_steps: T of a free run.
            noise: a generator (CPU) to draw the network's own noise from, or noise drawn before; None runs
                without.
            t_connectivity: (T, M, M), row t multiplies W_rec entry by entry at step t; leaky networks only.
        """
        if inputs is not None:
            n_steps = inputs.shape[1]
        n_trials = len(inputs) if inputs is not None else 1 if initial is None else len(initial)
        if not isinstance(noise, Noise):
            noise = Noise() if noise is None else self.draw_noise(n_trials, n_steps, noise)
        if initial is None:
            initial = self.z0.expand(n_trials, -1)
            initial = initial if noise.initial is None else initial + noise.initial
        if t_connectivity is None:
            readout = self.observation.readout if noise.rates is None else None
            latents, rates, outputs = full_rollout(
                self.latent_step, initial, inputs, n_steps, self.backend, noise.increments, readout
            )
        else:
            latents = scaled_rollout(self.latent_step, initial, inputs, t_connectivity, noise)
            rates, outputs = self.latent_step.rates(latents), None
        if noise.rates is not None:
            rates = rates + noise.rates
        outputs = self.observation(rates) if outputs is None else outputs
        return Trajectory(latents, rates, outputs, initial)

    def draw_noise(self, n_trials: int, n_steps: int, generator: torch.Generator) -> Noise:
        """Draw the noise of one run: of a random initial state, then of the latent step.

        Args:
            n_trials: B.
            n_steps: T.
            generator: on the CPU; drawn from only if the network has noise.
        """
        initial = None
        if self.initial_state.mode == "random":
            draw = torch.randn(n_trials, len(self.z0), generator=generator, dtype=self.z0.dtype)
            initial = self.initial_state.sd * draw.to(self.z0.device)
        drawn = self.latent_step.draw_noise(n_trials, n_steps, generator) or Noise()
        return replace(drawn, initial=initial)

    def mask_gradients(self) -> None:
        """Set the gradients of entries that are fixed to 0; to be called before gradients are clipped."""
        if self.plasticity is not None:
            self.plasticity.mask_gradients(self)

    @contextmanager
    def constrained_update(self) -> Iterator[None]:
        """Keep all constraints through the update of the parameters that happens inside the block."""
        with nullcontext() if self.plasticity is None else self.plasticity.applied(self):
            yield
        self.project()

    def project(self) -> None:
        """Put parameters that an update took out of their constraints back."""
        self.latent_step.project()
        self.observation.project()

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
