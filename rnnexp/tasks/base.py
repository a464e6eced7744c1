"""What every task is: the abstract `Task` that makes trials, and the accuracy of a choice.

Letters: B trials, T time steps, K inputs, O outputs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

from rnnexp.numbers import integer_at_least, listed, positive
from rnnexp.tasks.distributions import Choice, Distribution, from_config
from rnnexp.tasks.trials import Reach as Reach  # for all that import tasks
from rnnexp.tasks.trials import Trials as Trials
from rnnexp.tasks.units import DataUnits

if TYPE_CHECKING:
    from rnnexp.recurrence.trajectory import Trajectory


@dataclass(frozen=True)
class InputCondition:
    """Inputs that stay the same while a network computes, at which its fixed points are looked for.

    Args:
        inputs: (K,).
        where: the trials to which this applies: values of their conditions by name; empty for all.
    """

    inputs: tuple[float, ...]
    where: Mapping[str, float] = field(default_factory=dict)


class FreeRun(Protocol):
    """A model that runs without data (R runs, T steps, O outputs, K inputs)."""

    def __call__(self, start: Tensor, inputs: Tensor | None, n_steps: int) -> Tensor:
        """Return the outputs (R, T, O) of runs from observations (R, O), with inputs (R, T, K) or None."""

    def lyapunov_exponents(
        self, start: Tensor, inputs: Tensor | None, n_transient: int, n_steps: int, n_exponents: int
    ) -> list[float]:
        """Return the largest Lyapunov exponents per step of the run from an observation (O,), in descending order.

        Args:
            inputs: (n_transient + n_steps, K), or None.
            n_transient: steps that do not count, >= 0.
            n_steps: those that do, >= 2, with inputs >= 3.
            n_exponents: how many, from 1 to the number of states.

        Returns:
            Natural logarithms; nan if the run diverges.
        """


class Task:
    """Makes trials; a subclass says what the parameters of a trial are and how a trial follows from them.

    That is `sample_conditions` and `make_trials`, or `sample` alone.

    A task keeps nothing between calls: every random number comes from the generator that is passed in, so the
    same generator state gives the same trials. Times are ms; step k of a trial is at time k * dt.

    Args:
        input_dim: number of inputs K, >= 0; 0 for an autonomous system.
        output_dim: number of outputs O, >= 1.
        dt: duration of a time step, ms, > 0.
        T: duration of a trial, ms, >= dt; the trial has ceil(T / dt) steps. A list to choose from or a distribution
            (`rnnexp.tasks.distributions`) draws it anew for each trial; trials are then padded to the longest.
        tau: time constant of the leaky networks that the task is meant for, ms, > 0 (alpha = dt / tau);
            None for a task that has none.
        input_labels: K names for plots; "input 0", ... if not given.
        output_labels: O names for plots; "output 0", ... if not given.

    Attributes:
        T: duration of the longest trial, ms.
        shortest_T: of the shortest, ms, into which all that happens has to fit.
        n_steps: number of time steps of the longest trial, ceil(T / dt).
        times: (T,) float64, time of every step, ms.
        alpha: dt / tau, or None without tau.
        metric_notes: constant columns of metrics.csv that say how its metrics were computed.

    Raises:
        ValueError: an argument is out of its range.
        TypeError: the class says nowhere how trials are made.

    Source: PsychRNN, class Task.
    """

    kind: ClassVar[str] = "cognitive"  # or "reaching" or "time_series"
    condition: str | None = None  # name of the condition by which plots colour the trials
    condition_names: Mapping[float, str] = MappingProxyType({})  # what its values mean, for plots
    metric_notes: Mapping[str, str | float] = MappingProxyType({})
    time_unit: str = "ms"  # of dt, T and times
    data_units: DataUnits | None = None  # of a task whose network sees its data in other units

    def __init__(
        self,
        *,
        input_dim: int,
        output_dim: int,
        dt: float,
        T: Any,
        tau: float | None = None,
        input_labels: Sequence[str] | None = None,
        output_labels: Sequence[str] | None = None,
    ) -> None:
        kind = type(self)
        is_missing = Task.sample_conditions is kind.sample_conditions or Task.make_trials is kind.make_trials
        if kind.sample is Task.sample and is_missing:
            raise TypeError(f"{kind.__name__} must define sample_conditions and make_trials, or sample")
        if not isinstance(self.condition_names, Mapping):
            raise ValueError(
                f"condition_names must be a mapping from the values of the condition to their names, such as "
                f'{{0: "left", 1: "right"}}, got {self.condition_names!r}'
            )
        self.input_dim = integer_at_least("input_dim", input_dim, 0)
        self.output_dim = integer_at_least("output_dim", output_dim, 1)
        self.dt = positive("dt", dt, "ms")
        self._durations = self._read_duration(T)
        self.shortest_T, self.T = self._durations.minimum, self._durations.maximum
        if self.dt > self.shortest_T:
            raise ValueError(f"T must be >= dt = {self.dt:g} ms, got {T!r}")
        self.tau = None if tau is None else positive("tau", tau, "ms")
        self.alpha = None if self.tau is None else self.dt / self.tau
        self.n_steps = count_steps(self.T, self.dt)
        self.times = torch.arange(self.n_steps, dtype=torch.float64) * self.dt
        self.input_labels = _labels("input", input_labels, self.input_dim)
        self.output_labels = _labels("output", output_labels, self.output_dim)

    def _read_duration(self, T: Any) -> Distribution:
        """Return the law of the duration of a trial."""
        if not isinstance(T, Distribution | Mapping) and listed(T) is None:
            return Choice((positive("T", T, "ms"),))
        law = from_config(T, "T", low=self.dt, unit="ms")
        if not math.isfinite(law.maximum):
            raise ValueError(f"T must have a longest duration, since trials are padded to it, got {T!r}")
        if law.minimum < law.maximum and type(self).sample is not Task.sample:
            raise ValueError(f"T must be one duration for all trials of {type(self).__name__}, got {T!r}")
        return law

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
    ) -> Trials:
        """Return fresh trials.

        Args:
            batch_size: number of trials B, >= 1.
            generator: CPU generator, the only source of randomness.
            dtype: of inputs, targets and mask; the conditions are float64 or int64 in any case.

        Raises:
            ValueError: batch_size is not a whole number >= 1.
        """
        integer_at_least("batch_size", batch_size, 1)
        conditions = self.sample_conditions(batch_size, generator)
        if self.shortest_T == self.T:
            return self.make_trials(conditions, generator, dtype)
        conditions["T"] = self._durations.sample(batch_size, generator)
        trials = self.make_trials(conditions, generator, dtype)
        return trials.ending_after((conditions["T"] / self.dt - 1e-9).ceil().long())

    def sample_alike(
        self, n_trials: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Trials:
        """Return fresh trials of the same durations, as far as the task can tell them apart: `sample` here."""
        return self.sample(n_trials, generator, dtype)

    def for_split(self, split: str) -> "Task":
        """Return the task whose trials belong to a split, "training", "validation" or "test".

        The task itself here, since fresh trials come from the streams of the splits; a task with a finite amount of
        data returns one that sees its part.
        """
        del split
        return self

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the parameters of `batch_size` trials, every one (B,), float64 or int64, on the CPU."""
        raise NotImplementedError(f"{type(self).__name__} makes its trials by sample alone")

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters.

        Args:
            conditions: what `sample_conditions` returns, as drawn or edited.
            generator: CPU generator of the input noise.
            dtype: of inputs, targets and mask.
        """
        raise NotImplementedError(f"{type(self).__name__} makes its trials by sample alone")

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Say how well the outputs solve the trials, apart from the loss.

        Args:
            outputs: (B, T, O).
            trials: the trials that gave them.

        Returns:
            0-d tensors by name: `accuracy` (see `choice_accuracy`), or nothing if there is one output only,
            because one output cannot choose.
        """
        if self.output_dim == 1:
            return {}
        return {"accuracy": choice_accuracy(outputs, trials.targets, trials.mask)}

    def trial_metrics(self, trajectory: "Trajectory", trials: Trials) -> dict[str, Tensor]:
        """Return values of every trial, (B,), nan where there is none; their means join `metrics`. Nothing here.

        Args:
            trajectory: the states of network and plant.
            trials: the trials that gave them.
        """
        del trajectory, trials
        return {}

    def metric_groups(self, trials: Trials) -> dict[str, Tensor]:
        """Return groups of trials by name, (B,) bool, whose means of `trial_metrics` are wanted too. Nothing here."""
        del trials
        return {}

    def derived_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return metrics that follow from the others over all trials, by name; nothing here.

        Args:
            metrics: `metrics` and the means of `trial_metrics`, also over groups.
        """
        del metrics
        return {}

    def events(self, trials: Trials) -> dict[str, Tensor]:
        """Return the times (B,), ms, of what happens in trials, to which pictures align them.

        Here the stimulus, where the trials have a condition "onset_time" or "stim_on", and the decision, the first step
        that is scored; trials of which no step is scored have it at their end.
        """
        found = {}
        for name in ("onset_time", "stim_on"):
            if name in trials.conditions:
                found["stimulus"] = trials.conditions[name].double()
        is_scored = (trials.mask > 0).any(dim=2)
        last = trials.n_steps - 1 if trials.lengths is None else trials.lengths - 1
        first = torch.where(is_scored.any(dim=1), is_scored.int().argmax(dim=1), last)
        return {**found, "decision": first * self.dt}

    @property
    def chance(self) -> dict[str, float]:
        """The values of metrics that guessing gives, by name, for pictures; of a choice between outputs 1 / O."""
        is_choice = type(self).metrics is Task.metrics and self.output_dim > 1
        return {"accuracy": 1 / self.output_dim} if is_choice else {}

    @property
    def input_conditions(self) -> dict[str, InputCondition]:
        """The constant inputs at which fixed points are looked for, by a name for pictures; no input here."""
        return {"no input": InputCondition((0.0,) * self.input_dim)}

    def memory(self) -> dict[str, Any] | None:
        """Return what a checkpoint keeps of the task beside its configuration, plain data, or None."""
        return None

    def run_metrics(self, run: FreeRun) -> dict[str, float]:
        """Say how well the model does on its own, by name; nothing here.

        Args:
            run: runs the model freely, without gradients.
        """
        del run
        return {}


def count_steps(T: float, dt: float) -> int:
    """Return ceil(T / dt), where a rounding error of the quotient does not add a step.

    Args:
        T: duration, ms, > 0.
        dt: duration of a step, ms, > 0.
    """
    quotient = T / dt
    if not quotient < 2**31:
        raise ValueError(f"T / dt must be a number of steps that can be held, got {T:g} / {dt:g}")
    nearest = round(quotient)
    return nearest if abs(quotient - nearest) <= 1e-9 * quotient else math.ceil(quotient)


def choices(outputs: Tensor, mask: Tensor) -> Tensor:
    """Return the output that is largest on average over the masked time of each trial.

    Args:
        outputs: (B, T, O).
        mask: (B, T, O).

    Returns:
        (B,) int64; the first of equal outputs, so 0 where the mask is empty.
    """
    return (outputs * mask).mean(dim=1).argmax(dim=1)


def choice_accuracy(outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Return the fraction of trials in which outputs and targets make the same choice.

    Args:
        outputs: (B, T, O).
        targets: (B, T, O).
        mask: (B, T, O).

    Returns:
        0-d tensor in [0, 1], of the dtype of the outputs; a trial with an empty mask counts as correct.

    Source: PsychRNN, accuracy_function of its built-in tasks.
    """
    return (choices(outputs, mask) == choices(targets, mask)).to(outputs.dtype).mean()


def _labels(what: str, labels: Sequence[str] | None, count: int) -> list[str]:
    if labels is None:
        return [f"{what} {index}" for index in range(count)]
    if len(labels) != count:
        raise ValueError(f"{what}_labels must be {count} names, got {list(labels)}")
    return list(labels)
