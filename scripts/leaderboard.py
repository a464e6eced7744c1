"""Reconstructs chaotic systems with one preset each and writes how well that went, as a table.

    python scripts/leaderboard.py --out outputs/leaderboard [--systems Halvorsen,SprottB] [--jobs 2] [-- overrides]

Each system is a run of `experiment=dysts` in a folder of its own; runs that are finished are not made again. Columns:
the largest Lyapunov exponent of the equations, by Benettin's method over 1000 periods, the one that dysts publishes,
and that of the network, all per time unit; D_stsp, D_H; the prediction horizon, in Lyapunov times: how long a free run
from a test sample stays within 0.4 of the data, in sd of all variables, median over 100 starts; seconds of the
training.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

import rnnexp
from rnnexp.tasks.time_series.chaotic_systems import SYSTEMS, largest_exponent

N_STARTS, THRESHOLD, MOST_PERIODS = 100, 0.4, 20


def train(name: str, folder: Path, overrides: list[str]) -> None:
    """Run the preset on a system, or leave a run that is finished as it is."""
    run = folder / name
    if (run / "summary.json").exists():
        return
    line = [
        sys.executable, "-m", "rnnexp.cli", "train", "experiment=dysts", f"task.system={name}", "device.threads=1",
        "trainer.plots=few", f"hydra.run.dir={run}", *overrides,
    ]  # fmt: skip
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"{name} is trained", flush=True)


def horizon(run: rnnexp.Run) -> float:
    """Return how long free runs from test samples stay close to the data, time units, the median."""
    task = run.task.for_split("test")
    series = task.series()[0].observations
    n_steps = MOST_PERIODS * 100
    starts = np.linspace(0, len(series) - n_steps - 2, N_STARTS).astype(int)
    found = run.simulate(n_steps=n_steps, start=series[starts], units="standardized").outputs
    data = np.stack([series[start + 1 : start + 1 + n_steps] for start in starts])
    error = np.sqrt(((found - data) ** 2).mean(axis=2))
    is_far = ~(error <= THRESHOLD)
    first = np.where(is_far.any(axis=1), is_far.argmax(axis=1), n_steps)
    return float(np.median(first)) * task.dt


def row(name: str, folder: Path) -> dict[str, float | str]:
    """Return what the table tells of a system."""
    run = rnnexp.load(folder / name)
    summary, exponent = run.summary, largest_exponent(name)
    found = summary["test_lyapunov"]
    return {
        "system": name, "exponent": exponent, "published": SYSTEMS[name].exponent, "network": found,
        "error": abs(found - exponent) / exponent, "d_stsp": summary["test_d_stsp"], "d_h": summary["test_d_h"],
        "horizon": horizon(run) * exponent, "seconds": summary["seconds"],
    }  # fmt: skip


def main() -> None:
    """Train on all systems, and write leaderboard.csv and leaderboard.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("outputs/leaderboard"))
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    names = given.systems.split(",")
    given.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(lambda name: train(name, given.out, given.overrides), names))
    table = pd.DataFrame([row(name, given.out) for name in names])
    table.to_csv(given.out / "leaderboard.csv", index=False)
    lines = [f"| {' | '.join(table.columns)} |", f"|{'---|' * len(table.columns)}"]
    for cells in table.itertuples(index=False):
        lines.append("| " + " | ".join(c if isinstance(c, str) else f"{c:.3g}" for c in cells) + " |")
    (given.out / "leaderboard.md").write_text("\n".join(lines) + "\n")
    close = int((table.error <= 0.1).sum())
    print("\n".join(lines))
    print(f"{close} of {len(table)} largest exponents within 10 %")


if __name__ == "__main__":
    main()
