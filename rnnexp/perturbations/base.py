"""The contract of a perturbation: what it does to a closed loop, in which steps and in which trials.

Letters: B trials, T time steps, S states of the network. Lengths are m, forces N.
"""

import torch
from torch import Tensor

from rnnexp.numbers import integer_at_least, is_fraction, non_negative

States = dict[str, Tensor]


class NoPerturbation:
    """perturbation=none."""


class AsTrained:
    """perturbation=as_trained, of an evaluation: what disturbed the training."""


class Perturbation:
    """Disturbs the movement; a subclass overrides what it changes of `force`, `load`, `show` and `act`.

    All four get `active` (B, 1): 1 in the trials that are disturbed in this step, 0 in the others.

    Args:
        start: when it begins, ms after the start of the trial, >= 0.
        stop: when it ends, ms, > start; None: with the trial.
        probability: share of the trials that are disturbed, in [0, 1]; they are spread evenly over each batch, trial i
            is one if floor((i + 1) p) > floor(i p).
        from_update: number of updates of the training before it begins, >= 0.
        to_update: number of updates after which it ends, > from_update; None: never.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        start: float = 0.0,
        stop: float | None = None,
        probability: float = 1.0,
        from_update: int = 0,
        to_update: int | None = None,
    ) -> None:
        self.start = non_negative("start", start, "ms")
        self.stop = None if stop is None else non_negative("stop", stop, "ms")
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"stop must be > start = {self.start:g} ms, got {stop!r}")
        if not is_fraction(probability):
            raise ValueError(f"probability must be a number from 0 to 1, got {probability!r}")
        self.probability = float(probability)
        self.from_update = integer_at_least("from_update", from_update, 0)
        self.to_update = None if to_update is None else integer_at_least("to_update", to_update, 1)
        if self.to_update is not None and self.to_update <= self.from_update:
            raise ValueError(f"to_update must be > from_update = {self.from_update}, got {to_update!r}")

    def schedule(self, n_trials: int, n_steps: int, dt: float, update: int | None = None) -> Tensor:
        """Return when it is active, (B, T) float64 of 0 and 1, for steps of dt ms.

        Args:
            n_trials: B.
            n_steps: T.
            dt: ms.
            update: number of updates that the network has had; None for a network outside a training.
        """
        is_late = update is not None and self.to_update is not None and update >= self.to_update
        if is_late or (update is not None and update < self.from_update):
            return torch.zeros(n_trials, n_steps, dtype=torch.float64)
        times = torch.arange(n_steps, dtype=torch.float64) * dt
        is_on = times >= self.start
        if self.stop is not None:
            is_on &= times < self.stop
        trials = torch.arange(n_trials + 1, dtype=torch.float64) * self.probability
        is_chosen = (trials + 1e-9).floor().diff() > 0
        return (is_chosen[:, None] & is_on).double()

    @property
    def force_field(self) -> tuple[tuple[float, float, float, float], tuple[float, float]] | None:
        """G, row by row, and f of a force G v + f; None if there is no force or it is none of this kind."""
        return None

    @property
    def is_force_field(self) -> bool:
        """Whether it does nothing but push with its `force_field`."""
        own, base = type(self), Perturbation
        others = (own.force, own.load, own.show, own.act) != (base.force, base.load, base.show, base.act)
        return self.force_field is not None and not others

    def force(self, states: States, active: Tensor) -> Tensor | None:
        """Return the force (B, 2) on the effector, N, given what the plant shows before the step; None for none."""
        if self.force_field is None:
            return None
        (g11, g12, g21, g22), (f1, f2) = self.force_field
        v1, v2 = states["effector_vel"].unbind(1)
        return active * torch.stack((g11 * v1 + g12 * v2 + f1, g21 * v1 + g22 * v2 + f2), 1)

    def load(self, active: Tensor) -> Tensor | None:
        """Return a mass (B, 1) on the effector, kg; None for none."""
        del active
        return None

    def show(self, states: States, start: States, active: Tensor) -> States:
        """Return what the network will see of the states of the plant; start holds those before the first step."""
        del start, active
        return states

    def act(self, z: Tensor, active: Tensor) -> Tensor:
        """Return the state z (B, S) of the network after a step, disturbed."""
        del active
        return z

    def check(self, n_units: int, takes_load: bool, duration: float) -> None:
        """Refuse a network or plant on which it cannot act.

        Args:
            n_units: S.
            takes_load: whether the plant can carry a load.
            duration: of a trial, ms.

        Raises:
            ValueError: with what is lacking.
        """
        if self.start >= duration:
            raise ValueError(f"start: {self.start:g}: must be before the trial ends, at {duration:g} ms")
        if type(self).load is not Perturbation.load and not takes_load:
            raise ValueError(f"{type(self).__name__} changes the load, and this plant carries none")
        del n_units
