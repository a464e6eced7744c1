"""The place of a task for an imported network of which only the weights are known."""

from typing import ClassVar, Literal

import numpy as np
import torch

from rnnexp.errors import UserError
from rnnexp.numbers import one_of
from rnnexp.tasks.base import Task, Trials


def refuse_no_task(task: Task) -> None:
    """Refuse to train or judge a network that was imported without a task.

    Raises:
        UserError: it was.
    """
    if isinstance(task, NoTask):
        raise UserError("task: the network was imported without a task; import it again with task=...")


class NoTask(Task):
    """Sizes and a time step, and trials in which nothing happens: enough to simulate, analyse and export a network.

    Args:
        input_dim: number of inputs K, >= 0.
        output_dim: number of outputs O, >= 1.
        dt: duration of a time step, ms, or of a sample of a time series, > 0.
        tau: time constant of leaky networks, ms; None: they have their own.
        of: "cognitive", or "time_series" for a network that starts from data.

    Raises:
        ValueError: an argument is out of its range.
    """

    kind: ClassVar[str] = "cognitive"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        dt: float = 1.0,
        tau: float | None = None,
        of: Literal["cognitive", "time_series"] = "cognitive",
    ) -> None:
        super().__init__(input_dim=input_dim, output_dim=output_dim, dt=dt, T=dt, tau=tau)
        self.kind = one_of("of", of, ("cognitive", "time_series"))
        self.time_unit = "ms" if of == "cognitive" else "steps" if dt == 1 else "time units"

    @property
    def starts(self) -> np.ndarray:
        """(1, O) zeros, where free runs of a network that starts from data begin, if nothing else is said."""
        return np.zeros((1, self.output_dim))

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
    ) -> Trials:
        """Return trials of one step, all 0, of which nothing counts; see `Task.sample`."""
        del generator, batch
        targets = torch.zeros(batch_size, 1, self.output_dim, dtype=dtype)
        inputs = torch.zeros(batch_size, 1, self.input_dim, dtype=dtype)
        signal = targets.clone() if self.kind == "time_series" else None
        return Trials(inputs, targets, torch.zeros_like(targets), signal=signal)

    def metrics(self, outputs: torch.Tensor, trials: Trials) -> dict[str, torch.Tensor]:
        """Return nothing."""
        del outputs, trials
        return {}
