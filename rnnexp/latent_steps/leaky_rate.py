"""The leaky rate network whose transfer function acts on the whole input, as in feedbax."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from rnnexp.constraints.preset_initializers import InitializerName
from rnnexp.constraints.weight_rule import WeightRules
from rnnexp.latent_steps.activations import ActivationName
from rnnexp.latent_steps.initial_state import InitialMode
from rnnexp.latent_steps.leaky import Leaky
from rnnexp.recurrence.noise import Noise

if TYPE_CHECKING:
    from rnnexp.recurrence.fused.closed_loop import LoopNetwork
    from rnnexp.recurrence.fused.errors import Compared


class LeakyRate(Leaky):
    """z' = (1 - a) z + a f(W_rec z + W_in s + b_rec + b_in + sqrt(2 / a) sigma_pre eps), a = dt / tau.

    The states are the rates; eps ~ N(0, 1) for every trial, unit and step. `Leaky` puts f on the states instead; with
    a = 1 both give the same rates. Source: feedbax 0.1.2, LeakyRNNCell, with f = tanh and no noise; Yang et al. 2019,
    eq. 2, with f = softplus; Miller & Fumarola 2012 on how the two relate.

    Args:
        latent_dim, input_dim, dt, tau, default_tau: as of `Leaky`.
        activation: f, see `rnnexp.latent_steps.activations`.
        pre_noise: sigma_pre >= 0.
        recurrent_bias, input_bias, test_noise, initial_state, initial_mean, initial_sd: as of `Leaky`.
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
        pre_noise: float = 0.0,
        test_noise: bool = True,
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
            pre_noise, test_noise=test_noise, initial_state=initial_state, initial_mean=initial_mean,
            initial_sd=initial_sd, learnable_W_in=learnable_W_in, learnable_W_rec=learnable_W_rec,
            learnable_b_rec=learnable_b_rec, learnable_b_in=learnable_b_in, auto_initializer=auto_initializer,
            rules=rules,
        )  # fmt: skip

    fused_errors = True
    noise_inside = True

    def step(self, z: Tensor, s: Tensor | None, noise: Tensor | None = None) -> Tensor:
        """Return the next state (B, M), with what the units receive of the noise (B, M)."""
        return self._bound_step()(z, s, noise)

    def bound_step(self) -> Callable[..., Tensor]:
        """Return `step` with the effective weights computed once."""
        return self._bound_step() if type(self).step is LeakyRate.step else self.step

    def _bound_step(self, scale: Tensor | None = None) -> Callable[..., Tensor]:
        W_in, alpha, transfer, bias = self.W_in, self.alpha, self.transfer.function, self._bias
        W_rec = self.W_rec if scale is None else self.W_rec * scale

        def step(z: Tensor, s: Tensor | None, noise: Tensor | None = None) -> Tensor:
            drive = functional.linear(z, W_rec, bias)
            if s is not None and W_in is not None:
                drive = drive + functional.linear(s, W_in)
            return torch.lerp(z, transfer(drive if noise is None else drive + noise), alpha)

        return step

    def fused_rollout(self, initial: Tensor, inputs: Tensor | None, n_steps: int) -> Tensor:
        """Iterate `step` by the compiled recurrence; see `rnnexp.recurrence.rollout.rollout`."""
        return self.fused_states(initial, inputs, n_steps)[0]

    def fused_states(
        self,
        initial: Tensor,
        inputs: Tensor | None,
        n_steps: int,
        increments: Tensor | None = None,
        readout: tuple[Tensor, Tensor | None] | None = None,
        compared: "Compared | None" = None,
    ) -> Any:
        """Return latents, rates and outputs by the compiled recurrence; see `LatentStep.fused_states`."""
        return self._fused_states(initial, inputs, n_steps, increments, readout, compared, is_rate=True)

    def fold_noise(
        self,
        eps: Tensor | None,
        xi: Tensor | None = None,
        pre_noise: float | Tensor | None = None,
        post_noise: float | Tensor | None = None,
    ) -> Noise | None:
        """Turn standard normal draws eps (B, T, M) into the noise of a rollout, with pre_noise as sd if it is given."""
        del xi, post_noise
        if eps is None:
            return None
        pre_noise = self.pre_noise if pre_noise is None else pre_noise
        sd = pre_noise * (2 / self.alpha) ** 0.5
        return Noise(increments=eps.mul_(sd) if isinstance(sd, float) else sd * eps)

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
