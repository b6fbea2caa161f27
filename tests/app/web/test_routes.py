"""Only what the page uses is there, for requests of this server's page alone, at a bounded size."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Mount

from app.server import build_site
from app.web.answers import RefusedError
from app.web.routes import ALLOWED, OPEN, find_route
from foundation.limits import Limits
from tests.app.web.asked import FOREIGN, ONE_OF_EACH
from tests.app.web.conftest import Site
from tests.hostile import Hostile, form_of

OPEN_TO_ALL = (("GET", "/healthz"), ("GET", "/readyz"))
"""What is answered without a token."""


def registered(routes: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of every route, also of those in routers within routers."""
    for route in routes:
        if isinstance(route, Mount):
            yield from registered(route.app.routes, prefix + route.path)
        elif hasattr(route, "original_router"):
            yield from registered(route.original_router.routes, prefix + route.include_context.prefix)
        else:
            for method in getattr(route, "methods", None) or ["GET"]:
                yield method, prefix + route.path


def fill(path: str) -> str:
    """A path with something for each of its parameters."""
    parts = path.replace("{path_or_url:path}", "/etc/passwd").replace("{url_path:path}", "http://127.0.0.1:1/x")
    while "{" in parts:
        before, _, rest = parts.partition("{")
        name, _, after = rest.partition("}")
        parts = f"{before}{'999999' if 'size' in name else 'x'}{after}"
    return parts


@pytest.mark.slow
def test_every_route_of_the_framework_is_on_the_list_or_not_there(site: Site) -> None:
    """S2: what the page does not use answers 404, /pwa_icon/999999 first of all."""
    from app.server import FastAPI, gr

    framework = FastAPI()
    gr.mount_gradio_app(framework, site.page, "/")
    found = sorted(set(registered(framework.routes)))
    assert len(found) > 60, "the framework's routes were not found"
    client, unlisted = site.client(), []
    for method, path in found:
        try:
            find_route(method, fill(path))
        except RefusedError as refused:
            unlisted.append(path)
            answer = client.request(method, fill(path))
            assert (answer.status, refused.status) in {(404, 404), (405, 405)}, (method, path)
    for path in ("/pwa_icon/{size}", "/gradio_api/process_recording", "/gradio_api/deep_link", "/monitoring/{key}"):
        assert path in unlisted
    assert {"/gradio_api/queue/join", "/gradio_api/proxy={url_path:path}", "/config", "/login"} <= set(unlisted)


def test_the_list_has_what_the_page_uses_and_no_more() -> None:
    """S2: a route that is added here has to be added on purpose."""
    every = (*ONE_OF_EACH, *OPEN_TO_ALL)
    found = {find_route(method, path.partition("?")[0]) for method, path in every}
    assert found == set(ALLOWED)
    assert {path for _, path in OPEN_TO_ALL} == set(OPEN)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://127.0.0.1:1/x",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=/cache/a/b.png",
        "//",
        "/x/..",
        "/%2e%2e/x",
    ],
)
def test_addresses_that_lead_elsewhere_are_not_there(site: Site, path: str) -> None:
    """S2: files are shown under addresses of this server's own, and nothing is fetched for anybody."""
    assert site.client().get(path).status == 404


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "path"), (*ONE_OF_EACH, *OPEN_TO_ALL))
def test_other_sites_are_told_apart(site: Site, method: str, path: str, headers: dict[str, str]) -> None:
    """S10: a request that another web site makes a browser send is refused on every route, and leaves nothing."""
    if path == "/gradio_api/run/predict":
        kind, body = "application/json", json.dumps(site.body("arrive")).encode()
    else:
        kind, body = form_of(b"data") if method == "POST" else ("text/plain", b"")
    given = {"Content-Type": kind, **headers}
    own_host = given.pop("Host", "")
    before = sorted(str(path) for path in site.data.rglob("*"))
    answer = site.client().request(method, path, body, given, host=own_host)
    assert answer.status == 403
    assert "another web site" in answer.text or "--allow-host" in answer.text
    assert "access-control-allow-origin" not in answer.headers
    assert sorted(str(path) for path in site.data.rglob("*")) == before


def test_a_link_from_elsewhere_opens_the_page_in_its_own_window(site: Site) -> None:
    """S10: links to the studio work; a frame or a form of another site does not."""
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert site.client().get("/", headers=visit).status == 200
    assert site.client().get("/media/data/x.png", headers=visit).status == 403
    assert site.client().request("POST", "/", b"x", visit).status == 403


def test_the_page_itself_and_browsers_of_old_are_answered(site: Site) -> None:
    """S10: what the page's own requests look like."""
    own = {"Origin": f"http://127.0.0.1:{site.port}", "Sec-Fetch-Site": "same-origin"}
    assert site.client().call(site.body("arrive"), headers=own).status == 200
    local = {"Origin": f"http://localhost:{site.port}"}
    assert site.client().call(site.body("arrive"), headers=local, host=f"localhost:{site.port}").status == 200
    assert site.client().call(site.body("arrive")).status == 200
    assert site.client().call(site.body("arrive"), headers=local).status == 403  # by another name than was asked for


