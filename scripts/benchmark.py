"""Times training steps, whole trainings and start-up, and writes outputs/benchmark.csv. `make bench` runs it.

    python scripts/benchmark.py [--rounds 5] [--only H D ...] [--with-peers] [--threads auto]

A training step is all that the training loop does for one update: trial generation, rollout, loss, backward, clipping,
optimizer. Fused and reference backend and, with --with-peers, other tools that can be imported run in turn, round by
round, so that ratios hold when the machine's speed drifts; printed are medians, with the fastest and the slowest round
in brackets. Peak memory is that of a process of its own which makes a few steps. Use an idle machine.
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
from typing import NamedTuple

from benchmark_peers import timers_of_peers
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rnnexp.building.parts import build_parts
from rnnexp.config.instantiate import instantiate
from rnnexp.config.paths import bundled_conf
from rnnexp.training.run_directory import RunDirectory

OUT = Path("outputs/benchmark.csv")
TASK = "task=perceptual_discrim"  # 200 time steps, 2 inputs, 2 outputs


class Workload(NamedTuple):
    """A training of which single steps are timed.

    Args:
        steps: how many make up one measurement; a tenth of it, of the slower reference.
    """

    what: str
    overrides: list[str]
    steps: int


STEPS = {
    "H": Workload(
        "leaky, N 50, batch 128, 200 steps",
        [TASK, "latent_step=Basic", "latent_dim=50", "trainer.batch_size=128"],
        40,
    ),
    "H200": Workload(
        "leaky, N 200, batch 64, 200 steps",
        [TASK, "latent_step=Basic", "latent_dim=200", "trainer.batch_size=64"],
        20,
    ),
    "D": Workload("AL-RNN, M 20, P 2, batch 16, 200 steps, forced", ["experiment=alrnn_lorenz63"], 400),
    "S": Workload(
        "shallow PLRNN, M 3, L 50, batch 16, 75 steps, forced", ["experiment=shplrnn_lorenz63"], 400
    ),
    "P": Workload(
        "mean-centred PLRNN, M 30, batch 16, 200 steps, forced", ["experiment=plrnn_lorenz63"], 400
    ),
    "F": Workload(
        "FR_RNN_dale, N 200, go/no-go, batch 32",
        ["experiment=spikernn_go_nogo", "trainer.batch_size=32"],
        20,
    ),
    "R": Workload(
        "GRU 50 moves a point mass, batch 250, 99 steps", ["experiment=feedbax_simple_reaches"], 20
    ),
}
MANY = ("D", "S", "P", "H", "F")
N_NETWORKS = 32
SHORT_EVALUATION = [  # it takes part in what is timed, but cancels out
    "trainer.eval_every=1000000", "trainer.n_validation_trials=1", "trainer.progress=false",
]  # fmt: skip
SHORT_RUNS = ["task.free_run_steps=100", "task.transient=0", "task.lyapunov_steps=0"]  # of time series

COMMANDS = {
    "help": ["--help"],
    "cfg_job": ["train", "--cfg", "job"],
    "one_step": [
        "train", "trainer.n_steps=1", "trainer.n_validation_trials=1", "trainer.n_test_trials=1", "trainer.plots=false",
    ],
    "hello_world": ["train", "experiment=psychrnn_hello_world"],
    "alrnn_recipe": ["train", "experiment=alrnn_lorenz63"],
}  # fmt: skip
"""Whole commands; hello_world is PsychRNN's, 50,000 trials; alrnn_recipe makes 100,000 updates, with evaluation."""


WATCHED = """
import atexit, sys

def tell_peak_memory():
    try:
        with open("/proc/self/status") as file:
            kilobytes = next(float(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except OSError:
        kilobytes = float("nan")
    print(kilobytes / 1e3, file=sys.stderr)

atexit.register(tell_peak_memory)
from rnnexp.cli import main
main()
"""
"""A command that tells its peak memory at the end; what the system counts for a child includes its parent's."""


def overrides_of(name: str, backend: str, n_steps: int, threads: str) -> list[str]:
    """Return the overrides of one timed training."""
    overrides = [*STEPS[name].overrides, *SHORT_EVALUATION, f"trainer.n_steps={n_steps}"]
    if "lorenz63" in STEPS[name].overrides[0]:
        overrides += SHORT_RUNS
    return [*overrides, f"trainer.backend={backend}", f"device.threads={threads}"]


def seconds_of_fit(overrides: list[str]) -> float:
    """Train from scratch in a throw-away directory and return the seconds of the training loop."""
    with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
        config = OmegaConf.to_container(compose("train", overrides=overrides), resolve=True)
    parts = build_parts(config)
    trainer = instantiate(config["trainer"], key="trainer")
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        begin = time.perf_counter()
        trainer.fit(parts, run, config, config["seed"])
        return time.perf_counter() - begin


