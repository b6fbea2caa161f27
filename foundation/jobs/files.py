"""Writing the states of live jobs: in turns, and so that a full disk loses nothing that it need not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from foundation.jobs.context import Job
from foundation.jobs.outcome import unsaved
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
        """Write a job that begins to run; its folder is made anew if somebody removed it. Raises ``OSError``."""
        with job.disk:
            if not job.folder.is_dir():
                self._store.create(job.record)
            self.write(job, job.record)

    def write(self, job: Job, record: JobRecord) -> None:
        """Write ``record`` and the job's curves. Raises ``OSError``."""
        with job.disk:
            with self._lock:
                points = job.points()
            self._store.save(record, points or None)

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
                logger.exception("the state of job %s cannot be saved", record.id)
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
