"""A trained network at constant input as a map on numpy arrays, for `rnnexp.analysis`.

Letters: S state, K inputs, O outputs, n states.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnexp.analysis.piecewise_linear import PiecewiseLinearMap, leaky_relu_map, piecewise_linear_map
from rnnexp.errors import UserError
from rnnexp.latent_steps import ALRNN, PLRNN, LatentStep, Leaky, ShPLRNN
from rnnexp.models import RNN
from rnnexp.recurrence.rollout import rollout
from rnnexp.tasks.units import Scale

Array = np.ndarray
PIECEWISE_LINEAR = (PLRNN, ALRNN, ShPLRNN, Leaky)  # leaky networks with some activations


@dataclass(frozen=True, eq=False)
class Dynamics:
    """z' = F(z) of a network whose input never changes, without noise.

    Attributes:
        step: maps states (n, S) to the next ones (n, S).
        jacobian: maps states (n, S) to the Jacobians (n, S, S) of the step that starts there.
        orbit: maps a state (S,) and n to the states (n, S) of the next n steps.
        outputs: maps states (n, S) to outputs (n, O).
        system: the same map region by region, if it is piecewise linear.
        state_dim: S.
    """

    step: Callable[[Array], Array]
    jacobian: Callable[[Array], Array]
    orbit: Callable[[Array, int], Array]
    outputs: Callable[[Array], Array]
    system: PiecewiseLinearMap | None
    state_dim: int


def dynamics_of(model: RNN, inputs: Tensor | None, scale: Scale | None = None) -> Dynamics:
    """Return the dynamics of a model.

    Args:
        model: float64, on the CPU.
        inputs: (K,), constant in time, as the network sees them; None for a network without inputs.
        scale: by which its outputs are standardised, which is undone; None leaves them as they are.

    The Jacobian raises UserError where automatic differentiation cannot follow the step of a user.
    """
    latent_step = model.latent_step

    def outputs(states: Array) -> Array:
        with torch.no_grad():
            seen = model.observation(latent_step.rates(torch.from_numpy(states))).numpy()
        return seen if scale is None else scale.undo(seen)

    system = piecewise_linear_of(latent_step, inputs)
    if system is not None:
        return Dynamics(system.step, system.jacobian_at, system.orbit, outputs, system, latent_step.state_dim)
    bound = latent_step.bound_step()
    s = None if inputs is None else inputs[None]

    def step(z: Array) -> Array:
        with torch.no_grad():
            return bound(torch.from_numpy(z), None if s is None else s.expand(len(z), -1)).numpy()

    def jacobian(states: Array) -> Array:
        with torch.no_grad():
            return _jacobian(latent_step, torch.from_numpy(states), inputs).numpy()

    def orbit(z0: Array, n_steps: int) -> Array:
        given = None if inputs is None else inputs.expand(1, n_steps, -1)
        with torch.no_grad():
            return rollout(latent_step, torch.from_numpy(z0)[None], given, n_steps)[0].numpy()

    return Dynamics(step, jacobian, orbit, outputs, None, latent_step.state_dim)


def piecewise_linear_of(latent_step: LatentStep, inputs: Tensor | None) -> PiecewiseLinearMap | None:
    """Return a latent step at constant input (K,) as a piecewise-linear map, or None if it is none.

    A subclass counts only if it leaves `step` as it is.
    """
    base = next((kind for kind in PIECEWISE_LINEAR if isinstance(latent_step, kind)), None)
    if base is None or type(latent_step).step is not base.step:
        return None
    weights = {name: weight.detach().numpy() for name, weight in latent_step.weights().items()}
    s = None if inputs is None else inputs.numpy()
    if isinstance(latent_step, Leaky):
        return _leaky_map(latent_step, weights, s) if latent_step.activation in ("relu", "identity") else None
    model = base.__name__
    if isinstance(latent_step, ShPLRNN):
        model = "clipped_shPLRNN" if latent_step.clipped else "shPLRNN"
    return piecewise_linear_map(
        model,
        weights,
        num_relus=getattr(latent_step, "num_relus", None),
        mean_centering=getattr(latent_step, "mean_centering", False),
        inputs=s,
        clip_range=latent_step.clip_range,
    )


def _leaky_map(latent_step: Leaky, weights: dict[str, Array], s: Array | None) -> PiecewiseLinearMap:
    n_units = latent_step.latent_dim
    drive = sum((weights[name] for name in ("b_rec", "b_in") if name in weights), np.zeros(n_units))
    if s is not None and "W_in" in weights:
        drive = drive + weights["W_in"] @ s
    with torch.no_grad():
        alpha = torch.as_tensor(latent_step.alpha, dtype=torch.float64).expand(n_units).numpy()
    n_rectified = n_units if latent_step.activation == "relu" else 0
    return leaky_relu_map(alpha, weights["W_rec"], drive, n_rectified)


def _jacobian(latent_step: LatentStep, z: Tensor, inputs: Tensor | None) -> Tensor:
    try:
        if inputs is None or not inputs.any():
            return latent_step.jacobian(z)
        return latent_step.jacobian(z, inputs.expand(len(z), -1))
    except RuntimeError as error:  # torch.func cannot follow every step, one with .item() for example
        raise UserError(
            f"latent_step: {type(latent_step).__name__}: its Jacobian cannot be had by automatic differentiation, give "
            f"the class a method jacobian(z, s) ({str(error).splitlines()[0]})"
        ) from error
