"""Tasks written as a list of phases: what is shown and asked in each, and how long it lasts.

Letters: B trials, T time steps, K inputs, O outputs, P phases.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rnnexp.numbers import fraction, integer_at_least, non_negative
from rnnexp.tasks.base import Task, Trials
from rnnexp.tasks.distributions import Uniform, from_config, sample_laws

Levels = Mapping[str, float | Tensor]
"""Values of groups of channels by name: a number, one for each trial (B,), or one for each channel too (B, n)."""


@dataclass(frozen=True, eq=False)
class Phase:
    """A stretch of a trial in which nothing changes but noise.

    Args:
        name: one of the durations of the task.
        show: the inputs; those of other groups are 0.
        ask: the targets; those of other groups are at the rest of the task.
        weight: of all outputs in the mask, a number or one for each trial (B,), or by group (0 for the others); 0 does
            not score the phase.
        grace: time at its start that is not scored, ms, >= 0.
        is_cue: whether it is what catch trials lack: in those it is as the phase before it.
    """

    name: str
    show: Levels = field(default_factory=dict)
    ask: Levels = field(default_factory=dict)
    weight: float | Tensor | Levels = 1.0
    grace: float = 0.0
    is_cue: bool = False


class PhasedTask(Task):
    """A task whose trials are phases, one after the other; a subclass says which, and draws what differs in them.

    That is `phases`, and `draw`. Phases last a whole number of steps, to which durations are rounded; a trial ends with
    its last phase, so trials differ in length where durations are drawn. Conditions: what `draw` returns,
    `<name>_duration` (ms) of each phase, and `catch` (0 or 1) where there are catch trials. Events: the start of each
    phase.

    Args:
        inputs: number of channels of each group of inputs, by name, in their order.
        outputs: the same of the outputs.
        durations: of each phase by name, ms, >= 0, in their order: numbers, lists or distributions
            (`rnnexp.tasks.distributions`), each with a longest duration.
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0, or None.
        input_noise: standard deviation of the noise of every input at every step, >= 0.
        rest: target of outputs that are not asked for anything.
        catch_probability: share of trials without their cues, in [0, 1].

    Attributes:
        input_slices, output_slices: where the channels of each group are.

    Raises:
        ValueError: an argument is out of its range, or a phase has no duration.

    Example:
        >>> class Remember(PhasedTask):
        ...     condition = "side"
        ...
        ...     def __init__(self, dt=20.0, delay=(200, 400, 800)):
        ...         super().__init__(
        ...             inputs={"cue": 2, "go": 1}, outputs={"choice": 2}, dt=dt,
        ...             durations={"cue": 200, "delay": delay, "response": 300},
        ...         )
        ...
        ...     def draw(self, n_trials, generator):
        ...         return {"side": torch.randint(2, (n_trials,), generator=generator)}
        ...
        ...     def phases(self, conditions):
        ...         side = torch.eye(2)[conditions["side"]]
        ...         return [
        ...             Phase("cue", show={"cue": side}),
        ...             Phase("delay"),
        ...             Phase("response", show={"go": 1}, ask={"choice": side}),
        ...         ]
        >>> trials = Remember().sample(16, torch.Generator().manual_seed(0))
        >>> trials.inputs.shape, trials.lengths.max().item()
        (torch.Size([16, 65, 3]), 65)
    """

    def __init__(
        self,
        *,
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        durations: Mapping[str, Any],
        dt: float,
        tau: float | None = None,
        input_noise: float = 0.0,
        rest: float = 0.0,
        catch_probability: float = 0.0,
    ) -> None:
        laws = {name: from_config(law, name, low=0.0, unit="ms") for name, law in durations.items()}
        for name, law in laws.items():
            if not math.isfinite(law.maximum):
                raise ValueError(f"{name} must have a longest duration, got {durations[name]!r}")
        self.durations = laws
        n_steps = sum(round(law.maximum / dt) for law in laws.values()) if dt > 0 else 1
        if n_steps < 1:
            raise ValueError(f"{', '.join(laws)} must last dt = {dt:g} ms at least, together")
        super().__init__(
            input_dim=sum(inputs.values()), output_dim=sum(outputs.values()), dt=dt, T=n_steps * dt, tau=tau,
            input_labels=_labels(inputs), output_labels=_labels(outputs),
        )  # fmt: skip
        self.input_slices, self.output_slices = _slices("inputs", inputs), _slices("outputs", outputs)
        self.input_noise = non_negative("input_noise", input_noise)
        self.rest = float(rest)
        self.catch_probability = fraction("catch_probability", catch_probability)

    def draw(self, n_trials: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw what differs between trials apart from durations, every one (B,), float64 or int64; nothing here."""
        del n_trials, generator
        return {}

    def phases(self, conditions: dict[str, Tensor]) -> Sequence[Phase]:
        """Return the phases of trials with the given conditions, in their order."""
        raise NotImplementedError(f"{type(self).__name__} must define phases")

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw the durations (float64, ms), what `draw` draws, and which trials are catch trials (int64)."""
        lasting = sample_laws(self.durations, batch_size, generator)
        conditions = {f"{name}_duration": values for name, values in lasting.items()}
        conditions |= self.draw(batch_size, generator)
        if self.catch_probability:
            is_catch = Uniform(0.0, 1.0).sample(batch_size, generator) < self.catch_probability
            conditions["catch"] = is_catch.long()
        return conditions

    def sample_alike(
        self, n_trials: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Trials:
        """Return fresh trials whose phases all last the median of their durations."""
        conditions = self.sample_conditions(n_trials, generator)
        half = torch.full((n_trials,), 0.5, dtype=torch.float64)
        conditions |= {f"{name}_duration": law.quantile(half) for name, law in self.durations.items()}
        return self.make_trials(conditions, generator, dtype)

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials that have the given parameters; see `Task.make_trials`."""
        phases = list(self.phases(conditions))
        ends = self._lasting(conditions, phases).cumsum(1)
        n_trials, n_phases = ends.shape
        steps = torch.arange(self.n_steps).expand(n_trials, -1).contiguous()
        place = torch.searchsorted(ends, steps, right=True)  # of each step among the phases, P past the end
        row = place + (n_phases + 1) * torch.arange(n_trials)[:, None]
        shown, asked, weights = (
            table.flatten(0, 1).index_select(0, row.flatten()).view(n_trials, self.n_steps, table.shape[2])
            for table in self._tables(phases, conditions, dtype)
        )
        begins = torch.nn.functional.pad(ends, (1, 0))
        grace = torch.tensor([*(round(phase.grace / self.dt) for phase in phases), 0])
        weights = weights * (steps - begins.gather(1, place) >= grace[place])[:, :, None]
        lengths = ends[:, -1]
        if lengths.numel() and not (lengths >= 1).all():
            raise ValueError("a trial has no step: its phases last less than half of dt each")
        if self.input_noise:
            noise = torch.randn(shown.shape, generator=generator, dtype=dtype).mul_(self.input_noise)
            shown = shown + noise.mul_((place < n_phases)[:, :, None])
        is_uneven = not (lengths == self.n_steps).all()
        return Trials(shown, asked, weights, conditions, lengths=lengths if is_uneven else None)

    def events(self, trials: Trials) -> dict[str, Tensor]:
        """Return the start of each phase but the first, (B,), ms."""
        phases = list(self.phases(trials.conditions))
        ends = self._lasting(trials.conditions, phases).cumsum(1) * self.dt
        return {phase.name: ends[:, index] for index, phase in enumerate(phases[1:])}

    def _lasting(self, conditions: Mapping[str, Tensor], phases: Sequence[Phase]) -> Tensor:
        """Return the number of steps of each phase, (B, P)."""
        for phase in phases:
            if phase.name not in self.durations:
                raise ValueError(
                    f"phase {phase.name} has no duration; durations has {', '.join(self.durations)}"
                )
        lasting = torch.stack([conditions[f"{phase.name}_duration"] for phase in phases], dim=1)
        return (lasting / self.dt).round().long()

    def _tables(
        self, phases: Sequence[Phase], conditions: Mapping[str, Tensor], dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return inputs (B, P + 1, K), targets and mask (B, P + 1, O) of each phase; the last row is 0."""
        n_trials, n_rows = len(next(iter(conditions.values()))), len(phases) + 1
        shown = torch.zeros(n_trials, n_rows, self.input_dim, dtype=dtype)
        asked = torch.zeros(n_trials, n_rows, self.output_dim, dtype=dtype)
        weights = torch.zeros(n_trials, n_rows, self.output_dim, dtype=dtype)
        asked[:, :-1] = self.rest
        for index, phase in enumerate(phases):
            _fill(shown[:, index], phase.show, self.input_slices, f"phase {phase.name} shows")
            _fill(asked[:, index], phase.ask, self.output_slices, f"phase {phase.name} asks")
            by_group = phase.weight
            if not isinstance(by_group, Mapping):
                by_group = dict.fromkeys(self.output_slices, by_group)
            _fill(weights[:, index], by_group, self.output_slices, f"phase {phase.name} weighs")
            if phase.is_cue and index and "catch" in conditions:
                is_catch = conditions["catch"] == 1
                for table in (shown, asked):
                    table[is_catch, index] = table[is_catch, index - 1]
        return shown, asked, weights


def _fill(rows: Tensor, levels: Levels, slices: Mapping[str, slice], what: str) -> None:
    """Set the channels (B, n) of each group in rows (B, K)."""
    for name, level in levels.items():
        if name not in slices:
            raise ValueError(f"{what} {name}, must be one of {', '.join(slices)}")
        if isinstance(level, Tensor):
            level = level.to(rows.dtype)
            level = level[:, None] if level.ndim == 1 else level
        rows[:, slices[name]] = level


def _slices(what: str, sizes: Mapping[str, int]) -> dict[str, slice]:
    slices, start = {}, 0
    for name, size in sizes.items():
        stop = start + integer_at_least(f"{what}.{name}", size, 1)
        slices[name], start = slice(start, stop), stop
    return slices


def _labels(sizes: Mapping[str, int]) -> list[str]:
    """Return a name for each channel: that of its group, with a number where it has several."""
    return [
        name if size == 1 else f"{name} {number + 1}"
        for name, size in sizes.items()
        for number in range(size)
    ]
