"""What keeps a running studio in order: old results and pictures go, freed memory too; its queue can be cleared."""

import contextlib
import dataclasses
import logging
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from app.visitors import exports
from foundation.errors import StudioError
from foundation.files.living import found_below
from foundation.jobs.service import CLEARED
from foundation.jobs.store.model import InUseError, JobStatus
from foundation.jobs.store.store import JobStore
from foundation.memory import give_back

logger = logging.getLogger("crossmax")

REQUEST = "clear-queue"
"""A file of this name in the data directory asks the running studio to clear its queue; it goes when that is done."""
POLL_SECONDS = 0.5
TIDY_SECONDS = 600.0
CACHE_SECONDS = 3600.0
GIVING_BACK_SECONDS = 10.0
CHORE_SECONDS = 5.0
PATIENCE_SECONDS = 15.0


class Tidied(Protocol):
    """The part of the job service that is kept in order."""

    def tidy(self) -> None: ...
    def clear_queue(self) -> int: ...


class Upkeep:
    """A thread that tidies now and then, and listens for ``clear_queue``. It ends with the program.

    Args:
        jobs: the job service.
        data_dir: its data directory.
        cache: where files that are being uploaded lie. Results that were put into one file lie in the data directory.
        chore: what else is done every few seconds.
    """

    def __init__(self, jobs: Tidied, data_dir: Path, cache: Path, chore: Callable[[], object] = lambda: None) -> None:
        self._chore = chore
        self._jobs, self._request, self._passing = jobs, data_dir / REQUEST, (cache, data_dir / exports.FOLDER)

    def start(self) -> None:
        """Empty the folders of unfinished uploads and of exports, which nobody can ask for any more, and begin."""
        for folder in self._passing:
            empty(folder)
        threading.Thread(target=self._run, name="upkeep", daemon=True).start()

    def _run(self) -> None:
        tidied = -TIDY_SECONDS
        given_back = chored = time.monotonic()
        while True:
            try:
                if self._request.exists():
                    logger.info("cleared the queue: %d jobs", self._jobs.clear_queue())
                    self._request.unlink(missing_ok=True)
                if time.monotonic() - tidied >= TIDY_SECONDS:
                    tidied = time.monotonic()
                    self._jobs.tidy()
                    for folder in self._passing:
                        empty(folder, older_than=CACHE_SECONDS)
                if time.monotonic() - chored >= CHORE_SECONDS:
                    chored = time.monotonic()
                    self._chore()
            except (OSError, StudioError):  # a disk that is full, or gone: there will be a next time
                logger.warning("the studio's data cannot be kept in order", exc_info=True)
            if time.monotonic() - given_back >= GIVING_BACK_SECONDS:
                given_back = time.monotonic()
                give_back()
            time.sleep(POLL_SECONDS)


def empty(folder: Path, *, older_than: float = 0.0) -> None:
    """Delete what lies in a folder, or what was written there more than so many seconds ago."""
    before = time.time() - older_than
    for path, found in found_below(folder):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(found.st_mode):
                path.rmdir()  # if nothing is left in it
            elif found.st_mtime <= before:
                path.unlink()


def clear_queue(data_dir: Path, database: str = "") -> str:
    """Stop every waiting job of the studio in this data directory, whether it runs or not; what was done, in words.

    ``database`` is the address of its database; "" for the one in the data directory.

    Raises:
        StudioError: a studio runs there and does not answer.
    """
    if not (data_dir / "jobs").is_dir():
        return f"Nothing waits in '{data_dir}'."
    try:
        store = JobStore(data_dir, database)
    except InUseError:
        return _ask(data_dir / REQUEST)
    try:
        waiting = [record for record in store.recover().records if record.status is JobStatus.QUEUED]
        for record in waiting:
            store.save(dataclasses.replace(record, status=JobStatus.STOPPED, finished=time.time(), error=CLEARED))
    finally:
        store.close()
    return f"Cleared the queue: {len(waiting)} jobs."


def _ask(request: Path) -> str:
    request.touch()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not request.exists():
            return "The running studio has cleared its queue."
        time.sleep(POLL_SECONDS / 5)
    request.unlink(missing_ok=True)
    raise StudioError("The studio that uses this data directory does not answer: end it, then try again.")
