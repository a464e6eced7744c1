"""The pictures of a model that reconstructs a time series: a free run beside the data that it starts from.

Letters: T steps, N observed dimensions, S states.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnexp.analysis.prediction_horizon import prediction_horizon
from rnnexp.models import RNN
from rnnexp.plots.album import Album
from rnnexp.plots.overlay import overlay
from rnnexp.plots.power_spectra import power_spectra
from rnnexp.plots.series_pair import steps_before_departure
from rnnexp.plots.state_space import state_space
from rnnexp.plots.value_histograms import value_histograms

if TYPE_CHECKING:
    from rnnexp.tasks.time_series.base import TimeSeries

MOST_STEPS = 12_500  # of a free run
TRANSIENT_SHARE = 0.2  # of a free run, not shown but in the overlay
SHORTEST_OVERLAY, LONGEST_OVERLAY = 200, 1500  # steps
HORIZONS_SHOWN = 3


class FreeRun(NamedTuple):
    """A free run and the data at the same times, both in the units of the data.

    Attributes:
        data: (T, N), nan where missing.
        generated: (T, N), of any value.
        states: (T + 1, S), the latents of the run, the initial ones first.
        starts_from_data: whether the initial state follows from the data.
    """

    data: np.ndarray
    generated: np.ndarray
    states: Tensor
    starts_from_data: bool


def draw_reconstruction(model: RNN, task: "TimeSeries", album: Album) -> Tensor:
    """Draw a free run against the data of the part that a task shows.

    state_space, overlay, power_spectra and histograms. The run starts from the first complete
    observation of the longest stretch without a gap in time and gets the inputs of the data; the beginning is left out
    of all but the overlay. A run that diverges is drawn up to there, from its start.

    Args:
        model: on any device.
        task: its part of the data is shown.
        album: takes the pictures.

    Returns:
        The states of the run, those that are finite, as long as it stays near the data, (n, S), n >= 1.
    """
    run = _run(model, task)
    n_near = steps_before_departure(run.data, run.generated)
    names, clock = task.output_labels, (task.dt, task.time_unit)
    horizon = _horizon(run)
    shown = slice(0, _overlay_steps(horizon, len(run.data)))
    known = horizon if horizon is None else min(horizon, shown.stop)
    album.add("overlay", lambda: overlay(run.data[shown], run.generated[shown], names, *clock, known))
    stays = n_near == len(run.generated)
    kept = slice(int(TRANSIENT_SHARE * len(run.data)) if stays else 0, None)
    pair = run.data[kept], run.generated[kept]
    smoothing = float(task.metric_notes["d_h_smoothing"])
    album.add("state_space", lambda: state_space(*pair, names, *clock))
    album.add("power_spectra", lambda: power_spectra(*pair, names, *clock, smoothing))
    album.add("histograms", lambda: value_histograms(*pair, names, *clock))
    states = run.states[kept.start : n_near + 1]
    return states[states.isfinite().all(dim=1)]


def _run(model: RNN, task: "TimeSeries") -> FreeRun:
    """Run a model freely from an observation of the longest stretch of the data."""
    series = max(task.series(), key=lambda stretch: len(stretch.observations))
    observations, like = series.observations, model.z0
    start = _first_start(observations[: max(1, len(observations) // 2)])
    n_steps = min(len(observations) - 1 - start, MOST_STEPS)
    inputs = torch.from_numpy(series.inputs[None, start : start + n_steps]).to(like)
    with torch.no_grad():
        trajectory = model.free_run(
            torch.from_numpy(observations[None, start]).to(like), inputs if task.input_dim else None, n_steps
        )
    data = task.in_data_units(observations[start + 1 : start + 1 + n_steps])
    generated = task.in_data_units(trajectory.outputs[0].numpy(force=True).astype(float))
    states = torch.cat((trajectory.initial, trajectory.latents[0]))
    return FreeRun(data, generated, states, model.data_start is not None)


def _first_start(observations: np.ndarray) -> int:
    """Return the first complete row, else the first with a value, else 0."""
    missing = np.isnan(observations)
    for is_usable in (~missing.any(axis=1), ~missing.all(axis=1)):
        if is_usable.any():
            return int(is_usable.argmax())
    return 0


def _horizon(run: FreeRun) -> int | None:
    """Return the steps up to which a run predicts the data, None if it does not start from them."""
    if not run.starts_from_data:
        return None
    known = np.isfinite(run.data)
    mean = np.where(known, run.data, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    squares = np.where(known, (run.data - mean) ** 2, 0.0).sum(axis=0)
    sd = np.sqrt(squares / np.maximum(known.sum(axis=0), 1))
    return prediction_horizon(run.data, run.generated, np.where(sd > 0, sd, 1.0))


def _overlay_steps(horizon: int | None, n_steps: int) -> int:
    """Return how many steps of a run of n_steps the overlay shows."""
    wanted = SHORTEST_OVERLAY if horizon is None else HORIZONS_SHOWN * horizon
    return min(max(wanted, SHORTEST_OVERLAY), LONGEST_OVERLAY, n_steps)
