"""The page is written once for each address by which it is asked for, and sent small."""

import asyncio
import gzip
from typing import Any

import pytest

from app.web.frontend import MOST_ADDRESSES, FirstPage
from tests.app.web.conftest import Site


class Writing:
    """What writes a page that tells its host, and how often it was asked."""

    def __init__(self, status: int = 200, headers: dict[bytes, bytes] | None = None) -> None:
        self.status, self.headers, self.times = status, headers or {}, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.times += 1
        headers = [(b"content-type", b"text/html; charset=utf-8"), *self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"from ", "more_body": True})
        await send({"type": "http.response.body", "body": dict(scope["headers"])[b"host"]})


def ask(
    page: FirstPage, host: str = "a", scheme: str = "http", **headers: str
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(b"host", host.encode()), *((name.encode(), value.encode()) for name, value in headers.items())]
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": scheme, "headers": raw}
    asyncio.run(page(scope, None, send))  # type: ignore[arg-type]
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(one.get("body", b"") for one in sent[1:])


def test_it_is_written_once_for_each_address() -> None:
    writing = Writing()
    page = FirstPage(writing)
    for _ in range(3):
        for host in "ab":
            status, headers, body = ask(page, host)
            assert (status, body) == (200, f"from {host}".encode())
            assert headers[b"content-type"] == b"text/html; charset=utf-8"
    assert writing.times == 2
    ask(page, "a", "https")  # other addresses stand in it
    assert writing.times == 3
    for number in range(MOST_ADDRESSES * 2):
        ask(page, f"h{number}")
    before = writing.times
    assert ask(page, "another")[2] == ask(page, "another")[2] == b"from another"
    assert writing.times == before + 2, "not more than so many are kept"


@pytest.mark.parametrize(("status", "headers"), [(500, {}), (200, {b"set-cookie": b"one=two"})])
def test_what_is_not_for_everybody_is_not_kept(status: int, headers: dict[bytes, bytes]) -> None:
    writing = Writing(status, headers)
    page = FirstPage(writing)
    assert ask(page) == ask(page)
    assert writing.times == 2


def test_it_is_packed_for_who_can_read_that(site: Site) -> None:
    first = site.client().get("/")
    again, packed = (site.client().get("/", headers=wanted) for wanted in ({}, {"Accept-Encoding": "gzip, br"}))
    assert first.status == again.status == packed.status == 200
    assert first.body == again.body == gzip.decompress(packed.body)
    assert packed.headers["content-encoding"] == "gzip" and len(packed.body) < len(first.body) / 5
    for answer in (again, packed):
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-security-policy"] == first.headers["content-security-policy"]
    by_name = site.client().request("GET", "/", host=f"localhost:{site.port}")
    assert f"http://localhost:{site.port}".encode() in by_name.body
    assert site.client().request("HEAD", "/").status == 200 and site.client().get("/").body == first.body
