"""Named random streams: one integer seed fixes everything, and no two purposes share a stream."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

SPLITS = ("training", "validation", "test", "curriculum")
NAMES = (
    "initialisation", "lesion", "silencing", "modules",
    *(f"{split}_{what}" for split in SPLITS for what in ("trials", "noise")),
)  # fmt: skip


def stream(seed: int, name: str) -> torch.Generator:
    """Return the generator (CPU) of one purpose of a run.

    Args:
        seed: the run's seed, an integer >= 0.
        name: one of `NAMES`.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in NAMES:
        raise ValueError(f"stream must be one of {', '.join(NAMES)}, got {name!r}")
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def seed_modules(seed: int) -> torch.Generator:
    """Seed torch's global generator and return it; modules of a user draw from it, such as dropout."""
    return torch.default_generator.manual_seed(stream(seed, "modules").initial_seed())


@contextmanager
def seeded(generator: torch.Generator) -> Iterator[None]:
    """Seed torch's global generator from a stream inside the block, and restore it afterwards.

    For constructors of modules that draw their own initial parameters.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch.randint(2**62, (), generator=generator).item())
        yield


class GlobalGenerators:
    """The global generators of Python and numpy, from which tasks of a user may draw; with the state of both.

    Its states are plain numbers and tensors, as a checkpoint needs them.
    """

    def get_state(self) -> dict[str, Any]:
        """Return where both generators are."""
        version, words, gauss = random.getstate()
        kind, keys, *rest = np.random.get_state()
        return {
            "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
            "numpy": {
                "kind": kind,
                "keys": torch.from_numpy(keys.astype(np.int64)),
                "rest": [float(x) for x in rest],
            },
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Put both generators where they were."""
        python, rest = state["python"], state["numpy"]["rest"]
        random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
        keys = state["numpy"]["keys"].numpy().astype(np.uint32)
        np.random.set_state((state["numpy"]["kind"], keys, int(rest[0]), int(rest[1]), rest[2]))


def seed_globals(seed: int, name: str = "modules") -> GlobalGenerators:
    """Seed the global generators of Python and numpy from a stream and return them."""
    start = stream(seed, name).initial_seed()
    random.seed(start)
    np.random.seed(start % 2**32)
    return GlobalGenerators()


@contextmanager
def globals_seeded(seed: int, name: str) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch (CPU) from a stream inside the block, and restore them.

    For what must come out the same whenever it is done, such as validation trials of a task that draws from them.
    """
    generators = GlobalGenerators()
    state = generators.get_state()
    seed_globals(seed, name)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(stream(seed, name).initial_seed())
            yield
    finally:
        generators.set_state(state)


@contextmanager
def globals_kept() -> Iterator[None]:
    """Leave the global generators of Python, numpy and torch as they were before the block, or a decorated call."""
    generators = GlobalGenerators()
    state = generators.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        generators.set_state(state)
