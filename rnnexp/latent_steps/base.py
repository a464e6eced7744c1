"""The contract of a latent step: the map z_{t+1} = F(z_t, s_t)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from rnnexp.constraints.initializers import Initializer
from rnnexp.latent_steps.initial_state import InitialState
from rnnexp.numbers import integer_at_least
from rnnexp.recurrence.noise import Noise

if TYPE_CHECKING:
    from rnnexp.recurrence.fused.closed_loop import LoopNetwork


class LatentStep(nn.Module, ABC):
    """One step of a recurrent network: z_{t+1} = F(z_t, s_t).

    A subclass holds its parameters and defines `step`; everything else has a default that is right for a
    plain torch module. Steps keep no state between calls and take no Python decision on tensor values.

    Args:
        latent_dim: M >= 1, number of units: the size of the rates and, unless `state_dim` says otherwise, of z.
        input_dim: K >= 0, size of the external input s; 0 for an autonomous system.

    Attributes:
        initial_state: the law of the state before the first step, where the configuration leaves it open.
        auto_initializer: the recipe that initializer=auto stands for; None leaves it to the task.
        test_noise: validation and test run with noise too; only for a step that has noise.
        noise_inside: `step`, and what `bound_step` returns, take a third argument, the increments (B, M) of the noise,
            which are then not added to the state.
        fused_forcing: `fused_rollout` takes a fourth argument, `ForcedStates`; counts for the class that says so.
        fused_errors: `fused_states`, or without one `fused_rollout`, takes a last argument, `Compared`, and returns the
            error of the outputs then, 0-d; counts for the class that says so.

    Raises:
        ValueError: a size is not an integer in its range.
    """

    initial_state: InitialState = InitialState()
    auto_initializer: Initializer | None = None
    test_noise: bool = False
    noise_inside: ClassVar[bool] = False
    fused_forcing: ClassVar[bool] = False
    fused_errors: ClassVar[bool] = False

    def __init__(self, latent_dim: int, input_dim: int) -> None:
        super().__init__()
        self.latent_dim = integer_at_least("latent_dim", latent_dim, 1)
        self.input_dim = integer_at_least("input_dim", input_dim, 0)

    @property
    def state_dim(self) -> int:
        """S, the size of the state z: M, but for a step whose state is more than its rates, such as the LSTM."""
        return self.latent_dim

    @abstractmethod
    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, S) from the state z (B, S) and the input s (B, K), or None without input."""

    def bound_step(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return a function equal to `step` for as long as no parameter changes; it may compute weights once."""
        return self.step

    def draw_noise(self, n_trials: int, n_steps: int, generator: torch.Generator) -> Noise | None:
        """Draw the noise of one run, or None for a step without noise.

        Args:
            n_trials: B.
            n_steps: T.
            generator: on the CPU; the noise comes with the dtype and on the device of the parameters, and
                gradients flow through it to the parameters that scale it.
        """
        del n_trials, n_steps, generator
        return None

    def project(self) -> None:
        """Put parameters that an update took out of their constraints back; nothing to do by default."""

    def fused_rollout(self, initial: Tensor, inputs: Tensor | None, n_steps: int) -> Tensor:
        """Return what `rollout` returns, by a compiled recurrence on the CPU.

        It is used for the class that defines it only: a subclass may have another `step`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compiled recurrence")

    def fused_states(
        self,
        initial: Tensor,
        inputs: Tensor | None,
        n_steps: int,
        increments: Tensor | None = None,
        readout: tuple[Tensor, Tensor | None] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return what `full_rollout` returns, by a compiled recurrence that has it all.

        Like `fused_rollout`, which is its first result, it is used for the class that defines it only.
        """
        raise NotImplementedError(f"{type(self).__name__} has no compiled recurrence for rates and outputs")

    def loop_network(self) -> "LoopNetwork | None":
        """Return the network as the compiled closed loop takes it, see `rnnexp.recurrence.fused.closed_loop`.

        None if its settings are beyond that. Used for the class that defines it only, as `fused_rollout`.
        """
        return None

    @property
    def forceable_units(self) -> int:
        """How many of the first entries of z are rates as they are, so that data can replace them.

        M for a step whose states are its rates, 0 for one with rates of its own, unless it says otherwise.
        """
        return self.latent_dim if type(self).rates is LatentStep.rates else 0

    def rates(self, z: Tensor) -> Tensor:
        """Return the rates r = f(z), (..., M), of the states z (..., S); the states themselves by default."""
        return z

    def jacobian(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """Return d z_{t+1} / d z_t (B, S, S) at the states z (B, S); rows are the entries of z_{t+1}.

        By automatic differentiation here; a subclass with a closed form overrides it.

        Args:
            z: (B, S).
            s: (B, K), the inputs of the step; None is without. They matter in gated networks and for a clip_range.
        """
        if s is None:
            return torch.func.vmap(torch.func.jacrev(lambda row: self.step(row[None], None)[0]))(z)
        return torch.func.vmap(torch.func.jacrev(lambda row, given: self.step(row[None], given[None])[0]))(
            z, s
        )

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw the initial parameters; by default those that the constructor set stay.

        Constructors run under a seed of the run as well, so torch's own initialisation is reproducible too.
        """
        del initializer, generator

    def bound_free_run(self) -> None:
        """Weaken initial weights from which free runs explode, for a network that is not forced at every step.

        Draws no random numbers and leaves weights as they are whose free runs stay bounded; nothing to do by default.
        """

    @property
    def input_matrix(self) -> Tensor | None:
        """The effective map from inputs to the state, (M, K), or to all gates of it, (gates * M, K); or None."""
        return None

    @property
    def recurrent_matrices(self) -> tuple[Tensor, ...]:
        """The effective recurrent weight matrices, (post, pre); empty when there is no such thing."""
        return ()

    @property
    def recurrent_parameters(self) -> tuple[Tensor, ...]:
        """The parameters behind `recurrent_matrices`, entry by entry; empty where no parameter is."""
        return ()

    @property
    def unit_entries(self) -> tuple[tuple[Tensor, int], ...]:
        """What holds a unit's part in the map: parameters, each with an axis that runs along the units.

        With all of these entries at 0 a unit gets nothing, its state stays at 0 or decays to it, and no other unit
        hears of it. Empty where units cannot be told apart like this.
        """
        return ()

    @property
    def unit_signs(self) -> Tensor | None:
        """+1 for excitatory and -1 for inhibitory units, (M,); None for units without types."""
        return None

    def weights(self) -> dict[str, Tensor]:
        """Return the effective weights under the names of the equations."""
        return dict(self.named_parameters())


def clip_state(z: Tensor, clip_range: float | None) -> Tensor:
    """Clamp the state to [-clip_range, clip_range]; None leaves the map as it is."""
    return z if clip_range is None else z.clamp(-clip_range, clip_range)


def clip_jacobian(jacobian: Tensor, step: LatentStep, z: Tensor, s: Tensor | None) -> Tensor:
    """Set the rows of the units that `clip_state` holds to 0: Jacobians (B, M, M) at z (B, M) with inputs s (B, K)."""
    if step.clip_range is None:
        return jacobian
    is_held = step.step(z, s).abs() >= step.clip_range
    return jacobian.masked_fill(is_held[:, :, None], 0.0)


def named_weights(**weights: Tensor | None) -> dict[str, Tensor]:
    """Return the weights that exist, by name."""
    return {name: weight for name, weight in weights.items() if weight is not None}
