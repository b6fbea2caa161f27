"""Which names a browser may ask for this server under, and from where a request comes.

A web site of somebody else can make a visitor's browser send requests here. It cannot choose what the browser says of
them: the Host that was asked for (a foreign name that was made to point here is no name of ours), the Origin of the
page that asks, and in newer browsers Sec-Fetch-Site.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.web.answers import RefusedError
from app.web.routes import VISITED
from foundation.errors import StudioError

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_HIGHEST_PORT = 65_535

FOREIGN = (
    "This request came from another web site, and this studio answers its own page alone. "
    "Open the studio's address in the browser's address bar."
)


def check_port(port: int) -> int:
    """Return the port. StudioError unless it is one that can be listened on, or 0 for any that is free."""
    if not 0 <= port <= _HIGHEST_PORT:
        raise StudioError(f"There is no port {port}: choose one from 1 to {_HIGHEST_PORT}, or 0 for any that is free.")
    return port


def check_name(name: str) -> str:
    """Return a host name or address in the form in which browsers send it. StudioError for anything else."""
    plain = name.strip().lower().rstrip(".").removeprefix("[").removesuffix("]")
    if _address(plain) is not None or _NAME.fullmatch(plain):
        return plain
    raise StudioError(
        f"'{name}' is no name of a host: give a name like studio.example.org or an address, without http:// and port."
    )


def is_loopback(name: str) -> bool:
    """Whether only this machine can mean itself by this name or address."""
    address = _address(name)
    return name == "localhost" if address is None else address.is_loopback


def is_wildcard(name: str) -> bool:
    """Whether an address stands for all addresses of this machine."""
    address = _address(name)
    return address is not None and address.is_unspecified


class Hosts:
    """The names of this server.

    Args:
        host: where it listens.
        allowed: further names under which browsers may ask for it.

    Raises:
        StudioError: one of them is no host name.
    """

    def __init__(self, host: str, allowed: Sequence[str] = ()) -> None:
        self.host = check_name(host)
        self.allowed = tuple(check_name(name) for name in allowed)
        self._names = {*LOCAL_NAMES, self.host, *self.allowed}
        self._every_address = is_wildcard(self.host)
        if self._every_address:
            self._names.add(socket.gethostname().lower())

    @property
    def local(self) -> bool:
        """Whether this machine alone can reach the server, as far as it was told."""
        return is_loopback(self.host) and all(is_loopback(name) for name in self.allowed)

    def check(self, headers: Headers, method: str, path: str) -> None:
        """Let a request through that was made by this server's page, or by no page.

        Raises:
            RefusedError: it asks for another host (403), or comes from another web site (403).
        """
        host = self._own(headers.getlist("host"))
        origins = headers.getlist("origin")
        if origins and (len(origins) > 1 or not _same(origins[0], host)):
            raise RefusedError(403, FOREIGN)
        site = headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none") and not self._is_visit(headers, method, path):
            raise RefusedError(403, FOREIGN)

    def _own(self, hosts: Sequence[str]) -> str:
        """The host that was asked for."""
        written = hosts[0].lower() if len(hosts) == 1 else ""
        name, port = _split(written)
        # No name can be made to point here that is an address already.
        own = name in self._names or (self._every_address and _address(name) is not None)
        if not own or not (port is None or 0 < port <= _HIGHEST_PORT):
            raise RefusedError(
                403, "This studio is not known under that name: start it with --allow-host and the name to allow it."
            )
        return written

    @staticmethod
    def _is_visit(headers: Headers, method: str, path: str) -> bool:
        """Whether somebody follows a link to the page, in a window of its own: that shows them the page and no more."""
        return (
            method in ("GET", "HEAD")
            and path in VISITED
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
            and "origin" not in headers
        )


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None


def _split(written: str) -> tuple[str, int | None]:
    """Host and port of a Host header; ("", None) where it has another form."""
    try:
        parts = urlsplit(f"//{written}")
        plain = parts.username is None and not (parts.path or parts.query or parts.fragment)
        return (parts.hostname or "", parts.port) if plain else ("", None)
    except ValueError:
        return "", None


def _same(origin: str, host: str) -> bool:
    """Whether the page at this origin is the one at this host, port included. A proxy may have ended TLS between."""
    scheme, separator, place = origin.lower().partition("://")
    if not separator or scheme not in ("http", "https"):
        return False
    ending = ":80" if scheme == "http" else ":443"
    return place.removesuffix(ending) == host.removesuffix(ending)
