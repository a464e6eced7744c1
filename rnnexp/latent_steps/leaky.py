"""Leaky rate networks: CTRNN, PsychRNN's Basic and spikeRNN's FR_RNN_dale are presets of one class.

Letters: B trials, T time steps, M latent_dim, K inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.preset_initializers import InitializerName, initializer_named
from rnnexp.constraints.weight_rule import WeightRules, effective
from rnnexp.latent_steps.activations import ActivationName, transfer_function
from rnnexp.latent_steps.base import LatentStep, named_weights
from rnnexp.latent_steps.initial_state import InitialMode, InitialState
from rnnexp.latent_steps.time_constants import TimeConstants
from rnnexp.numbers import finite_non_negative
from rnnexp.recurrence.noise import Noise

if TYPE_CHECKING:
    from rnnexp.recurrence.fused.closed_loop import LoopNetwork
    from rnnexp.recurrence.fused.errors import Compared

NoiseScale = Literal["sqrt_2alpha", "sqrt_alpha", "alpha", "unscaled"]

NOISE_SCALES: dict[str, Callable[[Tensor | float], Tensor | float]] = {
    "sqrt_2alpha": lambda alpha: (2 * alpha) ** 0.5,
    "sqrt_alpha": lambda alpha: alpha**0.5,
    "alpha": lambda alpha: alpha,
    "unscaled": lambda alpha: 1.0,
}


class Leaky(LatentStep):
    """Leaky rate network: z' = (1 - a) z + a (W_rec r + W_in s + b_rec + b_in) + scale(a) sigma_pre eps.

    r = f(z) + sigma_post xi, a = dt / tau; eps, xi ~ N(0, 1) for every trial, unit and step, r of the initial
    state without xi. W_rec and W_in are the effective weights: masked, and signed if Dale's law holds.
    Source: Ehrlich et al. 2021 (PsychRNN), eq. 1; nn4n, CTRNN; Kim, Li & Sejnowski 2019, eq. 1.

    Args:
        latent_dim: M >= 1.
        input_dim: K >= 0.
        dt: time step, ms, > 0.
        tau: time constants, ms, >= dt: a number, a list of M, or {"min": a, "max": b} to train them; None takes
            default_tau.
        default_tau: ms; None is 100.
        activation: f, see `rnnexp.latent_steps.activations`.
        recurrent_bias: have b_rec (M).
        input_bias: have b_in (M); only the sum of both matters.
        pre_noise: sigma_pre >= 0.
        pre_noise_scale: scale(a): sqrt(2 a), sqrt(a), a or 1.
        post_noise: sigma_post >= 0.
        test_noise: have the noise in validation and test as well, not in training alone.
        initial_state: "learned", "fixed" or "random" for every trial, see `InitialState`.
        initial_mean: finite.
        initial_sd: finite, >= 0.
        learnable_W_in: train W_in (M, K).
        learnable_W_rec: train W_rec (M, M).
        learnable_b_rec: train b_rec.
        learnable_b_in: train b_in.
        auto_initializer: the recipe that initializer=auto stands for.
        rules: connections and signs of the weights; None leaves them free.

    Raises:
        ValueError: an argument is not allowed.
    """

    fused_errors = True

    def __init__(
        self,
        latent_dim: int,
        input_dim: int,
        dt: float,
        tau: float | Sequence[float] | Mapping[str, float] | None = None,
        default_tau: float | None = None,
        activation: ActivationName = "relu",
        recurrent_bias: bool = True,
        input_bias: bool = False,
        pre_noise: float = 0.0,
        pre_noise_scale: NoiseScale = "sqrt_2alpha",
        post_noise: float = 0.0,
        test_noise: bool = True,
        initial_state: InitialMode = "learned",
        initial_mean: float = 0.1,
        initial_sd: float = 0.01,
        learnable_W_in: bool = True,
        learnable_W_rec: bool = True,
        learnable_b_rec: bool = True,
        learnable_b_in: bool = True,
        auto_initializer: InitializerName = "psychrnn",
        rules: WeightRules | None = None,
    ) -> None:
        super().__init__(latent_dim, input_dim)
        latent_dim, input_dim = self.latent_dim, self.input_dim
        self.pre_noise = finite_non_negative("pre_noise", pre_noise)
        self.post_noise = finite_non_negative("post_noise", post_noise)
        if pre_noise_scale not in NOISE_SCALES:
            allowed = ", ".join(NOISE_SCALES)
            raise ValueError(f"pre_noise_scale must be one of {allowed}, got {pre_noise_scale!r}")
        self.pre_noise_scale = pre_noise_scale
        self.test_noise = test_noise
        self.initial_state = InitialState(initial_state, initial_mean, initial_sd)
        self.activation = activation
        self.transfer = transfer_function(activation)
        default_tau = 100.0 if default_tau is None else default_tau
        self.time_constants = TimeConstants(default_tau if tau is None else tau, dt, latent_dim)
        self.auto_initializer = initializer_named(auto_initializer)
        rules = rules or WeightRules()
        self.W_rec_rule = rules.recurrent
        self.W_rec_raw = _parameter(learnable_W_rec, latent_dim, latent_dim)
        self.b_rec = _parameter(learnable_b_rec, latent_dim) if recurrent_bias else None
        self.b_in = _parameter(learnable_b_in, latent_dim) if input_bias and input_dim else None
        self.W_in_rule = rules.input if input_dim else None
        self.W_in_raw = _parameter(learnable_W_in, latent_dim, input_dim) if input_dim else None

    @property
    def W_rec(self) -> Tensor:
        """The effective recurrent weight (M, M)."""
        return effective(self.W_rec_raw, self.W_rec_rule)

    @property
    def W_in(self) -> Tensor | None:
        """The effective input weight (M, K), or None without inputs."""
        return None if self.W_in_raw is None else effective(self.W_in_raw, self.W_in_rule)

    @property
    def alpha(self) -> Tensor | float:
        """dt / tau, unitless, in (0, 1]: a number if all units share it, else (M)."""
        return self.time_constants.alpha(self.W_rec_raw)

    @property
    def _bias(self) -> Tensor | None:
        biases = [bias for bias in (self.b_rec, self.b_in) if bias is not None]
        return sum(biases) if biases else None

    def step(self, z: Tensor, s: Tensor | None) -> Tensor:
        """Return the next state (B, M), without noise."""
        return self._bound_step()(z, s)

    def bound_step(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return `step` with the effective weights computed once."""
        return self._bound_step() if type(self).step is Leaky.step else self.step

    def scaled_step(self, scale: Tensor) -> Callable[[Tensor, Tensor | None], Tensor]:
        """Return `step` with W_rec multiplied entry by entry by scale (M, M)."""
        return self._bound_step(scale)

    def _bound_step(self, scale: Tensor | None = None) -> Callable[[Tensor, Tensor | None], Tensor]:
        W_in, alpha, transfer = self.W_in, self.alpha, self.transfer.function
        W_rec = self.W_rec if scale is None else self.W_rec * scale
        bias = self._bias

        def step(z: Tensor, s: Tensor | None) -> Tensor:
            drive = functional.linear(transfer(z), W_rec, bias)
            if s is not None and W_in is not None:
                drive = drive + functional.linear(s, W_in)
            return torch.lerp(z, drive, alpha)  # (1 - alpha) z + alpha drive

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
        return self._fused_states(initial, inputs, n_steps, increments, readout, compared)

    def _fused_states(
        self,
        initial: Tensor,
        inputs: Tensor | None,
        n_steps: int,
        increments: Tensor | None,
        readout: tuple[Tensor, Tensor | None] | None,
        compared: "Compared | None",
        is_rate: bool = False,
    ) -> Any:
        from rnnexp.recurrence.fused.leaky import leaky_rollout  # has numba

        alpha = torch.as_tensor(self.alpha, dtype=self.W_rec_raw.dtype).expand(self.latent_dim)
        return leaky_rollout(
            initial, inputs, n_steps, increments, readout, alpha=alpha, W=self.W_rec, h=self._bias,
            W_in=self.W_in, activation=self.activation, compared=compared, is_rate=is_rate,
        )  # fmt: skip

    def loop_network(self) -> "LoopNetwork":
        """Return the network as the compiled closed loop takes it; see `LatentStep.loop_network`."""
        from rnnexp.recurrence.fused.closed_loop import LoopNetwork  # has numba

        alpha = torch.as_tensor(self.alpha, dtype=self.W_rec_raw.dtype).expand(self.latent_dim)
        W = (alpha[:, None] * self._joined_weights()).T[None]
        return LoopNetwork("leaky", W, 1 - alpha, W.new_empty(0), W.new_empty(1, 0), self.activation)

    def _joined_weights(self) -> Tensor:
        """Return [W_rec W_in b] (M, M + K + 1)."""
        parts = [self.W_rec] if self.W_in is None else [self.W_rec, self.W_in]
        bias = self.W_rec.new_zeros(self.latent_dim) if self._bias is None else self._bias
        return torch.cat((*parts, bias[:, None]), 1)

    @property
    def forceable_units(self) -> int:
        """M if rates are the states, activation="identity"; 0 otherwise."""
        return self.latent_dim if self.activation == "identity" else 0

    def rates(self, z: Tensor) -> Tensor:
        """Return f(z), without noise."""
        return self.transfer.function(z)

    def jacobian(self, z: Tensor, s: Tensor | None = None) -> Tensor:
        """Return diag(1 - a) + diag(a) W_rec diag(f'(z)), (B, M, M), the same for all inputs."""
        del s
        alpha = torch.as_tensor(self.alpha, dtype=z.dtype, device=z.device).expand(self.latent_dim)
        return torch.diag(1 - alpha) + alpha[:, None] * self.W_rec * self.transfer.slope(z)[:, None, :]

    def draw_noise(self, n_trials: int, n_steps: int, generator: torch.Generator) -> Noise | None:
        """Draw the noise of a run, see `LatentStep.draw_noise`."""
        return self.fold_noise(*self.standard_draws(n_trials, n_steps, generator))

    def standard_draws(
        self, n_trials: int, n_steps: int, generator: torch.Generator
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the draws from which `fold_noise` makes the noise of a run, (B, T, M) each, None for none."""
        like, shape = self.W_rec_raw, (n_trials, n_steps, self.latent_dim)
        eps, xi = (
            torch.randn(shape, generator=generator, dtype=like.dtype).to(like.device) if sd > 0 else None
            for sd in (self.pre_noise, self.post_noise)
        )
        return eps, xi

    def fold_noise(
        self,
        eps: Tensor | None,
        xi: Tensor | None,
        pre_noise: float | Tensor | None = None,
        post_noise: float | Tensor | None = None,
    ) -> Noise | None:
        """Turn standard normal draws into the noise of a rollout.

        The noise of the rates enters the recurrence linearly, so the increment of step t is
        scale(a) sigma_pre eps_t + a W_rec sigma_post xi_{t-1}, with xi_{-1} = 0.

        Args:
            eps: (B, T, M) or None for no noise of the states.
            xi: (B, T, M) or None for no noise of the rates.
            pre_noise, post_noise: sd in the place of the own.
        """
        pre_noise = self.pre_noise if pre_noise is None else pre_noise
        post_noise = self.post_noise if post_noise is None else post_noise
        increments = rates = None
        if eps is not None:
            increments = pre_noise * NOISE_SCALES[self.pre_noise_scale](self.alpha) * eps
        if xi is not None:
            rates = post_noise * xi
            fed_back = functional.pad(self.alpha * functional.linear(rates[:, :-1], self.W_rec), (0, 0, 1, 0))
            increments = fed_back if increments is None else increments + fed_back
        return None if increments is None else Noise(increments=increments, rates=rates)

    def initialize(self, initializer: Initializer, generator: torch.Generator) -> None:
        """Draw W_rec, W_in, the biases and a trained tau; see `Initializer`."""
        with torch.no_grad():
            self.W_rec_raw.copy_(initializer.recurrent_weight(self.W_rec_raw, self.W_rec_rule, generator))
            if self.W_in_raw is not None:
                self.W_in_raw.copy_(initializer.input_weight(self.W_in_raw, self.W_in_rule, generator))
            for bias, n_sources in ((self.b_rec, self.latent_dim), (self.b_in, self.input_dim)):
                if bias is not None:
                    bias.copy_(initializer.bias(bias, n_sources, generator))
        self.time_constants.initialize(generator)
        self.project()

    def project(self) -> None:
        """Put the raw weights back where their rules allow them."""
        for raw, rule in ((self.W_rec_raw, self.W_rec_rule), (self.W_in_raw, self.W_in_rule)):
            if rule is not None and raw is not None:
                rule.project(raw)

    @property
    def input_matrix(self) -> Tensor | None:
        """The effective W_in (M, K), or None without inputs."""
        return self.W_in

    @property
    def recurrent_matrices(self) -> tuple[Tensor, ...]:
        """The effective (W_rec,)."""
        return (self.W_rec,)

    @property
    def recurrent_parameters(self) -> tuple[Tensor, ...]:
        """(W_rec_raw,)."""
        return (self.W_rec_raw,)

    @property
    def unit_entries(self) -> tuple[tuple[Tensor, int], ...]:
        """Rows and columns of W_rec, rows of W_in, the biases."""
        entries = (
            (self.W_rec_raw, 0),
            (self.W_rec_raw, 1),
            (self.W_in_raw, 0),
            (self.b_rec, 0),
            (self.b_in, 0),
        )
        return tuple((tensor, axis) for tensor, axis in entries if tensor is not None)

    @property
    def unit_signs(self) -> Tensor | None:
        """Signs by Dale's law (M,), or None without it."""
        return None if self.W_rec_rule is None else self.W_rec_rule.signs

    def weights(self) -> dict[str, Tensor]:
        """Return the effective W_rec (M, M) and W_in (M, K), b_rec (M), b_in (M), as far as present; tau (M), ms."""
        tau = self.time_constants.tau(self.W_rec_raw)
        return named_weights(W_rec=self.W_rec, W_in=self.W_in, b_rec=self.b_rec, b_in=self.b_in, tau=tau)


def _parameter(is_learnable: bool, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape), requires_grad=is_learnable)
