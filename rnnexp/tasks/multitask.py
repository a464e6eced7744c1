"""Many tasks for one network, told apart by a rule input.

Letters: B trials, T time steps, K inputs, O outputs.
"""

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from rnnexp.numbers import finite_non_negative, integer_at_least, one_of
from rnnexp.tasks.base import InputCondition, Task, Trials

if TYPE_CHECKING:
    from rnnexp.recurrence.trajectory import Trajectory


class Multitask(Task):
    """Trials of several tasks, each with the number of its task as a one-hot rule input.

    Inputs are those of the tasks, then one for each rule. Tasks share channels whose names agree, or none. Outputs
    that are not a task's own have target and mask 0 in its trials, which are padded to those of the longest task.

    Conditions: `task`, the number of it in each trial, and those of the tasks, nan in trials of tasks that lack them.
    Metrics: those of the tasks, their means over all trials, and with the name of each task, such as accuracy_go_nogo;
    beside them `worst_accuracy`, of the task with the lowest.

    Args:
        tasks: by name; they agree in dt, and have trials alone: no movements, no time series.
        weights: how often a task is drawn for training, by name, relative to the others, >= 0; 1 for those not given.
            In validation and test all are drawn alike.
        train_on: names of the tasks to train on; None: all. Validation and test are of all in any case, so that stages
            of a curriculum show what a network forgets.
        align: "names": channels of the same name are one; "stack": every task has channels of its own.
        mix: "trial": each trial of a batch is of a task of its own; "batch": all are of one, in training.

    Raises:
        ValueError: an argument is out of its range, or the tasks do not fit together.

    Source: rule inputs and the mixture of batches as in Yang et al., Nature Neuroscience 22:297 (2019).
    """

    condition = "task"

    def __init__(
        self,
        tasks: Mapping[str, Task] | None = None,
        weights: Mapping[str, float] | None = None,
        train_on: Sequence[str] | None = None,
        align: Literal["names", "stack"] = "names",
        mix: Literal["trial", "batch"] = "trial",
    ) -> None:
        tasks = _checked_tasks(tasks)
        one_of("align", align, ("names", "stack"))
        self.mix = one_of("mix", mix, ("trial", "batch"))
        self.tasks, names = tasks, list(tasks)
        first = tasks[names[0]]
        inputs, self._inputs = _places({name: task.input_labels for name, task in tasks.items()}, align)
        outputs, self._outputs = _places({name: task.output_labels for name, task in tasks.items()}, align)
        longest = max(tasks.values(), key=lambda task: task.n_steps)
        super().__init__(
            input_dim=len(inputs) + len(names), output_dim=len(outputs), dt=first.dt,
            T=longest.n_steps * first.dt, tau=first.tau,
            input_labels=[*inputs, *(f"rule {name}" for name in names)], output_labels=outputs,
        )  # fmt: skip
        self.condition_names = MappingProxyType(dict(enumerate(names)))
        self.weights = _read_weights(weights, names, train_on)
        self._is_training = False
        self._kinds = {name: _kinds_of(name, task) for name, task in tasks.items()}

    def for_split(self, split: str) -> "Multitask":
        """Return the task whose trials belong to a split: those of training are drawn by the weights."""
        other = copy.copy(self)
        other.tasks = {name: task.for_split(split) for name, task in self.tasks.items()}
        other._is_training = split == "training"
        return other

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
    ) -> Trials:
        """Return fresh trials, see `Task.sample`."""
        integer_at_least("batch_size", batch_size, 1)
        numbers = self._draw_tasks(batch_size, generator)
        counts = numbers.bincount(minlength=len(self.tasks)).tolist()
        parts = {
            name: task.sample(count, generator, dtype, batch=batch)
            for (name, task), count in zip(self.tasks.items(), counts, strict=True)
            if count
        }
        return self._joined(parts)[numbers.argsort(stable=True).argsort()]

    def sample_of(
        self, name: str, n_trials: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Trials:
        """Return fresh trials of one task, of the same durations as far as it can make them.

        Args:
            name: of the task.
            n_trials, generator, dtype: as of `sample`.
        """
        return self._joined({name: self.tasks[name].sample_alike(n_trials, generator, dtype)})

    def _joined(self, parts: Mapping[str, Trials]) -> Trials:
        """Return trials of some tasks, one task after the other, as trials of all."""
        n_trials = sum(part.n_trials for part in parts.values())
        like = next(iter(parts.values())).targets
        inputs = like.new_zeros(n_trials, self.n_steps, self.input_dim)
        targets = like.new_zeros(n_trials, self.n_steps, self.output_dim)
        mask, lengths = torch.zeros_like(targets), torch.full((n_trials,), self.n_steps)
        conditions, names, stop = {"task": torch.zeros(n_trials, dtype=torch.int64)}, list(self.tasks), 0
        for name, own in parts.items():
            rows, steps, number = slice(stop, stop := stop + own.n_trials), own.n_steps, names.index(name)
            inputs[rows, :steps, self._inputs[name]] = own.inputs
            targets[rows, :steps, self._outputs[name]] = own.targets
            mask[rows, :steps, self._outputs[name]] = own.mask
            lengths[rows] = steps if own.lengths is None else own.lengths
            rule = 1 if own.is_real is None else own.is_real.to(inputs.dtype)
            inputs[rows, :steps, self.input_dim - len(names) + number] = rule
            conditions["task"][rows] = number
            for key, values in own.conditions.items():
                if key not in conditions:
                    conditions[key] = torch.full((n_trials,), torch.nan, dtype=torch.float64)
                conditions[key][rows] = values.double()
        is_uneven = not (lengths == self.n_steps).all()
        return Trials(inputs, targets, mask, conditions, lengths=lengths if is_uneven else None)

    def _draw_tasks(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the number of the task of each trial (B,) int64."""
        shares = self.weights if self._is_training else torch.ones_like(self.weights)
        n_draws = 1 if self.mix == "batch" and self._is_training else batch_size
        u = torch.rand(n_draws, generator=generator, dtype=torch.float64)
        drawn = torch.searchsorted(shares.cumsum(0) / shares.sum(), u, right=True)
        return drawn.clamp(max=len(shares) - 1).expand(batch_size).clone()

    def part(self, trials: Trials, name: str) -> tuple[Tensor, Trials]:
        """Return the trials of one task, and their rows.

        Args:
            trials: of this task.
            name: of one of the tasks.

        Returns:
            (b,) int64, and the trials with inputs, outputs and conditions as the task itself makes them.
        """
        task, number = self.tasks[name], list(self.tasks).index(name)
        rows = (trials.conditions["task"] == number).nonzero()[:, 0]
        chosen = trials[rows]
        conditions = {key: chosen.conditions[key].to(kind) for key, kind in self._kinds[name].items()}
        parts = (
            chosen.inputs[..., self._inputs[name]],
            *(x[..., self._outputs[name]] for x in (chosen.targets, chosen.mask)),
        )
        cut = Trials(*(x[:, : task.n_steps] for x in parts), conditions, lengths=chosen.lengths)
        return rows, cut

    def outputs_of(self, outputs: Tensor, name: str) -> Tensor:
        """Return those (b, T, O) of the outputs that one task has."""
        return outputs[:, : self.tasks[name].n_steps][..., self._outputs[name]]

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Nothing here: see `trial_metrics`."""
        del outputs, trials
        return {}

    def trial_metrics(self, trajectory: "Trajectory", trials: Trials) -> dict[str, Tensor]:
        """Return the metrics of each task for its trials, (B,); nan for those of tasks that lack one.

        What a task tells of its trials together counts for each of them, so that means over trials are right.
        """
        found: dict[str, Tensor] = {}
        for name, task in self.tasks.items():
            rows, own = self.part(trials, name)
            if not len(rows):
                continue
            for key, value in task.metrics(self.outputs_of(trajectory.outputs[rows], name), own).items():
                if key not in found:
                    found[key] = torch.full(
                        (trials.n_trials,), torch.nan, dtype=torch.float64, device=value.device
                    )
                found[key][rows] = value.double()
        return found

    def metric_groups(self, trials: Trials) -> dict[str, Tensor]:
        """Return the trials of each task by its name, (B,) bool."""
        return {name: trials.conditions["task"] == number for number, name in enumerate(self.tasks)}

    def derived_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return the accuracy of the worst task; nothing if no task has an accuracy."""
        each = [metrics[key] for name in self.tasks if (key := f"accuracy_{name}") in metrics]
        return {"worst_accuracy": min(each)} if each else {}

    def events(self, trials: Trials) -> dict[str, Tensor]:
        """Return the decision, the first step that is scored; other events differ between tasks."""
        return {"decision": super().events(trials)["decision"]}

    @property
    def chance(self) -> dict[str, float]:
        """The values of metrics that guessing gives, of each task."""
        return {
            f"{key}_{name}": value for name, task in self.tasks.items() for key, value in task.chance.items()
        }

    @property
    def input_conditions(self) -> dict[str, InputCondition]:
        """The rule alone, for each task."""
        found = {}
        for number, name in enumerate(self.tasks):
            rules = tuple(float(number == other) for other in range(len(self.tasks)))
            nothing = (0.0,) * (self.input_dim - len(self.tasks))
            found[f"rule {name}"] = InputCondition((*nothing, *rules), {"task": float(number)})
        return found


def _places(
    labels: Mapping[str, Sequence[str]], align: str
) -> tuple[list[str], dict[str, slice | list[int]]]:
    """Return the channels of all tasks, and where those of each are among them."""
    every: list[str] = []
    places: dict[str, slice | list[int]] = {}
    for name, own in labels.items():
        if align == "stack":
            own = [f"{name}: {label}" for label in own]
        elif len(set(own)) < len(own):
            raise ValueError(f"align: names: channels of {name} need names that differ, got {', '.join(own)}")
        every += [label for label in own if label not in every]
        numbers = [every.index(label) for label in own]
        first = numbers[0] if numbers else 0
        run = list(range(first, first + len(numbers)))
        places[name] = slice(first, first + len(numbers)) if numbers == run else numbers  # a slice is faster
    return every, places


def _checked_tasks(tasks: Mapping[str, Task] | None) -> dict[str, Task]:
    if not tasks:
        raise ValueError(
            "tasks must be one task at least, such as task.tasks=[delayed_discrim,go_nogo], got none"
        )
    for name, task in tasks.items():
        if not isinstance(task, Task):
            raise ValueError(f"tasks.{name} must be a task with a _target_, got {task!r}")
        if task.kind != "cognitive" or isinstance(task, Multitask):
            raise ValueError(
                f"tasks.{name} must have trials alone: no movements, no time series, no tasks in it"
            )
    dts = {name: task.dt for name, task in tasks.items()}
    if len(set(dts.values())) > 1:
        listed = ", ".join(f"{dt:g} in {name}" for name, dt in dts.items())
        raise ValueError(f"tasks must agree in dt, since one network learns them all, but it is {listed} ms")
    return dict(tasks)


def _read_weights(
    weights: Mapping[str, float] | None, names: Sequence[str], train_on: Sequence[str] | None
) -> Tensor:
    """Return how often each task is drawn for training, relative to the others."""
    given = dict(weights or {})
    chosen = list(names) if train_on is None else list(train_on)
    for key, listed in (("weights", list(given)), ("train_on", chosen)):
        for name in listed:
            if name not in names:
                raise ValueError(f"{key}: {name}: must be one of {', '.join(names)}")
    shares = [finite_non_negative(f"weights.{name}", given.get(name, 1.0)) for name in names]
    drawn = torch.tensor(
        [share if name in chosen else 0.0 for name, share in zip(names, shares, strict=True)]
    )
    if not drawn.sum() > 0:
        raise ValueError("weights, train_on: leave no task to train on")
    return drawn.double()


def _kinds_of(name: str, task: Task) -> dict[str, torch.dtype]:
    """Return the dtypes of the conditions of a task by name."""
    conditions = task.sample(1, torch.Generator().manual_seed(0)).conditions
    if "task" in conditions:
        raise ValueError(f"tasks.{name} has a condition of the name task, which is taken")
    return {key: values.dtype for key, values in conditions.items()}
