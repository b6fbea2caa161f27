"""A cluster in a program that has many jobs: one of them at a time has it, the others compute here meanwhile."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from foundation.cluster.cluster import Cluster
from foundation.cluster.shards import Backend
from foundation.progress import Progress
from foundation.protocols import JobContext


class Pool:
    """Lends a cluster to jobs. It is connected to when a job begins and left when it ends, so it may come and go.

    Args:
        connect: connects to it; None where there is none.
    """

    def __init__(self, connect: Callable[[], Backend] | None = None) -> None:
        self._connect = connect
        self._taken = threading.Lock()

    @contextmanager
    def lent(self, context: JobContext) -> Iterator[Cluster | None]:
        """The cluster for this job; None where there is none, or where another job has it.

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
            with Cluster(self._connect()) as cluster:
                yield cluster
        finally:
            self._taken.release()


def computes_on(context: JobContext, cluster: Cluster | None) -> str:
    """The device of a job's models: the CPU where they are only sent to a cluster, whose workers have devices."""
    return context.device if cluster is None else "cpu"
