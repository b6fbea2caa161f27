"""Exclusive use of a folder, or of a database, by one process at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

from foundation.jobs.store.model import InUseError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class DirectoryLock:
    """The operating system drops the lock when its holder ends, however it ends: no stale lock can remain."""

    def __init__(self, path: Path, refusal: str = "") -> None:
        """Take the lock; ``refusal`` is what is said if somebody else holds it.

        Raises ``InUseError`` if somebody else does, ``OSError`` if there can be no lock.
        """
        self._file: IO[str] | None = path.open("a+", encoding="utf-8")
        try:
            self._lock(self._file)
        except OSError as error:
            self.release()
            # POSIX says EWOULDBLOCK, Windows EACCES; anything else is no other holder.
            if not isinstance(error, BlockingIOError | PermissionError):
                raise
            raise InUseError(
                refusal
                or f"Another CrossMax Studio already uses the folder {path.parent}. "
                "Close it first, or start this one with another --data-dir."
            ) from error

    @staticmethod
    def _lock(file: IO[str]) -> None:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Closing the file drops the lock. The file stays: removing it would race with the next holder."""
        if self._file is not None:
            self._file.close()
            self._file = None
