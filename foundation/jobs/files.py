"""Writing the states of live jobs: in turns, and so that a full disk loses nothing that it need not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from foundation.jobs.context import Job
from foundation.jobs.outcome import is_disk_full, traced, unsaved
from foundation.jobs.store.database import DatabaseError
from foundation.jobs.store.model import JobRecord, JobStatus
from foundation.jobs.store.store import JobStore

logger = logging.getLogger(__name__)


class JobFiles:
    """Takes each job's ``disk`` lock first and the service's ``lock`` under it, for moments only."""

    def __init__(
        self, store: JobStore, lock: threading.Condition, on_deleted: Callable[[Job], None] = lambda _job: None
    ) -> None:
        self._store = store
        self._lock = lock
        self._on_deleted = on_deleted

    def start(self, job: Job) -> None:
        """Write a job that begins to run; its folder is made anew if somebody removed it.

        A database that is away keeps no job from running: the end is kept in the folder. Raises ``OSError``, also
        where the disk has no room in reserve for that end.
        """
        with job.disk:
            self._reserve()
            if not job.folder.is_dir():
                self._store.create(job.record)
            try:
                self.write(job, job.record)
            except DatabaseError as error:
                if is_disk_full(error):  # then the end could not be kept, either
                    raise
                logger.error("the start of job %s cannot be saved: %s", job.record.id, error)

    def write(self, job: Job, record: JobRecord) -> None:
        """Write ``record`` and the job's curves; of a job that has ended, on a full disk in what is reserved for that.

        Raises ``OSError``.
        """
        with job.disk:
            with self._lock:
                points = job.points()
            try:
                self._store.save(record, points or None)
            except OSError as error:
                if not (record.status.finished and is_disk_full(error) and self._store.reserve.give_up()):
                    raise
                self._store.save(record, points or None)

    def _reserve(self) -> None:
        """See that there is room for the end of a job. Raises ``OSError`` where the disk is full."""
        try:
            self._store.reserve.hold()
        except OSError as error:
            if is_disk_full(error):
                raise
            logger.warning("no room can be reserved for the ends of jobs", exc_info=True)

    def save(self, job: Job) -> None:
        """Write the job's state. A failure is logged, and remembered if there will be no next time."""
        with job.disk:
            with self._lock:
                record = job.record
            if record.status is JobStatus.DISCARDED:
                return
            try:
                self.write(job, record)
                job.unsaved = ""
            except OSError as error:
                logger.error("the state of job %s cannot be saved: %s", record.id, error, exc_info=traced(error))
                job.unsaved = unsaved(error) if record.status.finished else ""

    def save_again(self, jobs: Iterable[Job]) -> None:
        """Another attempt for the ended jobs whose states could not be written."""
        for job in jobs:
            if job.unsaved:
                self.save(job)

    def delete(self, job: Job) -> None:
        with job.disk:
            try:
                self._store.remove(job.record.id)
            except OSError:
                logger.exception("the folder of job %s cannot be removed", job.record.id)
        self._on_deleted(job)
