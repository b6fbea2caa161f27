"""What requests bring: no more of it than is allowed, in time, and of a form that can be worked with."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from app.web.answers import RefusedError
from app.web.connections import GuardedProtocol, Phase
from foundation.limits import MB, Limits

_DRAIN_SECONDS = 3.0
_DRAIN_BYTES = 100 * MB
_LONGEST_LENGTH = 18  # digits


class DisconnectedError(Exception):
    """Whoever asked has gone; there is nobody to answer."""


class BodyReader:
    """A request's body, as an ASGI ``receive`` that counts and keeps time.

    Args:
        receive: of the request.
        headers: of the request.
        most: bytes.
        seconds: until all of it is here.
        connection: that it comes by.
    """

    def __init__(
        self, receive: Receive, headers: Headers, most: int, seconds: float, connection: GuardedProtocol | None
    ) -> None:
        self._receive, self._most, self._connection = receive, most, connection
        self._deadline = time.monotonic() + seconds
        self._count = 0
        self.complete = False
        self._refused = self._refuse_length(headers.get("content-length", ""))

    def _refuse_length(self, length: str) -> RefusedError | None:
        """What there is to say of a length before anything is read."""
        if length and not (length.isascii() and length.isdecimal()):
            return RefusedError(400, "The length of the request is no number.")
        if length and (len(length) > _LONGEST_LENGTH or int(length) > self._most):
            return self._too_large()
        return None

    async def receive(self) -> Message:
        """The next part of the body, then what follows it.

        Raises:
            RefusedError: it is too large (413), its length is none (400), or it did not arrive in time (408).
        """
        if self._refused is not None:
            raise self._refused
        if self.complete:
            return await self._receive()
        message = await self._next(self._deadline)
        self._count += len(message.get("body", b""))
        if self._count > self._most:
            raise self._too_large()
        return message

    async def whole(self) -> bytes:
        """All of the body. Raises as ``receive`` does, and DisconnectedError."""
        parts = []
        while not self.complete:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            parts.append(message.get("body", b""))
        return b"".join(parts)

    async def drain(self) -> None:
        """Let what is still on its way arrive, within reason: a browser reads no answer before it has sent all."""
        deadline, count = time.monotonic() + _DRAIN_SECONDS, 0
        try:
            while not self.complete and count < _DRAIN_BYTES:
                message = await self._next(deadline)
                count += len(message.get("body", b""))
        except RefusedError:
            return

    async def _next(self, deadline: float) -> Message:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                if self._connection is None:
                    message = await self._receive()
                else:
                    with self._connection.doing(Phase.BODY):
                        message = await self._receive()
        except TimeoutError:
            raise RefusedError(408, "The request did not arrive whole in time: send it again.") from None
        self.complete = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    def _too_large(self) -> RefusedError:
        size = f"{self._most / MB:.0f} MB" if self._most >= MB else f"{self._most:,} bytes"
        return RefusedError(413, f"That is too much for one request: at most {size} are taken.")


def read_json(data: bytes, headers: Headers, limits: Limits) -> Any:
    """The value that a body of JSON holds: no deeper, of no more parts than is allowed, and all of it text that can
    be written.

    Raises:
        RefusedError: it is no such JSON (400, 413, 415).
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "This address takes JSON alone (Content-Type: application/json).")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise RefusedError(400, "The request is no JSON in UTF-8.") from error
    for count, (depth, _) in enumerate(_parts(value), start=1):
        if depth > limits.json_depth or count > limits.json_items:
            raise RefusedError(413, "The request holds more values than a page sends.")
    return _writable(value)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _parts(value: Any) -> Iterator[tuple[int, Any]]:
    """All values, each with how deep it lies; without recursion, which the sender could exhaust."""
    waiting = [(0, value)]
    while waiting:
        depth, part = waiting.pop()
        yield depth, part
        if isinstance(part, dict):
            waiting += [(depth + 1, inner) for inner in part.values()]
        elif isinstance(part, list):
            waiting += [(depth + 1, inner) for inner in part]


def _writable(value: Any) -> Any:
    """The value with halves of characters, which no file can hold, replaced."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_writable(part) for part in value]
    if isinstance(value, dict):
        return {_writable(key): _writable(part) for key, part in value.items()}
    return value
