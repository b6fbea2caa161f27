"""Foreign code that cannot yield, run step by step: in a thread of its own that halts wherever it is told to."""

import queue
import threading
from collections.abc import Callable


class Stopped(Exception):
    """Raised inside the thread at a halt, when no further step is wanted."""


class Relay:
    """Runs `work` in a thread, in turns with its owner: only one of the two ever runs.

    `work` is given the function `halt`, which hands over to the owner and returns when the owner calls `advance`
    again. `close` ends the thread: its next (or present) `halt` raises `Stopped`.
    """

    def __init__(self, work: Callable[[Callable[[], None]], None], name: str) -> None:
        self._work = work
        self._orders: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._halts: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def advance(self) -> bool:
        """Let `work` run to its next halt; False when it has finished. What it raises is raised here."""
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._orders.put(True)
        going = self._halts.get()
        if not going:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return going

    def close(self) -> None:
        """End the thread, unless it has ended already or was never started."""
        if self._thread.is_alive():
            self._orders.put(False)
            self._thread.join()

    def _halt(self) -> None:
        self._halts.put(True)
        if not self._orders.get():
            raise Stopped

    def _run(self) -> None:
        try:
            self._work(self._halt)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 -- not swallowed: `advance` raises it in the owner's thread
            self._error = error
        finally:
            self._halts.put(False)
