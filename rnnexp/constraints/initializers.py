"""Recipes for initial parameters: for learning a task, and for reconstructing a dynamical system."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class Initializer:
    """How initial parameters are drawn; a latent step asks `kind` and fills itself (`LatentStep.initialize`).

    `resolve` names the recipe for a kind of task; all but `Auto` return themselves.
    """

    kind: str

    def resolve(self, task_kind: str) -> "Initializer":
        """Return the recipe to use for a task of the kind "cognitive", "reaching" or "time_series"."""
        del task_kind
        return self

    def input_bound(self, latent_dim: int, input_dim: int) -> float:
        """Return the bound of the uniform distribution of the input matrix C (M, K)."""
        raise TypeError(f"{type(self).__name__} has no recipe of its own: call resolve first")


class Auto(Initializer):
    """The recipe that suits the task: reconstruction for time series, task for all else."""

    kind = "auto"

    def resolve(self, task_kind: str) -> Initializer:
        """Return ReconstructionInitializer for "time_series", else TaskInitializer."""
        return ReconstructionInitializer() if task_kind == "time_series" else TaskInitializer()


class TaskInitializer(Initializer):
    """Initial values from which the PLRNN family learns tasks: slow units, weakly coupled, weakly driven.

    A ~ U(decay), so that each unit forgets with a time constant of dt / (1 - A), 10 to 100 steps by default;
    W ~ coupling N(0, 1) / sqrt(M) for PLRNN and ALRNN; W1 ~ coupling N(0, 1) / sqrt(L), W2 ~ N(0, 1) / sqrt(M)
    and h2 ~ U(-1, 1) for the shallow pair, so that hidden units switch at different states; C ~ U(+-input_gain
    sqrt(6 / (M + K))); other biases 0. Found by experiment, see docs/initialisation.md.

    Args:
        decay: lowest and highest A, 0 <= low <= high <= 1.
        coupling: size of the recurrent weights, >= 0.
        input_gain: size of the input weights relative to Glorot's, >= 0.

    Raises:
        ValueError: an argument is out of its range.
    """

    kind = "task"

    def __init__(
        self, decay: Sequence[float] = (0.9, 0.99), coupling: float = 0.05, input_gain: float = 0.3
    ) -> None:
        if len(decay) != 2 or not 0 <= decay[0] <= decay[1] <= 1:
            raise ValueError(f"decay must be two rising numbers in [0, 1], got {list(decay)}")
        for name, value in (("coupling", coupling), ("input_gain", input_gain)):
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
        self.decay = tuple(decay)
        self.coupling = coupling
        self.input_gain = input_gain

    def fill_decay(self, diagonal: Tensor, generator: torch.Generator) -> None:
        """Draw A (M), in place."""
        diagonal.uniform_(*self.decay, generator=generator)

    def fill_coupling(self, matrix: Tensor, generator: torch.Generator) -> None:
        """Draw W (M, M) or W1 (M, L), in place."""
        matrix.normal_(0, 1, generator=generator).mul_(self.coupling / math.sqrt(matrix.shape[1]))

    def fill_hidden_layer(self, matrix: Tensor, bias: Tensor, generator: torch.Generator) -> None:
        """Draw W2 (L, M) and h2 (L), in place."""
        matrix.normal_(0, 1, generator=generator).div_(math.sqrt(matrix.shape[1]))
        bias.uniform_(-1, 1, generator=generator)

    def input_bound(self, latent_dim: int, input_dim: int) -> float:
        """Return input_gain sqrt(6 / (M + K))."""
        return self.input_gain * math.sqrt(6 / (latent_dim + input_dim))


class ReconstructionInitializer(Initializer):
    """The initial values of the reconstruction papers; each latent step holds its own.

    PLRNN: A and W are the diagonal and the rest of K(M), see `talathi_vartak` (GTF-shPLRNN). ALRNN: A from
    K(M), W ~ 0.01 N(0, 1) (ALRNN-DSR). Shallow pair: A from K(M), W1 ~ U(+-1/sqrt(L)), W2 ~ U(+-1/sqrt(M)),
    h2 = 0, or U(+-1/sqrt(L)) when clipped (GTF-shPLRNN). C ~ U(+-1/sqrt(K)) (CNS-2023). Other biases are 0.
    """

    kind = "reconstruction"

    def input_bound(self, latent_dim: int, input_dim: int) -> float:
        """Return 1/sqrt(K)."""
        del latent_dim
        return 1 / math.sqrt(max(input_dim, 1))


def talathi_vartak(size: int, generator: torch.Generator) -> Tensor:
    """Return K(M) = (R^T R / M + I) / lambda_max, (M, M), R standard normal (Talathi & Vartak 2016).

    Symmetric and positive definite, its largest eigenvalue is 1.
    """
    draw = torch.randn(size, size, generator=generator, dtype=torch.float64)
    matrix = draw.T @ draw / size + torch.eye(size, dtype=torch.float64)
    return matrix / torch.linalg.eigvalsh(matrix)[-1]
