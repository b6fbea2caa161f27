"""A server for the browser tests, and a browser that notices whatever goes wrong on a page."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.actions import open_classes
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")
sync_api.expect.set_options(timeout=60_000)  # as for all else, however busy the machine is

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
VIEWPORT: "sync_api.ViewportSize" = {"width": 1400, "height": 900}
COUNT_FRAMES = """(() => {
  const asked = window.requestAnimationFrame.bind(window);
  window.framesAsked = 0;
  window.requestAnimationFrame = drawn => { window.framesAsked += 1; return asked(drawn); };
})()"""
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@dataclass
class Server:
    """A page's server in a process of its own."""

    address: str
    log: Path
    data_dir: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_answering(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server ended at once:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the server did not answer in {START_SECONDS} s:\n{log.read_text()}")


@contextlib.contextmanager
def serving(command: list[str], folder: Path, port: int) -> Iterator[Server]:
    """Run `command`, which serves a page on `port`, for as long as the context lasts; its output goes to a log."""
    log = folder / "server.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        address = f"http://127.0.0.1:{port}/"
        wait_until_answering(address, process, log)
        yield Server(address, log, folder / "data")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page with stand-ins for models: quick, and with faults on demand."""
    folder, port = tmp_path_factory.mktemp("studio"), free_port()
    script = Path(__file__).with_name("standin_app.py")
    with serving([sys.executable, str(script), str(folder / "data"), str(port)], folder, port) as found:
        yield found


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python -m app` itself, with the shipped models."""
    folder, port = tmp_path_factory.mktemp("real"), free_port()
    options = ["--port", str(port), "--data-dir", str(folder / "data"), "--device", "cpu", "--no-browser"]
    with serving([sys.executable, "-m", "app", *options], folder, port) as found:
        yield found


@pytest.fixture
def held(server: Server) -> Iterator[Hold]:
    """All work of the stand-ins is held back after its first steps, until the test releases it or ends."""
    hold = Hold(server.data_dir)
    hold.start()
    yield hold
    hold.release()
    hold.release("short")
    hold.release("measuring")


@pytest.fixture(scope="package")  # its event loop runs in this thread: other tests need it for theirs
def browser() -> Iterator["sync_api.Browser"]:
    # The one without windows does the same in two thirds of the time.
    names = (os.environ.get("CHROMIUM", ""), *BROWSERS)
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@dataclass
class Watch:
    """What went wrong on a page."""

    faults: list[str] = field(default_factory=list)

    def follow(self, page: "sync_api.Page", address: str) -> None:
        own = urlsplit(address).netloc

        def on_request(request: "sync_api.Request") -> None:
            place = urlsplit(request.url)
            if place.scheme not in ("data", "blob") and place.netloc != own:
                self.faults.append(f"request to another host: {request.url}")

        page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", on_request)


def new_context(browser: "sync_api.Browser") -> "sync_api.BrowserContext":
    """A browser that knows nothing yet."""
    context = browser.new_context(viewport=VIEWPORT, accept_downloads=True)
    context.set_default_timeout(60_000)
    context.add_init_script(COUNT_FRAMES)
    return context


@contextlib.contextmanager
def first_visit(context: "sync_api.BrowserContext", address: str) -> Iterator["sync_api.Page"]:
    """A first visit with a browser that knows nothing yet; fails afterwards if anything went wrong on the page."""
    page, watch = context.new_page(), Watch()
    watch.follow(page, address)
    page.goto(address)
    page.wait_for_selector("#text-start:enabled")
    yield page
    for opened in context.pages:
        opened.close()
    assert watch.faults == []


class Tab:
    """A tab of a browser in which one test after another visits a page for the first time.

    The browser knows nothing of the one before, but for the files that every visitor is sent alike. In a new tab it
    would read and compile all scripts again, which takes longer than most tests. After a failure the tab is a new one.
    """

    def __init__(self, context: "sync_api.BrowserContext") -> None:
        self._context, self._address, self._watch = context, "", Watch()
        self._page: sync_api.Page | None = None

    def visit(self, address: str) -> "sync_api.Page":
        """A first visit, until it is left or closed."""
        if self._address != address:
            self.close()
        if self._page is None:
            self._page, self._address, self._watch = self._context.new_page(), address, Watch()
            self._watch.follow(self._page, address)
        page, session = self._page, self._context.new_cdp_session(self._page)
        session.send("Storage.clearDataForOrigin", {"origin": address.rstrip("/"), "storageTypes": "all"})
        session.detach()
        self._context.clear_cookies()
        self._watch.faults.clear()
        page.goto(address)
        page.wait_for_selector("#text-start:enabled")
        return page

    def leave(self) -> list[str]:
        """Go to where there is nothing, as one came; what went wrong until then."""
        page = self._page
        assert page is not None
        for other in self._context.pages:
            if other is not page:
                other.close()
        page.goto(f"{self._address}healthz")  # of the same address: another's would be another process of the browser
        page.evaluate("sessionStorage.clear()")
        page.mouse.move(0, 0)
        page.set_viewport_size(VIEWPORT)
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        return self._watch.faults.copy()

    def close(self) -> None:
        """The next visit is in a new tab."""
        for page in self._context.pages:
            page.close()
        self._page = None


@pytest.fixture(scope="package")
def tab(browser: "sync_api.Browser") -> Iterator[Tab]:
    with new_context(browser) as own:
        yield Tab(own)


def visiting(tab: Tab, address: str, test: pytest.Item) -> Iterator["sync_api.Page"]:
    """The first visit of a test; fails afterwards if anything went wrong on the page."""
    yield tab.visit(address)
    if test.stash.get(_PASSED, False):
        assert tab.leave() == []
    else:
        tab.close()


@pytest.fixture
def text_visit(tab: Tab, server: Server, request: pytest.FixtureRequest) -> Iterator["sync_api.Page"]:
    """A first visit to the page with stand-ins, which opens with the tab of texts."""
    yield from visiting(tab, server.address, request.node)


_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember how a test went, for the fixtures that end after it."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    return report


class UsedPage:
    """A page that several tests use in turn, in a browser of their own; both are new after a test that failed."""

    def __init__(self, browser: "sync_api.Browser", address: str) -> None:
        self._browser, self._address = browser, address
        self._page: sync_api.Page | None = None
        self.watch = Watch()

    def page(self) -> "sync_api.Page":
        if self._page is None:
            self._page, self.watch = new_context(self._browser).new_page(), Watch()
            self.watch.follow(self._page, self._address)
            self._page.goto(self._address)
            self._page.wait_for_selector("#text-start:enabled")
        return self._page

    def close(self) -> None:
        if self._page is not None:
            self._page.context.close()
        self._page = None


@pytest.fixture(scope="module")
def used(browser: "sync_api.Browser", server: Server) -> Iterator[UsedPage]:
    page = UsedPage(browser, server.address)
    yield page
    page.close()


@pytest.fixture
def used_visit(used: UsedPage, request: pytest.FixtureRequest) -> Iterator["sync_api.Page"]:
    """The page as the tests before left it, on the tab of texts: for those that mind nothing of what stands there."""
    yield used.page()
    faults = used.watch.faults.copy()
    if faults or not request.node.stash.get(_PASSED, False):
        used.close()
    assert faults == []


@pytest.fixture
def visit(text_visit: "sync_api.Page") -> "sync_api.Page":
    """The same, gone on to the tab of classes."""
    open_classes(text_visit)
    return text_visit


@pytest.fixture
def real_text_visit(tab: Tab, real_server: Server, request: pytest.FixtureRequest) -> Iterator["sync_api.Page"]:
    """A first visit to the real app, which opens with the tab of texts."""
    yield from visiting(tab, real_server.address, request.node)


@pytest.fixture
def real_visit(real_text_visit: "sync_api.Page") -> "sync_api.Page":
    """The same, gone on to the tab of classes."""
    open_classes(real_text_visit)
    return real_text_visit
