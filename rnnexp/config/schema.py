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
    any_of,
    at_least,
    boolean,
    choice,
    integer,
    mapping,
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
        is_optional: there may be none.
    """

    handed_over: tuple[str, ...] = ()
    is_optional: bool = False


@dataclass(frozen=True)
class OpenMapping:
    """A mapping whose entries are checked elsewhere."""


LOGGER = {"_target_": "rnnexp.loggers.NoLogger"}
OPEN_LOOP = {  # what stands in a configuration from before there were plants
    "plant": {"_target_": "rnnexp.plants.NoPlant"},
    "feedback": {"_target_": "rnnexp.recurrence.closed_loop.NoFeedback"},
    "perturbation": {"_target_": "rnnexp.perturbations.NoPerturbation"},
}

Schema = Mapping[str, "Rule | Component | OpenMapping | Schema"]

DEVICE: Schema = {
    "name": choice("cpu", "cuda", "auto"),
    "dtype": choice("float32", "float64"),
    "threads": any_of(choice("auto"), integer(at_least(1))),
}

CURRICULUM: Schema = {
    "stages": sequence(mapping()),
    "metric": text("the name of a metric"),
    "thresholds": any_of(number(), sequence(number())),
    "mode": choice("max", "min"),
    "check_every": integer(at_least(1)),
    "n_trials": integer(at_least(1)),
}

PATH = text("a path")
UNITS = choice("data", "standardized")
TRANSFER_FUNCTIONS = (
    "relu", "tanh", "sigmoid", "softplus", "elu", "leaky_relu", "identity", "retanh", "clipped_relu",
    "clipped_softplus",
)  # fmt: skip

LESION: Schema = {
    "percentage": nullable(number(Bounds(0, 1))),
    "scale": number(at_least(0)),
    "by_type": boolean(),
    "units": nullable(sequence(integer(at_least(0)))),
    "unit_type": nullable(choice("excitatory", "inhibitory", "any")),
    "unit_fraction": number(Bounds(0, 1)),
    "seed": nullable(integer(at_least(0))),
}

SCHEMAS: dict[str, Schema] = {
    "train": {
        "seed": integer(at_least(0)),
        "latent_dim": integer(at_least(1)),
        "initial_state": choice("auto", "learned", "zero", "data"),
        "resume": nullable(PATH),
        "init_from": nullable(PATH),
        "init_weights": sequence(text("the name of a weight or a pattern")),
        "init_optimizer": boolean(),
        "freeze": sequence(text("the name of a weight or a pattern")),
        "lr_of": mapping(number(above(0))),
        "task": Component(),
        "constraint": Component(),
        "connectivity": Component(),
        "forcing": Component(),
        "plant": Component(("dt",)),
        "feedback": Component(),
        "perturbation": Component(),
        "latent_step": Component(("latent_dim", "input_dim", "dt", "default_tau", "rules")),
        "initializer": Component(),
        "observation": Component(("latent_dim", "output_dim", "rule")),
        "loss": Component(),
        "optimizer": Component(("params",)),
        "scheduler": Component(),
        "curriculum": CURRICULUM,
        "trainer": Component(),
        "logger": Component(),
        "device": DEVICE,
    },
    "eval": {
        "checkpoint": PATH,
        "task": OpenMapping(),
        "n_trials": integer(at_least(1)),
        "batch_size": integer(at_least(1)),
        "seed": nullable(integer(at_least(0))),
        "split": choice("test", "validation", "training"),
        "plots": choice(True, False, "few", "all", "best"),
        "trust": boolean(),
        "perturbation": Component(),
        "lesion": LESION,
        "device": DEVICE,
    },
    "simulate": {
        "checkpoint": PATH,
        "inputs": nullable(PATH),
        "out": PATH,
        "n_steps": nullable(integer(at_least(1))),
        "initial": nullable(PATH),
        "start": nullable(PATH),
        "t_connectivity": nullable(PATH),
        "noise": boolean(),
        "units": UNITS,
        "seed": nullable(integer(at_least(0))),
        "trust": boolean(),
        "lesion": LESION,
        "overwrite": boolean(),
        "device": DEVICE,
    },
    "analyze": {
        "checkpoint": PATH,
        "start": choice("auto", "data", "z0"),
        "n_transient": integer(at_least(0)),
        "n_steps": integer(at_least(1)),
        "input": any_of(number(), sequence(number())),
        "max_order": integer(at_least(1)),
        "max_candidates": integer(at_least(1)),
        "n_exponents": nullable(integer(at_least(1))),
        "interval": integer(at_least(1)),
        "n_starts": integer(at_least(1)),
        "tolerance": number(above(0)),
        "units": UNITS,
        "n_checkpoints": integer(at_least(0)),
        "seed": nullable(integer(at_least(0))),
        "plots": boolean(),
        "trust": boolean(),
    },
    "export": {
        "checkpoint": PATH,
        "out": PATH,
        "format": choice("auto", "psychrnn", "npz"),
        "trust": boolean(),
        "overwrite": boolean(),
    },
}

SCHEMAS["import"] = {
    "file": PATH,
    "format": choice("auto", "npz", "psychrnn", "spikernn"),
    "task": Component(is_optional=True),
    "latent_step": Component(("latent_dim", "input_dim", "dt", "default_tau", "rules"), is_optional=True),
    "observation": Component(("latent_dim", "output_dim", "rule"), is_optional=True),
    "forcing": Component(is_optional=True),
    "n_outputs": nullable(integer(at_least(1))),
    "transfer_function": nullable(choice(*TRANSFER_FUNCTIONS)),
    "dale_ratio": nullable(number(Bounds(0, 1))),
    "dt": nullable(number(above(0))),
    "tau": nullable(any_of(number(above(0)), sequence(number(above(0))))),
    "rec_noise": nullable(number(at_least(0))),
    **{
        name: SCHEMAS["train"][name]
        for name in ("seed", "loss", "optimizer", "scheduler", "trainer", "device")
    },
}

RANGES: dict[str, Bounds] = {
    "lambda_*": at_least(0),
    "dt": above(0),
    "tau": above(0),
    "T": above(0),
    "*alpha": Bounds(0, 1),
    "decay": Bounds(0, 1),
    "interval": at_least(1),
    "*noise": at_least(0),
    "*probability": Bounds(0, 1),
    "*_fraction": Bounds(0, 1),
    "dale_ratio": Bounds(0, 1),
    "P_*": Bounds(0, 1),
    "som_units": at_least(0),
    "forward": Bounds(0, 1),
    "backward": Bounds(0, 1),
    "within": Bounds(0, 1),
    "densities": Bounds(0, 1),
    "*_areas": at_least(0),
    "initial_sd": at_least(0),
    "spec_rad": at_least(0),
    "radius": at_least(0),
    "gain": at_least(0),
    "*_sd": at_least(0),
    "fixed": at_least(0),
    "plasticity": at_least(0),
    "num_relus": at_least(0),
    "*_dim": at_least(1),
    "clip_range": above(0),
    "ar_epsilon": above(0),
    "n_*": at_least(1),
    "*batch_size": at_least(1),
    "chunk_size": at_least(1),
    "*_every": at_least(1),
    "patience": at_least(1),
    "min_steps": at_least(0),
    "clip_norm": above(0),
    "accuracy_cutoff": Bounds(0, 1, low_is_open=True),
    "final_factor": Bounds(0, 1),
    "warmup": Bounds(0, 1, high_is_open=True),
    "gamma": Bounds(0, 1, low_is_open=True),
    "initial": at_least(0),
    "final": at_least(0),
    "step_size": at_least(1),
    "updates_per_epoch": at_least(1),
    "mar_ratio": Bounds(0, 1, low_is_open=True),
    "invert_states": at_least(1),
    "milestones": Bounds(0, 1, low_is_open=True, high_is_open=True),
    "sequence_length": at_least(1),
    "noise_level": at_least(0),
    "embedding_delay": at_least(1),
    "*free_run_steps": at_least(1),
    "transient": at_least(0),
    "gmm_variance": above(0),
    "smoothing": at_least(0),
    "pe_steps": at_least(1),
    "psc_cutoff": at_least(2),
    "data_seed": at_least(0),
    "omega": above(0),
    "dim": at_least(4),
}


WEIGHT_SCHEDULES = {
    name.lower(): f"rnnexp.losses.schedules.{name}" for name in ("Constant", "Linear", "Step", "Exponential")
}
"""The schedules that a lambda may follow."""


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
