"""A client that keeps to no rule: it writes bytes to the server's socket, and reads what comes back.

It speaks HTTP by hand, because a library would mend what is meant to be wrong.
"""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PATIENCE = 30.0
PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Answer:
    """What the server said; status 0 if it closed the connection without a word."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.body)


NOTHING = Answer(0, {}, b"")


class Hostile:
    """Sends whatever it is told to a server.

    Args:
        port: of the server, on 127.0.0.1.
        address: this machine's own address that it comes from; all of 127.0.0.0/8 are different visitors.
        headers: that go with every request, for example a cookie.
    """

    def __init__(self, port: int, address: str = "127.0.0.1", headers: Mapping[str, str] | None = None) -> None:
        self.port, self.address = port, address
        self.headers = dict(headers or {})

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        """An open connection on which nothing was sent."""
        return socket.create_connection(("127.0.0.1", self.port), timeout, source_address=(self.address, 0))

    def head(self, method: str, path: str, headers: Mapping[str, str] | None = None, *, host: str | None = "") -> bytes:
        """The first line and headers of a request; without a host where it is None."""
        lines = [f"{method} {path} HTTP/1.1"]
        own = f"127.0.0.1:{self.port}" if host == "" else host
        if own is not None:
            lines.append(f"Host: {own}")
        lines += [f"{name}: {value}" for name, value in {**self.headers, **(headers or {})}.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    def raw(self, data: bytes, method: str = "GET", timeout: float = PATIENCE) -> Answer:
        """Send bytes as they are and return what comes back."""
        with contextlib.closing(self.connect(timeout)) as connection:
            with contextlib.suppress(OSError):  # it may have been refused by now
                connection.sendall(data)
            return read_answer(connection, method)

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        host: str | None = "",
        timeout: float = PATIENCE,
    ) -> Answer:
        """A whole request, and its answer."""
        given = {"Connection": "close", **(headers or {})}
        if body and "Transfer-Encoding" not in given:
            given.setdefault("Content-Length", str(len(body)))
        return self.raw(self.head(method, path, given, host=host) + body, method, timeout)

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def call(self, body: Any, **options: Any) -> Answer:
        """A call of one of the page's functions; ``body`` is JSON, or bytes that may be none."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return self.request("POST", "/gradio_api/run/predict", data, headers, **options)

    def upload(
        self, data: bytes, name: str = "a.png", fields: Mapping[str, str] | None = None, **options: Any
    ) -> Answer:
        """An upload, to the address of files or another one."""
        kind, form = form_of(data, name, fields)
        headers = {"Content-Type": kind, **options.pop("headers", {})}
        return self.request("POST", options.pop("path", "/gradio_api/upload"), form, headers, **options)

    @contextlib.contextmanager
    def holding(self, count: int, data: bytes) -> Iterator[list[socket.socket]]:
        """Many connections on which the same was sent, held open."""
        with contextlib.ExitStack() as stack:
            held = []
            for _ in range(count):
                with contextlib.suppress(OSError):
                    connection = stack.enter_context(contextlib.closing(self.connect()))
                    connection.sendall(data)
                    held.append(connection)
            yield held


def form_of(data: bytes, name: str = "a.png", fields: Mapping[str, str] | None = None) -> tuple[str, bytes]:
    """The type and the bytes of a form with a file and fields."""
    edge = "----edge"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in (fields or {}).items()
    ]
    said = f'form-data; name="files"; filename="{name}"'.encode("utf-8", "surrogateescape")
    opening = b"--%s\r\nContent-Disposition: %s\r\nContent-Type: application/octet-stream\r\n\r\n"
    parts.append(opening % (edge.encode(), said) + data + b"\r\n")
    parts.append(f"--{edge}--\r\n".encode())
    return f"multipart/form-data; boundary={edge}", b"".join(parts)


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    """The next answer on a connection, ``NOTHING`` if there is none."""
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return NOTHING
    finally:
        response.close()
    headers = {name.lower(): response.getheader(name) or "" for name, _ in response.getheaders()}  # equal ones joined
    return Answer(response.status, headers, body)


def is_open(connection: socket.socket, seconds: float = 0.2) -> bool:
    """Whether the server still holds a connection on which it says nothing more."""
    connection.settimeout(seconds)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if not connection.recv(65536):
                return False
    except TimeoutError:
        return True
    except OSError:
        return False
    return True
