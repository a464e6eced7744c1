"""PLRNN and ALRNN: a diagonal linear part plus a full matrix on (partly) rectified states.

Letters: B batch, M latent_dim, K inputs, P rectified units.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rnnexp.constraints.initializers import Initializer, talathi_vartak
from rnnexp.latent_steps.base import LatentStep, clip_jacobian, clip_state, named_weights
from rnnexp.latent_steps.inputs import add_input, add_input_matrix, fill_input_matrix
from rnnexp.numbers import integer_at_least, positive_or_none
from rnnexp.recurrence.forced_states import ForcedStates

if TYPE_CHECKING:
    from rnnexp.recurrence.fused.closed_loop import LoopNetwork
    from rnnexp.recurrence.fused.errors import Compared


class DiagonalPlusRectified(LatentStep):
    """What PLRNN and ALRNN share, A z + W (rectified z) + h + C s: parameters, initial values and names.

    A is a diagonal matrix, kept as a vector. A subclass says what is rectified, in `step`, and how A and W start in a
    reconstruction.

    Args:
        latent_dim: M >= 1.
        input_dim: K >= 0.
        has_diagonal: W has one.
        learnable_C, clip_range: see the subclasses.
    """

    def __init__(
        self, latent_dim: int, input_dim: int, has_diagonal: bool, learnable_C: bool, clip_range: float | None
    ) -> None:
        super().__init__(latent_dim, input_dim)
        latent_dim, input_dim = self.latent_dim, self.input_dim
        self.clip_range = positive_or_none("clip_range", clip_range)
        self.A = nn.Parameter(torch.zeros(latent_dim))
        self.W_raw = nn.Parameter(torch.zeros(latent_dim, latent_dim))
        self.h = nn.Parameter(torch.zeros(latent_dim))
        mask = None if has_diagonal else 1 - torch.eye(latent_dim)
        self.register_buffer("off_diagonal", mask, persistent=False)
        add_input_matrix(self, latent_dim, input_dim, learnable_C)

    @property
    def W(self) -> Tensor:
        """The effective (M, M) matrix, without its diagonal where it shall have none."""
        return self.W_raw if self.off_diagonal is None else self.W_raw * self.off_diagonal

    def next_state(self, z: Tensor, rectified: Tensor, s: Tensor | None) -> Tensor:
        """Return A z + W rectified + h + C s, clamped if that is asked for, (B, M)."""
        return clip_state(add_input(self.A * z + rectified @ self.W.T + self.h, self.C, s), self.clip_range)

    @abstractmethod
    def draw_for_reconstruction(self, generator: torch.Generator) -> None:
        """Draw A and W_raw by the recipe of the papers; what the diagonal of W_raw holds does not matter."""

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw A, W, h and C; see the recipes in `rnnexp.constraints.initializers`."""
        with torch.no_grad():
            if initializer.kind == "reconstruction":
                self.draw_for_reconstruction(generator)
            else:
                initializer.fill_decay(self.A, generator)
                initializer.fill_coupling(self.W_raw, generator)
            if self.off_diagonal is not None:
                self.W_raw.mul_(self.off_diagonal)
            self.h.zero_()
        fill_input_matrix(self, initializer.input_bound(self.latent_dim, self.input_dim), generator)

    def _loop_network(self, first_relu: int, centred: bool) -> "LoopNetwork | None":
        """Return the network as the compiled closed loop takes it, whose units from first_relu on are rectified."""
        if self.clip_range is not None:
            return None
        from rnnexp.recurrence.fused.closed_loop import LoopNetwork  # has numba

        parts = [self.W] if self.C is None else [self.W, self.C]
        W = torch.cat((*parts, self.h[:, None]), 1).T[None]
        empty = W.new_empty(0), W.new_empty(1, 0)
        return LoopNetwork("rectified", W, self.A, *empty, first_relu=first_relu, flag=centred)

    @property
    def input_matrix(self) -> Tensor | None:
        """C (M, K), or None without inputs."""
        return self.C

    @property
    def recurrent_matrices(self) -> tuple[Tensor, ...]:
        """(W,)."""
        return (self.W,)

    @property
    def recurrent_parameters(self) -> tuple[Tensor, ...]:
        """(W_raw,)."""
        return (self.W_raw,)

    @property
    def unit_entries(self) -> tuple[tuple[Tensor, int], ...]:
        """Entries of A and h, rows and columns of W, rows of C."""
        entries = ((self.A, 0), (self.W_raw, 0), (self.W_raw, 1), (self.h, 0))
        return entries if self.C is None else (*entries, (self.C, 0))

    def weights(self) -> dict[str, Tensor]:
        """Return A (M), W (M, M), h (M) and, with inputs, C (M, K)."""
        return named_weights(A=self.A, W=self.W, h=self.h, C=self.C)


