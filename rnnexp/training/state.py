"""What is trained and how far the training has come."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.tasks.base import Task, Trials
from rnnexp.training.checkpoint import save_checkpoint
from rnnexp.training.history import History
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.schedules import Schedule


@dataclass(frozen=True)
class Parts:
    """What is trained, all on one device and in one dtype."""

    task: Task
    model: RNN
    loss: CompositeLoss
    optimizer: Optimizer
    schedule: Schedule
    device: torch.device
    dtype: torch.dtype


@dataclass
class State:
    """How far a training has come; with the weights, the optimizer and the generator all that a resume needs."""

    step: int = 0
    seconds: float = 0.0
    best_value: float = math.nan
    best_step: int = 0
    evaluations_since_best: int = 0
    validation: dict[str, float] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)  # of the training values since the last evaluation
    n_summed: int = 0


@dataclass
class Session:
    """One call of `fit`."""

    parts: Parts
    run: RunDirectory
    config: dict[str, Any]
    state: State
    history: History
    generator: torch.Generator
    validation: Trials
    begin: float
    metric_names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._earlier = self.state.seconds

    @property
    def seconds(self) -> float:
        """Seconds of training, those before a resume included."""
        return self._earlier + time.perf_counter() - self.begin

    def save(self, name: str) -> None:
        """Write a checkpoint from which the training can go on."""
        self.state.seconds = self.seconds
        save_checkpoint(
            self.run.checkpoints / name,
            self.config,
            {
                "model": self.parts.model.state_dict(),
                "optimizer": self.parts.optimizer.state_dict(),
                "training_trials": self.generator.get_state(),
                "state": vars(self.state).copy(),
            },
        )
