"""Who is next: addresses take turns, at one address its visitors do, and of one visitor the first come is first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foundation.jobs.context import Job

REMEMBERED = 1000
"""Visitors and addresses of whom it is known when they had their last turn."""

_Waiting = dict[str, dict[str, deque["Job"]]]  # address -> owner -> jobs


class Turns:
    """The waiting jobs of one device. Nothing here locks: its caller holds the lock."""

    def __init__(self) -> None:
        self._waiting: _Waiting = {}
        self._served: dict[tuple[str, ...], int] = {}  # (address,) or (address, owner) -> its last turn
        self._turn = 0
        self._order: list[Job] | None = None  # of all that wait; None until it is asked for

    def __len__(self) -> int:
        return sum(len(jobs) for owners in self._waiting.values() for jobs in owners.values())

    def __iter__(self) -> Iterator[Job]:
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

    def append(self, job: Job) -> None:
        """Let a job wait."""
        owners = self._waiting.setdefault(job.record.address, {})
        owners.setdefault(job.record.owner, deque()).append(job)
        self._order = None

    def remove(self, job: Job) -> None:
        """Let a job wait no longer. KeyError or ValueError if it does not."""
        self._waiting[job.record.address][job.record.owner].remove(job)
        _drop_empty(self._waiting, job)
        self._order = None

    def popleft(self) -> Job:
        """Take the job whose turn it is; there must be one."""
        self._turn += 1
        job = _take(self._waiting, self._served, self._turn)
        for who in sorted(self._served, key=self._served.__getitem__)[:-REMEMBERED]:
            del self._served[who]
        self._order = None
        return job


def _take(waiting: _Waiting, served: dict[tuple[str, ...], int], turn: int) -> Job:
    """Take the oldest job of whoever waits longest for a turn, and note that this was it."""
    address = min(waiting, key=lambda address: served.get((address,), 0))
    owner = min(waiting[address], key=lambda owner: served.get((address, owner), 0))
    job = waiting[address][owner].popleft()
    served[(address,)] = served[(address, owner)] = turn
    _drop_empty(waiting, job)
    return job


def _drop_empty(waiting: _Waiting, job: Job) -> None:
    address, owner = job.record.address, job.record.owner
    if not waiting[address][owner]:
        del waiting[address][owner]
    if not waiting[address]:
        del waiting[address]
