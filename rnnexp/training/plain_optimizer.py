"""Torch's optimizers without the hooks for its compiler and its profiler."""

import functools
import inspect

import torch
from torch.optim import Optimizer

_MARKED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def spare_compiler() -> None:
    """Let optimizers work without the import of torch's compiler, which takes a second and 100 MB.

    When they are first called, these methods import it in order to be marked as not to be compiled. Nothing is compiled
    here, so they are marked at once.
    """
    for name in _MARKED:
        method = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if method is not None:
            vars(method)["__dynamo_disable"] = method  # where the method looks for its marked self


def without_hooks(optimizer: Optimizer) -> Optimizer:
    """Give an optimizer a `step` that calls no hooks, which take longer than the update of a small network.

    Only those of torch and of this package: what a user has wrapped around a step of his own stays.
    """
    if type(optimizer).__module__.partition(".")[0] in ("torch", "rnnexp"):
        step = inspect.unwrap(type(optimizer).step)
        optimizer.step = torch.no_grad()(functools.partial(step, optimizer))
    return optimizer
