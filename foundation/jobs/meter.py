"""Figures of a service's work, of all owners together: what an overseer of the machine watches."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from foundation.jobs.context import Clock, Job
from foundation.jobs.store.model import JobStatus
from foundation.jobs.table import JobTable


@dataclass(frozen=True)
class Figures:
    """Work at one moment.

    Attributes:
        kept: jobs by (kind, state).
        waiting: jobs in the queue, by device, and ``waiting_hours`` what they will take, about.
        oldest_seconds: how long the one has waited that came first; 0 without one.
        run: jobs that ran since the start, by (kind, how they ended), and ``run_seconds`` how long, by kind.
        accepting: whether more are taken.
    """

    kept: Mapping[tuple[str, str], int]
    waiting: Mapping[str, int]
    waiting_hours: float
    oldest_seconds: float
    run: Mapping[tuple[str, str], int]
    run_seconds: Mapping[str, float]
    accepting: bool


class Meter:
    """Counts the jobs of a service.

    Args:
        jobs: all jobs; guarded, like the counts themselves, by ``changed``.
        now: Unix seconds.
        accepting: whether jobs are taken; asked with the lock held.
    """

    def __init__(
        self, jobs: JobTable, changed: threading.Condition, *, now: Clock, accepting: Callable[[], bool]
    ) -> None:
        self._jobs, self._changed, self._now, self._accepting = jobs, changed, now, accepting
        self._run: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, float] = {}

    def count(self, job: Job) -> None:
        """A job has run."""
        with self._changed:
            record = job.record
            self._run[record.kind, record.status.value] += 1
            took = (record.finished or 0.0) - (record.started or record.finished or 0.0) - job.pauses.seconds
            self._seconds[record.kind] = self._seconds.get(record.kind, 0.0) + max(0.0, took)

    def read(self) -> Figures:
        """The figures now."""
        with self._changed:
            records = [job.record for job in self._jobs.all() if job.record.status is not JobStatus.DISCARDED]
            waiting = [record for record in records if record.status is JobStatus.QUEUED]
            return Figures(
                kept=Counter((record.kind, record.status.value) for record in records),
                waiting=Counter(record.device for record in waiting),
                waiting_hours=sum(record.hours for record in waiting),
                oldest_seconds=max((self._now() - record.created for record in waiting), default=0.0),
                run=dict(self._run),
                run_seconds=dict(self._seconds),
                accepting=self._accepting(),
            )
