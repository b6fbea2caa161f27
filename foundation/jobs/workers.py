"""The threads that work: two for each line (of a device, or elsewhere), one a lane, of which one computes at a time.

A job that has been started gives way between two of its steps where the lanes say so: its thread waits, with all that
the job holds, until it is its turn again. One that is to end meanwhile goes on at once, beside the other, and saves
what it has.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from foundation.jobs.context import Clock, Job
from foundation.jobs.queue.lanes import LANES, Lane
from foundation.jobs.store.model import JobStatus
from foundation.jobs.table import JobTable


class Workers:
    """The threads of a service.

    Args:
        jobs: all jobs; guarded, like the jobs themselves, by ``changed``, which is notified of every change.
        run: does a job from its start to its end.
        clock: seconds that only grow; ``now``: Unix seconds.
    """

    def __init__(
        self, jobs: JobTable, changed: threading.Condition, run: Callable[[Job], None], *, clock: Clock, now: Clock
    ) -> None:
        self._jobs, self._changed, self._run = jobs, changed, run
        self._clock, self._now = clock, now
        self._threads: dict[tuple[str, Lane], threading.Thread] = {}
        self._closing = False

    def __len__(self) -> int:
        return len(self._threads)

    def serve(self, line: str) -> None:
        """See to it that a line has its threads. With the lock held."""
        for lane in LANES:
            if (line, lane) not in self._threads:
                words = f"jobs on {line}" if lane == "long" else f"short jobs on {line}"
                worker = threading.Thread(target=self._work, args=(line, lane), name=words, daemon=True)
                self._threads[line, lane] = worker
                worker.start()

    def close(self) -> list[threading.Thread]:
        """Start no more jobs; the threads, which end with the jobs that they have. With the lock held."""
        self._closing = True
        self._changed.notify_all()
        return list(self._threads.values())

    def clear(self) -> None:
        """Forget the threads. With the lock held."""
        self._threads.clear()
        self._changed.notify_all()

    def give_way(self, job: Job) -> bool:
        """Let another job go first if it is its turn, until this one's has come again; whether one went first.

        Called by the job's own thread, between two of its steps.
        """
        lanes = self._jobs.queue(job.line)
        with self._changed:
            lane = lanes.lane(job)
            if job.ending or self._closing or not lanes.gives_way(lane, self._clock()):
                return False
            restore = _global_states()
            job.paused_at = self._clock()
            lanes.pause(job.paused_at)
            self._changed.notify_all()
            self._changed.wait_for(lambda: job.ending or self._closing or lanes.may_go_on(lane))
            now = self._clock()
            if lanes.go_on(lane, now):
                restore()
            job.rate.skip(now - job.paused_at)
            job.pauses.seconds += now - job.paused_at
            job.paused_at = None
            self._changed.notify_all()
            return True

    def _work(self, line: str, lane: Lane) -> None:
        lanes = self._jobs.queue(line)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or lanes.may_start(lane))
                if self._closing:
                    return
                job = lanes.start(lane, self._clock())
                job.began = self._clock()
                job.update(status=JobStatus.RUNNING, started=self._now())
                self._changed.notify_all()
            try:
                self._run(job)
            finally:
                with self._changed:
                    lanes.end(lane, self._clock())
                    self._jobs.fill(line)
                    self._changed.notify_all()


def _global_states() -> Callable[[], None]:
    """What puts the global random numbers back to where they are now; nothing where nobody can have drawn any."""
    if "torch" not in sys.modules:
        return lambda: None
    from foundation.seeds import kept_states

    return kept_states()
