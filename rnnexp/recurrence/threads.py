"""How many threads compiled recurrences and torch use."""

import multiprocessing
from typing import Literal

import torch

_AVAILABLE = torch.get_num_threads()  # torch's own choice: the cores of this machine, or OMP_NUM_THREADS
_most, _of_torch = 1, 1


def use_threads(wanted: int | Literal["auto"]) -> None:
    """Set the number of threads that compiled recurrences may use; torch itself gets one.

    Torch's threads wait for their next task in a busy loop, in the way of those that run a recurrence, and operations
    on the tensors of small networks gain nothing by them.

    Args:
        wanted: >= 1; "auto" is all cores, or as many as OMP_NUM_THREADS says, and 1 in the job of a parallel launcher.
    """
    global _most, _of_torch
    is_worker = multiprocessing.current_process().name != "MainProcess"
    _most = (1 if is_worker else _AVAILABLE) if wanted == "auto" else wanted
    _of_torch = 1 if wanted == "auto" else wanted
    torch.set_num_threads(1)


def use_threads_for_torch() -> None:
    """Give torch the threads that were asked for by number, for rollouts in plain torch of large networks."""
    torch.set_num_threads(_of_torch)


def most_threads() -> int:
    """Return how many threads a compiled recurrence may use."""
    return _most
