"""A cluster in a program that has many jobs: parts of one of them at a time, and some that are done whole by a worker.

All have one connection, which is made when a job needs it and left when none does, so the cluster may come and go.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from foundation.cluster.cluster import Cluster
from foundation.cluster.shards import Backend, Handle, Shared
from foundation.progress import Progress
from foundation.protocols import JobContext

T = TypeVar("T")

IDLE_SECONDS = 120.0
"""How long a worker stays that has a seat and nothing to do: a new one would need some ten seconds to begin."""


class Seat:
    """One worker that does jobs whole, one after the other, and what it was sent last."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._sent: tuple[Mapping[str, object], Shared[Mapping[str, object]]] | None = None

    def share(self, values: Mapping[str, T]) -> Shared[Mapping[str, T]]:
        """These values, which are not sent once more if they are those of the job before."""
        if self._sent is None or not _same(self._sent[0], values):
            own = dict(values)
            self._sent = own, self.cluster.share(own)
        return self._sent[1]  # type: ignore[return-value]


def _same(some: Mapping[str, object], others: Mapping[str, object]) -> bool:
    return some.keys() == others.keys() and all(some[name] is others[name] for name in some)


class Pool:
    """Lends a cluster to jobs.

    Args:
        connect: connects to it; None where there is none.
        seats: how many workers do jobs whole, beside those that do parts; 0 for none.
        idle_seconds: how long such a worker stays when there is nothing to do.
    """

    def __init__(
        self,
        connect: Callable[[], Backend] | None = None,
        seats: int = 0,
        *,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._connect, self._seats, self._idle_seconds = connect, seats, idle_seconds
        self._taken = threading.Lock()
        self._connecting, self._users = threading.Lock(), 0
        self._backend: Backend | None = None
        self._resting = threading.Lock()
        self._idle: dict[Seat, threading.Timer] = {}

    @contextmanager
    def lent(self, context: JobContext) -> Iterator[Cluster | None]:
        """The cluster for the parts of this job; None where there is none, or where another job has it.

        That one may have given way to this one: if this one waited for its workers, neither would ever end.

        Raises:
            StudioError: it cannot be reached, or has no room.
        """
        if self._connect is None:
            yield None
            return
        if not self._taken.acquire(blocking=False):
            context.progress(Progress(0, 0, "Another job has the cluster: this one is computed here", unit="items"))
            yield None
            return
        try:
            context.progress(Progress(0, 0, "Connecting to the cluster", unit="items"))
            with Cluster(self._joined()) as cluster:
                yield cluster
        finally:
            self._taken.release()

    @contextmanager
    def seat(self, context: JobContext) -> Iterator[Seat | None]:
        """A worker that does this job, to be waited for by whoever gives it work; None where there are none for that.

        Raises:
            StudioError: the cluster cannot be reached, or has no room.
        """
        if self._connect is None or not self._seats:
            yield None
            return
        context.progress(Progress(0, 0, "Connecting to the cluster"))
        seat = self._rested() or Seat(Cluster(self._joined(workers=1)))
        try:
            yield seat
        except BaseException:
            seat.cluster.close()
            self.rest()  # if the cluster is gone, it is for all: the next job finds it again
            raise
        timer = threading.Timer(self._idle_seconds, self._let_go, [seat])
        timer.daemon = True
        with self._resting:
            self._idle[seat] = timer
        timer.start()

    def rest(self) -> None:
        """Let the workers go that have nothing to do."""
        while (seat := self._rested()) is not None:
            seat.cluster.close()

    def _rested(self) -> Seat | None:
        """The worker that has rested for the shortest time."""
        with self._resting:
            if not self._idle:
                return None
            seat, timer = self._idle.popitem()
        timer.cancel()
        return seat

    def _let_go(self, seat: Seat) -> None:
        with self._resting:
            timer = self._idle.pop(seat, None)
        if timer is not None:  # else a job has it meanwhile
            seat.cluster.close()

    def _joined(self, workers: int | None = None) -> Backend:
        """The connection, for one more user, with all its workers or so many."""
        assert self._connect is not None
        with self._connecting:
            if self._backend is None:
                self._backend = self._connect()
            self._users += 1
            return _Joined(self._backend, self._backend.workers if workers is None else workers, self._leave)

    def _leave(self) -> None:
        with self._connecting:
            self._users -= 1
            if not self._users and self._backend is not None:
                self._backend.close()
                self._backend = None


class _Joined:
    """A connection that others use, too, with a number of workers of its own."""

    def __init__(self, backend: Backend, workers: int, leave: Callable[[], None]) -> None:
        self._backend, self._leave, self.workers = backend, leave, workers

    @property
    def description(self) -> str:
        """What it is, in words that follow "on"."""
        return self._backend.description

    def hire(self) -> Handle:
        """Begin to start one more worker."""
        return self._backend.hire()

    def share(self, value: T) -> Shared[T]:
        """Make a value one that is sent to each machine once."""
        return self._backend.share(value)

    def wait(self, handles: list[Handle], seconds: float) -> None:
        """Return once something may be new, at the latest after so many seconds."""
        self._backend.wait(handles, seconds)

    def close(self) -> None:
        """Leave it to the others, and end it where there are none."""
        self._leave()


def computes_on(context: JobContext, cluster: Cluster | Seat | None) -> str:
    """The device of a job's models: the CPU where they are only sent to a cluster, whose workers have devices."""
    return context.device if cluster is None else "cpu"
