"""Addresses for the files the page shows: signed, so that a browser can fetch only what the page gave it.

The server signs the path of a file below one of its own folders and serves the file to whoever brings that
signature. No path that a visitor chose is ever opened, and knowing one address tells nothing about the next. An address
ends after some days: a page that is open gets new ones, and what somebody shared does not stay open for ever.
"""

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.visitors.visitor import current_account
from foundation.limits import Limits

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".json": "application/json"}
VIDEO_TYPES = {".mp4": "video/mp4"}
REPORT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}
REPORT_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""A report is a page of its own: nothing runs in it, and nothing that it says counts as said by ours."""
FILE_TYPES = VIDEO_TYPES | {".zip": "application/zip"}
"""Large files, which are written once: they are sent as they lie there, in parts where a browser asks for these."""
OWN = ("data/jobs/", "data/uploads/", "data/exports/")
"""Addresses under these are somebody's own files."""
_SIGNED = 32


class Media:
    """Makes and checks the addresses of files below named root folders.

    Args:
        roots: name -> folder; a name is the first part of the address.
        secret: the signing key. Keep it between runs and open pages survive a restart.
        seconds: how long an address is good for, at least; at most twice that.
        now: Unix seconds.
    """

    def __init__(
        self,
        roots: dict[str, Path],
        secret: bytes,
        *,
        seconds: float = Limits().media_seconds,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._roots = {name: folder.resolve() for name, folder in roots.items()}
        self._secret, self._seconds, self._now = secret, seconds, now

    def url(self, path: Path, version: int | str | None = None) -> str:
        """The address of a file; ``version`` makes browsers fetch a file that changed anew.

        Raises:
            ValueError: the file lies in none of the folders (a fault of the program).
        """
        resolved = path.resolve()
        for name, folder in self._roots.items():
            if resolved.is_relative_to(folder):
                address = f"{name}/{resolved.relative_to(folder).as_posix()}"
                tail = "" if version is None else f"&v={quote(str(version))}"
                return f"media/{quote(address)}?k={self._sign(address, self._end())}{tail}"
        raise ValueError(f"{path.name} lies outside the folders the page may show.")

    def find(self, address: str, signature: str) -> Path | None:
        """The file behind an address, or None when the signature is not ours, it has ended or the file is gone."""
        if not self._is_signed(address, signature):
            return None
        name, _, relative = address.partition("/")
        folder = self._roots.get(name)
        if folder is None:
            return None
        path = (folder / relative).resolve()
        if (
            not path.is_relative_to(folder)
            or path.suffix.lower() not in MEDIA_TYPES | FILE_TYPES | REPORT_TYPES
            or not path.is_file()
        ):
            return None
        return path

    def route(self) -> Route:
        """The route to put into the server: ``GET media/<root>/<path>?k=<signature>``."""
        return Route("/media/{address:path}", endpoint=self._endpoint(), methods=["GET"], name="media")

    def _endpoint(self) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            address, signature = request.path_params["address"], request.query_params.get("k", "")
            path, data = await run_in_threadpool(self._read, address, signature)
            if path is None:
                if self._is_picture_gone(address, signature):
                    return Response(status_code=204, headers={"Cache-Control": "no-store"})
                sentence = "There is no such file, or this address of it has ended: reload the page for a new one."
                return PlainTextResponse(sentence, status_code=404)
            headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}
            if path.suffix.lower() in FILE_TYPES:
                return FileResponse(path, media_type=FILE_TYPES[path.suffix.lower()], headers=headers)
            if path.suffix.lower() in REPORT_TYPES:
                headers["Content-Security-Policy"] = REPORT_POLICY
            return Response(data, media_type=(MEDIA_TYPES | REPORT_TYPES)[path.suffix.lower()], headers=headers)

        return serve

    def _read(self, address: str, signature: str) -> tuple[Path | None, bytes]:
        """The file at once and whole: a preview may be replaced while it is being sent."""
        path = self.find(address, signature)
        if path is None:
            return None, b""
        if path.suffix.lower() in FILE_TYPES:
            return path, b""
        try:
            return path, path.read_bytes()
        except FileNotFoundError:
            return None, b""

    def _is_picture_gone(self, address: str, signature: str) -> bool:
        """Whether an address of ours named a picture that is no longer there.

        A page may ask for the preview of a job that was discarded a moment ago: that is no fault of anybody's, and
        the browser would report a 404 as one.
        """
        return self._is_signed(address, signature) and Path(address).suffix.lower() in MEDIA_TYPES

    def _is_signed(self, address: str, signature: str) -> bool:
        """Whether an address and its signature are ours, and have not ended."""
        if not (signature.isascii() and signature.isalnum() and len(signature) > _SIGNED):
            return False
        try:
            end = int(signature[_SIGNED:], 16)
        except ValueError:
            return False
        return hmac.compare_digest(self._sign(address, end), signature) and end >= self._now()

    def _end(self) -> int:
        """When an address made now ends, in Unix seconds: the same for some time, so that browsers keep what they have.

        It is rounded up to a whole number of times that long.
        """
        return math.ceil(self._now() / self._seconds + 1) * round(self._seconds)

    def _sign(self, address: str, end: int) -> str:
        """The signature: of the address and of when it ends, which follows it, and of the account that it is for.

        So an address of somebody's own file is good for them alone, where there are accounts.
        """
        account = current_account() if address.startswith(OWN) else None
        signed = f"{end:x} {account.owner + ' ' if account else ''}{address}".encode("utf-8", "surrogatepass")
        return f"{hmac.new(self._secret, signed, hashlib.sha256).hexdigest()[:_SIGNED]}{end:x}"


def load_secret(path: Path) -> bytes:
    """Read the signing key, making one (readable by its owner only) the first time."""
    if path.is_file():
        key = path.read_bytes()
        if len(key) >= 32:
            return key
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(32)
    path.touch(mode=0o600)
    path.write_bytes(key)
    return key
