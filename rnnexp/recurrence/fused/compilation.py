"""How the fused recurrences are compiled, cached and run.

Compiler: numba. `reassoc`, `contract`, `arcp` and `nsz` let it reorder sums and fuse multiply-adds; the flags that
would assume finite numbers are left out, so a diverging network shows nan and inf as in the reference.

Cache: compiled code is kept next to the source or, where that cannot be written, in the user's cache folder;
NUMBA_CACHE_DIR names another place. A file lock lets one process compile while others wait for its result.

Denormal numbers: where states decay, as without input, they and their gradients become too small for their format, and
the processor takes ten times as long for a product with such a number. In kernels they are 0, on every thread.

Threads: the trials are cut into parts, each a call of a kernel, which runs without the interpreter lock; threads share
the parts. Where the cuts lie depends on the number of trials alone, so results do not depend on the number of threads.
"""

import contextlib
import functools
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
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
    _make_ready(function, (0, 0, 0, *arrays), arrays[0].dtype)
    bounds = parts_of(n_trials)

    def call(parts: range) -> None:
        for part in parts:
            function(part, bounds[part], bounds[part + 1], *arrays)

    _share(call, len(bounds) - 1, threads_for(len(bounds) - 1, n_trials * work))


def run_tasks(
    function: Function, n_networks: int, bounds: Array, n_threads: int, arguments: list[Any]
) -> None:
    """Call function(slot, first, last, bounds, *arguments) on each thread, for its share of the tasks.

    Args:
        function: made by `kernel`; task k n + i is part i, of n, of the trials of network k.
        n_networks: K.
        bounds: of the parts, see `parts_of`.
        n_threads: from `threads_for`; slots are the numbers below it.
        arguments: arrays with the axis K in front, contiguous, the first one of the dtype of the network, and numbers.
    """
    _make_ready(function, (0, 0, 0, bounds, *arguments), arguments[0].dtype)
    count = n_networks * (len(bounds) - 1)
    cuts = [count * slot // n_threads for slot in range(n_threads + 1)]

    def call(slots: range) -> None:
        for slot in slots:
            function(slot, cuts[slot], cuts[slot + 1], bounds, *arguments)

    _share(call, n_threads, n_threads)


def threads_for(n_tasks: int, work: float) -> int:
    """Return how many threads pay for so many multiply-adds."""
    if vars(_here).get("is_busy"):
        return 1
    return max(1, min(most_threads(), n_tasks, int(work / WORTH_A_THREAD)))


@functools.cache
def parts_of(n_trials: int) -> Array:
    """Return the bounds of the parts of the trials, (n_parts + 1,) int64."""
    count, n_chunks = n_parts(n_trials), -(-n_trials // CHUNK)
    return np.array([min(n_trials, CHUNK * (n_chunks * part // count)) for part in range(count + 1)])


@functools.cache
def largest_part(n_trials: int) -> int:
    """Return the number of trials of the largest part."""
    return int(np.diff(parts_of(n_trials)).max())


def _make_ready(function: Function, arguments: Sequence[Any], dtype: np.dtype) -> None:
    """Compile a kernel for these arguments, of a network of this dtype, if that was not done yet."""
    if (function, dtype) not in _compiled:
        _compile(function, arguments)
        _compiled.add((function, dtype))


def side_by_side(one: Callable[[int], Any], count: int) -> list[Any]:
    """Return one(0), ..., one(count - 1), made by as many threads as there are; kernels inside use no further ones."""
    results: list[Any] = [None] * count

    def call(numbers: range) -> None:
        before = vars(_here).get("is_busy", False)
        _here.is_busy = True
        try:
            for number in numbers:
                results[number] = one(number)
        finally:
            _here.is_busy = before

    _share(call, count, 1 if vars(_here).get("is_busy") else max(1, min(most_threads(), count)))
    return results


def _share(call: Callable[[range], None], count: int, n_threads: int) -> None:
    """Call with the numbers below count, shared among threads."""
    shares = [range(thread, count, n_threads) for thread in range(n_threads)]
    others = [_threads(n_threads - 1).submit(call, share) for share in shares[1:]]
    try:
        with _denormals_flushed():
            call(shares[0])
    finally:
        for other in others:
            other.exception()
    for other in others:
        other.result()


@contextlib.contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Let denormal numbers be 0 in this thread inside the block."""
    if _smallest * 1.0 == 0.0:  # they are already
        yield
        return
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@functools.cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        count, thread_name_prefix="rnnexp", initializer=torch.set_flush_denormal, initargs=(True,)
    )


_here = threading.local()  # whether this thread is one of many already
_smallest = 5e-324
os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not survive a fork


def _compile(function: Function, arrays: Sequence[Any]) -> None:
    """Compile for these types, or load what has been compiled before."""
    signature = tuple(numba.typeof(a) for a in arrays)
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
