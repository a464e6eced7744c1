"""Which rollout runs: the reference, or the fused recurrence of a latent step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch

from rnnexp.errors import UserError

if TYPE_CHECKING:
    from rnnexp.latent_steps.base import LatentStep

Backend = Literal["auto", "reference", "fused"]
DTYPES = (torch.float32, torch.float64)


def choose_backend(
    latent_step: LatentStep,
    device: torch.device,
    dtype: torch.dtype,
    wanted: Backend = "auto",
    is_forced: bool = False,
) -> tuple[Literal["reference", "fused"], str]:
    """Choose how a latent step is rolled out.

    Args:
        latent_step: the map to iterate.
        device: where its parameters are.
        dtype: of its parameters.
        wanted: "reference" and "fused" force one, "auto" takes the fused recurrence where there is one.
        is_forced: the states are forced on the way, which the recurrences with `fused_forcing` can do.

    Returns:
        The name of the backend, and the reason in a few words for the log.

    Raises:
        UserError: wanted is none of the three, or "fused" and there is no fused recurrence for this case.
    """
    if wanted not in get_args(Backend):
        raise UserError(f"trainer.backend: {wanted}: must be one of {', '.join(get_args(Backend))}")
    if wanted == "reference":
        return "reference", "asked for by trainer.backend"
    obstacle = _obstacle(latent_step, device, dtype, is_forced)
    if obstacle is None:
        return "fused", f"compiled recurrence on the CPU, {_short(dtype)}"
    if wanted == "fused":
        raise UserError(f"trainer.backend: fused: {obstacle}; use auto or reference")
    return "reference", obstacle


def _obstacle(
    latent_step: LatentStep, device: torch.device, dtype: torch.dtype, is_forced: bool
) -> str | None:
    kind = type(latent_step)
    if "fused_rollout" not in vars(kind):  # an inherited one may not fit the step of a subclass
        return f"{kind.__name__} has no compiled recurrence of its own"
    if is_forced and not vars(kind).get("fused_forcing", False):
        return f"the compiled recurrence of {kind.__name__} takes no forcing"
    if device.type != "cpu":
        return f"the compiled recurrences run on the CPU, not on {device.type}"
    if dtype not in DTYPES:
        return f"the compiled recurrences need float32 or float64, not {_short(dtype)}"
    return None


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
