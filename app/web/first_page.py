"""The page as a browser gets it first: written and packed once, since it is the same for all who come by one address.

Gradio would write it anew for each visit, and send nine times as much. What is somebody's own comes after it, by the
functions of the page.
"""

import gzip
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/"
MOST_ADDRESSES = 16
"""By how many addresses the page is kept; the gate lets few pass."""


@dataclass(frozen=True)
class _Kept:
    """A page, whole and packed."""

    plain: bytes
    packed: bytes
    kind: str


class FirstPage:
    """Answers for the page alone, with what ``site`` said of it when it was asked first by the same address."""

    def __init__(self, site: ASGIApp) -> None:
        self._site = site
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        address = (str(scope["scheme"]), headers.get("host", ""))
        kept = self._kept.get(address)
        if kept is None:
            answer = _Heard(send)
            await self._site(scope, receive, answer.send)
            if (heard := answer.kept()) is not None and len(self._kept) < MOST_ADDRESSES:
                self._kept[address] = heard
            return
        packed = "gzip" in headers.get("accept-encoding", "")
        told = {"Content-Encoding": "gzip"} if packed else {}
        body = kept.packed if packed else kept.plain
        await Response(body, 200, {**told, "Vary": "Accept-Encoding"}, kept.kind)(scope, receive, send)


class _Heard:
    """Hands an answer on, and remembers it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status, self._headers, self._body, self._whole = 0, Headers(), b"", False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], Headers(raw=message["headers"])
        else:
            self._body += message.get("body", b"")
            self._whole = not message.get("more_body", False)
        await self._send(message)

    def kept(self) -> _Kept | None:
        """The page that was sent; None where it was none for everybody."""
        own = {"set-cookie", "content-encoding"} & set(self._headers)
        if self._status != 200 or not self._whole or own:
            return None
        return _Kept(self._body, gzip.compress(self._body, mtime=0), self._headers.get("content-type", "text/html"))
