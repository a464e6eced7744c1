"""A trained network on inputs of the user, or without any.

Letters: B trials, T time steps, K inputs, O outputs, M latents, S state (M, or 2 M of an LSTM).
"""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnexp.errors import UserError
from rnnexp.latent_steps import Leaky
from rnnexp.models import RNN
from rnnexp.saved.model import SavedModel
from rnnexp.tasks.base import Trials
from rnnexp.tasks.units import DataUnits, Scale
from rnnexp.training.streams import stream

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Given:
    """An array of the user.

    Args:
        array: of numbers.
        origin: the file that it comes from, for messages; "" if it comes from none.
    """

    array: np.ndarray
    origin: str = ""

    def named(self, key: str) -> str:
        """Return what messages about it begin with."""
        return f"{key}: {self.origin}" if self.origin else key


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a network did.

    Attributes:
        latents: (B, T, M).
        rates: (B, T, M).
        outputs: (B, T, O), in the units that were asked for.
        initial: (B, S), the states before the first step.
        inputs: (B, T, K) in the same units; None if there were none.
        dt: length of a step.
        units: "data" or "standardized" for a time series, None for tasks that know no other units.
        movement: of a network that moved its plant: effector_pos, effector_vel, command, feedback, ..., (B, T, -).
    """

    latents: np.ndarray
    rates: np.ndarray
    outputs: np.ndarray
    initial: np.ndarray
    inputs: np.ndarray | None
    dt: float
    units: str | None
    movement: dict[str, np.ndarray] | None = None

    def arrays(self) -> dict[str, np.ndarray | float | str]:
        """Return all that is there by name, as `rnnexp simulate` writes it."""
        own = {name: value for name, value in vars(self).items() if name != "movement"}
        return {name: value for name, value in {**own, **(self.movement or {})}.items() if value is not None}


def moved(saved: SavedModel, trials: Trials, noise: bool = False, seed: int | None = None) -> Simulation:
    """Run network and plant in closed loop.

    Args:
        saved: a network with a plant.
        trials: of a movement.
        noise: whether the network, its feedback and its commands are noisy.
        seed: of the noise; None takes the run's.
    """
    model = saved.model
    seed = saved.config["seed"] if seed is None else seed
    with torch.no_grad():
        trajectory = model(trials.to(model.z0.device), stream(seed, "test_noise") if noise else None)
    movement = trajectory.movement
    arrays = movement.states | {"command": movement.command, "feedback": movement.feedback}
    if movement.effector_force is not None:
        arrays["effector_force"] = movement.effector_force
    found = {name: value.numpy(force=True) for name, value in arrays.items()}
    return Simulation(
        *(getattr(trajectory, n).numpy(force=True) for n in ("latents", "rates", "outputs", "initial")),
        inputs=trials.inputs.numpy(force=True), dt=saved.task.dt, units=None, movement=found,
    )  # fmt: skip


def simulated(
    saved: SavedModel,
    inputs: Given | None = None,
    n_steps: int | None = None,
    initial: Given | None = None,
    start: Given | None = None,
    t_connectivity: Given | None = None,
    noise: bool = False,
    seed: int | None = None,
    units: str = "data",
) -> Simulation:
    """Run a network open loop.

    Args:
        saved: the network.
        inputs: (B, T, K); None for a run without inputs.
        n_steps: T of such a run; fewer steps than inputs have otherwise.
        initial: states (B, S) or (S,) to start from; None takes the network's own.
        start: observations (B, O) or (O,) to start from, of a network that starts from data; None takes the first of
            the test part.
        t_connectivity: (T, M, M), multiplies W_rec of a leaky network at every step.
        noise: whether the network has its noise.
        seed: of the noise; None takes the run's.
        units: "data" or "standardized", of start, inputs and outputs of a time series.

    Raises:
        UserError: an array does not fit the network, or arguments exclude each other.
    """
    model, scaling = saved.model, saved.units(units)
    if inputs is None and n_steps is None:
        raise UserError("n_steps: not given: a run without inputs needs it")
    given = None
    if inputs is not None:
        given = _checked_inputs(inputs, model, scaling)
        n_steps = given.shape[1] if n_steps is None else n_steps
        if n_steps > given.shape[1]:
            raise UserError(
                f"n_steps: {n_steps}: must be at most the number of time steps of inputs, {given.shape[1]}"
            )
        given = given[:, :n_steps]
    z0 = _first_states(saved, initial, start, scaling, given)
    connectivity = None if t_connectivity is None else _checked_connectivity(t_connectivity, model, n_steps)
    seed = saved.config["seed"] if seed is None else seed
    with torch.no_grad():
        trajectory = model.run(
            given, z0, n_steps, stream(seed, "test_noise") if noise else None, connectivity
        )
    lost = int((~trajectory.latents.isfinite()).any(dim=2).any(dim=1).sum())
    if lost:
        log.warning(
            "the network diverged: %d of %d trials are not finite throughout", lost, len(trajectory.latents)
        )
    return Simulation(
        latents=trajectory.latents.numpy(force=True),
        rates=trajectory.rates.numpy(force=True),
        outputs=_in_units(trajectory.outputs, None if scaling is None else scaling.outputs),
        initial=trajectory.initial.numpy(force=True),
        inputs=None if given is None else _in_units(given, None if scaling is None else scaling.inputs),
        dt=saved.task.dt,
        units=None if saved.task.data_units is None else units,
    )


def _in_units(values: Tensor, scale: Scale | None) -> np.ndarray:
    array = values.numpy(force=True)
    return array if scale is None else scale.undo(array.astype(np.float64)).astype(array.dtype)


def _checked_inputs(inputs: Given, model: RNN, units: DataUnits | None) -> Tensor:
    array, n_inputs, like = inputs.array, model.latent_step.input_dim, model.z0
    name = inputs.named("inputs")
    if array.ndim != 3 or 0 in array.shape[:2]:
        raise UserError(
            f"{name}: must have the shape (trials, time steps, inputs), no trials or steps missing, got {array.shape}"
        )
    if array.shape[2] != n_inputs:
        raise UserError(
            f"{name}: the network has {n_inputs} inputs, the array has {array.shape[2]} in its last axis "
            f"(shape {array.shape}; expected (trials, time steps, {n_inputs}))"
        )
    seen = torch.from_numpy(array if units is None else units.inputs.apply(array)).to(like.device, like.dtype)
    if not seen.isfinite().all():
        raise UserError(
            f"{name}: {np.abs(array).max():.3g} is too large for {str(like.dtype).removeprefix('torch.')}; "
            f"use device.dtype=float64 or smaller inputs"
        )
    return seen


def _first_states(
    saved: SavedModel,
    initial: Given | None,
    start: Given | None,
    units: DataUnits | None,
    inputs: Tensor | None,
) -> Tensor | None:
    """Return the states (B, S) to start from, or None for the network's own.

    A network that starts from data takes the observations of `start`, or the first one that its task has.
    """
    model = saved.model
    if initial is not None:
        if start is not None:
            raise UserError("initial, start: both say where the runs begin; give one of them")
        return _for_trials(
            _rows("initial", initial, model.latent_step.state_dim, model.z0), "initial", inputs
        )
    if model.data_start is None:
        if start is not None:
            raise UserError(
                f"{start.named('start')}: this network starts from a state of its own, not from data; use initial"
            )
        return None
    if start is not None:
        scale = None if units is None else units.outputs
        x = _rows("start", start, model.observation.output_dim, model.z0, scale)
    else:
        x = torch.from_numpy(saved.task.starts[:1]).to(model.z0.device, model.z0.dtype)
    with torch.no_grad():
        return _for_trials(model.start_from(x), "start", inputs)


def _rows(key: str, given: Given, n_columns: int, like: Tensor, scale: Scale | None = None) -> Tensor:
    array = np.atleast_2d(given.array)
    if array.ndim != 2 or array.shape[1] != n_columns or len(array) == 0:
        raise UserError(
            f"{given.named(key)}: must have the shape (trials, {n_columns}) or ({n_columns},), got {array.shape}"
        )
    return torch.from_numpy(array if scale is None else scale.apply(array)).to(like.device, like.dtype)


def _for_trials(states: Tensor, key: str, inputs: Tensor | None) -> Tensor:
    if inputs is None or len(states) == len(inputs):
        return states
    if len(states) == 1:
        return states.expand(len(inputs), -1)
    raise UserError(f"{key}: holds {len(states)} trials, inputs hold {len(inputs)}; must be equal, or 1")


def _checked_connectivity(given: Given, model: RNN, n_steps: int) -> Tensor:
    name, step = given.named("t_connectivity"), model.latent_step
    if not isinstance(step, Leaky):
        raise UserError(f"{name}: scales W_rec of leaky networks, this one is {type(step).__name__}")
    n_units = step.latent_dim
    if given.array.shape != (n_steps, n_units, n_units):
        raise UserError(
            f"{name}: must have the shape (time steps, units, units), which is ({n_steps}, {n_units}, {n_units}), got "
            f"{given.array.shape}"
        )
    return torch.from_numpy(given.array).to(model.z0.device, model.z0.dtype)
