"""How many networks fit into memory, from their configurations."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rnnexp.errors import UserError

SHARE = 0.5  # of the memory that is free
COPIES = 12  # of weights, and four times of states and of what they are made from: those of a rollout in plain torch
SERIES = 2  # copies of the data of a time series; these two by measurement


def networks_in_memory(config: Mapping[str, Any]) -> int:
    """Return how many networks of a configuration can be trained at once, at least 1."""
    return max(1, int(SHARE * _free_bytes() / bytes_of_network(config)))


def bytes_of_network(config: Mapping[str, Any]) -> float:
    """Return the memory that the training of one network takes beside the others, bytes, roughly and at the most."""
    from rnnexp.building.tasks import build_task

    task = build_task(config)
    trainer = config["trainer"]
    n_trials = min(trainer["batch_size"], trainer.get("chunk_size") or trainer["batch_size"])
    width = 2 * config["latent_dim"] + task.input_dim + 4 * task.output_dim
    size = 8 if config["device"]["dtype"] == "float64" else 4
    n_validation = min(trainer["n_validation_trials"], 100_000)
    of_update = COPIES / 4 * n_trials * task.n_steps * width
    of_weights = COPIES * config["latent_dim"] ** 2
    of_validation = n_validation * task.n_steps * (task.input_dim + 3 * task.output_dim)
    of_data = 0
    if task.kind == "time_series":
        parts = task.recordings.training, task.recordings.validation, task.recordings.test
        of_data = sum(r.observations.nbytes + r.inputs.nbytes for part in parts for r in part)
    return size * (of_update + of_weights + of_validation) + SERIES * of_data + 2e6


def check_memory(count: int, configs: Sequence[Mapping[str, Any]]) -> None:
    """Refuse more networks than the memory holds.

    Raises:
        UserError: with the number that would fit.
    """
    most = min(map(networks_in_memory, configs), default=count)
    if min(count, len(configs)) > most:
        raise UserError(
            f"hydra.launcher.max_networks: {count}: the memory holds {most} of the networks at once; leave it null, "
            "which takes as many"
        )


def _free_bytes() -> float:
    try:
        with open("/proc/meminfo") as file:
            table = dict(line.split(":") for line in file)
        return 1024 * float(table["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
