"""The lesion that `rnnexp eval` and `rnnexp simulate` make in a trained network before they run it."""

import logging
from typing import Any

from torch import Tensor

from rnnexp.constraints.lesions import draw_units, lesion_w, lesion_w_by_type, silence
from rnnexp.errors import UserError
from rnnexp.models import RNN
from rnnexp.training.streams import stream

log = logging.getLogger(__name__)


def lesion(model: RNN, settings: dict[str, Any], seed: int) -> dict[str, int]:
    """Lesion a model in place: first its connections, then its units.

    Args:
        model: what is lesioned; the checkpoint keeps the whole network.
        settings: the checked group `lesion` of the configuration.
        seed: chooses connections and units where `lesion.seed` is null.

    Returns:
        lesioned_connections and connections (of the whole network), silenced_units, as far as asked for.

    Raises:
        UserError: the network has no such connections, units or types.
    """
    seed = seed if settings["seed"] is None else settings["seed"]
    done: dict[str, int] = {}
    if settings["percentage"] is not None:
        done |= _lesion_connections(model, settings, seed)
        log.info(
            "lesion: %d of %d recurrent connections multiplied by %g",
            done["lesioned_connections"], done["connections"], settings["scale"],
        )  # fmt: skip
    if settings["units"] is not None or settings["unit_type"] is not None:
        units = _chosen_units(model, settings, seed)
        _silence(model, units)
        done["silenced_units"] = len(units)
        log.info("lesion: %d units silenced: %s", len(units), ", ".join(map(str, units)) or "none")
    return done


def _lesion_connections(model: RNN, settings: dict[str, Any], seed: int) -> dict[str, int]:
    step = model.latent_step
    if not step.recurrent_parameters:
        raise UserError(
            f"lesion.percentage: {settings['percentage']}: {type(step).__name__} has no recurrent weight matrix whose "
            "connections could be lesioned"
        )
    if settings["by_type"]:
        signs = _signs(model, "lesion.by_type: true")
    generator = stream(seed, "lesion")
    chosen, connections = 0, 0
    for raw, effective in zip(step.recurrent_parameters, step.recurrent_matrices, strict=True):
        connections += int((effective != 0).sum())
        amount = (settings["percentage"], generator, settings["scale"])
        if settings["by_type"]:
            chosen += sum(lesion_w_by_type(raw, effective, signs, *amount).values())
        else:
            chosen += lesion_w(raw, effective, *amount)
    return {"lesioned_connections": chosen, "connections": connections}


def _chosen_units(model: RNN, settings: dict[str, Any], seed: int) -> list[int]:
    """Return the units to silence: those named, and those drawn of a type."""
    units = set(settings["units"] or ())
    n_units = model.latent_step.latent_dim
    if units and max(units) >= n_units:
        raise UserError(
            f"lesion.units: {max(units)}: the network has {n_units} units, so must be from 0 to {n_units - 1}"
        )
    kind = settings["unit_type"]
    if kind is not None:
        signs = None if kind == "any" else _signs(model, f"lesion.unit_type: {kind}")
        generator = stream(seed, "silencing")
        units.update(draw_units(n_units, signs, kind, settings["unit_fraction"], generator))
    return sorted(units)


def _silence(model: RNN, units: list[int]) -> None:
    if not model.latent_step.unit_entries:
        name = type(model.latent_step).__name__
        raise UserError(
            f"lesion: units of {name} cannot be silenced: its weights do not belong to single units"
        )
    silence([*model.latent_step.unit_entries, *model.observation.unit_entries, (model.z0, 0)], units)


def _signs(model: RNN, asked: str) -> Tensor:
    signs = model.latent_step.unit_signs
    if signs is None:
        raise UserError(
            f"{asked}: this network has no excitatory and inhibitory units; only those trained under Dale's law "
            "(constraint=dale and the like) have them"
        )
    return signs
