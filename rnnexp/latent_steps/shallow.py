"""shPLRNN and clipped shPLRNN: a diagonal linear part plus one hidden layer of rectified units.

Letters: B batch, M latent_dim, L hidden_dim, K inputs.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rnnexp.constraints.initializers import Initializer, talathi_vartak
from rnnexp.latent_steps.base import LatentStep, clip_jacobian, clip_state, named_weights
from rnnexp.latent_steps.free_run import stays_bounded
from rnnexp.latent_steps.inputs import add_input, add_input_matrix, fill_input_matrix
from rnnexp.numbers import integer_at_least, positive_or_none
from rnnexp.recurrence.forced_states import ForcedStates

if TYPE_CHECKING:
    from rnnexp.recurrence.fused.closed_loop import LoopNetwork
    from rnnexp.recurrence.fused.errors import Compared


class ShPLRNN(LatentStep):
    """Shallow PLRNN: z' = A z + W1 relu(W2 z + h2) + h1 + C s; clipped: relu(W2 z + h2) - relu(W2 z).

    In the clipped form each hidden unit lies between 0 and h2, so orbits are bounded when max |A| < 1.
    Source: Hess et al. 2023, eq. 2 and eq. 8.

    Args:
        latent_dim: M >= 1.
        input_dim: K >= 0.
        hidden_dim: L >= 1, number of hidden units.
        clipped: use the clipped form.
        learnable_C: train C (M, K); False fixes it to the identity on the last K units, which needs M > K.
        clip_range: clamp every new state to [-clip_range, clip_range]; None leaves the map exact.
    """

    fused_forcing = True
    fused_errors = True

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        hidden_dim: int,
        clipped: bool = False,
        learnable_C: bool = True,
        clip_range: float | None = None,
    ) -> None:
        super().__init__(latent_dim, input_dim)
        latent_dim, input_dim = self.latent_dim, self.input_dim
        self.hidden_dim = hidden_dim = integer_at_least("hidden_dim", hidden_dim, 1)
        self.clipped = clipped
        self.clip_range = positive_or_none("clip_range", clip_range)
        self.A = nn.Parameter(torch.zeros(latent_dim))
        self.W1 = nn.Parameter(torch.zeros(latent_dim, hidden_dim))
        self.W2 = nn.Parameter(torch.zeros(hidden_dim, latent_dim))
        self.h1 = nn.Parameter(torch.zeros(latent_dim))
        self.h2 = nn.Parameter(torch.zeros(hidden_dim))
        add_input_matrix(self, latent_dim, input_dim, learnable_C)

    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, M)."""
        drive = z @ self.W2.T
        hidden = torch.relu(drive + self.h2)
        if self.clipped:
            hidden = hidden - torch.relu(drive)
        return clip_state(add_input(self.A * z + hidden @ self.W1.T + self.h1, self.C, s), self.clip_range)

    def fused_rollout(
        self,
        initial: Tensor,
        inputs: Tensor | None,
        n_steps: int,
        forced: ForcedStates | None = None,
        compared: "Compared | None" = None,
    ) -> Tensor:
        """Iterate `step` by the compiled recurrence; see `LatentStep.fused_rollout`."""
        from rnnexp.recurrence.fused.shallow import shallow_rollout  # has numba

        return shallow_rollout(
            initial, inputs, n_steps, A=self.A, W1=self.W1, W2=self.W2, h1=self.h1, h2=self.h2, C=self.C,
            clipped=self.clipped, clip_range=self.clip_range, forced=forced, compared=compared,
        )  # fmt: skip

    def loop_network(self) -> "LoopNetwork | None":
        """Return the network as the compiled closed loop takes it; see `LatentStep.loop_network`."""
        from rnnexp.recurrence.fused.closed_loop import LoopNetwork  # has numba

        if self.clip_range is not None:
            return None
        parts = [self.W1] if self.C is None else [self.W1, self.C]
        W = torch.cat((*parts, self.h1[:, None]), 1).T[None]
        hidden = torch.cat((self.W2.T, self.h2[None]))
        return LoopNetwork("shallow", W, self.A, W.new_empty(0), hidden, flag=self.clipped)

    def jacobian(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """Return A + W1 D W2 (B, M, M), D the slopes of the hidden units; rows of clamped units are 0."""
        drive = z @ self.W2.T
        slope = (drive + self.h2 > 0).to(z.dtype)
        if self.clipped:
            slope = slope - (drive > 0).to(z.dtype)
        return clip_jacobian(torch.diag(self.A) + (self.W1 * slope[:, None, :]) @ self.W2, self, z, s)

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw A, W1, W2, h1, h2 and C; see the recipes in `rnnexp.constraints.initializers`."""
        with torch.no_grad():
            if initializer.kind == "reconstruction":
                self.A.copy_(talathi_vartak(self.latent_dim, generator).diagonal())
                self.W1.uniform_(-1, 1, generator=generator).div_(self.hidden_dim**0.5)
                self.W2.uniform_(-1, 1, generator=generator).div_(self.latent_dim**0.5)
                if self.clipped:
                    self.h2.uniform_(-1, 1, generator=generator).div_(self.hidden_dim**0.5)
                else:
                    self.h2.zero_()
            else:
                initializer.fill_decay(self.A, generator)
                initializer.fill_coupling(self.W1, generator)
                initializer.fill_hidden_layer(self.W2, self.h2, generator)
            self.h1.zero_()
        fill_input_matrix(self, initializer.input_bound(self.latent_dim, self.input_dim), generator)

    @torch.no_grad()
    def bound_free_run(self) -> None:
        """Take a tenth off W1 until free runs stay bounded; A alone, which lies in (0, 1], is stable.

        With h1 = h2 = 0 the map is homogeneous, so a draw of W1 and W2 whose orbits grow does so from every size of
        start, exponentially: with 6 latents and 30 hidden units, 5 of 80 draws.
        """
        while not stays_bounded(self):
            self.W1.mul_(0.9)

    @property
    def input_matrix(self) -> Tensor | None:
        """C (M, K), or None without inputs."""
        return self.C

    @property
    def recurrent_matrices(self) -> tuple[Tensor, ...]:
        """(W1, W2): (M, L) and (L, M)."""
        return (self.W1, self.W2)

    @property
    def recurrent_parameters(self) -> tuple[Tensor, ...]:
        """(W1, W2)."""
        return (self.W1, self.W2)

    @property
    def unit_entries(self) -> tuple[tuple[Tensor, int], ...]:
        """Entries of A and h1, rows of W1, columns of W2, rows of C."""
        entries = ((self.A, 0), (self.W1, 0), (self.W2, 1), (self.h1, 0))
        return entries if self.C is None else (*entries, (self.C, 0))

    def weights(self) -> dict[str, Tensor]:
        """Return A (M), W1 (M, L), W2 (L, M), h1 (M), h2 (L) and, with inputs, C (M, K)."""
        return named_weights(A=self.A, W1=self.W1, W2=self.W2, h1=self.h1, h2=self.h2, C=self.C)
