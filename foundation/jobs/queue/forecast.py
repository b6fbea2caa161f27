"""When each job is expected to start and to end, if no more come: the lanes' rules played through with estimates."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from foundation.jobs.queue.lanes import Lane


@dataclass(frozen=True)
class Ahead:
    """A job that has not ended: its id, and how many seconds it still has to compute, None where nobody can tell."""

    id: str
    left: float | None


@dataclass(frozen=True)
class Expected:
    """Seconds from now until a job starts (0 if it has been started) and until it ends; None where nobody can tell."""

    start: float | None
    end: float | None


def forecast(
    lanes: Mapping[Lane, Iterable[Ahead]],
    *,
    started: Mapping[Lane, str],
    computing: Lane | None,
    debt: float,
    owed: bool,
    pause_seconds: float,
) -> dict[str, Expected]:
    """What is expected of every job of a device.

    Args:
        lanes: by lane, the jobs that have not ended, in their order: that which was started before those that wait.
        started: by lane, the id of that which was started.
        computing, debt, owed: see `foundation.jobs.queue.lanes.Lanes`.
        pause_seconds: see `foundation.limits.Limits`.
    """
    waiting = {lane: deque(jobs) for lane, jobs in lanes.items()}
    short, long = waiting.get("short", deque[Ahead]()), waiting.get("long", deque[Ahead]())
    found = {job.id: Expected(None, None) for jobs in (short, long) for job in jobs}
    begun: dict[str, float | None] = dict.fromkeys(started.values(), 0.0)
    now, spent = 0.0, 0.0  # of the long job in front, computed in this forecast
    busy = computing == "short" and "short" in started
    while short or long:
        if short and (busy or not long or not owed):
            job, busy = short.popleft(), False
            start = begun.setdefault(job.id, now)
            if job.left is None:  # of what comes after it, nothing can be told
                found[job.id] = Expected(start, None)
                break
            now += job.left
            found[job.id] = Expected(start, now)
            debt = debt + job.left if long else 0.0
            owed = owed or bool(debt and debt >= pause_seconds)
            continue
        job = long[0]
        start = begun.setdefault(job.id, now)
        if job.left is None:
            found[job.id] = Expected(start, None)
            long.clear()
            owed = False
            continue
        left = job.left - spent
        turn = min(left, debt) if short else left
        now, spent, debt = now + turn, spent + turn, max(0.0, debt - turn)
        owed = owed and debt > 0
        if turn >= left:
            found[job.id] = Expected(start, now)
            long.popleft()
            spent = 0.0
    return found
