"""What a checkpoint keeps of a time series, so that its network can be used where the data are not.

Letters: O observed dimensions after the embedding, K inputs, n starts.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rnnexp.tasks.base import Task
from rnnexp.tasks.units import DataUnits, given_scale

if TYPE_CHECKING:
    from rnnexp.tasks.time_series.base import TimeSeries


def memory_of(task: "TimeSeries") -> dict[str, Any]:
    """Return sizes, names, units and scaling of a task and a few observations, as plain containers and tensors."""
    units = task.data_units
    scales = {"outputs": units.outputs, "inputs": units.inputs}
    return {
        "dt": task.dt,
        "n_steps": task.n_steps,
        "time_unit": task.time_unit,
        "labels": list(task.output_labels),
        "input_labels": list(task.input_labels),
        "scaling": {
            name: {"mean": scale.mean.tolist(), "sd": scale.sd.tolist()} for name, scale in scales.items()
        },
        "starts": torch.from_numpy(task.starts),
    }


class RememberedSeries(Task):
    """A time series without its data: what a trained network needs to run freely, in the units of the data.

    Args:
        dt, n_steps, time_unit: of the time series.
        labels: O names of the observed dimensions.
        input_labels: K names of the inputs.
        scaling: mean and sd of "outputs" and "inputs".
        starts: (n, O) float64, n >= 1.

    Attributes:
        data_units: see `TimeSeries`.
        starts: see `TimeSeries`.

    Raises:
        ValueError: the parts do not fit together.
    """

    kind = "time_series"

    def __init__(
        self,
        *,
        dt: float,
        n_steps: int,
        time_unit: str,
        labels: list[str],
        input_labels: list[str],
        scaling: dict[str, dict[str, list[float]]],
        starts: torch.Tensor,
    ) -> None:
        super().__init__(
            input_dim=len(input_labels),
            output_dim=len(labels),
            dt=dt,
            T=n_steps * dt,
            input_labels=input_labels,
            output_labels=labels,
        )
        self.time_unit = time_unit
        self.data_units = DataUnits(
            given_scale("scaling.outputs", scaling["outputs"], labels),
            given_scale("scaling.inputs", scaling["inputs"], input_labels),
        )
        self.starts: np.ndarray = starts.numpy()
        if self.starts.ndim != 2 or self.starts.shape[1] != self.output_dim or not len(self.starts):
            raise ValueError(f"starts must be (n, {self.output_dim}), got {self.starts.shape}")

    def sample(self, *arguments: Any, **settings: Any) -> Any:
        """Refuse to make trials: there are no data.

        Raises:
            ValueError: always.
        """
        del arguments, settings
        raise ValueError("a remembered time series has no data to make trials of")
