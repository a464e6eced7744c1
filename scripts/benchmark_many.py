"""Timers of many networks for `benchmark.py`: trained as one, in two processes, and what their kernels take alone."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rnnexp.building.parts import build_parts
from rnnexp.config.instantiate import instantiate
from rnnexp.config.paths import bundled_conf
from rnnexp.recurrence.fused import errors
from rnnexp.recurrence.threads import use_threads
from rnnexp.training.ensemble.members import Member
from rnnexp.training.ensemble.training import Ensemble
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.streams import stream

Timer = Callable[[], float]


def ensemble_of(overrides: Sequence[str], count: int) -> Ensemble:
    """Return networks with seeds of their own, begun, whose run directories are thrown away."""
    members = []
    for seed in range(count):
        with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
            composed = compose("train", overrides=[*overrides, f"seed={seed}"])
        config = OmegaConf.to_container(composed, resolve=True)
        parts, trainer = build_parts(config), instantiate(config["trainer"], key="trainer")
        with tempfile.TemporaryDirectory() as folder:
            session = trainer.begin(parts, RunDirectory(Path(folder) / "run"), config, seed)
        members.append(Member(trainer, session))
    return Ensemble(members)


def together_timer(overrides: Sequence[str], count: int, steps: int, threads: int | str) -> Timer:
    """Return a function that gives the milliseconds of an update per network."""
    ensemble = ensemble_of(overrides, count)
    for _ in range(8):  # compiles, and gives the optimizers their moments
        ensemble.update()

    def milliseconds() -> float:
        use_threads(threads if threads == "auto" else int(threads))  # others in turn set other numbers
        begin = time.perf_counter()
        for _ in range(steps):
            ensemble.update()
        return 1e3 * (time.perf_counter() - begin) / steps / count

    return milliseconds


def two_processes_timer(name: str, steps: int) -> Timer:
    """Return the same of networks that are trained alone, in two processes of a thread each, as by joblib."""
    context = multiprocessing.get_context("spawn")

    def milliseconds() -> float:
        with context.Pool(2) as pool:
            return sum(pool.starmap(_alone, [(name, steps)] * 2)) / 4

    return milliseconds


def _alone(name: str, steps: int) -> float:
    from benchmark import overrides_of, seconds_of_fit

    short, long = (overrides_of(name, "fused", n, "1") for n in (1, steps + 1))
    seconds_of_fit(short)
    return 1e3 * (seconds_of_fit(long) - seconds_of_fit(short)) / steps


def kernels_timer(overrides: Sequence[str], steps: int) -> Timer:
    """Return a function that gives the milliseconds that compiled code takes of an update, on one thread."""
    with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
        composed = compose("train", overrides=[*overrides, "device.threads=1"])
    config = OmegaConf.to_container(composed, resolve=True)
    spent = [0.0]
    run_tasks = errors.run_tasks

    def timed(*arguments: object) -> None:
        begin = time.perf_counter()
        run_tasks(*arguments)
        spent[0] += time.perf_counter() - begin

    def milliseconds() -> float:
        parts, trainer = build_parts(config), instantiate(config["trainer"], key="trainer")
        task = parts.task.for_split("training")
        trials = task.sample(trainer.batch_size, stream(0, "training_trials"), parts.dtype)
        spent[0], errors.run_tasks = 0.0, timed
        try:
            for _ in range(steps):
                losses = parts.loss.of_update(parts.model, trials, stream(0, "training_noise"))
                losses.total.backward()
        finally:
            errors.run_tasks = run_tasks
        return 1e3 * spent[0] / steps

    milliseconds()
    return milliseconds
