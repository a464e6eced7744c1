"""Times training steps, whole trainings and start-up, and writes outputs/benchmark.csv. `make bench` runs it.

    python scripts/benchmark.py [--rounds 5] [--steps 40] [--only NAME ...]

A training step is all that the training loop does for one update: trial generation, rollout, loss, backward, clipping,
optimizer. Both backends run in turn, round by round, so that their ratio holds when the machine's speed drifts; printed
are medians, with the fastest and slowest round in brackets. Use an idle machine and OMP_NUM_THREADS=1.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rnnexp.commands.experiment import build_parts
from rnnexp.config.instantiate import instantiate
from rnnexp.config.paths import bundled_conf
from rnnexp.training.run_directory import RunDirectory

OUT = Path("outputs/benchmark.csv")
TASK = "task=perceptual_discrim"
STEPS = {  # name: overrides; the tasks have 200 time steps, 2 inputs, 2 outputs
    "ALRNN M50 B128": [TASK, "latent_step=ALRNN", "latent_dim=50"],
    "PLRNN M50 B128": [TASK, "latent_step=PLRNN", "latent_dim=50"],
    "shPLRNN M50 L100 B128": [TASK, "latent_step=shPLRNN", "latent_dim=50"],
    "clipped_shPLRNN M50 L100 B128": [TASK, "latent_step=clipped_shPLRNN", "latent_dim=50"],
    "ALRNN M20 P2 B16": [
        TASK, "latent_step=ALRNN", "latent_dim=20", "latent_step.num_relus=2", "trainer.batch_size=16",
    ],
    "PLRNN M30 B16": [TASK, "latent_step=PLRNN", "latent_dim=30", "trainer.batch_size=16"],
    "shPLRNN M3 L50 B16": [
        TASK, "latent_step=shPLRNN", "latent_dim=3", "latent_step.hidden_dim=50", "trainer.batch_size=16",
    ],
    "ALRNN M50 B128 match_to_category": ["task=match_to_category", "latent_step=ALRNN", "latent_dim=50"],
}  # fmt: skip
COMMANDS = {
    "rnnexp --help": ["--help"],
    "rnnexp train --cfg job": ["train", "--cfg", "job"],
    "train 1 step": ["train", "trainer.n_steps=1", "trainer.n_validation_trials=1", "trainer.n_test_trials=1",
                     "trainer.plots=false"],
    "train 50,000 trials, with plots": ["train"],
}  # fmt: skip


def config_of(overrides: list[str], backend: str, n_steps: int) -> dict:
    """Compose the configuration of one timed training."""
    fixed = [
        f"trainer.backend={backend}", f"trainer.n_steps={n_steps}", "trainer.eval_every=1000000",
        "trainer.n_validation_trials=1", "trainer.progress=false",
    ]  # fmt: skip
    with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
        cfg = compose("train", overrides=[*overrides, *fixed])
    return OmegaConf.to_container(cfg, resolve=True)


def seconds_of_fit(config: dict) -> float:
    """Train from scratch in a throw-away directory and return the seconds of the training loop."""
    parts = build_parts(config)
    trainer = instantiate(config["trainer"], key="trainer")
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        begin = time.perf_counter()
        trainer.fit(parts, run, config, config["seed"])
        return time.perf_counter() - begin


def step_timer(overrides: list[str], backend: str, steps: int) -> Callable[[], float]:
    """Return a function that gives the milliseconds of one training step, from a long and a short training."""
    short, long = (config_of(overrides, backend, n) for n in (1, steps + 1))
    seconds_of_fit(short)  # compiles, and fills caches
    return lambda: 1e3 * (seconds_of_fit(long) - seconds_of_fit(short)) / steps


def time_steps(rounds: int, steps: int, names: list[str]) -> list[dict]:
    """Time training steps of both backends in turn."""
    rows = []
    for name in names:
        timers = {backend: step_timer(STEPS[name], backend, steps) for backend in ("fused", "reference")}
        times: dict[str, list[float]] = {backend: [] for backend in timers}
        for _ in range(rounds):
            for backend, timer in timers.items():
                times[backend].append(timer())
        ratio = statistics.median(r / f for r, f in zip(times["reference"], times["fused"], strict=True))
        print(
            f"{name:36s} {_spread(times['fused'])} ms   reference {_spread(times['reference'])} ms   x {ratio:.1f}"
        )
        rows += [_row(name, backend, "ms a step", values) for backend, values in times.items()]
    return rows


def time_commands(rounds: int, names: list[str]) -> list[dict]:
    """Time whole commands from process start to end, in an empty directory, and their peak memory."""
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-m", "rnnexp.cli", *COMMANDS[name]]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            runs = [_run(words, folder, environment) for _ in range(rounds)]
        values = [seconds for seconds, _ in runs]
        peak = statistics.median(megabytes for _, megabytes in runs)
        print(f"{name:36s} {_spread(values)} s   {peak:.0f} MB")
        rows.append(_row(name, "fused", "s", values))
    return rows


def _run(words: list[str], folder: str, environment: dict[str, str]) -> tuple[float, float]:
    """Run a command; returns its seconds and its peak memory in MB."""
    begin = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(words, cwd=folder, env=environment, **quiet)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{' '.join(words)} failed")
    return time.perf_counter() - begin, usage.ru_maxrss / 1e3


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):7.2f} [{min(values):.2f}, {max(values):.2f}]"


def _row(name: str, backend: str, unit: str, values: list[float]) -> dict:
    return {
        "workload": name, "backend": backend, "unit": unit, "median": statistics.median(values),
        "min": min(values), "max": max(values), "rounds": len(values),
    }  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=[*STEPS, *COMMANDS], default=[*STEPS, *COMMANDS])
    options = parser.parse_args()
    rows = time_commands(min(options.rounds, 3), [name for name in COMMANDS if name in options.only])
    rows += time_steps(options.rounds, options.steps, [name for name in STEPS if name in options.only])
    OUT.parent.mkdir(exist_ok=True)
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(OUT)


if __name__ == "__main__":
    main()
