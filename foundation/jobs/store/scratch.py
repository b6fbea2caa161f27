"""Temporary folders of jobs on the command line: those that a killed command left go when the next one starts."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from foundation.jobs.store.locks import DirectoryLock
from foundation.jobs.store.model import InUseError

PREFIX = "crossmax-job-"
LOCK = ".lock"
YOUNG_SECONDS = 60.0
"""A folder as young as this may be one whose lock is not taken yet."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, which is locked while it is used and gone afterwards."""
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as temporary:
        lock = DirectoryLock(Path(temporary) / LOCK)
        try:
            yield Path(temporary)
        finally:
            lock.release()


def sweep(place: Path) -> None:
    """Remove the folders of commands that were killed: those that nobody holds the lock of."""
    for folder in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, InUseError):  # somebody else's, or in use
            if folder.is_symlink() or not folder.is_dir() or time.time() - folder.stat().st_mtime < YOUNG_SECONDS:
                continue
            DirectoryLock(folder / LOCK).release()
            shutil.rmtree(folder)