def step_timer(name: str, backend: str, threads: str) -> Callable[[], float]:
    """Return a function that gives the milliseconds of one training step, from a long and a short training."""
    steps = STEPS[name].steps if backend == "fused" else max(3, STEPS[name].steps // 10)
    short, long = (overrides_of(name, backend, n, threads) for n in (1, steps + 1))
    seconds_of_fit(short)  # compiles, and fills caches
    return lambda: 1e3 * (seconds_of_fit(long) - seconds_of_fit(short)) / steps


def time_steps(name: str, options: argparse.Namespace) -> list[dict]:
    """Time the training steps of a workload by both backends, and by other tools, in turn."""
    timers = {f"rnnexp, {b}": step_timer(name, b, options.threads) for b in ("fused", "reference")}
    if options.with_peers:
        timers |= timers_of_peers(name, max(5, STEPS[name].steps // 4))
    times: dict[str, list[float]] = {who: [] for who in timers}
    for _ in range(options.rounds):
        for who, timer in timers.items():
            times[who].append(timer())
    memory = peak_memory(name, options.threads)
    print(f"{name}: {STEPS[name].what}; peak memory {memory:.0f} MB")
    fused = times["rnnexp, fused"]
    for who, values in times.items():
        ratio = statistics.median(other / own for other, own in zip(values, fused, strict=True))
        print(f"    {who:28s} {_spread(values)} ms   x {ratio:.1f}", flush=True)
    return [
        _row(name, who, "ms a step", values, memory if who == "rnnexp, fused" else None)
        for who, values in times.items()
    ]


def time_many(name: str, options: argparse.Namespace) -> list[dict]:
    """Time an update of many networks, per network: as one, in turn, and in two processes; and by other tools."""
    from benchmark_many import kernels_timer, together_timer, two_processes_timer

    steps = max(4, STEPS[name].steps // 10)
    overrides = overrides_of(name, "fused", 1, options.threads)
    timers = {
        f"{N_NETWORKS} as one": together_timer(overrides, N_NETWORKS, steps, options.threads),
        "one after the other": step_timer(name, "fused", options.threads),
        "two processes": two_processes_timer(name, STEPS[name].steps),
        "kernels alone, one thread": kernels_timer(overrides, STEPS[name].steps),
    }
    if options.with_peers:
        timers |= timers_of_peers(f"K {name}", steps)
    times: dict[str, list[float]] = {who: [] for who in timers}
    for _ in range(options.rounds):
        for who, timer in timers.items():
            times[who].append(timer())
    print(f"K {name}: {N_NETWORKS} networks, each: {STEPS[name].what}")
    own = times[f"{N_NETWORKS} as one"]
    for who, values in times.items():
        ratio = statistics.median(other / one for other, one in zip(values, own, strict=True))
        print(f"    {who:28s} {_spread(values)} ms   x {ratio:.2f}", flush=True)
    return [_row(f"K {name}", who, "ms a step and network", values, None) for who, values in times.items()]


def peak_memory(name: str, threads: str) -> float:
    """Return the peak memory in MB of a process that makes three steps."""
    words = [
        "train",
        *overrides_of(name, "fused", 3, threads),
        "trainer.n_test_trials=1",
        "trainer.plots=false",
    ]
    return _run(words)[1]


def time_command(name: str, rounds: int) -> list[dict]:
    """Time a whole command from process start to end, in an empty directory, and its peak memory."""
    runs = [_run(COMMANDS[name]) for _ in range(rounds)]
    values, memory = [seconds for seconds, _ in runs], statistics.median(m for _, m in runs)
    print(f"{name:32s} {_spread(values)} s   {memory:.0f} MB", flush=True)
    return [_row(name, "rnnexp, fused", "s", values, memory)]


def _run(words: list[str]) -> tuple[float, float]:
    """Run a command in an empty directory; returns its seconds and its peak memory in MB, nan where Linux is not."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-c", WATCHED, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - begin
    if process.returncode != 0:
        raise RuntimeError(f"rnnexp {' '.join(words)} failed:\n{process.stderr}")
    return seconds, float(process.stderr.split()[-1])


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):8.2f} [{min(values):.2f}, {max(values):.2f}]"


def _row(name: str, who: str, unit: str, values: list[float], memory: float | None) -> dict:
    return {
        "workload": name, "who": who, "unit": unit, "median": statistics.median(values), "min": min(values),
        "max": max(values), "rounds": len(values), "peak_memory_mb": memory,
    }  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="measurements of each step; the long recipe runs once"
    )
    parser.add_argument(
        "--only", nargs="+", choices=[*STEPS, "K", *COMMANDS], default=[*STEPS, "K", *COMMANDS]
    )
    parser.add_argument(
        "--with-peers", action="store_true", help="time other tools that can be imported, too"
    )
    parser.add_argument("--threads", default="auto", help="device.threads of rnnexp: auto or a number")
    options = parser.parse_args()
    rows = []
    for name in (name for name in STEPS if name in options.only):
        rows += time_steps(name, options)
    for name in MANY if "K" in options.only else ():
        rows += time_many(name, options)
    for name in (name for name in COMMANDS if name in options.only):
        rows += time_command(name, 1 if name == "alrnn_recipe" else min(options.rounds, 3))
    OUT.parent.mkdir(exist_ok=True)
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(OUT)


if __name__ == "__main__":
    main()
