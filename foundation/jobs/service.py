"""The job service: queues in which owners take turns, threads that work them off, state in memory and on disk.

All state is guarded by one condition, held for moments only: files are written outside it. A change of
state is written before it is announced, except the start of a job, whose loss in a crash merely runs the
job again. So whatever ``wait`` or a page has seen survives a crash.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from foundation.errors import StudioError
from foundation.files.room import check_free
from foundation.jobs.admission import check_cost, check_params, check_room
from foundation.jobs.allowance import Allowance, Shares
from foundation.jobs.context import PREVIEW_INTERVAL_S, Clock, Handler, Job
from foundation.jobs.files import JobFiles
from foundation.jobs.history import History
from foundation.jobs.meter import Meter
from foundation.jobs.outcome import INTERRUPTED, is_disk_full, sentence, traced
from foundation.jobs.queue.lines import Elsewhere
from foundation.jobs.queue.view import Outlook, QueueView
from foundation.jobs.retention import Pictures, expired, needed, released
from foundation.jobs.runner import CHECKPOINT_S, JobRunner
from foundation.jobs.store.model import (
    RECORD_VERSION,
    TITLE_LENGTH,
    Cost,
    FullDiskError,
    JobError,
    JobRecord,
    JobRequest,
    JobSnapshot,
    JobStatus,
    UnavailableError,
    UnknownJobError,
    as_json,
)
from foundation.jobs.store.owners import Owners
from foundation.jobs.store.store import JobStore
from foundation.jobs.store.users import Users
from foundation.jobs.store.work import Work
from foundation.jobs.table import JobTable
from foundation.jobs.workers import Workers
from foundation.limits import Limits

logger = logging.getLogger(__name__)

Snapshots = list[JobSnapshot]  # a name for it where ``list`` is the method

CLEARED = "Whoever runs this studio has cleared the queue: submit it again."


class JobService:
    """Runs jobs in the background and remembers them in a database, and their files in ``data_dir``.

    Jobs found waiting there run again, in their order; jobs found running become INTERRUPTED and keep
    their files; ``problems`` says what could not be read. Every method may be called from any thread.

    ``history`` is what owners do with the jobs that they have; ``meter`` counts them for whoever runs the machine;
    ``shares`` is what each owner may use, and has used; ``users`` are those with an account.

    Args:
        handlers: kind of job -> the function that does it.
        database: its address, as SQLAlchemy writes it; "" for a file in ``data_dir``.
        uploads: the pictures that jobs name: those that only a removed job needed go with it.
        cost: tells what a request costs, before it is taken. StudioError for one that cannot be carried out.
        elsewhere: the lines of other machines, and the jobs that they can do.
        allowance: the share of an owner, beside the limits of all; None for one that has no end.
        clock: seconds that only grow, for rates and throttling; ``now``: Unix seconds, for people.

    Raises:
        JobError: another service uses ``data_dir`` or the database, or one of them cannot be written to.
    """

    def __init__(
        self,
        data_dir: Path,
        handlers: Mapping[str, Handler],
        *,
        database: str = "",
        limits: Limits | None = None,
        uploads: Pictures | None = None,
        cost: Callable[[JobRequest], Cost] = lambda _request: Cost(),
        elsewhere: Elsewhere | None = None,
        allowance: Callable[[str], Allowance | None] | None = None,
        clock: Clock = time.monotonic,
        now: Clock = time.time,
        preview_interval_s: float = PREVIEW_INTERVAL_S,
        checkpoint_s: float = CHECKPOINT_S,
    ) -> None:
        self._limits = limits or Limits()
        self._uploads, self._cost = uploads, cost
        self._clock, self._now = clock, now
        self._changed = threading.Condition()
        self._submitting = threading.Lock()  # makes the order on disk the order in the queues
        self._jobs = JobTable(self._limits, elsewhere, clock=clock, now=now)
        self._sequence = 0
        self._closing = False
        self._store = JobStore(data_dir, database)
        self._files = JobFiles(self._store, self._changed, self._release)
        owners, times = Owners(self._store.database), {"clock": clock, "now": now}
        self.history = History(self._jobs, self._files, owners, self._changed, throw_away=self._throw_away, now=now)
        self.users = Users(self._store.database)
        self.shares = Shares(allowance, self._jobs, self._changed, Work(self._store.database), now=now)
        self.meter = Meter(self._jobs, self._changed, now=now, accepting=lambda: not self._closing)
        self._runner = JobRunner(
            handlers,
            store=self._store,
            files=self._files,
            jobs=self._jobs,
            changed=self._changed,
            clock=clock,
            now=now,
            preview_interval_s=preview_interval_s,
            checkpoint_s=checkpoint_s,
            give_way=lambda job: self._workers.give_way(job),
        )
        self._workers = Workers(self._jobs, self._changed, self._run, **times)
        try:
            self.problems = self._recover()
        except OSError as error:
            self._store.close()
            raise JobError(f"The jobs in {data_dir} cannot be read ({error.strerror or error}).") from error
        except BaseException:
            self._store.close()
            raise

    def _recover(self) -> tuple[str, ...]:
        found = self._store.recover()
        with self._changed:
            for record in found.records:
                job = Job(record, self._store.folder(record.id), self._cost_of(record))
                self._sequence = max(self._sequence, record.sequence)
                if record.status is JobStatus.RUNNING:
                    job.update(status=JobStatus.INTERRUPTED, finished=self._now(), error=INTERRUPTED)
                    self._files.save(job)
                self._add(job)
        return tuple(found.problems)

    def _cost_of(self, record: JobRecord) -> Cost | None:
        """What a job that waits is thought to take, told anew: of that only the hours are kept."""
        if record.status is not JobStatus.QUEUED:
            return None
        request = JobRequest(record.kind, record.params, record.device, record.owner, record.title, record.address)
        try:
            return self._cost(request)
        except StudioError:  # the job will say why it cannot be done
            return None

    # ------------------------------------------------------------------ what people do

    def submit(self, request: JobRequest) -> str:
        """Queue a job and return its id, which nobody can guess. It is on disk when this returns.

        Raises:
            JobError: unknown kind, parameters that are no JSON or too large, a job that takes more memory or time than
                one may.
            QueueFullError: too many jobs are waiting, or the owner's have computed for long enough.
            UnavailableError: no job can be taken just now.
            NoRoomError: the disk is full, or nearly so, or the owner's share of it is.
        """
        params = check_params(request, self._runner.kinds, self._limits)
        cost = self._cost(request)
        check_cost(cost, self._limits)
        check_free(self._store.root, self._limits.free_bytes)
        allowed = self.shares.of(request.owner)
        if allowed is not None:
            self.shares.used(request.owner)  # how large the results are, which takes a while
        with self._submitting:
            if allowed is not None:
                self.shares.check(allowed, self.shares.used(request.owner, exactly=False), cost)
            with self._changed:
                if self._closing:
                    raise UnavailableError("The studio is closing; submit the job again once it has started.")
                check_room(request, cost, self._jobs.waiting(), self._limits)
                self._sequence += 1
                record = JobRecord(
                    version=RECORD_VERSION,
                    id=secrets.token_hex(16),
                    sequence=self._sequence,
                    kind=request.kind,
                    title=as_json(request.title[:TITLE_LENGTH]),
                    owner=request.owner,
                    device=request.device,
                    params=params,
                    created=self._now(),
                    address=request.address,
                    hours=cost.hours,
                )
            try:
                self._store.create(record)
            except OSError as error:
                logger.error("job %s cannot be saved: %s", record.id, error, exc_info=traced(error))
                raise (FullDiskError if is_disk_full(error) else UnavailableError)(sentence(error)) from error
            job = Job(record, self._store.folder(record.id), cost)
            with self._changed:
                self._add(job)
        return record.id

    def stop(self, job_id: str, owner: str) -> None:
        """Ask a running job to end soon and keep what it has; a waiting one never runs. Finished: no-op."""
        with self._changed:
            job = self._jobs.owned(job_id, owner)
            if job.record.status is JobStatus.RUNNING:
                job.stop_requested = job.stopped_by_owner = True
                self._changed.notify_all()  # it may be pausing
            if job.record.status is not JobStatus.QUEUED:
                return
            self._jobs.queue(job.line).remove(job)
            job.update(status=JobStatus.STOPPED, finished=self._now())
            self._changed.notify_all()
        self._files.save(job)

    def discard(self, job_id: str, owner: str) -> None:
        """Throw a job away with its files: at once if it waits or has ended, else at its next step."""
        with self._changed:
            job = self._jobs.owned(job_id, owner)
            if job.record.status is JobStatus.DISCARDED:
                return
            if job.record.status is JobStatus.RUNNING:
                job.discard_requested = True
                self._changed.notify_all()  # it may be pausing
                return
            if job.record.status is JobStatus.QUEUED:
                self._jobs.queue(job.line).remove(job)
            self._forget(job)
        self._files.delete(job)

    def move(self, job_id: str, owner: str, *, up: bool) -> None:
        """Let a waiting job change places with its owner's next one before it, or after it, in the same lane.

        Nobody else's turn changes.

        Raises:
            JobError: it does not wait, or there is no such other one.
        """
        with self._submitting:  # their places on the disk are those in the queue
            with self._changed:
                job = self._jobs.owned(job_id, owner)
                if job.record.status is not JobStatus.QUEUED:
                    raise JobError("This job no longer waits: only waiting jobs can be moved.")
                queue = self._jobs.queue(job.line)
                other = queue.neighbours(job)[0 if up else 1]
                if other is None:
                    raise JobError(f"This is the {'first' if up else 'last'} of your jobs there already.")
                queue.swap(job, other)
                places = job.record.sequence, other.record.sequence
                for one, place in zip((other, job), places, strict=True):
                    one.update(sequence=place)
                self._changed.notify_all()
            for one in (job, other):
                self._files.save(one)

    def remove(self, job_id: str, owner: str) -> None:
        """Delete a finished job and its files.

        Raises:
            JobError: it has not finished.
        """
        with self._changed:
            if not self._jobs.owned(job_id, owner).record.status.finished:
                raise JobError("This job has not ended yet: stop or discard it first.")
        self.discard(job_id, owner)

    # ------------------------------------------------------------------ what whoever runs the studio does

    def tidy(self) -> None:
        """Remove the jobs that have had their time, and the pictures that no job needs and nobody brought of late.

        The ends of jobs that could not be written are tried once more.
        """
        self._files.save_again(self._jobs.all())
        self.history.keep_budgets()
        with self._changed:
            old = expired(self._jobs.all(), self._limits, self._now())
            for job in old:
                self._forget(job)
            kept = needed(self._jobs.all())
        for job in old:
            self._files.delete(job)
        if self._uploads is not None:
            self._uploads.sweep(kept, self._now())

    def clear_queue(self) -> int:
        """Stop every waiting job, whoever's it is; how many there were."""
        with self._changed:
            waiting = [job for job in self._jobs.all() if job.record.status is JobStatus.QUEUED]
            for job in waiting:
                self._jobs.queue(job.line).remove(job)
                job.update(status=JobStatus.STOPPED, finished=self._now(), error=CLEARED)
            self._changed.notify_all()
        for job in waiting:
            self._files.save(job)
        return len(waiting)

    # ------------------------------------------------------------------ what pages see

    def snapshot(self, job_id: str) -> JobSnapshot:
        """The job now, with its curves. Whoever knows the id may look.

        Raises:
            UnknownJobError: there is no such job (any more).
        """
        with self._changed:
            job = self._jobs.find(job_id)
            snapshot = self._jobs.snapshot(job)
            curves = self._jobs.cached_curves(job_id)
            if not snapshot.status.finished or snapshot.status is JobStatus.DISCARDED or snapshot.curves:
                return snapshot
        if curves is None:
            curves = self._store.read_curves(job_id)
            with self._changed:
                self._jobs.cache_curves(job_id, curves)
        return dataclasses.replace(snapshot, curves=curves)

    def list(self, owner: str | None = None, limit: int | None = None) -> Snapshots:
        """Jobs of ``owner`` (of everybody if ``None``), newest first, without curves and discarded ones."""
        limit = self._limits.listed if limit is None else min(limit, self._limits.listed)
        with self._changed:
            return self._jobs.newest(owner, limit)

    def queue(self, owner: str) -> QueueView:
        """What an owner sees of the queue."""
        with self._changed:
            return self._jobs.view(owner)

    def estimate(self, request: JobRequest) -> tuple[Cost, Outlook]:
        """What a request would cost, and how long it would wait behind what is queued now; nothing is submitted.

        Raises:
            JobError: it would be refused, whatever waits.
        """
        check_params(request, self._runner.kinds, self._limits)
        cost = self._cost(request)
        check_cost(cost, self._limits)
        return cost, self.outlook(request, cost)

    def outlook(self, request: JobRequest, cost: Cost) -> Outlook:
        """How long a request of a known cost would wait behind what is queued now."""
        with self._changed:
            return self._jobs.outlook(request, cost)

    def why_not(self, request: JobRequest, cost: Cost) -> str:
        """Why a request of a known cost would now be refused by its owner's share or the queue; "" if it would not."""
        allowed = self.shares.of(request.owner)
        try:
            if allowed is not None:
                self.shares.check(allowed, self.shares.used(request.owner, exactly=False), cost)
            with self._changed:
                check_room(request, cost, self._jobs.waiting(), self._limits)
        except StudioError as error:
            return str(error)
        return ""

    def wait(self, job_id: str, timeout: float | None = None) -> JobSnapshot:
        """Block until the job has ended, the service closes or ``timeout`` seconds pass; the job then."""
        with self._changed:
            job = self._jobs.find(job_id)
            self._changed.wait_for(lambda: job.record.status.finished or (self._closing and not self._workers), timeout)
        with contextlib.suppress(UnknownJobError):
            return self.snapshot(job_id)
        with self._changed:  # removed meanwhile
            return job.snapshot(now=self._clock())

    def close(self, timeout: float = 10.0) -> None:
        """End: running jobs are asked to stop and get ``timeout`` seconds together to do so.

        Those that end in time without having completed, and those that do not end, are INTERRUPTED;
        waiting jobs stay queued for the next start. Later calls do nothing.
        """
        with self._submitting, self._changed:
            if self._closing:
                return
            self._closing = True
            for job in self._jobs.all():
                job.stop_requested |= job.record.status is JobStatus.RUNNING
            workers = self._workers.close()
        deadline = time.monotonic() + timeout
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        for job in self._jobs.all():
            self._runner.give_up(job)
        self._files.save_again(self._jobs.all())
        with self._changed:
            self._workers.clear()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ with the lock held

    def _add(self, job: Job) -> None:
        """Take a job in; if it waits, see to it that somebody works on its line."""
        self._jobs.add(job)
        if job.record.status is JobStatus.QUEUED:
            self._workers.serve(job.line)
        self._changed.notify_all()

    def _throw_away(self, job: Job) -> None:
        with self._changed:
            self._forget(job)
        self._files.delete(job)

    def _forget(self, job: Job) -> None:
        self._jobs.forget(job, self._now())
        self._changed.notify_all()

    # ------------------------------------------------------------------ without the lock

    def _release(self, gone: Job) -> None:
        """Delete the pictures that only a removed job needed."""
        if self._uploads is not None:
            with self._changed:
                alone = released(gone, self._jobs.all())
            self._uploads.remove(gone.record.owner, alone)

    def _run(self, job: Job) -> None:
        self._runner.run(job)
        self.meter.count(job)
        self.shares.count(job)
        with self._changed:
            jobs = self._jobs.all()
        self._files.save_again(jobs)
