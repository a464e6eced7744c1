"""Named random streams: one integer seed fixes everything, and no two purposes share a stream."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

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
