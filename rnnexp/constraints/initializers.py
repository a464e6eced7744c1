"""Recipes for initial parameters: for learning a task, and for reconstructing a dynamical system."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.numbers import finite_non_negative, is_fraction, listed


class Initializer:
    """How initial parameters are drawn; a latent step asks for what it has (`LatentStep.initialize`).

    `resolve` names the recipe for a kind of task; all but `Auto` return themselves. A recipe holds what it can
    draw and refuses the rest: `fill_*` and `input_bound` are for the PLRNN family, `*_weight` and `bias` for
    leaky networks. These work under every sign rule: the moduli that they draw are those of the effective
    weights.
    """

    kind: str
    draws_readout = False

    def resolve(self, task_kind: str, preferred: "Initializer | None" = None) -> "Initializer":
        """Return the recipe to use for a task of the kind "cognitive", "reaching" or "time_series".

        Args:
            task_kind: one of the three.
            preferred: what the latent step asks for, if it does.
        """
        del task_kind, preferred
        return self

    def apply_to(self, model: nn.Module) -> None:
        """Set parameters once all of them are drawn; nothing to do by default."""
        del model

    def fill_decay(self, diagonal: Tensor, generator: torch.Generator) -> None:
        """Draw A (M), in place."""
        raise self._no_recipe("A")

    def fill_coupling(self, matrix: Tensor, generator: torch.Generator) -> None:
        """Draw W (M, M) or W1 (M, L), in place."""
        raise self._no_recipe("W")

    def fill_hidden_layer(self, matrix: Tensor, bias: Tensor, generator: torch.Generator) -> None:
        """Draw W2 (L, M) and h2 (L), in place."""
        raise self._no_recipe("W2")

    def input_bound(self, latent_dim: int, input_dim: int) -> float:
        """Return the bound of the uniform distribution of the input matrix C (M, K)."""
        raise self._no_recipe("C")

    def recurrent_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_rec (M, M), whose effective weight follows from the rule."""
        raise self._no_recipe("W_rec")

    def input_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for W_in (M, K)."""
        raise self._no_recipe("W_in")

    def output_weight(self, raw: Tensor, rule: WeightRule | None, generator: torch.Generator) -> Tensor:
        """Return raw values for the readout B (O, M); used when `draws_readout`."""
        raise self._no_recipe("B")

    def bias(self, like: Tensor, n_sources: int, generator: torch.Generator) -> Tensor:
        """Return values for a bias of the shape of `like`, whose layer has so many sources; zeros by default."""
        del n_sources, generator
        return torch.zeros_like(like)

    def _no_recipe(self, name: str) -> ValueError:
        fitting = (
            "psychrnn, nn4n, spikernn and spectral_radius are for leaky networks, task and reconstruction for the "
            "PLRNN family, auto fits all"
        )
        return ValueError(
            f"{type(self).__name__} does not say how to draw {name} of this latent step; {fitting}"
        )


class Auto(Initializer):
    """The recipe that suits: what the latent step asks for, else reconstruction for time series, else task."""

    kind = "auto"

    def resolve(self, task_kind: str, preferred: Initializer | None = None) -> Initializer:
        """Return the preferred recipe, or ReconstructionInitializer for "time_series" and TaskInitializer else."""
        if preferred is not None:
            return preferred
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
        self, decay: Sequence[float] = (0.9, 0.99), coupling: float = 0.05, input_gain: float = 1.0
    ) -> None:
        pair = listed(decay)
        if pair is None or len(pair) != 2 or not all(map(is_fraction, pair)) or pair[0] > pair[1]:
            raise ValueError(f"decay must be two rising numbers in [0, 1], got {pair or decay}")
        self.decay = tuple(pair)
        self.coupling = finite_non_negative("coupling", coupling)
        self.input_gain = finite_non_negative("input_gain", input_gain)

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