class PLRNN(DiagonalPlusRectified):
    """Piecewise-linear RNN: z' = A z + W relu(m(z)) + h + C s, W without diagonal.

    m(z) = z - mean_i(z_i) with mean centring (Brenner et al. 2022), else z. Source: Durstewitz 2017, eq. 1; Brenner
    et al. 2022, eq. 3.

    Args:
        latent_dim: M >= 1.
        input_dim: K >= 0.
        mean_centering: subtract the mean over units from the argument of the ReLU.
        learnable_C: train C (M, K); False fixes it to the identity on the last K units, which needs M > K.
        clip_range: clamp every new state to [-clip_range, clip_range]; None leaves the map exact.
    """

    fused_forcing = True
    fused_errors = True

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        mean_centering: bool = True,
        learnable_C: bool = True,
        clip_range: float | None = None,
    ) -> None:
        super().__init__(latent_dim, input_dim, False, learnable_C, clip_range)
        self.mean_centering = mean_centering

    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, M)."""
        return self.next_state(z, torch.relu(self._centred(z)), s)

    def _centred(self, z: Tensor) -> Tensor:
        return z - z.mean(-1, keepdim=True) if self.mean_centering else z

    def loop_network(self) -> "LoopNetwork | None":
        """Return the network as the compiled closed loop takes it; see `LatentStep.loop_network`."""
        return self._loop_network(0, self.mean_centering)

    def fused_rollout(
        self,
        initial: Tensor,
        inputs: Tensor | None,
        n_steps: int,
        forced: ForcedStates | None = None,
        compared: "Compared | None" = None,
    ) -> Tensor:
        """Iterate `step` by the compiled recurrence; see `LatentStep.fused_rollout`."""
        from rnnexp.recurrence.fused.almost_linear import almost_linear_rollout  # has numba

        return almost_linear_rollout(
            initial, inputs, n_steps, A=self.A, W=self.W, h=self.h, C=self.C,
            first_relu=0, centred=self.mean_centering, clip_range=self.clip_range, forced=forced,
            compared=compared,
        )  # fmt: skip

    def jacobian(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """Return A + W D c (B, M, M), D the active units and c the centring matrix; rows of clamped units are 0."""
        masked = self.W * (self._centred(z) > 0).to(z.dtype)[:, None, :]
        if self.mean_centering:
            masked = masked - masked.mean(-1, keepdim=True)
        return clip_jacobian(torch.diag(self.A) + masked, self, z, s)

    def draw_for_reconstruction(self, generator: torch.Generator) -> None:
        """Draw one matrix whose diagonal is A and whose other entries are W (Talathi & Vartak 2016)."""
        matrix = talathi_vartak(self.latent_dim, generator)
        self.A.copy_(matrix.diagonal())
        self.W_raw.copy_(matrix)


class ALRNN(DiagonalPlusRectified):
    """Almost-linear RNN: z' = A z + W Phi(z) + h + C s, Phi rectifies the last P units only.

    P = 0 is a linear system, P = M a PLRNN without centring. Source: Brenner, Hemmer et al. 2024, eq. 3.

    Args:
        latent_dim: M >= 1.
        input_dim: K >= 0.
        num_relus: P, the number of rectified units, 0 <= P <= M; None is M // 2.
        off_diagonal_W: remove the diagonal of W; by default W is full, and A and diag(W) of a linear unit are
            redundant (only their sum counts).
        ar_epsilon: threshold of the AR convergence loss, which pulls A + diag(W) below 1 - ar_epsilon; > 0,
            None when it is off. The loss needs a weight, `loss.lambda_ar`.
        learnable_C: train C (M, K); False fixes it to the identity on the last K units, which needs M > K.
        clip_range: clamp every new state to [-clip_range, clip_range]; None leaves the map exact.
    """

    fused_forcing = True
    fused_errors = True

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        num_relus: int | None = None,
        off_diagonal_W: bool = False,
        ar_epsilon: float | None = None,
        learnable_C: bool = True,
        clip_range: float | None = None,
    ) -> None:
        super().__init__(latent_dim, input_dim, not off_diagonal_W, learnable_C, clip_range)
        half = self.latent_dim // 2
        self.num_relus = half if num_relus is None else integer_at_least("num_relus", num_relus, 0)
        if self.num_relus > self.latent_dim:
            raise ValueError(f"num_relus must be between 0 and latent_dim={latent_dim}, got {num_relus}")
        self.off_diagonal_W = off_diagonal_W
        self.ar_epsilon = positive_or_none("ar_epsilon", ar_epsilon)

    @property
    def n_linear(self) -> int:
        """M - P, the number of units that are not rectified."""
        return self.latent_dim - self.num_relus

    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, M)."""
        rectified = torch.cat((z[:, : self.n_linear], torch.relu(z[:, self.n_linear :])), dim=-1)
        return self.next_state(z, rectified, s)

    def loop_network(self) -> "LoopNetwork | None":
        """Return the network as the compiled closed loop takes it; see `LatentStep.loop_network`."""
        return self._loop_network(self.n_linear, False)

    def fused_rollout(
        self,
        initial: Tensor,
        inputs: Tensor | None,
        n_steps: int,
        forced: ForcedStates | None = None,
        compared: "Compared | None" = None,
    ) -> Tensor:
        """Iterate `step` by the compiled recurrence; see `LatentStep.fused_rollout`."""
        from rnnexp.recurrence.fused.almost_linear import almost_linear_rollout  # has numba

        return almost_linear_rollout(
            initial, inputs, n_steps, A=self.A, W=self.W, h=self.h, C=self.C,
            first_relu=self.n_linear, centred=False, clip_range=self.clip_range, forced=forced,
            compared=compared,
        )  # fmt: skip

    def jacobian(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """Return A + W D (B, M, M), D = diag(1, .., 1, active rectified units); rows of clamped units are 0."""
        active = torch.ones_like(z)
        active[:, self.n_linear :] = (z[:, self.n_linear :] > 0).to(z.dtype)
        return clip_jacobian(torch.diag(self.A) + self.W * active[:, None, :], self, z, s)

    def draw_for_reconstruction(self, generator: torch.Generator) -> None:
        """Draw A as the diagonal of a matrix of Talathi & Vartak 2016, W from N(0, 0.01^2)."""
        self.A.copy_(talathi_vartak(self.latent_dim, generator).diagonal())
        self.W_raw.normal_(0, 0.01, generator=generator)
