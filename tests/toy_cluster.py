"""A cluster without Ray: workers that are threads of this process, and die when they are told to."""

import copy
import itertools
import threading
import time
from typing import TypeVar

from foundation.cluster.shards import Answer, Handle, Here, Introduction, LostError, News, Shared, Work
from foundation.cluster.worker import Worker

T = TypeVar("T")


class Context:
    """A job that is asked to stop after so many questions, or never."""

    def __init__(self, stop_after: float = float("inf")) -> None:
        self.device = "cpu"
        self.asked, self.stop_after = 0, stop_after
        self.said: list = []

    @property
    def stop_requested(self) -> bool:
        self.asked += 1
        return self.asked > self.stop_after

    def progress(self, now, /) -> None:
        self.said.append(now)


class ThreadHandle:
    """A worker; `dead` once it was killed, whatever its thread still does."""

    def __init__(self, backend: "ThreadBackend", number: int) -> None:
        self._backend, self.number = backend, number
        self._worker = Worker("cpu", 1)
        self._ticket = itertools.count(1)
        self._now = 0
        self._ended: list[tuple[Answer, list[News]]] = []
        self.dead, self.dismissed = number in backend.stillborn, False
        self.begun = 0

    def _alive(self) -> None:
        if self.dead:
            raise LostError(f"worker {self.number} is gone")

    def introduction(self) -> Introduction | None:
        self._alive()
        found = self._worker.introduce()
        return Introduction(found.host, found.process, found.device, self._backend.code or found.code)

    def begin(self, work: Work) -> None:
        self._alive()
        self.begun += 1
        self._now = next(self._ticket)
        self._ended = []
        sent, ended, now = copy.deepcopy(work), self._ended, self._now
        threading.Thread(target=lambda: ended.append(self._worker.work(now, sent)), daemon=True).start()

    def look(self) -> tuple[list[News], Answer | None]:
        self._alive()
        if not self._ended:
            return self._worker.news(), None
        answer, rest = self._ended[0]
        return rest, answer

    def stop(self) -> None:
        self._alive()
        self._worker.stop(self._now)

    def dismiss(self) -> None:
        self.dismissed = self.dead = True


class ThreadBackend:
    """So many workers; those of these numbers are dead when they come, and all say that they run `code`."""

    description = "a toy cluster"

    def __init__(self, workers: int = 2, *, stillborn: tuple[int, ...] = (), code: str = "") -> None:
        self.workers, self.stillborn, self.code = workers, stillborn, code
        self.hired: list[ThreadHandle] = []
        self.closed = False

    def hire(self) -> Handle:
        self.hired.append(ThreadHandle(self, len(self.hired)))
        return self.hired[-1]

    def share(self, value: T) -> Shared[T]:
        return Here(value)

    def wait(self, handles: list[Handle], seconds: float) -> None:
        time.sleep(min(seconds, 0.002))

    def close(self) -> None:
        self.closed = True

    @property
    def alive(self) -> list[ThreadHandle]:
        return [handle for handle in self.hired if not handle.dead]
