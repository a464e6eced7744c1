"""A latent step iterated over time: `rollout` takes the fastest way, `reference_rollout` defines what is right."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnexp.errors import UserError
from rnnexp.latent_steps.base import LatentStep
from rnnexp.recurrence.around import Around
from rnnexp.recurrence.forced_states import ForcedStates
from rnnexp.recurrence.fused.selection import Backend, choose_backend


def rollout(
    latent_step: LatentStep,
    initial: Tensor,
    inputs: Tensor | None,
    n_steps: int,
    backend: Backend = "auto",
    increments: Tensor | None = None,
    forced: ForcedStates | None = None,
) -> Tensor:
    """Return the latents of `full_rollout`."""
    return full_rollout(latent_step, initial, inputs, n_steps, backend, increments, forced=forced)[0]


def full_rollout(
    latent_step: LatentStep,
    initial: Tensor,
    inputs: Tensor | None,
    n_steps: int,
    backend: Backend = "auto",
    increments: Tensor | None = None,
    readout: tuple[Tensor, Tensor | None] | None = None,
    forced: ForcedStates | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Iterate a latent step.

    Args:
        latent_step: the map z_{t+1} = F(z_t, s_t).
        initial: (B, S), the state before the first step, or (1, S), the same for all trials.
        inputs: (B, T, K) with T = n_steps, row t enters the step from z_t to z_{t+1}; None runs freely.
        n_steps: T >= 1.
        backend: "reference", "fused", or "auto", which is fused where there is a compiled recurrence. That one
            gives values and first derivatives of plain tensors; `torch.func` and second derivatives need the
            reference.
        increments: (B, T, S), row t is added to the state by that step, or inside it, see `LatentStep.noise_inside`;
            among the compiled recurrences only those of `fused_states` take them.
        readout: B (O, M) and b (O,) or None, if the outputs B r + b are wanted from a recurrence that can
            compute them on its way.
        forced: what pulls the state before each step; row t of the latents is the state before the pull of
            step t + 1. Among the compiled recurrences only those with `fused_forcing` take it.

    Returns:
        Latents (B, T, S) and rates (B, T, M), row t is after step t; outputs (B, T, O), or None if the recurrence
        has left them to the caller.

    Raises:
        UserError: backend="fused" cannot be had here.
        ValueError: shapes, dtypes or devices do not agree.
    """
    initial = _checked_start(latent_step, initial, inputs, n_steps, increments)
    name, _ = choose_backend(latent_step, initial.device, initial.dtype, backend, forced is not None)
    if name == "fused" and "fused_states" in vars(type(latent_step)):
        return latent_step.fused_states(initial, inputs, n_steps, increments, readout)
    if name == "fused" and increments is None:
        forcing = () if forced is None else (forced,)
        latents = latent_step.fused_rollout(initial, inputs, n_steps, *forcing)
    elif backend == "fused":
        raise UserError(
            f"trainer.backend: fused: the compiled recurrence of {type(latent_step).__name__} takes no noise; "
            "use auto or reference"
        )
    else:
        parts = () if forced is None else (forced,)
        latents = reference_rollout(latent_step, initial, inputs, n_steps, increments, parts)
    return latents, latent_step.rates(latents), None


def _checked_start(
    latent_step: LatentStep, initial: Tensor, inputs: Tensor | None, n_steps: int, increments: Tensor | None
) -> Tensor:
    """Return the initial states, one for each trial; refuse what the rollouts would each refuse in their own words."""
    rows = next((len(given) for given in (inputs, increments) if given is not None), len(initial))
    if initial.ndim == 2 and len(initial) == 1:
        initial = initial.expand(rows, -1)
    n_inputs = 0 if inputs is None else latent_step.input_dim or inputs.shape[-1]
    for name, tensor, shape in (
        ("initial", initial, (rows, latent_step.state_dim)),
        ("inputs", inputs, (rows, n_steps, n_inputs)),
        ("increments", increments, (rows, n_steps, latent_step.state_dim)),
    ):
        if tensor is not None and tensor.shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {tuple(tensor.shape)}")
    like = next(latent_step.parameters(), initial)
    for name, tensor in (("initial", initial), ("inputs", inputs), ("increments", increments)):
        if tensor is not None and (tensor.dtype, tensor.device) != (like.dtype, like.device):
            raise ValueError(
                f"{name} must be {like.dtype} on {like.device} as the parameters are, "
                f"got {tensor.dtype} on {tensor.device}"
            )
    return initial


def reference_rollout(
    latent_step: LatentStep,
    initial: Tensor,
    inputs: Tensor | None,
    n_steps: int,
    increments: Tensor | None = None,
    parts: Sequence[Around] = (),
) -> Tensor:
    """Iterate a latent step in plain torch.

    Args:
        latent_step, initial, inputs, n_steps, increments: as of `full_rollout`.
        parts: what happens around each step, in their order: forcing, changed connections, a plant.

    Returns:
        Latents (B, T, S).
    """
    own = latent_step.bound_step()
    steps = [None] * n_steps if inputs is None else inputs.unbind(1)
    added = [None] * n_steps if increments is None else increments.unbind(1)
    z, latents = initial, []
    for t, (s, increment) in enumerate(zip(steps, added, strict=True)):
        step = own
        for part in parts:
            z, s, step = part.before(z, t), part.receive(s, t), part.step(step, t)
        if increment is None:
            z = step(z, s)
        elif latent_step.noise_inside:
            z = step(z, s, increment)
        else:
            z = step(z, s) + increment
        for part in parts:
            z = part.after(z, t)
        latents.append(z)
    return torch.stack(latents, dim=1)
