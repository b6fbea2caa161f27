"""What one owner may use where each has a share: jobs that wait, time, the disk; refused in words when it is over."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from foundation.errors import NoRoomError
from foundation.jobs.context import Clock, Job
from foundation.jobs.history import size_of
from foundation.jobs.store.model import Cost, JobStatus, QueueFullError
from foundation.jobs.store.work import Work
from foundation.jobs.table import JobTable

KEPT_SECONDS = 10.0
"""For how long it is not looked again how large somebody's results are, where that is only shown."""


@dataclass(frozen=True)
class Allowance:
    """A share: of waiting jobs, of seconds of computing within 24 hours, and of bytes of results."""

    waiting: int
    seconds: float = math.inf
    bytes: float = math.inf


@dataclass(frozen=True)
class Used:
    """What of a share is used.

    Attributes:
        waiting: jobs that wait.
        seconds: that jobs computed within 24 hours, those that run now among them.
        ahead: seconds that the waiting jobs will take, about.
        bytes: of results.
    """

    waiting: int
    seconds: float
    ahead: float
    bytes: int


class Shares:
    """Who may use how much, and who has used how much. Safe for threads.

    Args:
        allowance: the share of an owner; None for one without an end.
        jobs: all jobs; guarded by ``changed``.
        work: seconds of jobs that have ended.
        now: Unix seconds.
    """

    def __init__(
        self,
        allowance: Callable[[str], Allowance | None] | None,
        jobs: JobTable,
        changed: threading.Condition,
        work: Work,
        *,
        now: Clock,
    ) -> None:
        self._allowance = allowance
        self._jobs, self._changed, self._work, self._now = jobs, changed, work, now
        self._sizes: dict[str, tuple[float, int]] = {}  # owner -> when it was looked, and what was found

    def of(self, owner: str) -> Allowance | None:
        """An owner's share; None where there is no end."""
        return None if self._allowance is None else self._allowance(owner)

    def used(self, owner: str, *, exactly: bool = True) -> Used:
        """What an owner has used; not ``exactly``: the disk as it was some seconds ago."""
        now = self._now()
        with self._changed:
            own = [job for job in self._jobs.all() if job.record.owner == owner]
            folders = [job.folder for job in own if job.record.status.finished and job.record.deleted is None]
            waiting = [job for job in own if job.record.status is JobStatus.QUEUED]
            running = sum(_computed(job, now) for job in own if job.record.status is JobStatus.RUNNING)
        looked, size = self._sizes.get(owner, (-math.inf, 0))
        if exactly or time.monotonic() - looked > KEPT_SECONDS:
            size = sum(map(size_of, folders))
            self._sizes[owner] = time.monotonic(), size
        return Used(len(waiting), self._work.spent(owner, now) + running, seconds_of(waiting), size)

    def check(self, allowed: Allowance, used: Used, cost: Cost) -> None:
        """Refuse a job for which a share has no room.

        Raises:
            QueueFullError: too many of theirs wait, or they would take too long.
            NoRoomError: their results take too much of the disk.
        """
        if used.waiting >= allowed.waiting:
            raise QueueFullError(
                f"You have {used.waiting} of {allowed.waiting} jobs waiting: let one finish, or stop one, then submit "
                "again."
            )
        if used.seconds >= allowed.seconds:
            raise QueueFullError(
                f"Your jobs have computed for {minutes(used.seconds)} of the {minutes(allowed.seconds)} minutes that "
                "you have within 24 hours: try again later."
            )
        if used.seconds + used.ahead + 3600 * cost.hours > allowed.seconds:
            waits = f", and jobs that wait need {minutes(used.ahead)}" if used.ahead else ""
            raise QueueFullError(
                f"This would take about {minutes(3600 * cost.hours)} min of computing. Of the "
                f"{minutes(allowed.seconds)} min that you have in 24 hours {minutes(used.seconds)} are used{waits}: "
                "choose fewer steps or a smaller size, or try again later."
            )
        if used.bytes >= allowed.bytes:
            raise NoRoomError(
                f"Your results take {used.bytes / 1e6:,.0f} of {allowed.bytes / 1e6:,.0f} MB: delete some of them, "
                "then submit again."
            )

    def count(self, job: Job) -> None:
        """A job has run. Nothing is kept where nobody has a share."""
        if self._allowance is None or self._allowance(job.record.owner) is None:
            return
        with self._changed:
            seconds = _computed(job, job.record.finished or self._now())
        self._work.add(job.record.owner, seconds, self._now())


def _computed(job: Job, now: float) -> float:
    return max(0.0, now - (job.record.started or now) - job.pauses.seconds)


def seconds_of(waiting: Iterable[Job]) -> float:
    """The seconds that waiting jobs are thought to take."""
    return sum(3600 * job.record.hours for job in waiting)


def minutes(seconds: float) -> str:
    """Whole minutes, rounded up: what was begun is used."""
    return f"{math.ceil(seconds / 60):,}"
