"""Two lanes of one device: short jobs go before long ones, and one job computes at a time.

A long job that has been started lets short ones go first between two of its steps, and goes on when there are none. So
that a stream of short ones does not keep it waiting for ever, the seconds that it had to wait are counted: at
``Limits.pause_seconds`` it is its turn, for as many seconds as it waited. Of a long job and such a stream each has
about half the device. A short job runs to its end once it has begun, unless it takes ``OVERDUE`` times what a short one
may: then it shares the device with the long one in the same way.

Two started jobs are in memory at once. A short one is started beside a paused one only where the memory of both, as
far as it can be told, is within ``Limits.job_bytes``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Literal

from foundation.jobs.queue.turns import J, Turns
from foundation.jobs.store.model import Cost
from foundation.limits import Limits

Lane = Literal["short", "long"]
LANES: tuple[Lane, Lane] = ("short", "long")
OVERDUE = 2.0
"""How many times ``Limits.short_seconds`` a short job may compute before it counts as a long one."""


def lane_of(cost: Cost, limits: Limits) -> Lane:
    """The lane of a job of this cost: long if nobody knows."""
    seconds = cost.seconds
    return "short" if seconds is not None and seconds <= limits.short_seconds else "long"


class Lanes(Generic[J]):
    """The jobs of one device that wait or have been started. Nothing here locks: its caller holds the lock.

    Args:
        limits: of the seconds of short jobs, of pauses and of memory.
        one: whether all jobs have one lane: they are done in turn, and none gives way.

    Attributes:
        started: by lane, the job that was started and has not ended.
        computing: the lane whose job computes; None while none does.
        debt: seconds for which short jobs have kept the long lane waiting, and ``owed`` whether that is being made up.
    """

    def __init__(self, limits: Limits, *, one: bool = False) -> None:
        self._limits, self._one = limits, one
        self._waiting: dict[Lane, Turns[J]] = {lane: Turns() for lane in LANES}
        self.started: dict[Lane, J] = {}
        self.computing: Lane | None = None
        self.debt, self.owed = 0.0, False
        self._ending: set[Lane] = set()  # of jobs that were to end in a pause, and do so beside another
        self._since = 0.0  # until when time has been counted
        self._spent: dict[Lane, float] = dict.fromkeys(LANES, 0.0)  # of the started jobs, computing

    # ------------------------------------------------------------------ who waits

    def __len__(self) -> int:
        return sum(len(turns) for turns in self._waiting.values())

    def __iter__(self) -> Iterator[J]:
        """The waiting jobs, short ones first, in the order in which they will be started if no more come."""
        for lane in LANES:
            yield from self._waiting[lane]

    def lane(self, job: J) -> Lane:
        """The lane of a job: by its cost, but for one that has been started that it was started in."""
        for lane, started in self.started.items():
            if started is job:
                return lane
        return "long" if self._one else lane_of(job.cost, self._limits)

    def append(self, job: J, now: float) -> None:
        """Let a job wait in its lane."""
        self._count(now)  # nobody was kept waiting by what computed before
        self._waiting[self.lane(job)].append(job)

    def remove(self, job: J) -> None:
        """Let a job wait no longer. KeyError or ValueError if it does not."""
        self._waiting[self.lane(job)].remove(job)

    def neighbours(self, job: J) -> tuple[J | None, J | None]:
        """The waiting jobs of the same visitor before and after a waiting job in its lane."""
        own = self._waiting[self.lane(job)].own(job)
        place = own.index(job)
        return own[place - 1] if place else None, own[place + 1] if place + 1 < len(own) else None

    def swap(self, job: J, other: J) -> None:
        """Let two neighbours change places."""
        self._waiting[self.lane(job)].swap(job, other)

    # ------------------------------------------------------------------ whose turn it is

    def next(self) -> Lane | None:
        """The lane that is to compute now: of a job that was started, or of one that can be."""
        if self._ending:  # it is over in a moment
            return None
        short, long = self._candidate("short"), self._candidate("long")
        if short is None or long is None:
            return "long" if long is not None else "short" if short is not None else None
        return "long" if self.owed else "short"

    def may_start(self, lane: Lane) -> bool:
        """Whether the next job of a lane can be started now."""
        return self.computing is None and lane not in self.started and self.next() == lane

    def start(self, lane: Lane, now: float) -> J:
        """Take the next job of a lane, which computes from now on; ``may_start`` has said that there is one."""
        job = self._candidate(lane)
        assert job is not None
        self._count(now)
        self._waiting[lane].take(job)
        self.started[lane], self.computing, self._spent[lane] = job, lane, 0.0
        return job

    def end(self, lane: Lane, now: float) -> None:
        """The started job of a lane has ended."""
        self._count(now)
        del self.started[lane]
        self._ending.discard(lane)
        if self.computing == lane:
            self.computing = None
        if self._candidate("long") is None:
            self.debt, self.owed = 0.0, False

    def gives_way(self, lane: Lane, now: float) -> bool:
        """Whether the job that computes is to pause now, between two steps, for the other lane."""
        self._count(now)
        if self.computing != lane:
            return False
        if lane == "short" and self._spent["short"] < OVERDUE * self._limits.short_seconds:
            return False
        return self.next() not in (None, lane)

    def pause(self, now: float) -> None:
        """The job that computes pauses."""
        self._count(now)
        self.computing = None

    def may_go_on(self, lane: Lane) -> bool:
        """Whether a paused job's turn has come."""
        return self.computing is None and self.next() == lane

    def go_on(self, lane: Lane, now: float) -> bool:
        """A paused job goes on; False if another computes meanwhile, because this one is to end at once."""
        self._count(now)
        if self.computing is None:
            self.computing = lane
            return True
        self._ending.add(lane)
        return False

    def _candidate(self, lane: Lane) -> J | None:
        """The job that would compute if it were a lane's turn: of those that wait the first that fits."""
        if lane in self.started:
            return self.started[lane]
        beside = sum(job.cost.bytes for job in self.started.values())
        fitting = (job for job in self._waiting[lane] if job.cost.bytes + beside <= self._limits.job_bytes)
        return next(fitting, None) if self.started else next(iter(self._waiting[lane]), None)

    def _count(self, now: float) -> None:
        """Add the time since it was last counted to whom it belongs."""
        spent, self._since = max(0.0, now - self._since), now
        if self.computing is None:
            return
        self._spent[self.computing] += spent
        self.debt = max(0.0, self.debt + spent if self.computing == "short" else self.debt - spent)
        if self._candidate("long") is None:
            self.debt = 0.0
        if not self.debt:
            self.owed = False
        elif self.debt >= self._limits.pause_seconds:
            self.owed = True
