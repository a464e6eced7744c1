"""A curriculum: tasks one after the other, each trained until a metric reaches its threshold."""

from collections.abc import Sequence
from typing import Literal

from rnnexp.numbers import integer_at_least, is_finite, listed
from rnnexp.tasks.base import Task
from rnnexp.training.thresholds import reached

AGREEING = ("input_dim", "output_dim", "n_steps", "dt")


class Curriculum:
    """Stages from 0 to the last, which is the goal, and when each is passed.

    Nothing changes in it as a training goes on, so one curriculum serves any number of trainings. How far a
    training has come stands in its `State`. Source: PsychRNN, class Curriculum.

    Args:
        tasks: the task of every stage; they agree in input_dim, output_dim, n_steps and dt (ms).
        metric: what is checked: "loss", the name of a loss term, or a metric of the tasks.
        thresholds: one finite number for all stages, or one for each.
        mode: "max": a stage is passed once the metric is >= its threshold; "min": once it is <=.
        check_every: updates between checks, >= 1.
        n_trials: fresh trials of a check, >= 1.

    Raises:
        ValueError: an argument is out of its range, or the tasks do not agree.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        metric: str = "accuracy",
        thresholds: float | Sequence[float] = 0.9,
        mode: Literal["max", "min"] = "max",
        check_every: int = 10,
        n_trials: int = 128,
    ) -> None:
        if not tasks:
            raise ValueError("stages must be at least one, got none")
        _check_agreement(tasks)
        if mode not in ("max", "min"):
            raise ValueError(f"mode must be max or min, got {mode!r}")
        self.tasks = tuple(tasks)
        self.metric = metric
        self.thresholds = _one_for_each(thresholds, len(tasks))
        self.mode = mode
        self.check_every = integer_at_least("check_every", check_every, 1)
        self.n_trials = integer_at_least("n_trials", n_trials, 1)

    @property
    def n_stages(self) -> int:
        """Number of stages, >= 1."""
        return len(self.tasks)

    def stage(self, n_passed: int) -> int:
        """Return the stage of a training that has passed so many; the last one once all are passed."""
        return min(n_passed, self.n_stages - 1)

    def is_passed(self, stage: int, value: float) -> bool:
        """Whether a value of the metric passes a stage, numbered from 0."""
        return reached(value, self.thresholds[stage], self.mode)


def _check_agreement(tasks: Sequence[Task]) -> None:
    for name in AGREEING:
        values = [getattr(task, name) for task in tasks]
        for stage, value in enumerate(values):
            if value != values[0]:
                raise ValueError(
                    f"stages must agree in {', '.join(AGREEING[:-1])} and {AGREEING[-1]}, since one network learns "
                    f"them all, but {name} is {values[0]:g} in stage 0 and {value:g} in stage {stage}"
                )


def _one_for_each(thresholds: float | Sequence[float], n_stages: int) -> tuple[float, ...]:
    given = listed(thresholds)
    each = [thresholds] * n_stages if given is None else given
    if len(each) != n_stages or not all(is_finite(threshold) for threshold in each):
        raise ValueError(
            f"thresholds must be a finite number, or one for each of the {n_stages} stages, got "
            f"{thresholds if given is None else given}"
        )
    return tuple(float(threshold) for threshold in each)
