"""Whose turn it is: addresses take turns, at one address its visitors do, and each visitor's jobs keep their order.

That order is the one in which they came, until the visitor changes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from foundation.jobs.store.model import Cost, JobRecord

REMEMBERED = 1000
"""Visitors and addresses of whom it is known when they had their last turn."""


class Queued(Protocol):
    """What waits for its turn."""

    @property
    def record(self) -> JobRecord:
        """Who it is, and from where."""
        ...

    @property
    def cost(self) -> Cost:
        """What it is thought to take."""
        ...


J = TypeVar("J", bound=Queued)
_Waiting = dict[str, dict[str, deque[J]]]  # address -> owner -> jobs


class Turns(Generic[J]):
    """The waiting jobs of one lane. Nothing here locks: its caller holds the lock."""

    def __init__(self) -> None:
        self._waiting: _Waiting[J] = {}
        self._served: dict[tuple[str, ...], int] = {}  # (address,) or (address, owner) -> its last turn
        self._turn = 0
        self._order: list[J] | None = None  # of all that wait; None until it is asked for

    def __len__(self) -> int:
        return sum(len(jobs) for owners in self._waiting.values() for jobs in owners.values())

    def __iter__(self) -> Iterator[J]:
        """The jobs in the order in which they will run, if no more come."""
        if self._order is None:
            waiting = {
                address: {owner: deque(jobs) for owner, jobs in owners.items()}
                for address, owners in self._waiting.items()
            }
            served, self._order = dict(self._served), []
            for turn in range(self._turn + 1, self._turn + 1 + len(self)):
                self._order.append(_take(waiting, served, turn))
        return iter(self._order)

    def append(self, job: J) -> None:
        """Let a job wait."""
        owners = self._waiting.setdefault(job.record.address, {})
        owners.setdefault(job.record.owner, deque()).append(job)
        self._order = None

    def remove(self, job: J) -> None:
        """Let a job wait no longer. KeyError or ValueError if it does not."""
        self._waiting[job.record.address][job.record.owner].remove(job)
        _drop_empty(self._waiting, job)
        self._order = None

    def popleft(self) -> J:
        """Take the job whose turn it is; there must be one."""
        self._turn += 1
        job = _take(self._waiting, self._served, self._turn)
        self._settle()
        return job

    def take(self, job: J) -> None:
        """Take a job that waits: it has been its owner's turn, whether or not it was due."""
        self.remove(job)
        self._turn += 1
        _serve(self._served, job, self._turn)
        self._settle()

    def own(self, job: J) -> tuple[J, ...]:
        """A waiting job and those of the same visitor at the same address, in their order."""
        return tuple(self._waiting[job.record.address][job.record.owner])

    def swap(self, job: J, other: J) -> None:
        """Let two waiting jobs of one visitor at one address change places: nobody else's turn changes."""
        jobs = self._waiting[job.record.address][job.record.owner]
        first, second = jobs.index(job), jobs.index(other)
        jobs[first], jobs[second] = other, job
        self._order = None

    def _settle(self) -> None:
        for who in sorted(self._served, key=self._served.__getitem__)[:-REMEMBERED]:
            del self._served[who]
        self._order = None


def _take(waiting: _Waiting[J], served: dict[tuple[str, ...], int], turn: int) -> J:
    """Take the first job of whoever waits longest for a turn, and note that this was it."""
    address = min(waiting, key=lambda address: served.get((address,), 0))
    owner = min(waiting[address], key=lambda owner: served.get((address, owner), 0))
    job = waiting[address][owner].popleft()
    _serve(served, job, turn)
    _drop_empty(waiting, job)
    return job


def _serve(served: dict[tuple[str, ...], int], job: Queued, turn: int) -> None:
    address, owner = job.record.address, job.record.owner
    served[(address,)] = served[(address, owner)] = turn


def _drop_empty(waiting: _Waiting[J], job: J) -> None:
    address, owner = job.record.address, job.record.owner
    if not waiting[address][owner]:
        del waiting[address][owner]
    if not waiting[address]:
        del waiting[address]
