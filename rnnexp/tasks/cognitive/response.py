"""What GoNogo, XOR and Mante share: one output that responds after the stimuli, judged by thresholds.

Letters: B trials, T time steps; O = 1.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnnexp.numbers import is_number, listed
from rnnexp.tasks.base import Trials
from rnnexp.tasks.distributions import Choice, Distribution
from rnnexp.tasks.epochs import check_epochs_fit, during


def check_response_fits(epochs: Mapping[str, Distribution], T: float, dt: float) -> None:
    """Refuse epochs after which no step of the response is left that the mask counts; see `check_epochs_fit`.

    Args:
        epochs: duration of each epoch before the response by name, in their order, ms.
        T: duration of a trial, ms.
        dt: duration of a step, ms.
    """
    check_epochs_fit({**epochs, "two steps of response": Choice((2 * dt,))}, T)


def mask_without_last_step(n_trials: int, n_steps: int, dtype: torch.dtype) -> Tensor:
    """Return the mask (B, T, 1): 1, and 0 in the last step.

    The networks of spikeRNN have their initial state in the place of a first step. Of T inputs they use the
    first T - 1, and have T - 1 outputs: output k there is the output of step k here.
    """
    mask = torch.ones(n_trials, n_steps, 1, dtype=dtype)
    mask[:, -1] = 0
    return mask


def read_accuracy_window(window: Sequence[float] | None, times: Tensor) -> tuple[float, float] | None:
    """Return the window as two floats, or None where it is None.

    Args:
        window: [start, stop], ms, start included, stop not.
        times: (T,) float64, ms.

    Raises:
        ValueError: it is no window, or holds no step that the mask counts.
    """
    if window is None:
        return None
    pair = listed(window)
    if pair is not None and len(pair) == 2 and all(is_number(value) for value in pair):
        start, stop = map(float, pair)
        if ((times[:-1] >= start) & (times[:-1] < stop)).any():
            return start, stop
    raise ValueError(
        "accuracy_window must be null or [start, stop] in ms that holds a step other than the last one, at "
        f"{times[-1].item():g} ms, got {window!r}"
    )


def judged_steps(
    trials: Trials, times: Tensor, start: Tensor, stop: Tensor, window: tuple[float, float] | None
) -> Tensor:
    """Say at which steps the outputs are judged: in the response, and where the mask is not 0.

    Args:
        trials: B trials, padded to more steps than the task's own or not.
        times: (T,) float64, of the task's own steps, ms.
        start: (B,) float64, of the response, ms, included.
        stop: (B,) float64, of the response, ms, not included.
        window: start and stop for all trials, in the place of those of the response, ms; None: the response.

    Returns:
        (B, T) bool, on the device of the trials.
    """
    if window is not None:
        start, stop = (torch.full_like(start, limit) for limit in window)
    inside = during(times.to(start.device), start, stop)
    padding = torch.zeros(len(inside), trials.n_steps - len(times), dtype=torch.bool, device=inside.device)
    return torch.cat((inside, padding), 1) & (trials.mask[:, :, 0] != 0)


def peak(values: Tensor, judged: Tensor) -> Tensor:
    """Return the largest value over the judged steps of each trial.

    Args:
        values: (B, T, 1).
        judged: (B, T) bool.

    Returns:
        (B,), minus infinity for a trial without such a step, nan if one of them is nan.
    """
    return values[:, :, 0].masked_fill(~judged, -torch.inf).amax(dim=1)


def reaches_side(outputs: Tensor, judged: Tensor, side: Tensor, threshold: float) -> Tensor:
    """Say which outputs pass the threshold on the right side of zero, at one judged step at least.

    An output that passes it on both sides is right too.

    Args:
        outputs: (B, T, 1).
        judged: (B, T) bool.
        side: (B,), > 0 where an output > threshold is right; elsewhere one < -threshold is.
        threshold: >= 0.

    Returns:
        (B,) bool; False for a trial without a judged step.
    """
    return torch.where(side > 0, peak(outputs, judged), peak(-outputs, judged)) > threshold
