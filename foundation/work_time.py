"""Seconds of work: what a job takes, without the pauses in which another job computes in its place.

Whatever says how long work took, or learns from it, asks here in place of the clock. Outside of a job that pauses it
is the clock.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Pauses:
    """How long a job has paused so far, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0


_OWN: ContextVar[Pauses | None] = ContextVar("pauses", default=None)


def worked() -> float:
    """Seconds that only grow, but for those of the pauses of the job that runs in this thread."""
    pauses = _OWN.get()
    return time.monotonic() - (0.0 if pauses is None else pauses.seconds)


@contextmanager
def without(pauses: Pauses) -> Iterator[None]:
    """Within, these are the pauses of the job that runs in this thread."""
    token = _OWN.set(pauses)
    try:
        yield
    finally:
        _OWN.reset(token)
