"""What is trained and how far the training has come."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from rnnexp.errors import UserError
from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.tasks.base import Task, Trials
from rnnexp.training.checkpoint import keep_previous, save_checkpoint
from rnnexp.training.curriculum import Curriculum
from rnnexp.training.history import History
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.schedules import Schedule
from rnnexp.training.streams import GlobalGenerators, globals_seeded, stream


@dataclass(frozen=True)
class Parts:
    """What is trained, all on one device and in one dtype.

    Args:
        task: what the network shall learn; with a curriculum the task of its last stage.
    """

    task: Task
    model: RNN
    loss: CompositeLoss
    optimizer: Optimizer
    schedule: Schedule
    device: torch.device
    dtype: torch.dtype
    curriculum: Curriculum | None = None


@dataclass
class State:
    """How far a training has come; with weights, optimizer and generators all that a resume needs.

    Args:
        passed_at: the step at which each stage of the curriculum was passed, so far.
        n_nonfinite: how often the training went on after a loss, a gradient or a parameter that was not finite.
        n_reported: n_nonfinite in the latest training row.
        lr_factor: of the learning rate, less than 1 after that.
        history: fingerprint of metrics.csv.
    """

    step: int = 0
    seconds: float = 0.0
    best_value: float = math.nan
    best_step: int = 0
    evaluations_since_best: int = 0
    validation: dict[str, float] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)  # of the training values since the last evaluation
    n_summed: int = 0
    passed_at: list[int] = field(default_factory=list)
    n_nonfinite: int = 0
    n_reported: int = 0
    lr_factor: float = 1.0
    history: dict[str, Any] = field(default_factory=dict)

    def judge(self, value: float, largest_is_best: bool, is_first: bool) -> bool:
        """Take the best_metric of the present step into account; returns whether its network is the best so far.

        Where no value is a number yet the latest stands for the best, but patience counts on.
        """
        sign = -1 if largest_is_best else 1
        is_better = sign * value < sign * self.best_value
        begins = math.isnan(self.best_value)
        is_progress = is_first or is_better or (begins and not math.isnan(value))
        self.evaluations_since_best = 0 if is_progress else self.evaluations_since_best + 1
        if not (is_better or begins):
            return False
        self.best_value, self.best_step = value, self.step
        return True


@dataclass
class Session:
    """One call of `fit`: what is trained, on which task now, and where its rows and checkpoints go.

    Args:
        generators: those whose position goes into the checkpoints, by the name of their stream.
        n_steps: updates of the training, those before a resume included.
        counts_nonfinite: whether training rows tell how often the training went on after trouble.
        columns: names of what an evaluation gives: the loss, its terms, the task's metrics.
    """

    parts: Parts
    run: RunDirectory
    config: dict[str, Any]
    state: State
    history: History
    seed: int
    generators: dict[str, torch.Generator | GlobalGenerators]
    batch_size: int
    n_validation_trials: int
    n_steps: int
    begin: float
    counts_nonfinite: bool = False
    columns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._earlier = self.state.seconds
        memory = self.parts.task.memory()
        self._beside = {"files": self.run.files} | ({} if memory is None else {"task": memory})
        self.validation = self._validation_trials()

    @property
    def stage(self) -> int | None:
        """The stage of the curriculum, the last one once all are passed; None without a curriculum."""
        curriculum = self.parts.curriculum
        return None if curriculum is None else curriculum.stage(len(self.state.passed_at))

    @property
    def is_last_stage(self) -> bool:
        """Whether what is trained now is the goal of the training."""
        return self.parts.curriculum is None or self.stage == self.parts.curriculum.n_stages - 1

    @property
    def all_stages_passed(self) -> bool:
        """Whether the last stage of the curriculum is passed as well."""
        curriculum = self.parts.curriculum
        return curriculum is not None and len(self.state.passed_at) == curriculum.n_stages

    @property
    def task(self) -> Task:
        """The task that is trained now."""
        return self.parts.task if self.stage is None else self.parts.curriculum.tasks[self.stage]

    @property
    def loss(self) -> CompositeLoss:
        """The loss with its weights of the present step."""
        return self.parts.loss.at(self.state.step, self.n_steps)

    def _validation_trials(self) -> Trials:
        """Return the validation trials of the present task, the same ones in every call."""
        generator = stream(self.seed, "validation_trials")
        task = self.task.for_split("validation")
        with globals_seeded(self.seed, "validation_trials"):
            trials = task.sample(self.n_validation_trials, generator, self.parts.dtype)
        return trials.to(self.parts.device)

    def pass_stage(self) -> None:
        """Go on to the next stage, where the best checkpoint is sought anew; after the last one it is the present."""
        self.state.passed_at.append(self.state.step)
        self.state.best_value, self.state.evaluations_since_best = math.nan, 0
        self.validation = self._validation_trials()

    @property
    def seconds(self) -> float:
        """Seconds of training, those before a resume included."""
        return self._earlier + time.perf_counter() - self.begin

    def append(self, split: str, values: dict[str, float]) -> None:
        """Write a row of metrics.csv at the present step; columns that are not given stay empty."""
        row = {
            "step": self.state.step,
            "trials": self.state.step * self.batch_size,
            "seconds": round(self.seconds, 3),
            "split": split,
            **stage_column(self.stage),
        }
        of_training = ["grad_norm", "lr", *self._forcing_alpha(), *self._trouble()]
        whole = {**row, **dict.fromkeys([*self.columns, *of_training]), **values}
        self.history.append(whole)
        self.run.watchers.row(whole)

    def _forcing_alpha(self) -> dict[str, float]:
        """Return the entry of a training row that tells how strongly states are forced, where one number does."""
        forcing = self.parts.model.forcing
        alpha = None if forcing is None else forcing.alpha
        return {} if alpha is None else {"forcing_alpha": alpha.item()}

    def _trouble(self) -> dict[str, int]:
        """Return the entry of a training row that tells how often the training went on after trouble, if it may."""
        return {"n_nonfinite": self.state.n_nonfinite} if self.counts_nonfinite else {}

    def append_training_row(self) -> None:
        """Write the means of the updates since the last such row, if there were any."""
        state = self.state
        if state.n_summed or state.n_nonfinite > state.n_reported:
            means = {name: total.item() / state.n_summed for name, total in state.sums.items()}
            lr = self.parts.optimizer.param_groups[0]["lr"]
            self.append("train", {**means, "lr": lr, **self._forcing_alpha(), **self._trouble()})
        state.sums, state.n_summed, state.n_reported = {}, 0, state.n_nonfinite

    def save(self, name: str) -> None:
        """Write a checkpoint from which the training can go on."""
        self.state.seconds = self.seconds
        self.state.history = self.history.fingerprint
        path = self.run.checkpoints / name
        try:
            path.parent.mkdir(exist_ok=True)
            if name == "last.pt":
                keep_previous(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from error
        save_checkpoint(
            path,
            self.config,
            {
                "model": self.parts.model.state_dict(),
                "optimizer": self.parts.optimizer.state_dict(),
                **{name: generator.get_state() for name, generator in self.generators.items()},
                "state": vars(self.state).copy(),
                **self._beside,
            },
        )


def stage_column(stage: int | None) -> dict[str, int]:
    """Return the entry of a row of metrics.csv that tells the stage, nothing without a curriculum."""
    return {} if stage is None else {"stage": stage}
