"""LSTM and GRU: networks whose gates decide what a state keeps.

Letters: B trials, M latent_dim, K inputs. All gates read u = [h, s].
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnexp.constraints.initializers import Initializer, TaskInitializer
from rnnexp.constraints.psychrnn_initializer import PsychRNNInitializer
from rnnexp.latent_steps.base import LatentStep

if TYPE_CHECKING:
    from rnnexp.recurrence.fused.closed_loop import LoopNetwork

GATES = ("f", "i", "c", "o")


class LSTM(LatentStep):
    """Long short-term memory with PsychRNN's equations; the state is z = [h, c], the rates are h.

        F, I, O = sigmoid(u W + b), each with its own W and b,    G = tanh(u W_c + b_c),    u = [h, s]
        c' = F c + I G,    h' = O phi(c')

    phi is the sigmoid in PsychRNN, tanh elsewhere (Hochreiter & Schmidhuber 1997; torch.nn.LSTM, whose two biases
    have the sum b). Source: Ehrlich et al. 2021 (PsychRNN), LSTM.

    Args:
        latent_dim: M >= 1, size of h and of c.
        input_dim: K >= 0.
        cell_activation: phi, "sigmoid" or "tanh".

    Raises:
        ValueError: an argument is not allowed.
    """

    auto_initializer = PsychRNNInitializer()

    def __init__(
        self, latent_dim: int, input_dim: int, cell_activation: Literal["sigmoid", "tanh"] = "sigmoid"
    ) -> None:
        super().__init__(latent_dim, input_dim)
        latent_dim, input_dim = self.latent_dim, self.input_dim
        if cell_activation not in ("sigmoid", "tanh"):
            raise ValueError(f"cell_activation must be one of sigmoid, tanh, got {cell_activation!r}")
        self.cell_activation = cell_activation
        for gate in GATES:
            setattr(self, f"W_{gate}", nn.Parameter(torch.zeros(latent_dim + input_dim, latent_dim)))
        for gate in GATES:
            setattr(self, f"b_{gate}", nn.Parameter(torch.zeros(latent_dim)))

    @property
    def state_dim(self) -> int:
        """2 M."""
        return 2 * self.latent_dim

    @property
    def gate_matrices(self) -> tuple[Tensor, ...]:
        """(W_f, W_i, W_c, W_o), all (M + K, M), rows are h, then s."""
        return tuple(getattr(self, f"W_{gate}") for gate in GATES)

    @property
    def gate_biases(self) -> tuple[Tensor, ...]:
        """(b_f, b_i, b_c, b_o), all (M,)."""
        return tuple(getattr(self, f"b_{gate}") for gate in GATES)

    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, 2 M)."""
        return self._bound_step()(z, s)

    def bound_step(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return `step` with the weights of the gates joined once."""
        return self._bound_step() if type(self).step is LSTM.step else self.step

    def _bound_step(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        W, b = torch.cat(self.gate_matrices, 1), torch.cat(self.gate_biases)
        activation = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}[self.cell_activation]

        def step(z: Tensor, s: Tensor | None) -> Tensor:
            h, c = z.chunk(2, -1)
            u = h if s is None or not self.input_dim else torch.cat((h, s), -1)
            forget, write, content, read = torch.addmm(b, u, W[: u.shape[1]]).chunk(4, -1)
            c = torch.sigmoid(forget) * c + torch.sigmoid(write) * torch.tanh(content)
            return torch.cat((torch.sigmoid(read) * activation(c), c), -1)

        return step

    def fused_rollout(self, initial: Tensor, inputs: Tensor | None, n_steps: int) -> Tensor:
        """Iterate `step` by the compiled recurrence; see `rnnexp.recurrence.rollout.rollout`."""
        from rnnexp.recurrence.fused.gated import gated_rollout  # has numba

        W = torch.stack(self.gate_matrices)
        return gated_rollout(
            initial, inputs, n_steps, W_hidden=W[:, : self.latent_dim], W_input=W[:, self.latent_dim :],
            b=torch.stack(self.gate_biases), cell=f"lstm_{self.cell_activation}",
        )  # fmt: skip

    @property
    def forceable_units(self) -> int:
        """M: the first half of z is h, which are the rates."""
        return self.latent_dim

    def rates(self, z: Tensor) -> Tensor:
        """Return h (..., M) of the states z (..., 2 M)."""
        return z[..., : self.latent_dim]

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw PsychRNN's initial values: matrices N(0, 0.1^2), biases 1.

        Raises:
            ValueError: another recipe was asked for, see `check_recipe`.
        """
        check_recipe(self, initializer, PsychRNNInitializer(), TaskInitializer())
        with torch.no_grad():
            for matrix, bias in zip(self.gate_matrices, self.gate_biases, strict=True):
                matrix.normal_(0, 0.1, generator=generator)
                bias.fill_(1)

    @property
    def input_matrix(self) -> Tensor | None:
        """The input part of all gates, f, i, c, o below each other, (4 M, K); None without inputs."""
        return torch.cat([W[self.latent_dim :].T for W in self.gate_matrices]) if self.input_dim else None

    @property
    def recurrent_matrices(self) -> tuple[Tensor, ...]:
        """The parts of W_f, W_i, W_c and W_o that multiply h, each (M, M)."""
        return tuple(W[: self.latent_dim].T for W in self.gate_matrices)

    @property
    def recurrent_parameters(self) -> tuple[Tensor, ...]:
        """Views of the parameters, as in `recurrent_matrices`."""
        return tuple(matrix.detach() for matrix in self.recurrent_matrices)

    @property
    def unit_entries(self) -> tuple[tuple[Tensor, int], ...]:
        """Columns and, among the rows of h, rows of the matrices; the biases.

        A silenced unit's h goes to phi(0) / 2, which is 0.25 for the sigmoid; nothing else hears of it.
        """
        matrices = ((W[: self.latent_dim].detach(), 0) for W in self.gate_matrices)
        return (
            *matrices, *((W, 1) for W in self.gate_matrices), *((b, 0) for b in self.gate_biases),
        )  # fmt: skip


class GRU(LatentStep):
    """Gated recurrent unit with the equations of torch.nn.GRU.

        r, u = sigmoid(W_i s + b_i + W_h h + b_h), each with its own,    n = tanh(W_in s + b_in + r (W_hn h + b_hn))
        h' = (1 - u) n + u h

    torch calls u z. Source: Cho et al. 2014, with the reset gate r after the product, as in torch.

    Args:
        latent_dim: M >= 1.
        input_dim: K >= 0.

    Raises:
        ValueError: a size is not an integer in its range.
    """

    auto_initializer = TaskInitializer()

    def __init__(self, latent_dim: int, input_dim: int) -> None:
        super().__init__(latent_dim, input_dim)
        latent_dim, input_dim = self.latent_dim, self.input_dim
        self.weight_ih = nn.Parameter(torch.zeros(3 * latent_dim, input_dim))
        self.weight_hh = nn.Parameter(torch.zeros(3 * latent_dim, latent_dim))
        self.bias_ih = nn.Parameter(torch.zeros(3 * latent_dim))
        self.bias_hh = nn.Parameter(torch.zeros(3 * latent_dim))

    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, M)."""
        has_input = s is not None and self.input_dim
        driven = functional.linear(s, self.weight_ih, self.bias_ih) if has_input else self.bias_ih
        r_s, u_s, n_s = driven.chunk(3, -1)
        r_h, u_h, n_h = functional.linear(z, self.weight_hh, self.bias_hh).chunk(3, -1)
        n = torch.tanh(n_s + torch.sigmoid(r_s + r_h) * n_h)
        return torch.lerp(n, z, torch.sigmoid(u_s + u_h))  # (1 - u) n + u h

    def fused_rollout(self, initial: Tensor, inputs: Tensor | None, n_steps: int) -> Tensor:
        """Iterate `step` by the compiled recurrence; see `rnnexp.recurrence.rollout.rollout`."""
        from rnnexp.recurrence.fused.gated import gated_rollout  # has numba

        M, K = self.latent_dim, self.input_dim
        W_h, W_i = self.weight_hh.view(3, M, M).mT, self.weight_ih.view(3, M, K).mT
        b_h, b_i = self.bias_hh.view(3, M), self.bias_ih.view(3, M)
        return gated_rollout(
            initial, inputs, n_steps,
            W_hidden=torch.cat((W_h[:2], torch.zeros_like(W_h[:1]), W_h[2:])),
            W_input=torch.cat((W_i, torch.zeros_like(W_i[:1]))),
            b=torch.cat((b_h[:2] + b_i[:2], b_i[2:], b_h[2:])),
            cell="gru",
        )  # fmt: skip

    def loop_network(self) -> "LoopNetwork":
        """Return the network as the compiled closed loop takes it; see `LatentStep.loop_network`."""
        from rnnexp.recurrence.fused.closed_loop import LoopNetwork  # has numba

        M = self.latent_dim
        W_h, W_i = self.weight_hh.view(3, M, M).mT, self.weight_ih.view(3, M, self.input_dim).mT
        b_h, b_i = self.bias_hh.view(3, 1, M), self.bias_ih.view(3, 1, M)
        none = torch.zeros_like(W_h[:1])
        W = torch.cat(
            (
                torch.cat((W_h[:2], none, W_h[2:])),
                torch.cat((W_i, torch.zeros_like(W_i[:1]))),
                torch.cat((b_h[:2] + b_i[:2], b_i[2:], b_h[2:])),
            ),
            1,
        )
        empty = W.new_empty(0)
        return LoopNetwork("gru", W, empty, empty, W.new_empty(1, 0))

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw torch's initial values: all weights and biases U(-1/sqrt(M), 1/sqrt(M)).

        Raises:
            ValueError: another recipe was asked for, see `check_recipe`.
        """
        check_recipe(self, initializer, TaskInitializer())
        bound = 1 / math.sqrt(self.latent_dim)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound, generator=generator)

    @property
    def input_matrix(self) -> Tensor | None:
        """weight_ih (3 M, K), the gates r, u, n below each other; None without inputs."""
        return self.weight_ih if self.input_dim else None

    @property
    def recurrent_matrices(self) -> tuple[Tensor, ...]:
        """The parts of weight_hh that belong to r, u and n, each (M, M)."""
        return self.weight_hh.split(self.latent_dim)

    @property
    def recurrent_parameters(self) -> tuple[Tensor, ...]:
        """Views of weight_hh, as in `recurrent_matrices`."""
        return self.weight_hh.detach().split(self.latent_dim)

    @property
    def unit_entries(self) -> tuple[tuple[Tensor, int], ...]:
        """A unit's rows in all parameters, one for each gate, and its column of weight_hh."""
        rows = ((p.detach().unflatten(0, (3, self.latent_dim)), 1) for p in self.parameters())
        return (*rows, (self.weight_hh, 1))


def check_recipe(step: LatentStep, initializer: Initializer, *accepted: Initializer) -> None:
    """Refuse a recipe whose settings would be ignored: gated networks have initial values of their own.

    Args:
        step: the gated network.
        initializer: what was asked for.
        accepted: what stands for its own values.

    Raises:
        ValueError: initializer is none of the accepted ones, or has other settings.
    """
    if not any(type(initializer) is type(one) and vars(initializer) == vars(one) for one in accepted):
        names = " or ".join(type(one).__name__ for one in accepted)
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(initializer).items())
        raise ValueError(
            f"{type(step).__name__} draws its published initial values: use initializer=auto, or {names} with its "
            f"default settings, got {type(initializer).__name__}({settings})"
        )
