"""Measures how far apart two orbits of the same system are: what no reconstruction can fall below.

    python scripts/reconstruction_floor.py

For every generated system, 30 bins or a mixture of Gaussians as task.d_stsp=auto chooses, over three data seeds.
"""

import numpy as np
import torch

from rnnexp.tasks.time_series import BurstingNeuron, Duffing, Lorenz63, Lorenz96, Rossler, TimeSeries

SYSTEMS = (Lorenz63, Lorenz96, Rossler, BurstingNeuron, Duffing)
DATA_SEEDS = (0, 1, 2)


def floor(task: TimeSeries) -> tuple[float, float]:
    """Return D_stsp and D_H of the training orbit, which plays the free run, against the test orbit."""
    orbit = torch.from_numpy(task.series("training")[0].observations)
    metrics = task.for_split("test").run_metrics(lambda start, inputs, n_steps: orbit[None, :n_steps])
    return metrics["d_stsp"], metrics["d_h"]


def main() -> None:
    """Print a row for each system and number of samples."""
    print(f"{'system':<16}{'samples':>9}{'D_stsp':>22}{'D_H':>22}")
    for system in SYSTEMS:
        for n_samples in (100_000, 10_000):
            lengths = {"n_training": n_samples, "n_validation": 1000, "n_test": n_samples}
            settings = {"transient": 0, "pe_steps": [], **lengths}
            found = np.array([floor(system(data_seed=seed, **settings)) for seed in DATA_SEEDS])
            columns = (
                f"{low:.3f} to {high:.3f}" for low, high in zip(found.min(0), found.max(0), strict=True)
            )
            print(f"{system.__name__:<16}{n_samples:>9}" + "".join(f"{text:>22}" for text in columns))


if __name__ == "__main__":
    main()
