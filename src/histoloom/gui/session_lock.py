"""A file that is locked as long as its session lives, which tells the files of a dead session from those in use.

The system lets go of the lock when the process ends, however it ends. A process id would not do: after a crash another
process may have the same one, and in containers it usually has.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO


class SessionLock:
    """An exclusive lock on one file.

    Parameters
    ----------
    path
        The file, made when the lock is taken; its folder must exist by then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def take(self) -> None:
        """Take the lock and keep it; where the file system has no locks, or cannot be written, nothing is held."""
        if self._file is None:
            with contextlib.suppress(OSError):
                file = self.path.open("ab")
                self._file = file
                _lock(file)

    def release(self) -> None:
        """Let go of the lock, and remove its file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def is_held(path: Path) -> bool:
    """Whether a living process, this one included, holds the lock on a file."""
    try:
        with path.open("r+b") as file:
            try:
                _lock(file)
            except (BlockingIOError, PermissionError):
                return True
    except PermissionError:
        return os.name == "nt"
    except OSError:
        return False
    return False


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
