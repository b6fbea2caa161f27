"""The documents' site in a real browser: no page asks another server for anything, and the search finds."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Watch
from tests.site_building import PARTS, build

sync_api = pytest.importorskip("playwright.sync_api")
for part in PARTS:
    pytest.importorskip(part)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of the served site, and its pages."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    folder: Path = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html") if path.name != "404.html")
    yield f"http://127.0.0.1:{server.server_address[1]}/", pages
    server.shutdown()
    server.server_close()


def test_no_page_asks_another_server(browser: "sync_api.Browser", site: tuple[str, list[str]]) -> None:
    address, pages = site
    assert len(pages) >= 20
    with browser.new_context() as context:
        page, watch = context.new_page(), Watch()
        watch.follow(page, address)
        for name in pages:
            page.goto(address + name, wait_until="networkidle")
            assert page.locator("article h1").count() == 1, name
        assert watch.faults == []


def test_the_search_finds_a_function(browser: "sync_api.Browser", site: tuple[str, list[str]]) -> None:
    address, _pages = site
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        page, watch = context.new_page(), Watch()
        watch.follow(page, address)
        page.goto(address)
        page.locator("input.md-search__input").fill("MultiResolutionPrior")
        found = page.locator(".md-search-result__link[href*='packages/crossmax_studio']")
        found.first.wait_for(timeout=30_000)
        assert watch.faults == []
