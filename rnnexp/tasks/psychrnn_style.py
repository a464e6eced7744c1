"""Tasks written for PsychRNN: methods for one trial and one time step, unchanged but for an import line.

What such a task looks like:

    from rnnexp.tasks import PsychRNNTask as Task      # was: from psychrnn.tasks.task import Task

    class MyTask(Task):
        def __init__(self, dt, tau, T, N_batch):
            super().__init__(N_in, N_out, dt, tau, T, N_batch)
        def generate_trial_params(self, batch, trial): ...      # a dict
        def trial_function(self, time, params): ...             # x_t, y_t, mask_t

In the configuration: task._target_=my_lab.tasks.MyTask, with dt, tau, T and N_batch.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnexp.errors import UserError
from rnnexp.numbers import integer_at_least, plain, positive
from rnnexp.tasks.base import Task, Trials, choice_accuracy

_SEED, _BATCH, _TRIAL = "psychrnn_seed", "psychrnn_batch", "psychrnn_trial"
"""Conditions from which the parameters of a trial are made again, those included that are no numbers."""


class PsychRNNTask(Task, ABC):
    """Base class of tasks with PsychRNN's own methods `generate_trial_params` and `trial_function`.

    The methods are called for each trial and each time step, in Python: 20 to 100 times slower than a
    task that makes whole batches (see `rnnexp.tasks.Task`), often slower than the training itself.

    Random numbers: the methods may draw from `numpy.random` (its global functions) and from `random`.
    Both are seeded for each trial from the generator of the caller, and have their former states back
    afterwards. Generators of their own (`numpy.random.default_rng()`) must be seeded by the user from
    `numpy.random`, otherwise runs cannot be repeated.

    The argument `batch` of `generate_trial_params` is the number of the update in training and in the checks of a
    curriculum, from 1, also after a resume, and 1 for validation and test trials; `trial` is the place in the batch,
    from 0. (PsychRNN's own batch number runs ahead of the update by the batches drawn for other purposes.)

    Args:
        N_in: number of inputs, >= 1.
        N_out: number of outputs, >= 1.
        dt: duration of a time step, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0.
        T: duration of a trial, ms, >= dt.
        N_batch: an attribute for the methods that ask for it, >= 1; the size of a batch is what `sample`
            is told.

    Attributes:
        N_in, N_out, dt, tau, T, N_batch: as given. alpha: dt / tau. N_steps: ceil(T / dt).

    Raises:
        ValueError: an argument is out of its range.

    Source: PsychRNN, class Task.
    """

    def __init__(
        self, N_in: int, N_out: int, dt: float, tau: float, T: float, N_batch: int | None = None
    ) -> None:
        integer_at_least("N_in", N_in, 1)
        integer_at_least("N_out", N_out, 1)
        super().__init__(input_dim=N_in, output_dim=N_out, dt=dt, T=T, tau=positive("tau", tau, "ms"))
        self.dt, self.tau, self.T = dt, tau, T  # an int stays an int, the methods may count with it
        self.alpha = dt / tau
        self.N_in, self.N_out, self.N_steps = self.input_dim, self.output_dim, self.n_steps
        self.N_batch = None if N_batch is None else integer_at_least("N_batch", N_batch, 1)

    @abstractmethod
    def generate_trial_params(self, batch: int, trial: int) -> dict[str, Any]:
        """Draw the parameters of one trial.

        Args:
            batch: number of the update, from 1, see the class.
            trial: place in the batch, from 0.
        """

    @abstractmethod
    def trial_function(self, time: float, params: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Return input (N_in,), target (N_out,) and mask (N_out,) at one time.

        Args:
            time: ms, a multiple of dt from 0.
            params: what `generate_trial_params` returned.
        """

    def accuracy_function(
        self, correct_output: np.ndarray, test_output: np.ndarray, output_mask: np.ndarray
    ) -> float:
        """Return the accuracy of a batch; a subclass may define its own, which then is the metric `accuracy`.

        Args:
            correct_output: targets (B, T, O).
            test_output: outputs (B, T, O).
            output_mask: (B, T, O).
        """
        arrays = (torch.as_tensor(array) for array in (test_output, correct_output, output_mask))
        return float(choice_accuracy(*arrays))

    def generate_trial(self, params: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Call `trial_function` at every step: input (T, N_in), target and mask (T, N_out), all float64.

        Raises:
            UserError: `trial_function` does not return three arrays of these widths.
        """
        x, y, mask = (np.zeros((self.N_steps, width)) for width in (self.N_in, self.N_out, self.N_out))
        for step in range(self.N_steps):
            returned = self.trial_function(step * self.dt, params)
            try:
                x[step], y[step], mask[step] = returned
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"trial_function of {type(self).__name__} must return x_t ({self.N_in},), "
                    f"y_t ({self.N_out},) and mask_t ({self.N_out},): {error}"
                ) from error
        return x, y, mask

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
    ) -> Trials:
        """Return fresh trials; see `Task.sample`. The number of the batch reaches `generate_trial_params`."""
        return self.make_trials(self.sample_conditions(batch_size, generator, batch), generator, dtype)

    def sample_conditions(
        self, batch_size: int, generator: torch.Generator, batch: int = 1
    ) -> dict[str, Tensor]:
        """Draw the parameters of `batch_size` trials.

        Returns:
            (B,) tensors: every parameter that is one number in all trials (int64 if all are whole, else
            float64), and `psychrnn_seed`, `psychrnn_batch` and `psychrnn_trial`, from which `make_trials` finds
            the others again.
        """
        seeds = torch.randint(2**32, (batch_size,), generator=generator)
        numbers = torch.arange(batch_size)
        with _borrowed_randomness() as seed:
            trials = []
            for trial, trial_seed in enumerate(seeds.tolist()):
                seed(trial_seed)
                trials.append(_trial_params(self, batch, trial))
        return {**_numeric(trials), _SEED: seeds, _BATCH: torch.full_like(numbers, batch), _TRIAL: numbers}

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Build the trials of the given parameters; see `Task.make_trials`.

        A parameter that differs in the conditions from what was drawn is changed, those that the task derived
        from it are not.
        """
        noise_seeds = torch.randint(2**32, (len(conditions[_SEED]),), generator=generator).tolist()
        rows = {name: values.tolist() for name, values in conditions.items()}
        origins = zip(rows.pop(_SEED), rows.pop(_BATCH), rows.pop(_TRIAL), strict=True)
        made = []
        with _borrowed_randomness() as seed:
            for index, (trial_seed, batch, trial) in enumerate(origins):
                seed(trial_seed)
                params = _trial_params(self, batch, trial)
                edits = {name: values[index] for name, values in rows.items()}
                params.update({name: value for name, value in edits.items() if params.get(name) != value})
                seed(noise_seeds[index])
                made.append(self.generate_trial(params))
        x, y, mask = (torch.from_numpy(np.stack(arrays)).to(dtype) for arrays in zip(*made, strict=True))
        return Trials(x, y, mask, conditions)

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return the accuracy of the subclass's own `accuracy_function`, else what `Task.metrics` returns."""
        if type(self).accuracy_function is PsychRNNTask.accuracy_function:
            return super().metrics(outputs, trials)
        arrays = (tensor.detach().cpu().numpy() for tensor in (trials.targets, outputs, trials.mask))
        return {"accuracy": torch.as_tensor(float(self.accuracy_function(*arrays)), device=outputs.device)}


def _trial_params(task: PsychRNNTask, batch: int, trial: int) -> dict[str, Any]:
    params = task.generate_trial_params(batch, trial)
    if not isinstance(params, Mapping):
        raise UserError(f"generate_trial_params of {type(task).__name__} must return a dict, got {params!r}")
    return dict(params)


@contextmanager
def _borrowed_randomness() -> Iterator[Any]:
    """Lend the global `numpy.random` and `random`: yields what seeds them, and restores them at the end."""
    former_numpy, former_python = np.random.get_state(), random.getstate()

    def seed(value: int) -> None:
        np.random.seed(value)
        random.seed(value)

    try:
        yield seed
    finally:
        np.random.set_state(former_numpy)
        random.setstate(former_python)


def _numeric(trials: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Gather the parameters that are one number in every trial."""
    conditions = {}
    for name in trials[0]:
        values = [_scalar(params.get(name)) for params in trials]
        if all(value is not None for value in values):
            whole = all(isinstance(value, int) for value in values)
            conditions[name] = torch.tensor(values, dtype=torch.int64 if whole else torch.float64)
    return conditions


def _scalar(value: Any) -> int | float | None:
    """Return a number as int or float; None for all else, whole numbers beyond 64 bits included."""
    value = plain(value)
    if isinstance(value, Integral):
        return int(value) if -(2**63) <= value < 2**63 else None
    return float(value) if isinstance(value, Real) else None
