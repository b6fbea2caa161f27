"""What was seen while people used a studio: their orders, the answers that they got, and its memory."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

TOO_MANY = 429
OF_NO_FAULT = (503, 507)
"""Statuses from 500 up that are no fault of the studio's: it closes, or its disk is full."""


@dataclass
class Order:
    """One order of a user. Times are Unix seconds.

    Attributes:
        kind: of `benchmarks.load.orders.KINDS`.
        wanted: when it was first asked for.
        refusals: how often its user was told to come again.
        id: the job's; "" while it has not been taken.
        status: how it ended; "" while it has not.
        started, finished: when the job was started and ended; None while it has not.
        stopped: its user stopped it.
        deleted: its user deleted it, once it had ended.
    """

    kind: str
    wanted: float
    refusals: int = 0
    id: str = ""
    status: str = ""
    started: float | None = None
    finished: float | None = None
    stopped: bool = False
    deleted: bool = False

    @property
    def until_start(self) -> float | None:
        """Seconds from when it was first asked for until the job was started."""
        return None if self.started is None else self.started - self.wanted

    @property
    def until_end(self) -> float | None:
        """Seconds until the job ended; None of one that its user stopped, or that has not ended."""
        return None if self.finished is None or self.stopped else self.finished - self.wanted


@dataclass
class Tally:
    """What all users saw. Any thread may write."""

    orders: list[Order] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, kind: str) -> Order:
        """A new order, wanted from now on."""
        order = Order(kind, time.time())
        with self.lock:
            self.orders.append(order)
        return order

    def answered(self, status: int) -> None:
        """Count an answer."""
        with self.lock:
            self.statuses[status] += 1

    def fault(self, text: str) -> None:
        """Something that must not be."""
        with self.lock:
            self.faults.append(text)

    @property
    def server_faults(self) -> int:
        """Answers that are a fault of the studio's own."""
        return sum(n for status, n in self.statuses.items() if status >= 500 and status not in OF_NO_FAULT)


class Counted(httpx.BaseTransport):
    """Requests of one user, from an address of their own, whose answers are counted.

    Attributes:
        status: of the last answer.
        again: after how many seconds it asked to come again; None where it did not say.
    """

    def __init__(self, address: str, tally: Tally) -> None:
        self._inner, self._tally = httpx.HTTPTransport(local_address=address), tally
        self.status = 0
        self.again: float | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        answer = self._inner.handle_request(request)
        self.status = answer.status_code
        told = answer.headers.get("retry-after", "")
        self.again = float(told) if told.isdigit() else None
        self._tally.answered(self.status)
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def middle(values: Sequence[float], share: float = 0.5) -> float:
    """The value below which a share of all are, of one or more."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
