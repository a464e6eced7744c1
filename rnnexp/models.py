"""The model: a latent step, an observation and an initial state."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.plasticity import Plasticity
from rnnexp.latent_steps.base import LatentStep
from rnnexp.latent_steps.initial_state import InitialState
from rnnexp.losses.base import Comparison
from rnnexp.observation.base import Observation
from rnnexp.observation.data_start import DataStart
from rnnexp.observation.identity import Identity
from rnnexp.recurrence.by_length import group_of, groups_by_length, joined, noise_of
from rnnexp.recurrence.closed_loop import ClosedLoop, choose_loop_backend, closed_loop_rollout
from rnnexp.recurrence.forced_states import ForcedStates
from rnnexp.recurrence.forcing.base import Forcing
from rnnexp.recurrence.fused.selection import Backend, choose_backend
from rnnexp.recurrence.noise import Noise
from rnnexp.recurrence.rollout import full_rollout, reference_rollout
from rnnexp.recurrence.scaled_weights import ScaledWeights
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.tasks.base import Trials

INITIAL_STATES = ("auto", "learned", "zero", "data")


class RNN(nn.Module):
    """A recurrent network: z_{t+1} = F(z_t, s_t), r_t = f(z_t), y_t = g(r_t).

    Args:
        latent_step: F and f.
        observation: g.
        initial_state: "learned" trains one start z0 (S), the same for every trial; "zero" fixes it at 0; "auto"
            leaves it to the latent step; "data" takes it from the first observation of a time series, see
            `DataStart`.
        backend: how F is iterated, see `rnnexp.recurrence.rollout.rollout`.
        forcing: how the data of a time series enter the states; None leaves the network free.
        loop: the plant that the outputs move, and the feedback that it gives; None for a network alone.

    Attributes:
        plasticity: scales the updates of single entries; None leaves all of them.

    Raises:
        ValueError: initial_state is none of the four, backend none of the three, the model cannot be forced, or its
            sizes do not fit the plant.
    """

    def __init__(
        self,
        latent_step: LatentStep,
        observation: Observation,
        initial_state: Literal["auto", "learned", "zero", "data"] = "auto",
        backend: Backend = "auto",
        forcing: Forcing | None = None,
        loop: ClosedLoop | None = None,
    ) -> None:
        super().__init__()
        if initial_state not in INITIAL_STATES:
            raise ValueError(
                f"initial_state must be one of {', '.join(INITIAL_STATES)}, got {initial_state!r}"
            )
        if backend not in get_args(Backend):
            raise ValueError(f"backend must be one of {', '.join(get_args(Backend))}, got {backend!r}")
        self.latent_step = latent_step
        self.observation = observation
        self.backend = backend
        self.plasticity: Plasticity | None = None
        own = latent_step.initial_state
        self.initial_state = {
            "auto": own,
            "learned": replace(own, mode="learned"),
            "zero": InitialState("fixed", mean=0.0, sd=0.0),
            "data": InitialState("fixed", mean=0.0, sd=0.0),
        }[initial_state]
        start = torch.full((latent_step.state_dim,), float(self.initial_state.mean))
        self.z0 = nn.Parameter(start, requires_grad=self.initial_state.mode == "learned")
        self.loop = loop
        if loop is not None:
            _check_loop(latent_step, observation, loop)
        self.forcing = forcing
        if forcing is not None:
            forcing.check_model(latent_step, observation)
        from_data = initial_state == "data"
        sizes = (latent_step.state_dim, latent_step.forceable_units)
        self.data_start = DataStart(observation, *sizes) if from_data else None

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw all initial parameters; z0 by its law, see `InitialState`.

        The recipe of the reconstruction papers is for states that are forced at every step; for others, initial weights
        from which free runs explode are weakened, see `LatentStep.bound_free_run`.
        """
        self.latent_step.initialize(initializer, generator)
        if initializer.kind == "reconstruction" and (
            self.forcing is None or not self.forcing.holds_every_step
        ):
            self.latent_step.bound_free_run()
        self.observation.initialize(generator, initializer)
        law = self.initial_state
        if law.mode != "random" and law.sd > 0:
            with torch.no_grad():
                self.z0.normal_(law.mean, law.sd, generator=generator)
        if self.data_start is not None:
            self.data_start.initialize(generator)

    def forward(
        self,
        trials: Trials,
        noise: torch.Generator | Noise | None = None,
        strength: Tensor | None = None,
    ) -> Trajectory:
        """Run the network on a batch of trials; for noise see `run`.

        Trials of a time series set the initial state, if it comes from data, and force the states; those of a movement
        say where the plant starts. Where trials end earlier than others the trajectory is 0.

        Args:
            strength: (T,), how strongly states are forced; None asks the forcing.
        """
        if trials.reach is not None:
            return self.move(trials.inputs, trials.reach.start_pos, trials.reach.start_vel, noise=noise)
        groups = groups_by_length(trials)
        if groups is not None:
            noise = self._drawn(trials, noise)
            parts = [
                self.forward(part, noise_of(noise, rows, part.n_steps), _first(strength, part.n_steps))
                for rows, part in ((rows, group_of(trials, rows)) for rows in groups)
            ]
            return joined(parts, groups, trials.n_steps)
        initial, forced = self._from_signal(trials, strength)
        return self.run(trials.inputs, initial, noise=noise, forced=forced).within(trials.is_real)

    def _drawn(self, trials: Trials, noise: torch.Generator | Noise | None) -> Noise:
        """Return the noise of a run on trials, drawn now if it is not yet."""
        if isinstance(noise, Noise):
            return noise
        return Noise() if noise is None else self.draw_noise(trials.n_trials, trials.n_steps, noise)

    def _from_signal(
        self, trials: Trials, strength: Tensor | None
    ) -> tuple[Tensor | None, ForcedStates | None]:
        """Return the initial states and the forcing that trials of a time series bring."""
        if trials.signal is None:
            return None, None
        initial, forced = self.start_from(trials.signal[:, 0]), None
        if self.forcing is not None:
            forced = self.forcing(self.latent_step, self.observation, trials.signal, strength)
        return initial, forced

    def error(
        self,
        trials: Trials,
        comparison: Comparison,
        noise: torch.Generator | Noise | None = None,
        strength: Tensor | None = None,
    ) -> Tensor | None:
        """Return how far the outputs are from the targets, 0-d, by a compiled recurrence that keeps no trajectory.

        Args:
            trials, noise, strength: as of `forward`.
            comparison: of outputs and targets.

        Returns:
            None where there is no such recurrence for this network; then no noise was drawn.
        """
        step, observation = self.latent_step, self.observation
        readout = observation.readout or observation.logits
        has_rates = type(step).rates is not LatentStep.rates
        if (
            self.loop is not None
            or trials.reach is not None
            or not vars(type(step)).get("fused_errors", False)
            or (readout is None and (has_rates or type(observation) is not Identity))
            or (noise is not None and getattr(step, "post_noise", 0.0) > 0)
            or self.choose_backend(self.backend, trials.inputs.device, trials.inputs.dtype)[0] != "fused"
        ):
            return None
        noise, groups = self._drawn(trials, noise), groups_by_length(trials)
        if groups is None:
            error = self._error(trials, comparison, noise, strength)
        else:
            kind, factor, fill = comparison
            if factor is None:
                n_observed = trials.mask.square().sum()
                factor, fill = 1.0, 1 / torch.where(n_observed > 0, n_observed, 1.0)
            comparison = Comparison(kind, factor, fill)
            error = 0.0
            for rows, part in ((rows, group_of(trials, rows)) for rows in groups):
                own, pull = noise_of(noise, rows, part.n_steps), _first(strength, part.n_steps)
                error = error + self._error(part, comparison, own, pull)
        return error if trials.lengths is None else error * torch.as_tensor(comparison.fill).to(error)

    def _error(self, trials: Trials, comparison: Comparison, noise: Noise, strength: Tensor | None) -> Tensor:
        """Return what `error` returns, but for the fill, by one call of the compiled recurrence."""
        from rnnexp.recurrence.fused.errors import Compared  # has numba

        step, logits = self.latent_step, self.observation.logits
        readout = self.observation.readout if logits is None else logits
        initial, forced = self._from_signal(trials, strength)
        if initial is None:
            initial = self._own_start(trials.n_trials, noise)
        kind, factor, _ = comparison
        compared = Compared(trials.targets, trials.mask, kind, factor, readout, logits is not None)
        inputs, n_steps = trials.inputs, trials.n_steps
        if "fused_states" in vars(type(step)):
            return step.fused_states(initial, inputs, n_steps, noise.increments, readout, compared)
        return step.fused_rollout(initial, inputs, n_steps, forced, compared)

    def _own_start(self, n_trials: int, noise: Noise) -> Tensor:
        """Return the initial states (B, S) of a network whose trials bring none."""
        initial = self.z0.expand(n_trials, -1)
        return initial if noise.initial is None else initial + noise.initial

    def free_run(self, start: Tensor, inputs: Tensor | None, n_steps: int) -> Trajectory:
        """Run the network without data from observations, and without noise.

        Args:
            start: (R, O), the observations before the first step; they count if initial states come from data.
            inputs: (R, T, K), or None for no input.
            n_steps: T.
        """
        initial = self.start_from(start)
        return self.run(inputs, self.z0.expand(len(start), -1) if initial is None else initial, n_steps)

    def start_from(self, x: Tensor) -> Tensor | None:
        """Return the states (B, S) of observations x (B, O), or None if initial states are the network's own."""
        return None if self.data_start is None else self.data_start(self.observation, x)

    def choose_backend(
        self, wanted: Backend, device: torch.device, dtype: torch.dtype
    ) -> tuple[Literal["reference", "fused"], str]:
        """Return how the network is rolled out in a training, and why; see `selection.choose_backend`."""
        if self.loop is not None:
            return choose_loop_backend(self.latent_step, self.observation, self.loop, device, dtype, wanted)
        is_forced = self.forcing is not None and self.forcing.acts
        return choose_backend(self.latent_step, device, dtype, wanted, is_forced)

    def at_update(self, step: int) -> None:
        """Let perturbations be as they are after so many updates."""
        if self.loop is not None:
            self.loop.update = step

    def update_forcing(self, trials: Trials, step: int, n_steps: int) -> None:
        """Let the forcing adapt before the update number `step` of `n_steps` on these trials."""
        if self.forcing is not None and trials.signal is not None:
            self.forcing.update(self.latent_step, self.observation, trials.signal, step, n_steps)

    def run(
        self,
        inputs: Tensor | None,
        initial: Tensor | None = None,
        n_steps: int | None = None,
        noise: torch.Generator | Noise | None = None,
        t_connectivity: Tensor | None = None,
        forced: ForcedStates | None = None,
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
            forced: what pulls the states on the way; not together with t_connectivity.

        Raises:
            ValueError: neither inputs nor n_steps, or shapes or dtypes do not agree.
        """
        if inputs is None and n_steps is None:
            raise ValueError("n_steps must be given for a run without inputs")
        if inputs is not None:
            n_steps = inputs.shape[1]
        n_trials = len(inputs) if inputs is not None else 1 if initial is None else len(initial)
        if not isinstance(noise, Noise):
            noise = Noise() if noise is None else self.draw_noise(n_trials, n_steps, noise)
        if initial is None:
            initial = self._own_start(n_trials, noise)
        if t_connectivity is None:
            readout = self.observation.readout if noise.rates is None else None
            latents, rates, outputs = full_rollout(
                self.latent_step, initial, inputs, n_steps, self.backend, noise.increments, readout, forced
            )
        else:
            scaled = ScaledWeights(self.latent_step, t_connectivity, noise.rates)
            latents = reference_rollout(
                self.latent_step, initial, inputs, len(t_connectivity), noise.increments, (scaled,)
            )
            rates, outputs = self.latent_step.rates(latents), None
        if noise.rates is not None:
            rates = rates + noise.rates
        outputs = self.observation(rates) if outputs is None else outputs
        return Trajectory(latents, rates, outputs, initial)

    def move(
        self,
        inputs: Tensor,
        start_pos: Tensor,
        start_vel: Tensor,
        initial: Tensor | None = None,
        noise: torch.Generator | Noise | None = None,
    ) -> Trajectory:
        """Run network and plant in closed loop.

        Args:
            inputs: (B, T, K), of the task; the feedback is added to them.
            start_pos: (B, 2), of the effector, m.
            start_vel: (B, 2), m/s.
            initial, noise: as of `run`.

        Raises:
            ValueError: the network has no plant, or the shapes do not agree.
        """
        if self.loop is None:
            raise ValueError("the network has no plant: give it a loop")
        n_trials, n_steps = inputs.shape[:2]
        n_inputs = self.latent_step.input_dim - self.loop.feedback_dim
        for name, tensor, shape in (
            ("inputs", inputs, (n_trials, n_steps, n_inputs)),
            ("start_pos", start_pos, (n_trials, 2)),
            ("start_vel", start_vel, (n_trials, 2)),
        ):
            if tensor.shape != shape:
                raise ValueError(f"{name} must have the shape {shape}, got {tuple(tensor.shape)}")
        if not isinstance(noise, Noise):
            noise = Noise() if noise is None else self.draw_noise(n_trials, n_steps, noise)
        if initial is None:
            initial = self._own_start(n_trials, noise)
        plant_start = self.loop.plant.start(start_pos, start_vel)
        latents, rates, outputs, movement = closed_loop_rollout(
            self.latent_step, self.observation, self.loop, initial, plant_start, inputs, noise, self.backend
        )
        return Trajectory(latents, rates, outputs, initial, movement)

    @property
    def test_noise(self) -> bool:
        """Whether there is noise in validation and test as well."""
        return self.latent_step.test_noise or (self.loop is not None and self.loop.is_noisy)

    def draw_noise(self, n_trials: int, n_steps: int, generator: torch.Generator) -> Noise:
        """Draw the noise of one run: of a random initial state, of the latent step, of feedback and commands.

        In evaluation mode a network that has noise in training only has that of feedback and commands alone.

        Args:
            n_trials: B.
            n_steps: T.
            generator: on the CPU; drawn from only if the network has noise.
        """
        initial = None
        if self.initial_state.mode == "random":
            draw = torch.randn(n_trials, len(self.z0), generator=generator, dtype=self.z0.dtype)
            initial = self.initial_state.sd * draw.to(self.z0.device)
        drawn = None
        if self.loop is None or self.training or self.latent_step.test_noise:
            drawn = self.latent_step.draw_noise(n_trials, n_steps, generator)
        of_loop = {} if self.loop is None else self.loop.draw_noise(n_trials, n_steps, generator, self.z0)
        return replace(drawn or Noise(), initial=initial, **of_loop)

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
        named = {**self.latent_step.weights(), **self.observation.weights()}
        if self.data_start is None:
            named["z0"] = self.z0
        elif self.data_start.L is not None:
            named["L"] = self.data_start.L
        return {name: weight.detach() for name, weight in named.items()}


def _first(strength: Tensor | None, n_steps: int) -> Tensor | None:
    """Return how strongly states are forced in the first steps."""
    return None if strength is None else strength[:n_steps]


def _check_loop(latent_step: LatentStep, observation: Observation, loop: ClosedLoop) -> None:
    """Refuse a network whose sizes do not fit its plant.

    Raises:
        ValueError: with what does not fit.
    """
    if latent_step.input_dim < loop.feedback_dim:
        raise ValueError(
            f"the feedback has {loop.feedback_dim} entries, the latent step takes {latent_step.input_dim} inputs"
        )
    if observation.output_dim != loop.plant.command_dim:
        raise ValueError(
            f"{type(loop.plant).__name__} takes {loop.plant.command_dim} commands, the observation gives "
            f"{observation.output_dim} outputs"
        )
