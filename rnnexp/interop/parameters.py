"""Weights out of a model and into it, under their plain names: W_rec, W_in, b_rec, B, b, z0, A, W, ..."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rnnexp.config.suggestions import did_you_mean
from rnnexp.constraints.weight_draws import raw_of
from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.latent_steps.leaky import Leaky
from rnnexp.latent_steps.time_constants import TimeConstants
from rnnexp.models import RNN
from rnnexp.observation import Linear

SCALING = ("output_mean", "output_sd", "input_mean", "input_sd")  # by which a time series was standardised
SETTINGS = (
    "dt",
    "transfer_function",
    "rec_noise",
    "cell_activation",
    *SCALING,
)  # of `rnnexp export`, no weights


@dataclass(frozen=True)
class Slot:
    """A parameter of a model, and how effective values become raw ones.

    Attributes:
        parameter: the raw values, if `is_raw`.
        module: that owns it.
        name: of the effective weight.
        is_raw: the effective weight follows from the parameter.
    """

    parameter: nn.Parameter
    module: nn.Module
    name: str
    is_raw: bool

    def raw(self, effective: Tensor) -> Tensor:
        """Return raw values (float64) for effective ones."""
        if isinstance(self.module, TimeConstants):
            low, high = self.module.bounds
            return torch.logit((effective - low) / (high - low), eps=1e-6)
        rule = getattr(self.module, f"{self.name}_rule", None)
        return raw_of(effective, rule) if isinstance(rule, WeightRule) else effective


def weight_arrays(model: RNN) -> dict[str, np.ndarray]:
    """Return the effective weights under their names, and raw parameters that differ from them as `<name>_raw`."""
    effective = model.weights()
    arrays = {name: weight.numpy(force=True) for name, weight in effective.items()}
    for name, slot in _slots(model).items():
        if slot.is_raw and (name not in effective or not torch.equal(slot.parameter, effective[name])):
            arrays[f"{name}_raw"] = slot.parameter.numpy(force=True)
    return arrays


def set_weights(
    model: RNN,
    weights: Mapping[str, np.ndarray],
    origin: str,
    only: Collection[str] | None = None,
    chosen_by: str = "only",
) -> None:
    """Give a model effective weights; raw ones, if they are there too and fit, are taken as they are.

    A time constant that is not trained here is a setting and stays. What a model lacks may be left over if it is
    zero, or equal to what the model has fixed.

    Args:
        model: changed in place.
        weights: arrays by plain name; raw parameters as `<name>_raw`.
        origin: what error messages call the source of the weights.
        only: the names to set; None sets all.
        chosen_by: what error messages call that setting.

    Raises:
        ValueError: names or shapes do not fit, or the model's masks and signs forbid the weights.
    """
    slots = _slots(model)
    plain = [name for name in weights if name not in SETTINGS and name.removesuffix("_raw") == name]
    for name in only or ():
        if name not in plain:
            raise ValueError(f"{chosen_by}: {name}: {origin} holds no such weight{did_you_mean(name, plain)}")
    chosen = plain if only is None else list(only)
    problems = [_misfit(model, slots, name, weights[name], only) for name in chosen]
    problems = [problem for problem in problems if problem]
    if problems:
        raise ValueError(f"{origin}: {'; '.join(problems)}; choose the others with {chosen_by}=[...]")
    with torch.no_grad():
        for name in chosen:
            if name in slots:
                _set(model, slots[name], weights, problems)
    if problems:
        raise ValueError(f"{origin}: {'; '.join(problems)}")


def adopt_signs(model: RNN, W_rec: np.ndarray) -> None:
    """Let the units of a leaky model that were drawn to be excitatory or inhibitory be what given weights make them.

    The sign of a unit is that of its column; where a column is zero, or has both signs, the unit stays what it is.
    Units that dale_ratio puts in order stay what they are.

    Args:
        model: changed in place.
        W_rec: (M, M), effective.
    """
    step, observation = model.latent_step, model.observation
    rule = step.W_rec_rule if isinstance(step, Leaky) else None
    is_drawn = rule is not None and rule.signs is not None and rule.excitatory_fraction is None
    if not is_drawn or W_rec.shape != tuple(step.W_rec_raw.shape):
        return
    values = torch.from_numpy(np.array(W_rec, dtype=np.float64)).to(rule.signs)
    positive, negative = (values > 0).any(0), (values < 0).any(0)
    signs = torch.where(positive & ~negative, 1.0, torch.where(negative & ~positive, -1.0, rule.signs))
    readout = observation.B_rule if isinstance(observation, Linear) else None
    if readout is not None and readout.signs is not None:
        is_signed = bool((readout.signs < 0).any())
        readout.signs.copy_(signs if is_signed else signs.clamp(min=0))
    rule.signs.copy_(signs)
    model.project()


def _set(model: RNN, slot: Slot, weights: Mapping[str, np.ndarray], problems: list[str]) -> None:
    effective = torch.from_numpy(np.array(weights[slot.name], dtype=np.float64))
    candidates = [slot.raw(effective)]
    stored = weights.get(f"{slot.name}_raw")
    if stored is not None and stored.shape == slot.parameter.shape:
        candidates.insert(0, torch.from_numpy(np.array(stored, dtype=np.float64)))
    for raw in candidates:
        slot.parameter.copy_(raw)
        actual = model.weights()[slot.name].double().cpu()
        is_close = torch.isclose(actual, effective, rtol=1e-5, atol=1e-7)
        if is_close.all():
            return
    n_wrong = int((~is_close).sum())
    problems.append(
        f"{slot.name} breaks the rules of this network: {n_wrong} of its {effective.numel()} entries have another sign "
        "than allowed, or no connection"
    )


def _misfit(
    model: RNN,
    slots: dict[str, Slot],
    name: str,
    array: np.ndarray,
    only: Collection[str] | None,
) -> str | None:
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        return f"{name} must hold finite numbers"
    if name in slots:
        expected = tuple(slots[name].parameter.shape)
        return None if array.shape == expected else f"{name} has the shape {array.shape}, expected {expected}"
    if name == "tau" and only is None:
        return None
    own = model.weights().get(name)
    if own is not None and own.shape == array.shape and np.allclose(own.numpy(force=True), array):
        return None
    if only is None and not array.any():
        return None
    return f"{name} is fixed in this network" if own is not None else f"this network has no {name}"


def _slots(model: RNN) -> dict[str, Slot]:
    slots = {}
    for module in model.modules():
        for full_name, parameter in module.named_parameters(recurse=False):
            name = full_name.removesuffix("_raw")
            slots[name] = Slot(parameter, module, name, is_raw=name != full_name)
    return slots
