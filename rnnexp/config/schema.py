"""What the fixed parts of a configuration may hold, and the ranges that argument names imply everywhere.

The arguments of built-in classes are not listed here: names and types come from their constructors
(`signatures.py`), ranges from `RANGES` by name or pattern.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rnnexp.config.rules import (
    Bounds,
    Rule,
    above,
    at_least,
    boolean,
    choice,
    integer,
    nullable,
    number,
    sequence,
    text,
)


@dataclass(frozen=True)
class Component:
    """A node with `_target_` that is built into an object.

    Args:
        handed_over: constructor arguments that the program itself supplies.
    """

    handed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenMapping:
    """A mapping whose entries are checked elsewhere."""


Schema = Mapping[str, "Rule | Component | OpenMapping | Schema"]

DEVICE: Schema = {
    "name": choice("cpu", "cuda", "auto"),
    "dtype": choice("float32", "float64"),
    "threads": integer(at_least(1)),
}

PATH = text("a path")

SCHEMAS: dict[str, Schema] = {
    "train": {
        "seed": integer(at_least(0)),
        "latent_dim": integer(at_least(1)),
        "initial_state": choice("learned", "zero"),
        "resume": nullable(PATH),
        "task": Component(),
        "latent_step": Component(("latent_dim", "input_dim")),
        "initializer": Component(),
        "observation": Component(("latent_dim", "output_dim")),
        "loss": Component(),
        "optimizer": Component(("params",)),
        "scheduler": Component(),
        "trainer": Component(),
        "device": DEVICE,
    },
    "eval": {
        "checkpoint": PATH,
        "task": OpenMapping(),
        "n_trials": integer(at_least(1)),
        "batch_size": integer(at_least(1)),
        "seed": nullable(integer(at_least(0))),
        "split": choice("test", "validation", "training"),
        "plots": boolean(),
        "trust": boolean(),
        "device": DEVICE,
    },
    "simulate": {
        "checkpoint": PATH,
        "inputs": nullable(PATH),
        "out": PATH,
        "n_steps": nullable(integer(at_least(1))),
        "initial": nullable(PATH),
        "trust": boolean(),
        "overwrite": boolean(),
        "device": DEVICE,
    },
}

RANGES: dict[str, Bounds] = {
    "lambda_*": at_least(0),
    "dt": above(0),
    "tau": above(0),
    "T": above(0),
    "*noise": at_least(0),
    "*probability": Bounds(0, 1),
    "num_relus": at_least(0),
    "*_dim": at_least(1),
    "clip_range": above(0),
    "ar_epsilon": above(0),
    "n_*": at_least(1),
    "batch_size": at_least(1),
    "*_every": at_least(1),
    "patience": at_least(1),
    "clip_norm": above(0),
    "accuracy_cutoff": Bounds(0, 1, low_is_open=True),
    "final_factor": Bounds(0, 1),
    "warmup": Bounds(0, 1, high_is_open=True),
    "gamma": Bounds(0, 1, low_is_open=True),
    "milestones": Bounds(0, 1, low_is_open=True, high_is_open=True),
}


def range_of(name: str) -> Bounds | None:
    """Return the range that the name of an argument implies, or None."""
    return next((bounds for pattern, bounds in RANGES.items() if fnmatchcase(name, pattern)), None)


_FRACTION = Bounds(0, 1, high_is_open=True)
_FLAG = nullable(boolean())
_EVERY_OPTIMIZER: Schema = {
    "lr": number(above(0)),
    "weight_decay": number(at_least(0)),
    "maximize": boolean(),
    "foreach": _FLAG,
    "differentiable": boolean(),
}
_ADAM: Schema = {
    **_EVERY_OPTIMIZER,
    "betas": sequence(number(_FRACTION), length=2),
    "eps": number(at_least(0)),
    "capturable": boolean(),
}
OPTIMIZERS: dict[str, Schema] = {
    "torch.optim.Adam": {**_ADAM, "amsgrad": boolean(), "fused": _FLAG, "decoupled_weight_decay": boolean()},
    "torch.optim.AdamW": {**_ADAM, "amsgrad": boolean(), "fused": _FLAG},
    "torch.optim.RAdam": {**_ADAM, "decoupled_weight_decay": boolean()},
    "torch.optim.NAdam": {
        **_ADAM,
        "momentum_decay": number(at_least(0)),
        "decoupled_weight_decay": boolean(),
    },
    "torch.optim.SGD": {
        **_EVERY_OPTIMIZER,
        "momentum": number(_FRACTION),
        "dampening": number(),
        "nesterov": boolean(),
        "fused": _FLAG,
    },
    "torch.optim.RMSprop": {
        **_EVERY_OPTIMIZER,
        "alpha": number(_FRACTION),
        "eps": number(at_least(0)),
        "momentum": number(at_least(0)),
        "centered": boolean(),
        "capturable": boolean(),
    },
}
