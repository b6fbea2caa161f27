"""A web server in a thread that serves files from memory and misbehaves as told."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served, and how.

    Attributes:
        files: contents by path.
        tags: ETags by path.
        redirects: (address, headers of the redirecting answer) by path.
        ranges: whether parts can be asked for.
        cut_after: bytes after which the connection of the n-th answer with content is cut; answers beyond the
            list are whole.
        statuses: what the first requests get instead of an answer.
        requests: (path, headers) of all that was asked.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    ranges: bool = True
    lengths: bool = True
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def asked_ranges(self) -> list[str]:
        return [headers.get("range", "") for _path, headers in self.requests]


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        site = self.site
        headers = {name.lower(): value for name, value in self.headers.items()}
        site.requests.append((self.path, headers))
        if site.statuses:
            self._send(site.statuses.pop(0), {}, b"")
        elif self.path in site.redirects:
            target, extra = site.redirects[self.path]
            self._send(302, {"Location": target, **extra}, b"")
        elif self.path not in site.files:
            self._send(404, {}, b"")
        else:
            self._send_file(site.files[self.path], headers)

    def _send_file(self, content: bytes, asked: dict[str, str]) -> None:
        site, extra = self.site, {}
        if self.path in site.tags:
            extra["ETag"] = f'"{site.tags[self.path]}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.get("range", ""))
        if not (wanted and site.ranges):
            self._send(200, extra, content)
            return
        start = int(wanted[1])
        if start >= len(content):
            self._send(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
            return
        extra["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206, extra, content[start:])

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        site = self.site
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if site.lengths:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if content and site.cut_after:
            content = content[: site.cut_after.pop(0)]
        self.wfile.write(content)
        self.close_connection = True


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
