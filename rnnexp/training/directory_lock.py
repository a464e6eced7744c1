"""One process at a time writes into a run directory."""

import os
from pathlib import Path

from rnnexp.errors import UserError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None


class DirectoryLock:
    """Holds a directory until it is released or the process ends; leaves no file behind.

    Where the file system has no locks, nothing is held.

    Args:
        path: an existing directory.

    Raises:
        UserError: another process, or another lock of this one, holds it.
    """

    def __init__(self, path: Path) -> None:
        self._file: int | None = None
        if fcntl is None:
            return
        self._file = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise UserError(
                f"{path}: another process is working in this directory; wait for it, or stop it"
            ) from error
        except OSError:  # of file systems without locks
            self.release()

    def release(self) -> None:
        """Let go of the directory; once is enough."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self.release()
