"""Listening: the socket, the thread that serves it, and the end of both."""

import asyncio
import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.web.connections import Connections, Sparing, is_news, protocol_for
from foundation.errors import StudioError
from foundation.limits import Limits

if sys.platform != "win32":
    import resource

_BACKLOG = 64  # connections that are accepted in one go, above the limit of those that are kept
_FEWEST = 32
_WANTED_FILES = 4096
LEAVE_SECONDS = 2.0
"""How long the end waits for the server's thread after it was told to cut off what is open."""


def files_for_connections(limits: Limits) -> int:
    """How many connections there may be, so that jobs always have files left to open.

    Raises:
        StudioError: this process may open too few files.
    """
    if sys.platform == "win32":  # sockets are no files there
        return limits.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    if soft == resource.RLIM_INFINITY:
        return limits.connections
    most = min(limits.connections, soft - limits.files_kept)
    if most < min(_FEWEST, limits.connections):
        raise StudioError(
            f"This process may open {soft} files, too few for a server: allow {limits.files_kept + limits.connections} "
            "(ulimit -n)."
        )
    return most


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on an address. StudioError, with the reason, if there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise StudioError(
            f"'{host}' is no address of this machine ({_reason(error)}). Choose another with --host."
        ) from error
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StudioError(
            f"Port {port} on {host} cannot be used ({_reason(error)}). Choose another with --port, or --host."
        ) from error
    return listener


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class _Server(uvicorn.Server):
    """Ends the answers that would stay open before it waits for the others."""

    def __init__(self, config: uvicorn.Config, connections: Connections, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._connections, self._tell = connections, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._connections.end_streams()
        await super().shutdown(sockets)


class Listener:
    """Serves an application on a socket, on a thread of its own, until it is closed.

    Args:
        app: what answers.
        listener: from ``open_socket``.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, limits: Limits) -> None:
        self._socket, self._limits = listener, limits
        self.connections = Connections(limits, files_for_connections(limits))
        config = uvicorn.Config(
            app,
            http=protocol_for(self.connections),
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # whoever asks could write them
            server_header=False,
            workers=1,
            backlog=_BACKLOG,
            timeout_keep_alive=int(limits.idle_seconds),
            timeout_graceful_shutdown=max(1, round(limits.closing_seconds)),
            h11_max_incomplete_event_size=limits.header_bytes,
        )
        self._started = threading.Event()
        self._server = _Server(config, self.connections, self._started.set)
        self._thread = threading.Thread(target=self._run, name="web server", daemon=True)
        for name in ("uvicorn.error", "asyncio"):
            logging.getLogger(name).addFilter(is_news)
            logging.getLogger(name).addFilter(Sparing(limits.log_lines))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Serve. StudioError if that is not possible; the log says why."""
        self._thread.start()
        while not self._started.wait(0.05):
            if not self._thread.is_alive():
                raise StudioError("The web server could not start: the lines above say why.")

    def close(self) -> None:
        """Answer what was asked, for a moment, and end."""
        self._server.should_exit = True
        self._thread.join(self._limits.closing_seconds + LEAVE_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        with contextlib.suppress(SystemExit):  # uvicorn's way to say that it could not start
            asyncio.run(self._serve())

    async def _serve(self) -> Any:
        return await self._server.serve(sockets=[self._socket])
