"""One connection to a web server, for a file or the rest of one."""

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from foundation.downloads.own_machine import is_own_machine
from foundation.errors import StudioError

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_NETWORK_ERRORS = (OSError, http.client.HTTPException)  # OSError: refused, reset, timed out, no such host, TLS


class DownloadError(StudioError):
    """A file could not be fetched. What has arrived so far is kept, unless it was damaged."""


class MissingFile(DownloadError):
    """The server has no such file."""


class Interrupted(Exception):
    """The connection ended before the file did; trying again may help."""


class NothingLeft(Exception):
    """The file has no bytes from the offset on. `total` is how many it has; 0 if the server doesn't say."""

    def __init__(self, total: int) -> None:
        super().__init__(f"the file has {total} bytes")
        self.total = total


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        url: its address, http or https.
        sha256: its SHA-256 in hexadecimal, or the first digits of it; "" if only the server may know.
        headers: sent to the address's own host, and to no other one that it may lead to.
    """

    url: str
    sha256: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class _Proxies(urllib.request.ProxyHandler):
    """The proxies of the environment, which are not asked for what is on this machine itself (a mirror, a tunnel)."""

    def proxy_open(self, req: urllib.request.Request, proxy: str, type: str) -> Any:  # noqa: A002 -- as it is called
        """Go on without a proxy for this machine; else as usual."""
        return None if is_own_machine(urlsplit(req.full_url).hostname or "") else super().proxy_open(req, proxy, type)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, keeps the headers of each answer, and tells nobody but the first host our own headers."""

    def __init__(self, private: Mapping[str, str]) -> None:
        self.seen: dict[str, str] = {}
        self._private = private

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self.seen.update({name.lower(): value for name, value in headers.items()})
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            for name in self._private:
                request.remove_header(name.capitalize())
        return request


class Connection:
    """The content of a file, from `start` on.

    Attributes:
        start: the byte with which the content begins: the one that was asked for, or 0.
        total: bytes of the whole file; 0 if it is not said.
        tag: names this version of the content; "" if it has no name. The Hugging Face hub names large files by
            their SHA-256.
    """

    def __init__(self, response: http.client.HTTPResponse, headers: Mapping[str, str]) -> None:
        """`headers` are the answer's, and what those that led to it said about the file; names in lower case."""
        given = headers.get("content-range", "")
        match = _RANGE.fullmatch(given)
        if response.status == 206 and match is None:
            raise Interrupted(f"it sent a part that it did not name ('{given}')")
        total = match[2] if match else headers.get("content-length", "")
        # The hub says what a large file is before it leads to where it is, whose own tag is another one.
        tag = headers.get("x-linked-etag") or headers.get("etag", "")
        self.start = int(match[1]) if match else 0
        self.total = int(total) if total.isdecimal() else 0
        self.tag = tag.removeprefix("W/").strip('"')
        self._response = response

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._response.close()

    def read(self, most: int) -> bytes:
        """Whatever has arrived, so that slow lines can be stopped, too; b"" at the end, early or not."""
        try:
            return self._response.read1(most)
        except _NETWORK_ERRORS as error:
            raise Interrupted(f"the connection was lost ({error})") from error


def connect(remote: RemoteFile, offset: int, *, label: str, timeout_s: float) -> Connection:
    """Ask for the file from byte `offset` on; servers may send all of it nevertheless.

    Raises Interrupted where another try may help, NothingLeft, or DownloadError, which calls the file `label`.
    """
    headers = {"User-Agent": "crossmax-studio", "Accept-Encoding": "identity", **remote.headers}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    redirects = _Redirects(remote.headers)
    request = urllib.request.Request(remote.url, headers=headers)
    try:
        response = urllib.request.build_opener(redirects, _Proxies()).open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error, remote.url, label, offset) from error
    except _NETWORK_ERRORS as error:
        reason = getattr(error, "reason", None) or error
        raise Interrupted(f"{urlsplit(remote.url).hostname} cannot be reached ({reason})") from error
    linked = {name: value for name, value in redirects.seen.items() if name.startswith("x-linked-")}
    try:
        return Connection(response, {**linked, **{name.lower(): value for name, value in response.headers.items()}})
    except Interrupted:
        response.close()
        raise


def _refusal(error: urllib.error.HTTPError, url: str, label: str, offset: int) -> Exception:
    """What an HTTP status means."""
    host = urlsplit(url).hostname
    match error.code:
        case 416 if offset:
            total = error.headers.get("Content-Range", "").rpartition("/")[2]
            return NothingLeft(int(total) if total.isdecimal() else 0)
        case 404:
            return MissingFile(f"{label} is not to be found at {url}.")
        case 401 | 403:
            return DownloadError(
                f"{host} does not give {label} to everyone, or there is no such model: check the name; if it has a "
                "licence to accept, do so on its page and log in with 'hf auth login'."
            )
        case code if code == 429 or code >= 500:
            return Interrupted(f"{host} is busy (HTTP {code})")
    return DownloadError(f"{host} refused {label} (HTTP {error.code} {error.reason}).")
