"""When a training ends before its last step: cutoffs and patience."""

from dataclasses import dataclass
from functools import partial

from rnnexp.errors import UserError
from rnnexp.numbers import integer_at_least, number, positive_fraction
from rnnexp.training.state import State
from rnnexp.training.thresholds import reached


@dataclass(frozen=True)
class StoppingRules:
    """Looked at after every validation.

    Args:
        accuracy_cutoff: holds once the validation accuracy, of many tasks that of the worst, is >= it; None: not asked
            for.
        loss_cutoff: holds once the validation loss is <= it; None: not asked for. Where both cutoffs are given, both
            must hold in the same validation.
        patience: stop after that many validations without a better best_metric; None: never.
        min_steps: no stop before that many updates, >= 0.
        best_metric: what patience waits for.

    Raises:
        ValueError: an argument is out of its range.
    """

    accuracy_cutoff: float | None = None
    loss_cutoff: float | None = None
    patience: int | None = None
    min_steps: int = 0
    best_metric: str = "loss"

    def __post_init__(self) -> None:
        checked = {
            "accuracy_cutoff": (positive_fraction, self.accuracy_cutoff),
            "loss_cutoff": (number, self.loss_cutoff),
            "patience": (partial(integer_at_least, least=1), self.patience),
            "min_steps": (partial(integer_at_least, least=0), self.min_steps),
        }
        for name, (check, value) in checked.items():
            if value is not None:
                object.__setattr__(self, name, check(name, value))

    def check_names(self, metrics: dict[str, float]) -> None:
        """Refuse a cutoff on an accuracy that the task does not have.

        Raises:
            UserError: with the setting to change.
        """
        if self.accuracy_cutoff is not None and "accuracy" not in metrics:
            raise UserError(
                f"trainer.accuracy_cutoff: {self.accuracy_cutoff}: this task has no accuracy; set it to null"
            )

    def reason(self, state: State, is_last_stage: bool = True) -> str | None:
        """Return why the training shall end now, one sentence, or None.

        Args:
            state: with the values of the latest validation.
            is_last_stage: whether the cutoffs count; those met in an earlier stage of a curriculum say nothing
                about its goal.
        """
        if state.step < self.min_steps:
            return None
        if is_last_stage and (cutoffs := self._cutoffs(state.validation)) and None not in cutoffs:
            return " and ".join(cutoffs)
        if self.patience is not None and state.evaluations_since_best >= self.patience:
            return f"no better validation {self.best_metric} in {self.patience} evaluations"
        return None

    def _cutoffs(self, values: dict[str, float]) -> list[str | None]:
        """Return a text for every cutoff that is given, None for one that does not hold."""
        accuracy = "worst_accuracy" if "worst_accuracy" in values else "accuracy"
        given = (
            ("accuracy", accuracy, self.accuracy_cutoff, "max"),
            ("loss", "loss", self.loss_cutoff, "min"),
        )
        return [
            f"validation {name} {values[name]:.4f} reached {setting}_cutoff {cutoff:g}"
            if reached(values[name], cutoff, mode)
            else None
            for setting, name, cutoff, mode in given
            if cutoff is not None
        ]
