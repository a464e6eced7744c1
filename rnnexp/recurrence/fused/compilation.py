"""How the fused recurrences are compiled, cached and run.

Compiler: numba. `reassoc`, `contract`, `arcp` and `nsz` let it reorder sums and fuse multiply-adds; the flags that
would assume finite numbers are left out, so a diverging network shows nan and inf as in the reference.

Cache: compiled code is kept next to the source or, where that cannot be written, in the user's cache folder;
NUMBA_CACHE_DIR names another place. A file lock lets one process compile while others wait for its result.

Threads: the trials are cut into parts, each a call of a kernel, which runs without the interpreter lock; threads share
the parts. Where the cuts lie depends on the number of trials alone, so results do not depend on the number of threads.
"""

import contextlib
import functools
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
from filelock import FileLock
from torch import Tensor

from rnnexp.recurrence.threads import most_threads

log = logging.getLogger(__name__)

Array = np.ndarray
Function = Callable[..., Any]

CHUNK = 16  # trials that a kernel takes through time together: their states stay in the first-level cache
BLOCK_ROWS = 320  # rows, trials times steps, that a kernel gathers at once; this and CHUNK by measurement
MOST_PARTS = 16
WORTH_A_THREAD = (
    8e6  # multiply-adds from which on a thread saves more time than it takes to call, by measurement
)
LOCK_SECONDS = 120  # how long a process waits for another one that compiles, before it compiles itself

_OPTIONS = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "arcp", "nsz"},
    "no_cfunc_wrapper": True,
}
_HERE = Path(__file__).parent
_SOURCE_FILES = [*sorted(_HERE.glob("*.py")), _HERE.parents[1] / "latent_steps" / "activations.py"]
_SOURCES = b"".join(path.read_bytes() for path in _SOURCE_FILES)
_VERSION = hashlib.sha256(_SOURCES).hexdigest()[:8]
_compiled: set[tuple[Function, np.dtype]] = set()

inner = numba.njit(no_cpython_wrapper=True, **_OPTIONS)
"""Compile a function that only kernels call; its code becomes a part of theirs."""


def kernel(function: Function) -> Function:
    """Compile a function when it is first called with a dtype, and keep the code on disk if there is a place.

    The name of the file in the cache holds a digest of all sources that go into it, because numba itself sees no
    change in another file.
    """
    function.__qualname__ += f"_{_VERSION}"
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # numba found no folder that it can write
        _warn_of_missing_cache()
        return numba.njit(**_OPTIONS)(function)


@functools.cache
def _warn_of_missing_cache() -> None:
    log.warning("no folder to keep compiled code: set NUMBA_CACHE_DIR to one that can be written")


def n_parts(n_trials: int) -> int:
    """Return into how many parts the trials are cut: whole chunks, but not too many parts."""
    return max(1, min(MOST_PARTS, -(-n_trials // CHUNK)))


def run(function: Function, n_trials: int, work: int, *arguments: Tensor | float | bool) -> None:
    """Call function(part, start, stop, *arguments) for every part of the trials, side by side if that pays.

    Args:
        function: made by `kernel`; it writes to some of the arrays.
        n_trials: B; the trials start to stop - 1 belong to the part.
        work: multiply-adds of one trial, roughly.
        arguments: contiguous CPU tensors, the first one of the dtype of the network, and plain numbers.
    """
    arrays = [a.detach().numpy() if isinstance(a, Tensor) else a for a in arguments]
    types = function, arrays[0].dtype
    if types not in _compiled:
        _compile(function, arrays)
        _compiled.add(types)
    count, n_chunks = n_parts(n_trials), -(-n_trials // CHUNK)
    bounds = [min(n_trials, CHUNK * (n_chunks * part // count)) for part in range(count + 1)]

    def call(parts: range) -> None:
        for part in parts:
            function(part, bounds[part], bounds[part + 1], *arrays)

    n_threads = max(1, min(most_threads(), count, int(n_trials * work / WORTH_A_THREAD)))
    shares = [range(thread, count, n_threads) for thread in range(n_threads)]
    others = [_threads(n_threads - 1).submit(call, share) for share in shares[1:]]
    call(shares[0])
    for other in others:
        other.result()


@functools.cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="rnnexp")


os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork


def _compile(function: Function, arrays: list[Any]) -> None:
    """Compile for these types, or load what has been compiled before."""
    signature = tuple(numba.typeof(a) for a in (0, 0, 0, *arrays))
    with contextlib.ExitStack() as stack:
        stack.enter_context(_llvm_level())
        if function.stats.cache_path is not None:
            # Without the lock, two processes that compile a kernel for different dtypes may take each other's file.
            # Where there are no locks, or another process hangs, that small risk is taken.
            with contextlib.suppress(OSError):
                name = f"{function.__module__.rpartition('.')[2]}{function.__name__}.lock"
                path = Path(function.stats.cache_path) / name
                stack.enter_context(FileLock(path, timeout=LOCK_SECONDS))
        try:
            function.compile(signature)
        except Exception as error:  # unpickling what was cut short raises nearly anything
            files = _cached_files(function)
            if not files:
                raise
            log.warning(
                "compiled code in %s is damaged (%s): compiled anew", files[0].parent, type(error).__name__
            )
            for file in files:
                file.unlink(missing_ok=True)
            function.compile(signature)


@contextlib.contextmanager
def _llvm_level() -> Iterator[None]:
    """Let LLVM optimise at its level 2 inside the block: level 3 takes longer and makes no kernel faster."""
    before = numba.config.OPT
    numba.config.OPT = type(before)(2)
    try:
        yield
    finally:
        numba.config.OPT = before


def _cached_files(function: Function) -> list[Path]:
    """Return the files that hold the compiled code of a kernel."""
    folder = function.stats.cache_path
    name = f"*.{function.py_func.__qualname__}-*.nb[ic]"
    return [] if folder is None else sorted(Path(folder).glob(name))


def check_tensors(tensors: dict[str, tuple[Tensor, tuple[int, ...]]]) -> None:
    """Refuse what would make a kernel read past an array: it checks nothing itself.

    Args:
        tensors: by name, every tensor and the shape that it must have; `initial` is one of them.

    Raises:
        ValueError: shapes, dtypes or devices do not agree.
    """
    initial = tensors["initial"][0]
    for name, (tensor, shape) in tensors.items():
        if tensor.shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {tuple(tensor.shape)}")
        if (tensor.dtype, tensor.device) != (initial.dtype, initial.device):
            raise ValueError(
                f"{name} must be {initial.dtype} on {initial.device} as initial is, "
                f"got {tensor.dtype} on {tensor.device}"
            )