def test_scripts_whose_names_change_with_them_are_kept_by_the_browser(site: Site) -> None:
    """The page itself, and what is not there, are asked for anew each time."""
    page = site.client().get("/")
    script = re.search(r'src="\.?(/assets/[^"]+\.js)"', page.text)
    assert script is not None and "immutable" not in page.headers.get("cache-control", "")
    assert site.client().get(script[1]).headers["cache-control"] == "private, max-age=31536000, immutable"
    assert "immutable" not in site.client().get("/assets/nothing-12345678.js").headers.get("cache-control", "")


def test_what_a_request_says_of_its_own_way_is_not_repeated(site: Site) -> None:
    """S15: X-Forwarded-Host and its kind do not get into the page."""
    names = ("X-Forwarded-Host", "X-Gradio-Server", "X-Forwarded-Server", "X-Forwarded-Prefix", "Forwarded")
    claims = dict.fromkeys(names, "http://evil.example/x")
    page = site.client().get("/", headers={**claims, "X-Forwarded-Host": "evil.example"})
    assert page.status == 200
    assert "evil.example" not in page.text
    called = site.client().call(site.body("arrive"), headers=claims)
    assert called.status == 200
    assert "evil.example" not in called.text
    https = site.client().get("/", headers={"X-Forwarded-Proto": "https"})
    assert f'"root":"https://127.0.0.1:{site.port}"' in https.text


def chunked(client: Hostile, path: str, kind: str, size: int) -> bytes:
    head = client.head("POST", path, {"Content-Type": kind, "Transfer-Encoding": "chunked", "Connection": "close"})
    start = form_of(b"")[1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if "form" in kind else b"["
    pieces = [start, *[b"[]," * 20_000] * (size // 60_000)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("with_length", [True, False])
def test_large_calls_are_refused(site: Site, with_length: bool) -> None:
    """S8: 413 above 1 MB of JSON, with a length and without, before any of it is read."""
    client, size = site.client(), Limits().json_bytes + 100_000
    started = time.monotonic()
    if with_length:
        answer = client.call(b"[" + b"[]," * (size // 3) + b"[]]")
    else:
        answer = client.raw(chunked(client, "/gradio_api/run/predict", "application/json", size), "POST")
    assert answer.status == 413
    assert "at most 1 MB" in answer.json()["error"]
    assert time.monotonic() - started < 10


@pytest.mark.slow
@pytest.mark.parametrize("with_length", [True, False])
def test_large_uploads_are_refused(start: Any, with_length: bool) -> None:
    """S8: 413 above the limit of uploads, and nothing of them stays."""
    site = start(Limits(upload_bytes=200_000))
    client = site.client()
    if with_length:
        answer = client.upload(b"x" * 250_000)
    else:
        answer = client.raw(chunked(client, "/gradio_api/upload", form_of(b"")[0], 250_000), "POST")
    assert answer.status == 413
    assert "at most 200,000 bytes" in answer.text
    assert client.upload(b"x" * 150_000).status == 200
    kept = [path for path in (site.data.parent / "cache").rglob("*") if path.is_file()]
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000, 400),
        (b'{"data": ' + b"[" * 100 + b"]" * 100 + b"}", 413),
        (b"[" + b"0," * 60_000 + b"0]", 413),
        (b'{"data": [NaN]}', 400),
        (b'{"data": [' + b"9" * 5000 + b"]}", 400),
        (b"\xff\xfe{\x00}\x00", 400),
        (b"", 415),
        (b"null", 422),
    ],
)
def test_calls_that_are_hard_to_read_are_refused(site: Site, body: bytes, status: int) -> None:
    """S8, S14: deep, many, not JSON: a sentence, and no work."""
    answer = site.client().call(body) if body else site.client().request("POST", "/gradio_api/run/predict", b"{}")
    assert answer.status == status
    assert answer.json()["error"].endswith((".", ")."))


@pytest.mark.slow
@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999", "0x10", "1, 2"])
def test_lengths_that_are_none_are_refused(site: Site, length: str) -> None:
    """S8: a length header that lies is not believed."""
    client = site.client()
    head = client.head(
        "POST", "/gradio_api/run/predict", {"Content-Type": "application/json", "Content-Length": length}
    )
    assert client.raw(head + b"{}", "POST", timeout=15).status in (400, 413)


def test_the_framework_is_mounted_without_pages_of_its_own(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2: no documentation, no OpenAPI."""
    assert callable(build_site)
    for path in ("/docs", "/redoc", "/openapi.json", "/gradio_api/openapi.json", "/gradio_api/info"):
        assert site.client().get(path).status == 404
