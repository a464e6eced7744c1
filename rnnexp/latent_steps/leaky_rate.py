"""The leaky rate network whose transfer function acts on the whole input, as in feedbax."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from rnnexp.constraints.preset_initializers import InitializerName
from rnnexp.constraints.weight_rule import WeightRules
from rnnexp.latent_steps.activations import ActivationName
from rnnexp.latent_steps.initial_state import InitialMode
from rnnexp.latent_steps.leaky import Leaky

if TYPE_CHECKING:
    from rnnexp.recurrence.fused.closed_loop import LoopNetwork


class LeakyRate(Leaky):
    """z' = (1 - a) z + a f(W_rec z + W_in s + b_rec + b_in), a = dt / tau; the states are the rates.

    `Leaky` puts f on the states instead; with a = 1 both give the same rates. Source: feedbax 0.1.2, LeakyRNNCell, with
    f = tanh; Miller & Fumarola 2012 on how the two relate.

    Args:
        latent_dim, input_dim, dt, tau, default_tau: as of `Leaky`.
        activation: f, see `rnnexp.latent_steps.activations`.
        recurrent_bias, input_bias, initial_state, initial_mean, initial_sd: as of `Leaky`.
        learnable_W_in, learnable_W_rec, learnable_b_rec, learnable_b_in, auto_initializer, rules: as of `Leaky`.

    Raises:
        ValueError: an argument is not allowed.
    """

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        dt: float,
        tau: float | Sequence[float] | Mapping[str, float] | None = None,
        default_tau: float | None = None,
        activation: ActivationName = "tanh",
        recurrent_bias: bool = True,
        input_bias: bool = False,
        initial_state: InitialMode = "fixed",
        initial_mean: float = 0.0,
        initial_sd: float = 0.0,
        learnable_W_in: bool = True,
        learnable_W_rec: bool = True,
        learnable_b_rec: bool = True,
        learnable_b_in: bool = True,
        auto_initializer: InitializerName = "psychrnn",
        rules: WeightRules | None = None,
    ) -> None:
        super().__init__(
            latent_dim, input_dim, dt, tau, default_tau, activation, recurrent_bias, input_bias,
            initial_state=initial_state, initial_mean=initial_mean, initial_sd=initial_sd,
            learnable_W_in=learnable_W_in, learnable_W_rec=learnable_W_rec, learnable_b_rec=learnable_b_rec,
            learnable_b_in=learnable_b_in, auto_initializer=auto_initializer, rules=rules,
        )  # fmt: skip

    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, M)."""
        return self._bound_step()(z, s)

    def bound_step(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return `step` with the effective weights computed once."""
        return self._bound_step() if type(self).step is LeakyRate.step else self.step

    def _bound_step(self, scale: Tensor | None = None) -> Callable[[Tensor, Tensor | None], Tensor]:
        W_in, alpha, transfer, bias = self.W_in, self.alpha, self.transfer.function, self._bias
        W_rec = self.W_rec if scale is None else self.W_rec * scale

        def step(z: Tensor, s: Tensor | None) -> Tensor:
            drive = functional.linear(z, W_rec, bias)
            if s is not None and W_in is not None:
                drive = drive + functional.linear(s, W_in)
            return torch.lerp(z, transfer(drive), alpha)

        return step

    @property
    def forceable_units(self) -> int:
        """M: the states are the rates."""
        return self.latent_dim

    def rates(self, z: Tensor) -> Tensor:
        """Return z itself."""
        return z

    def jacobian(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """Return diag(1 - a) + diag(a f'(x)) W_rec, (B, M, M), x the input of f."""
        drive = functional.linear(z, self.W_rec, self._bias)
        if s is not None and self.W_in is not None:
            drive = drive + functional.linear(s, self.W_in)
        alpha = torch.as_tensor(self.alpha, dtype=z.dtype, device=z.device).expand(self.latent_dim)
        return torch.diag(1 - alpha) + (alpha * self.transfer.slope(drive))[:, :, None] * self.W_rec

    def loop_network(self) -> "LoopNetwork":
        """Return the network as the compiled closed loop takes it; see `LatentStep.loop_network`."""
        from rnnexp.recurrence.fused.closed_loop import LoopNetwork  # has numba

        alpha = torch.as_tensor(self.alpha, dtype=self.W_rec_raw.dtype).expand(self.latent_dim)
        W = self._joined_weights().T[None]
        return LoopNetwork("leaky_rate", W, 1 - alpha, alpha, W.new_empty(1, 0), self.activation)
