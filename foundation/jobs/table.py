"""The service's jobs in memory, by the lines that they wait in.

Nothing here locks or touches the disk: its caller holds the lock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from foundation.jobs.context import Clock, Job
from foundation.jobs.queue.forecast import Ahead, Expected, forecast
from foundation.jobs.queue.lanes import LANES, Lane, Lanes
from foundation.jobs.queue.lines import Elsewhere
from foundation.jobs.queue.view import Outlook, OwnJob, QueueView
from foundation.jobs.store.model import (
    RECORD_VERSION,
    Cost,
    JobRecord,
    JobRequest,
    JobSnapshot,
    JobStatus,
    NotYourJobError,
    UnknownJobError,
    as_json,
)
from foundation.jobs.store.store import Curves
from foundation.limits import Limits

DISCARDED_KEPT = 256  # discarded jobs still known by id, so that a page can show what became of one
CURVES_CACHED = 16  # finished jobs whose curves stay in memory; the others' are on disk only


class JobTable:
    """Jobs by id in the order of submission, and by line (of a device, or elsewhere) those that wait or were started.

    Args:
        limits: of the lanes.
        elsewhere: the lines of other machines.
        clock: seconds that only grow; ``now``: Unix seconds.
    """

    def __init__(self, limits: Limits, elsewhere: Elsewhere | None = None, *, clock: Clock, now: Clock) -> None:
        self._limits, self._clock, self._now = limits, clock, now
        self._elsewhere = elsewhere or Elsewhere()
        self._jobs: dict[str, Job] = {}
        self._queues: dict[str, Lanes[Job]] = {}
        self._discarded: deque[str] = deque()
        self._curves: OrderedDict[str, Curves] = OrderedDict()

    def all(self) -> list[Job]:
        return list(self._jobs.values())

    def add(self, job: Job) -> None:
        """Take a job in; a waiting one joins the shortest line of those that it may wait in."""
        self._jobs[job.record.id] = job
        if job.record.status is JobStatus.QUEUED:
            job.line = self._line(job.record)
            self.queue(job.line).append(job, self._clock())

    def queue(self, line: str) -> Lanes[Job]:
        """The jobs of a line."""
        if line not in self._queues:
            self._queues[line] = Lanes(self._limits, one=line in self._elsewhere.lines)
        return self._queues[line]

    def _line(self, record: JobRecord) -> str:
        def load(line: str) -> tuple[int, float]:
            queue, now = self.queue(line), self._clock()
            jobs = [*queue.started.values(), *queue]
            return len(jobs), sum(job.left(now) or 0.0 for job in jobs)

        return min(self._elsewhere.of(record), key=load)

    def fill(self, line: str) -> None:
        """Give a line that has nothing left to do a job that waits in another one, and could be done here as well."""
        own = self.queue(line)
        if own.started or len(own):
            return
        others = [queue for name, queue in self._queues.items() if name != line and queue.started]
        for queue in sorted(others, key=len, reverse=True):
            job = next((job for job in queue if line in self._elsewhere.of(job.record)), None)
            if job is not None:
                queue.remove(job)
                job.line = line
                own.append(job, self._clock())
                return

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

    def snapshot(self, job: Job) -> JobSnapshot:
        """The job with the curves that are in memory."""
        if job.record.status.finished:
            return job.snapshot(now=self._clock())
        queue = self.queue(job.line)
        return self._shown(job, self._places(queue), self._expected(queue))

    def newest(self, owner: str | None, limit: int) -> list[JobSnapshot]:
        """Snapshots without curves, newest first, of ``owner``'s jobs (everybody's if ``None``)."""
        places: dict[str, int] = {}
        expected: dict[str, Expected] = {}
        for queue in self._queues.values():
            places |= self._places(queue)
            expected |= self._expected(queue)
        snapshots: list[JobSnapshot] = []
        for job in reversed(self._jobs.values()):
            if len(snapshots) >= limit:
                break
            record = job.record
            if record.status is JobStatus.DISCARDED or record.deleted is not None:
                continue
            if owner in (None, record.owner):
                snapshots.append(self._shown(job, places, expected, with_curves=False))
        return snapshots

    def view(self, owner: str) -> QueueView:
        """All lines as an owner sees them."""
        own: list[OwnJob] = []
        started = waiting = 0
        for queue in self._queues.values():
            places, expected = self._places(queue), self._expected(queue)
            for job in (*queue.started.values(), *queue):
                waits = job.record.status is JobStatus.QUEUED
                if job.record.owner != owner:
                    started, waiting = started + (not waits), waiting + waits
                elif not job.record.status.finished:
                    before, after = queue.neighbours(job) if waits else (None, None)
                    shown = self._shown(job, places, expected, with_curves=False)
                    own.append(OwnJob(shown, before is not None, after is not None))
        return QueueView(tuple(own), started, waiting)

    def _shown(
        self, job: Job, places: Mapping[str, int], expected: Mapping[str, Expected], *, with_curves: bool = True
    ) -> JobSnapshot:
        return job.snapshot(
            now=self._clock(),
            position=places.get(job.record.id),
            with_curves=with_curves,
            expected=expected.get(job.record.id),
            today=self._now(),
        )

    def _places(self, queue: Lanes[Job]) -> dict[str, int]:
        """The places of the waiting jobs of a line, from 1."""
        return {job.record.id: place for place, job in enumerate(queue, start=1)}

    def _expected(self, queue: Lanes[Job]) -> dict[str, Expected]:
        """What is expected of the jobs of a line that have not ended."""
        now = self._clock()
        lanes: dict[Lane, list[Ahead]] = {lane: [] for lane in LANES}
        for job in (*queue.started.values(), *queue):
            if not job.record.status.finished:
                lanes[queue.lane(job)].append(Ahead(job.record.id, job.left(now)))
        return forecast(
            lanes,
            started={lane: job.record.id for lane, job in queue.started.items()},
            computing=queue.computing,
            debt=queue.debt,
            owed=queue.owed,
            pause_seconds=self._limits.pause_seconds,
        )

    def outlook(self, request: JobRequest, cost: Cost) -> Outlook:
        """What would be expected of a job that joined its queue now; nobody's turn is changed."""
        record = _unwritten(request, self._now())
        queue = self.queue(self._line(record))
        job = Job(record, Path(), cost)
        queue.append(job, self._clock())
        try:
            found, place, lane = self._expected(queue)[record.id], self._places(queue)[record.id], queue.lane(job)
        finally:
            queue.remove(job)
        # a long job that was started gives way to a short one between two of its steps
        started = sum(lane == "long" or other == "short" for other in queue.started)
        return Outlook(found.start, found.end, place - 1 + started)

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


def _unwritten(request: JobRequest, now: float) -> JobRecord:
    """The record of a job that nobody has submitted, for as long as something is asked of its queue."""
    return JobRecord(
        version=RECORD_VERSION,
        id="",
        sequence=0,
        kind=request.kind,
        title=request.title,
        owner=request.owner,
        device=request.device,
        params=as_json(request.params),
        created=now,
        address=request.address,
    )
