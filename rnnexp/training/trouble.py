"""Numerical trouble: what became non-finite first, what may help, and how a training goes on after it."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from rnnexp.errors import UserError
from rnnexp.latent_steps import Leaky, ShPLRNN
from rnnexp.numbers import integer_at_least, one_of
from rnnexp.tasks.base import Trials
from rnnexp.training.checkpoint import load_checkpoint, load_weights
from rnnexp.training.state import Session

log = logging.getLogger(__name__)
OnNonfinite = Literal["stop", "skip_step", "restore_and_lower_lr"]
EXPLODED = 1000.0  # times as far from 0 as the targets and 1


class TrainingDivergedError(UserError):
    """The loss, a gradient or a parameter is not finite; the last good checkpoint stays."""


@dataclass
class Trouble:
    """What happens when the loss, a gradient or a parameter is not finite.

    Args:
        on_nonfinite: "stop" ends the training; "skip_step" leaves the update out; "restore_and_lower_lr" leaves it out,
            takes weights and optimizer from best.pt and halves the learning rate for the rest of the training.
        max_nonfinite: how often a training goes on so, >= 1; after that it ends.
        clip: how gradients are clipped, for advice.
        n_trials: how many trials are run once more to see what the states did, >= 1.

    Raises:
        ValueError: an argument is out of its range.
    """

    on_nonfinite: OnNonfinite
    max_nonfinite: int
    clip: str
    n_trials: int = 16
    _has_warned: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        one_of("on_nonfinite", self.on_nonfinite, ("stop", "skip_step", "restore_and_lower_lr"))
        self.max_nonfinite = integer_at_least("max_nonfinite", self.max_nonfinite, 1)

    @property
    def goes_on(self) -> bool:
        """Whether a training can go on after trouble."""
        return self.on_nonfinite != "stop"

    def is_kept_out(
        self, session: Session, trials: Trials, losses: Mapping[str, Tensor], grad_norm: Tensor
    ) -> bool:
        """Whether an update must not be made, since its loss or its gradient is not finite, and the training goes on.

        Raises:
            TrainingDivergedError: the training ends; the first term of the loss, or the first parameter, is named.
        """
        if math.isfinite((losses["loss"].detach() + grad_norm).item()):
            return False
        step = session.state.step + 1
        self._meet(session, f"{_first_cause(session, losses, grad_norm)} at step {step}", trials)
        return True

    def check_parameters(self, session: Session) -> None:
        """Go on from the best checkpoint, or refuse to go on, if a parameter is not finite.

        Raises:
            TrainingDivergedError: the training ends.
        """
        for name, parameter in session.parts.model.named_parameters():
            if not parameter.isfinite().all():
                what = f"parameter {name} is not finite after step {session.state.step}"
                if self.on_nonfinite != "restore_and_lower_lr":  # leaving out later updates would not help
                    raise TrainingDivergedError(what + self._advice(session, []))
                self._meet(session, what, None)

    def look_at_start(self, session: Session) -> None:
        """Warn of a network whose states explode before it has learned anything."""
        trials = session.validation[: self.n_trials]
        what, _ = _growth(session, trials)
        if what:
            self._has_warned = True
            helps = _listed([*stability_options(session), *self._options()])
            log.warning("the network is unstable from the start: %s. %s may help", what, helps)

    def look_at_validation(self, session: Session) -> None:
        """Warn once where the validation loss is not finite, though that of the updates is."""
        loss = session.state.validation["loss"]
        if self._has_warned or math.isfinite(loss):
            return
        self._has_warned = True
        what, _ = _growth(session, session.validation[: self.n_trials])
        helps = _listed([*stability_options(session), *self._options()])
        log.warning(
            "the validation loss is %s after step %d%s. %s may help",
            loss, session.state.step, f": {what}" if what else "", helps,
        )  # fmt: skip

    def _meet(self, session: Session, what: str, trials: Trials | None) -> None:
        """Say what happened and let the training go on, or end it."""
        growth, stability = "", []
        if trials is not None:
            growth, has_exploded = _growth(session, trials[: self.n_trials])
            stability = stability_options(session) if has_exploded else []
            growth = f": {growth}" if growth else ""
        state = session.state
        if not self.goes_on:
            raise TrainingDivergedError(what + growth + self._advice(session, stability))
        if state.n_nonfinite == self.max_nonfinite:
            raise TrainingDivergedError(
                f"{what}{growth}, after trainer.max_nonfinite={self.max_nonfinite} such updates were left out"
                f"{self._advice(session, stability)}"
            )
        state.n_nonfinite += 1
        count = f"{state.n_nonfinite} of at most {self.max_nonfinite}"
        if self.on_nonfinite == "skip_step":
            log.warning("%s%s; the update is left out (%s)", what, growth, count)
            return
        best = restore_best(session)
        log.warning(
            "%s%s; the network of best.pt, step %d, goes on with %g times the learning rate (%s)",
            what, growth, best, state.lr_factor, count,
        )  # fmt: skip

    def _advice(self, session: Session, stability: list[str]) -> str:
        """Say what may help, in settings that the run has and does not use yet."""
        options = [*self._options(), *stability]
        if "gain" in session.config.get("initializer", {}) and not stability:
            options.append("a smaller initializer.gain")
        return f"; the last good checkpoint is kept. {_listed(options)} usually helps"

    def _options(self) -> list[str]:
        return ["a smaller optimizer.lr", *([] if self.clip == "norm" else ["trainer.clip=norm"])]


def restore_best(session: Session) -> int:
    """Take weights and optimizer from best.pt and halve the learning rate; returns the step of that checkpoint.

    Raises:
        UserError: the checkpoint cannot be read.
    """
    parts, path = session.parts, session.run.checkpoints / "best.pt"
    record = load_checkpoint(path)
    load_weights(parts.model, record["model"], origin=str(path))
    rates = [(group["initial_lr"], group["lr"]) for group in parts.optimizer.param_groups]
    parts.optimizer.load_state_dict(record["optimizer"])
    for group, (initial, rate) in zip(parts.optimizer.param_groups, rates, strict=True):
        group["initial_lr"], group["lr"] = initial, rate / 2
    session.state.lr_factor /= 2
    return record["state"]["step"]


def stability_options(session: Session) -> list[str]:
    """Return settings that the run has and that bound the states of its network."""
    config, step = session.config, session.parts.model.latent_step
    forcing, initializer, latent_step = (
        config.get(node) or {} for node in ("forcing", "initializer", "latent_step")
    )
    options = []
    if isinstance(forcing.get("tau"), int) and forcing["tau"] > 1:
        options.append("a smaller forcing.tau")
    sizes = ("gain", "radius", "spec_rad", "coupling")
    own = [f"a smaller initializer.{name}" for name in sizes if name in initializer]
    if not own and isinstance(step, Leaky):
        own = ["initializer=spectral_radius"]
    options += own
    if isinstance(step, ShPLRNN) and not step.clipped:
        options.append("latent_step=clipped_shPLRNN")
    if "clip_range" in latent_step and latent_step["clip_range"] is None:
        options.append("a latent_step.clip_range")
    return options


def _first_cause(session: Session, losses: Mapping[str, Tensor], grad_norm: Tensor) -> str:
    """Say which term of the loss, or which gradient, became non-finite first."""
    loss = losses["loss"]
    if not loss.isfinite():
        terms = [name for name, value in losses.items() if name != "loss" and not value.isfinite()]
        return f"loss{f', by its term {terms[0]},' if terms else ''} became {loss.item()}"
    gradients = [(name, p.grad) for name, p in session.parts.model.named_parameters() if p.grad is not None]
    lost = [name for name, gradient in gradients if not gradient.isfinite().all()]
    if lost:
        return f"gradient norm, by the gradient of {lost[0]}, became {grad_norm.item()}"
    largest, name = max((gradient.abs().max().item(), name) for name, gradient in gradients)
    return (
        f"gradient norm became {grad_norm.item()}, though every gradient is finite (the largest, of {name}, "
        f"{largest:.2g}): too large for {str(session.parts.dtype).removeprefix('torch.')}"
    )


@torch.no_grad()
def _growth(session: Session, trials: Trials) -> tuple[str, bool]:
    """Say where the states on some trials stop being finite, or how large they become; nothing if they are of use.

    Returns:
        A clause or "", and whether states explode.
    """
    model = session.parts.model
    was_training = model.training
    model.eval()
    try:
        latents = model(trials).latents
    finally:
        model.train(was_training)
    is_lost = ~latents.isfinite().all(dim=2)
    n_steps = latents.shape[1]
    if is_lost.any():
        first = int(is_lost.any(dim=0).nonzero()[0])
        return f"states are not finite from time step {first} of {n_steps} on", True
    largest = latents.abs().max().item()
    given = [
        value.nan_to_num(nan=0.0).abs().max().item()
        for value in (trials.targets, trials.inputs)
        if value.numel()
    ]
    if largest > EXPLODED * max(1.0, *given):
        return f"states grow to {largest:.2g} within {n_steps} time steps", True
    return "", False


def _listed(options: list[str]) -> str:
    listed = " or ".join([", ".join(options[:-1]), options[-1]] if len(options) > 1 else options)
    return f"{listed[0].upper()}{listed[1:]}"
