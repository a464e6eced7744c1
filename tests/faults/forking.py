"""A process that forks a child for every command line, so that each is really separate and torch is imported once.

Run as a program: a line of JSON on stdin asks for something, a line of JSON on stdout answers. `conftest.py` speaks
to it. What shall happen to a child stands in its "faults".
"""

import builtins
import importlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

COPIERS: list[subprocess.Popen] = []
EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "open")  # os.replace is told as os.rename


class Killing:
    """Counts what a run does in its directory, and kills its process (SIGKILL) at a chosen moment.

    Args:
        folder: the run directory.
        event: number of the file operation (from 0) before which the process dies, or None.
        write: number of the write (from 0) in the middle of which it dies, or None.
        share: how much of that write reaches the file, in [0, 1].
    """

    def __init__(
        self, folder: str, event: int | None = None, write: int | None = None, share: float = 0.5
    ) -> None:
        self.folder = folder
        self.event, self.write, self.share = event, write, share
        self.n_events, self.n_writes = 0, 0

    def install(self) -> None:
        """Watch this process from now on."""
        sys.addaudithook(self._hook)
        plain = io.open

        def watched(file: Any, mode: str = "r", *arguments: Any, **settings: Any) -> Any:
            opened = plain(file, mode, *arguments, **settings)
            return _Watched(opened, self) if set(mode) & set("wax+") and self._concerns(file) else opened

        builtins.open = io.open = watched

    def _concerns(self, path: Any) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self.folder)

    def _hook(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name not in EVENTS or not self._concerns(arguments[0]):
            return
        if name == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if self.n_events == self.event:
            os.kill(os.getpid(), signal.SIGKILL)
        self.n_events += 1

    def written(self, file: Any, content: Any) -> int:
        """Write to a file of the run, or a part of it at the moment chosen."""
        if self.n_writes == self.write:
            file.write(content[: int(self.share * len(content))])
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.n_writes += 1
        return file.write(content)


class _Watched:
    """A file whose writes are counted."""

    def __init__(self, file: Any, killing: Killing) -> None:
        self._file, self._killing = file, killing

    def write(self, content: Any) -> int:
        return self._killing.written(self._file, content)

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def at(place: str, call: int, then: Callable[[], None]) -> None:
    """Let something happen when a function is called for the given time (from 0).

    Args:
        place: "module:name" or "module:Class.name".
    """
    module, _, name = place.partition(":")
    *owners, last = name.split(".")
    owner = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    plain, seen = getattr(owner, last), []

    def watched(*arguments: Any, **settings: Any) -> Any:
        if len(seen) == call:
            then()
        seen.append(1)
        return plain(*arguments, **settings)

    setattr(owner, last, watched)


def do(actions: list[list[Any]]) -> Callable[[], None]:
    """Return a function that sends signals to this process, removes folders, makes files or waits for them."""

    def act() -> None:
        for name, value in actions:
            if name == "signal":
                os.kill(os.getpid(), value)
            elif name == "remove":
                shutil.rmtree(value)
            elif name == "touch":
                Path(value).touch()
            elif name == "await":
                end = time.monotonic() + 120
                while not os.path.exists(value) and time.monotonic() < end:
                    time.sleep(0.01)
            else:
                raise ValueError(name)

    return act


def opened(path: str, is_limited: bool) -> int:
    """Open what a child shall say: a file, or a pipe into one where the files of the child may not grow."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    if not is_limited:
        return file
    copier = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
    COPIERS.append(copier)
    return os.dup(copier.stdin.fileno())


def end_copiers() -> None:
    """Wait until all that a child has said is in its files."""
    for number in (1, 2):
        os.close(number)
    for copier in COPIERS:
        copier.stdin.close()
        copier.wait()


def limit_files(n_bytes: int) -> None:
    """Let no file grow beyond a size; a write past it is an error (EFBIG), as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def child(order: dict[str, Any]) -> int:
    """Run one command line, with its faults; returns the exit code."""
    from rnnexp.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number, name in ((1, "out"), (2, "err")):
        file = opened(order[name], "file_size" in order["faults"])
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(os.devnull)  # noqa: SIM115 - the child ends soon
    os.chdir(order["cwd"])
    random.seed(0)
    faults = order["faults"]
    if "memory" in faults:
        resource.setrlimit(resource.RLIMIT_AS, (faults["memory"], faults["memory"]))
    if "file_size" in faults:
        limit_files(faults["file_size"])
    if "at" in faults:
        at(faults["at"], faults.get("call", 0), do(faults["do"]))
    killing = None
    if "watch" in faults:
        killing = Killing(**faults["watch"])
        killing.install()
    code = main(order["words"])
    if killing is not None:
        with open(order["counts"], "w") as file:
            json.dump([killing.n_events, killing.n_writes], file)
    return code


def fork(order: dict[str, Any]) -> int:
    """Fork a child for an order; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        sys.stdout = os.fdopen(1, "w", closefd=False)
        code = child(order)
        sys.stdout.flush()
    except BaseException:  # nothing may get past here into the loop of the parent
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        if COPIERS:
            end_copiers()
        os._exit(code)


def wait(pid: int, seconds: float) -> int | None:
    """Return how a child ended: its exit code, minus the signal that ended it, or None if it had to be ended.

    One that takes longer is interrupted, as by Ctrl-C, and has 20 seconds to end.
    """
    for patience, number in ((seconds, signal.SIGINT), (20, signal.SIGKILL)):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(pid, number)
    os.waitpid(pid, 0)
    return None


def serve() -> None:
    """Answer orders until stdin ends."""
    import torch

    torch.set_num_threads(1)
    for name in (
        "config.launch",
        "config.resuming",
        "commands.train",
        "training.run",
        "saved.collecting",
        "cli",
    ):
        importlib.import_module(f"rnnexp.{name}")
    for line in sys.stdin:
        order = json.loads(line)
        answer = fork(order) if "words" in order else wait(order["pid"], order["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
