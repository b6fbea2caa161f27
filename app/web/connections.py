"""The open connections: how many there may be, how long each may wait, and which goes when there are too many.

Whoever opens many connections, and holds them, gets nothing but their own closed: at the limit the one that has waited
for longest goes, of the address that has most, and a new one is served. Connections on which this server works are
never closed for another.
"""

import asyncio
import contextlib
import enum
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from foundation.limits import Limits

_TOO_SLOW = b"This connection waited too long for a request.\n"
_TOO_MANY = b"The studio has too many open connections: close some of its pages, or try again in a moment.\n"


_YOUNG_SECONDS = 2.0


class Phase(enum.Enum):
    """What a connection does."""

    WAITING = "for a request"
    ARRIVED = "a request is here, and nothing was done about it yet"
    STREAM = "its answer stays open"
    BODY = "for a request's body"
    WORK = "this server works on its answer"


class Connections:
    """The connections of one server. Everything here runs on the server's own thread."""

    def __init__(self, limits: Limits, most: int) -> None:
        """``most``: how many may be open at once, of all addresses."""
        self.limits, self._most = limits, most
        self._open: dict[GuardedProtocol, None] = {}  # in the order in which they came

    def __len__(self) -> int:
        return len(self._open)

    def join(self, connection: "GuardedProtocol") -> bool:
        """Count a new connection in; False if there is no room for it."""
        mine = [other for other in self._open if other.address == connection.address]
        if len(mine) >= self.limits.connections_per_address and not self._end_one(mine):
            return False
        if len(self._open) >= self._most and not self._end_one(self._of_the_busiest()):
            return False
        self._open[connection] = None
        return True

    def leave(self, connection: "GuardedProtocol") -> None:
        """A connection has ended."""
        self._open.pop(connection, None)

    @contextlib.contextmanager
    def stream(self, connection: "GuardedProtocol") -> Iterator[None]:
        """Mark a connection as one whose answer stays open; at the limit, the oldest of these goes."""
        streams = [other for other in self._open if other.phase is Phase.STREAM]
        mine = [other for other in streams if other.address == connection.address]
        if len(mine) >= self.limits.streams_per_address:
            self._end_one(mine)
        elif len(streams) >= self.limits.streams:
            self._end_one([other for other in self._of_the_busiest() if other.phase is Phase.STREAM] or streams)
        with connection.doing(Phase.STREAM):
            yield

    def end_streams(self) -> None:
        """Close the connections whose answers would stay open: the server ends."""
        for connection in [other for other in self._open if other.phase in (Phase.STREAM, Phase.WAITING)]:
            connection.end()

    def _of_the_busiest(self) -> "list[GuardedProtocol]":
        counts = Counter(connection.address for connection in self._open if connection.phase is not Phase.WORK)
        if not counts:
            return []
        address, _ = counts.most_common(1)[0]
        return [connection for connection in self._open if connection.address == address]

    def _end_one(self, among: "list[GuardedProtocol]") -> bool:
        candidates = [connection for connection in among if connection.phase is not Phase.WORK]
        if not candidates:
            return False
        # First those that ask for nothing; one that has just come is about to.
        idle = [one for one in candidates if one.phase is Phase.WAITING and one.age > _YOUNG_SECONDS]
        oldest = min(idle or candidates, key=lambda one: one.since)
        oldest.end()
        self.leave(oldest)
        return True


class GuardedProtocol(H11Protocol):
    """A connection that is counted, and closed when it waits too long."""

    register: Connections

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app_state = {**self.app_state, "connection": self}
        self.phase = Phase.WAITING
        self.since = self.loop.time()
        self.address = ""
        self._asked_before = False
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection in and wait for a request."""
        super().connection_made(transport)
        self.since = self.loop.time()  # it may have been accepted a while ago
        self.address = self.client[0] if self.client else ""
        if not self.register.join(self):
            self._say(503, b"Service Unavailable", _TOO_MANY)
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection out."""
        self._calm()
        self.register.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, as long as it makes a request in time."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.phase, self.since = Phase.WAITING, self.loop.time()
        super().on_response_complete()  # and take the next one, if it is here already
        if not self._between_requests:
            self.phase = Phase.ARRIVED

    def begin(self) -> None:
        """This server works on the request from now on.

        Many requests can arrive in one go, before the first is looked at: if each counted as work at once, as many as
        there may be connections would keep everybody else out for that moment.
        """
        if self.phase is Phase.ARRIVED:
            self.phase = Phase.WORK

    @contextlib.contextmanager
    def doing(self, phase: Phase) -> Iterator[None]:
        """What the connection does inside of this block. Its age counts from when the request came."""
        before, self.phase = self.phase, phase
        try:
            yield
        finally:
            if self.phase is phase:  # the answer may be complete by now
                self.phase = before

    @property
    def age(self) -> float:
        """Seconds since its last request came, or ended, or it was made.

        The first request does not count: which of the connections made in one go are read first is chance, and the
        newest shall not seem the oldest because it was read last.
        """
        return self.loop.time() - self.since

    def end(self) -> None:
        """Close the connection at once."""
        self._calm()
        self.transport.abort()

    @property
    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        """Have the clock run while there is no whole request, and only then."""
        if not self._between_requests:
            self._calm()
            if self.phase is Phase.WAITING:
                self.phase = Phase.ARRIVED
                if self._asked_before:
                    self.since = self.loop.time()
                self._asked_before = True
        elif self._patience is None and not self.transport.is_closing():
            self._patience = self.loop.call_later(self.register.limits.header_seconds, self._give_up)

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self._between_requests and not self.transport.is_closing():
            self._say(408, b"Request Timeout", _TOO_SLOW)

    def _say(self, status: int, phrase: bytes, sentence: bytes) -> None:
        lines = b"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
        self.transport.write(lines % (status, phrase, len(sentence), sentence))
        self.transport.close()


def protocol_for(connections: Connections) -> type[GuardedProtocol]:
    """The protocol of a server with these connections."""

    class Bound(GuardedProtocol):
        pass

    Bound.register = connections
    return Bound


class Sparing(logging.Filter):
    """Lets through a few records of a moment: whoever sends nonsense does not fill the disk with what is said of it."""

    def __init__(self, most: int, seconds: float = 10.0) -> None:
        super().__init__()
        self._most, self._seconds = most, seconds
        self._since, self._count = 0.0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if record.created - self._since > self._seconds:
            self._since, self._count = record.created, 0
        self._count += 1
        if self._count == self._most:
            record.msg, record.args = f"{record.getMessage()} (more like this in the next seconds is left out)", None
        return self._count <= self._most


def is_news(record: logging.LogRecord) -> bool:
    """Whether a record says more than that a request was cut off with the server: uvicorn adds a trace to that."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
