"""The service's jobs in memory. Nothing here locks or touches the disk: its caller holds the lock."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

from foundation.jobs.context import Job
from foundation.jobs.store.model import JobRecord, JobSnapshot, JobStatus, NotYourJobError, UnknownJobError
from foundation.jobs.store.store import Curves
from foundation.jobs.turns import Turns

DISCARDED_KEPT = 256  # discarded jobs still known by id, so that a page can show what became of one
CURVES_CACHED = 16  # finished jobs whose curves stay in memory; the others' are on disk only


class JobTable:
    """Jobs by id in the order of submission, and the waiting ones by device, whose owners take turns."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._queues: dict[str, Turns] = {}
        self._discarded: deque[str] = deque()
        self._curves: OrderedDict[str, Curves] = OrderedDict()

    def all(self) -> list[Job]:
        return list(self._jobs.values())

    def add(self, job: Job) -> None:
        """Take a job in; a waiting one joins its device's queue."""
        self._jobs[job.record.id] = job
        if job.record.status is JobStatus.QUEUED:
            self.queue(job.record.device).append(job)

    def queue(self, device: str) -> Turns:
        return self._queues.setdefault(device, Turns())

    def waiting(self) -> Sequence[JobRecord]:
        """Every waiting job."""
        return [job.record for queue in self._queues.values() for job in queue]

    def find(self, job_id: str, *, deleted: bool = False) -> Job:
        """The job of this id; one that its owner deleted, and can have back, only where those are asked for."""
        job = self._jobs.get(job_id)
        if job is None or (job.record.deleted is not None and not deleted):
            raise UnknownJobError("This job does not exist (any more); see the list of jobs.")
        return job

    def owned(self, job_id: str, owner: str, *, deleted: bool = False) -> Job:
        job = self.find(job_id, deleted=deleted)
        if job.record.owner != owner:
            raise NotYourJobError("This job belongs to somebody else; only who submitted it can change it.")
        return job

    def snapshot(self, job: Job, now: float) -> JobSnapshot:
        """The job with the curves that are in memory."""
        position = None
        if job.record.status is JobStatus.QUEUED:
            position = list(self.queue(job.record.device)).index(job) + 1
        return job.snapshot(now=now, position=position)

    def newest(self, owner: str | None, limit: int, now: float) -> list[JobSnapshot]:
        """Snapshots without curves, newest first, of ``owner``'s jobs (everybody's if ``None``)."""
        positions = {
            job.record.id: place for queue in self._queues.values() for place, job in enumerate(queue, start=1)
        }
        snapshots: list[JobSnapshot] = []
        for job in reversed(self._jobs.values()):
            if len(snapshots) >= limit:
                break
            record = job.record
            if record.status is JobStatus.DISCARDED or record.deleted is not None:
                continue
            if owner in (None, record.owner):
                position = positions.get(record.id)
                snapshots.append(job.snapshot(now=now, position=position, with_curves=False))
        return snapshots

    def forget(self, job: Job, finished: float) -> None:
        """Mark a job as discarded, and drop the oldest of those from memory."""
        job.update(
            status=JobStatus.DISCARDED,
            finished=job.record.finished or finished,
            preview_version=0,
            result=None,
            error=None,
        )
        job.curves = {}
        job.unsaved = ""
        self._curves.pop(job.record.id, None)
        self._discarded.append(job.record.id)
        while len(self._discarded) > DISCARDED_KEPT:
            self._jobs.pop(self._discarded.popleft(), None)

    def cached_curves(self, job_id: str) -> Curves | None:
        """Curves of a finished job, if they are in memory."""
        if job_id in self._curves:
            self._curves.move_to_end(job_id)
        return self._curves.get(job_id)

    def cache_curves(self, job_id: str, curves: Curves) -> None:
        self._curves[job_id] = curves
        while len(self._curves) > CURVES_CACHED:
            self._curves.popitem(last=False)
