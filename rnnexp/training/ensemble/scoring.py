"""The loss terms of many networks in one pass: `torch.vmap` over the model and the terms as they are."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnnexp.latent_steps.base import LatentStep
from rnnexp.latent_steps.leaky import Leaky
from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.recurrence.noise import Noise
from rnnexp.tasks.base import Reach, Trials

Given = dict[str, Any]
"""What one network needs for an update, tensors in nested dicts; of many networks the same with a leading axis."""

REACH = ("start_pos", "start_vel", "target_vel", "hold")


def given_of(model: RNN, trials: Trials, noise: torch.Generator, chunk_size: int | None = None) -> Given:
    """Return trials and drawn noise of one network, in the order in which `RNN.draw_noise` draws.

    Args:
        model: in training mode.
        trials: of the update.
        noise: the stream of its noise.
        chunk_size: of how many trials noise is drawn at once; None: of all.
    """
    given: Given = {"inputs": trials.inputs, "targets": trials.targets, "mask": trials.mask}
    given["conditions"] = trials.conditions
    if trials.lengths is not None:
        given["lengths"] = trials.lengths
    if trials.signal is not None:
        given["signal"] = trials.signal
        if model.forcing is not None and model.forcing.acts:
            given["strength"] = model.forcing.at_steps(trials.n_steps, trials.targets)
    if trials.reach is not None:
        given["reach"] = {name: getattr(trials.reach, name) for name in REACH}
    size = trials.n_trials if chunk_size is None else chunk_size
    chunks = [
        _draws(model, min(size, trials.n_trials - start), trials.n_steps, noise)
        for start in range(0, trials.n_trials, size)
    ]
    first = chunks[0]
    given["noise"] = {
        name: torch.cat([chunk[name] for chunk in chunks]) if len(chunks) > 1 and draw.ndim else draw
        for name, draw in first.items()
    }
    return given


def _draws(model: RNN, n_trials: int, n_steps: int, generator: torch.Generator) -> dict[str, Tensor]:
    found: dict[str, Tensor | None] = {}
    if model.initial_state.mode == "random":
        draw = torch.randn(n_trials, len(model.z0), generator=generator, dtype=model.z0.dtype)
        found["initial"] = model.initial_state.sd * draw.to(model.z0.device)
    step = model.latent_step
    if isinstance(step, Leaky):
        found["eps"], found["xi"] = step.standard_draws(n_trials, n_steps, generator)
        if found["eps"] is not None:
            found["pre_noise"] = model.z0.new_tensor(step.pre_noise)
        if found["xi"] is not None:
            found["post_noise"] = model.z0.new_tensor(step.post_noise)
    if model.loop is not None:
        found |= model.loop.draw_noise(n_trials, n_steps, generator, model.z0)
    return {name: draw for name, draw in found.items() if draw is not None}


def obstacle(model: RNN) -> str | None:
    """Say why a network cannot be one of many, in a few words; None if it can, as far as is known before it is run."""
    if type(model.latent_step).draw_noise not in (LatentStep.draw_noise, Leaky.draw_noise):
        return f"{type(model.latent_step).__name__} draws noise of its own"
    return None


def stacked(rows: Sequence[Given]) -> Given:
    """Return what many networks need, with the axis K in front; noise that one has and another lacks counts as 0."""
    noises = [row["noise"] for row in rows]
    known = {name: draw for noise in noises for name, draw in noise.items()}
    filled = [
        {name: noise.get(name, torch.zeros_like(draw)) for name, draw in known.items()} for noise in noises
    ]
    return _stack([{**row, "noise": noise} for row, noise in zip(rows, filled, strict=True)])


def _stack(rows: Sequence[Any]) -> Any:
    if isinstance(rows[0], dict):
        return {name: _stack([row[name] for row in rows]) for name in rows[0]}
    return torch.stack(list(rows))


def bytes_of(given: Given) -> int:
    """Return the memory of what one network needs."""
    if isinstance(given, dict):
        return sum(map(bytes_of, given.values()))
    return given.numel() * given.element_size()


def cut(given: Given, start: int, stop: int) -> Given:
    """Return what many networks need for some of their trials; what is not of trials stays whole."""
    whole = {name: given[name] for name in ("strength",) if name in given}
    parts = {name: _cut(value, start, stop) for name, value in given.items() if name not in whole}
    return {**whole, **parts}


def _cut(value: Any, start: int, stop: int) -> Any:
    if isinstance(value, dict):
        return {name: _cut(inner, start, stop) for name, inner in value.items()}
    return value if value.ndim < 2 else value[:, start:stop]


class Scored(nn.Module):
    """A network with the terms of its loss, as one function of what it is given.

    Args:
        model: one of the networks; its own parameters are not used.
        loss: whose terms are taken; its weights are not used.
        keys: of the terms that count for one network at least.
    """

    def __init__(self, model: RNN, loss: CompositeLoss, keys: Sequence[str]) -> None:
        super().__init__()
        self.model, self.loss, self.keys = model, loss, tuple(keys)

    def forward(self, given: Given) -> dict[str, Tensor]:
        """Return the terms before their weights, 0-d."""
        reach = Reach(**given["reach"]) if "reach" in given else None
        trials = Trials(
            given["inputs"], given["targets"], given["mask"], given["conditions"], given.get("signal"), reach,
            given.get("lengths"),
        )  # fmt: skip
        noise, strength = self._noise(given["noise"]), given.get("strength")
        return self.loss.raw_of_update(self.keys, self.model, trials, noise, strength)

    def _noise(self, draws: dict[str, Tensor]) -> Noise:
        draws = dict(draws)
        of_step = {name: draws.pop(name, None) for name in ("eps", "xi", "pre_noise", "post_noise")}
        folded = None
        if of_step["eps"] is not None or of_step["xi"] is not None:
            folded = self.model.latent_step.fold_noise(**of_step)
        own = {} if folded is None else {"increments": folded.increments, "rates": folded.rates}
        return Noise(**draws, **own)


def batched(scored: Scored) -> Callable[[dict[str, Tensor], Given], dict[str, Tensor]]:
    """Return the function that scores many networks: of parameters and buffers by name, and of what they are given.

    All have the axis K in front, also the terms that it returns, (K,).
    """

    def one(tensors: dict[str, Tensor], given: Given) -> dict[str, Tensor]:
        named = {f"model.{name}": tensor for name, tensor in tensors.items()}
        return torch.func.functional_call(scored, named, (given,))

    return torch.func.vmap(one)
