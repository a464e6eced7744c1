"""Loss and task metrics of a model on given trials, without gradients."""

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from rnnexp.analysis.lyapunov import lyapunov_spectrum_along, maximal_exponent
from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.tasks.base import Task, Trials


def evaluate(
    model: RNN,
    task: Task,
    loss: CompositeLoss,
    trials: Trials,
    batch_size: int,
    noise: torch.Generator | None = None,
) -> tuple[dict[str, float], dict[str, float]]:
    """Run the model on trials, in batches.

    Args:
        trials: B trials on the model's device.
        batch_size: trials run at once; every value is the mean over batches, weighted by their size.
        noise: where the network's noise comes from; not used by a network that has noise in training only.

    Returns:
        The loss ("loss", then every weighted term by its key), and the task's metrics by name, those of free runs last.
    """
    losses: dict[str, Tensor] = {}
    metrics: dict[str, Tensor] = {}
    of_trials: dict[str, list[Tensor]] = {}
    groups: dict[str, list[Tensor]] = {}
    noise = noise if model.test_noise else None
    with torch.no_grad(), _in_evaluation_mode(model):
        for start in range(0, trials.n_trials, batch_size):
            batch = trials[start : start + batch_size]
            trajectory = model(batch, noise)
            values = loss(trajectory, batch, model)
            _add(losses, {"loss": values.total, **values}, batch)
            _add(metrics, loss.raw_columns(values), batch)
            _add(metrics, _known(task.metrics(trajectory.outputs, batch), trajectory.outputs), batch)
            _gather(of_trials, task.trial_metrics(trajectory, batch))
        _gather(groups, task.metric_groups(trials))
        of_runs = {name: float(value) for name, value in task.run_metrics(FreeRuns(model)).items()}
    found = {**_means(metrics, trials.n_trials), **_group_means(of_trials, groups)}
    return _means(losses, trials.n_trials), {**found, **task.derived_metrics(found), **of_runs}


def leading(metrics: Mapping[str, float], task: Task, trials: Trials) -> dict[str, float]:
    """Return the metrics of all trials together, without those of groups and without raw terms of the loss."""
    details = tuple(f"_{group}" for group in task.metric_groups(trials))
    return {
        name: value
        for name, value in metrics.items()
        if not name.endswith(details) and not name.startswith("raw_")
    }


def _gather(found: dict[str, list[Tensor]], values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        found.setdefault(name, []).append(value.cpu())


def _group_means(values: Mapping[str, list[Tensor]], groups: Mapping[str, list[Tensor]]) -> dict[str, float]:
    """Return the mean of values over trials, and over those of each group as "value_group"; nan are left out."""
    whole = {name: torch.cat(parts).double() for name, parts in values.items()}
    means = {name: float(value.nanmean()) for name, value in whole.items()}
    for group, parts in groups.items():
        chosen = torch.cat(parts)
        means |= {f"{name}_{group}": float(value[chosen].nanmean()) for name, value in whole.items()}
    return means


def _known(metrics: Mapping[str, Tensor | float], outputs: Tensor) -> dict[str, Tensor]:
    """Return metrics of outputs, nan as soon as one is not finite, as the loss is: chance is no accuracy."""
    is_lost = ~outputs.isfinite().all()
    return {
        name: torch.where(
            is_lost, torch.nan, torch.as_tensor(value, device=outputs.device, dtype=torch.float64)
        )
        for name, value in metrics.items()
    }


@contextlib.contextmanager
def _in_evaluation_mode(model: RNN) -> Iterator[None]:
    """Switch off what modules of a user do in a training only, such as dropout."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


class FreeRuns:
    """Runs of a model without data, noise or gradients; see `rnnexp.tasks.base.FreeRun`."""

    def __init__(self, model: RNN) -> None:
        self._model = model

    def __call__(self, start: Tensor, inputs: Tensor | None, n_steps: int) -> Tensor:
        """Return the outputs (R, T, O) of runs from observations (R, O)."""
        return self._run(start, inputs, n_steps).outputs

    def lyapunov_exponents(
        self, start: Tensor, inputs: Tensor | None, n_transient: int, n_steps: int, n_exponents: int
    ) -> list[float]:
        """Return the largest Lyapunov exponents per step of the run from an observation (O,); one alone is faster."""
        given = None if inputs is None else inputs[None]
        states = (
            self._run(start[None], given, n_transient + n_steps).latents[0, n_transient:].numpy(force=True)
        )
        if inputs is not None:  # row t of the latents is where the step with the inputs t + 1 starts
            states, inputs = states[:-1], inputs[n_transient + 1 :].numpy(force=True)
        if n_exponents == 1:
            return [maximal_exponent(self._jacobian, states, inputs)]
        return lyapunov_spectrum_along(
            self._jacobian, states, n_exponents=n_exponents, inputs=inputs
        ).tolist()

    def _run(self, start: Tensor, inputs: Tensor | None, n_steps: int) -> Trajectory:
        like = self._model.z0
        inputs = None if inputs is None else inputs.to(like)
        with torch.no_grad():
            return self._model.free_run(start.to(like), inputs, n_steps)

    def _jacobian(self, *given: np.ndarray) -> np.ndarray:
        """Return the Jacobians at states, or at states and inputs."""
        tensors = [torch.from_numpy(array).to(self._model.z0) for array in given]
        with torch.no_grad():
            return self._model.latent_step.jacobian(*tensors).numpy(force=True)


def _add(sums: dict[str, Tensor], values: Mapping[str, Tensor | float], batch: Trials) -> None:
    """Add the mean values of a batch, times its trials, to sums; float64, on the device of the trials."""
    for name, value in values.items():
        value = torch.as_tensor(value, dtype=torch.float64, device=batch.inputs.device)
        sums[name] = sums.get(name, 0.0) + batch.n_trials * value


def _means(sums: dict[str, Tensor], n_trials: int) -> dict[str, float]:
    """Turn sums over trials into means, with one transfer from the device for all."""
    if not sums:
        return {}
    return dict(zip(sums, (torch.stack(list(sums.values())) / n_trials).tolist(), strict=True))
