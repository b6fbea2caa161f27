"""Room on the disk that is kept for one thing: to write down how jobs ended when there is no other room."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

NAME = "reserve"
BYTES = 4 << 20
"""What the ends of some jobs take, each of which is a few kilobytes in its folder and in the database."""


class Reserve:
    """A file that nobody reads: it is given up when the disk is full, and made again once there is room.

    Args:
        path: of the file.
        size: its bytes.
    """

    def __init__(self, path: Path, size: int = BYTES) -> None:
        self._path, self._size = path, size
        self._lock = threading.Lock()

    def hold(self) -> None:
        """Have it. OSError: there is no room for it, or no file can be made."""
        with self._lock:
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_size >= self._size:
                    return
            try:
                with self._path.open("wb") as file:
                    allocate(file.fileno(), self._size)
            except OSError:
                self._path.unlink(missing_ok=True)
                raise

    def give_up(self) -> bool:
        """Let its room be used; whether there was any."""
        with self._lock, contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False


def allocate(file: int, size: int) -> None:
    """Give an open, empty file so many bytes of the disk. OSError (ENOSPC): there are not as many."""
    if hasattr(os, "posix_fallocate"):
        with contextlib.suppress(OSError):  # some file systems cannot; a full one says so below, too
            os.posix_fallocate(file, 0, size)
            return
    left = size
    while left:
        left -= os.write(file, bytes(left))
