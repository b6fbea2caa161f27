"""A page of another web site, open in the same browser, gets nothing from the studio and changes nothing in it."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.browser.conftest import Server

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

ATTACK = """async address => {
  const seen = {};
  const note = async (name, work) => {
    try { seen[name] = await work(); } catch (error) { seen[name] = 'stopped'; }
  };
  const json = {'Content-Type': 'application/json'};
  const call = JSON.stringify({data: [{}], fn_index: 0, session_hash: 'evil', trigger_id: 0, event_data: null});
  const form = new FormData();
  form.append('files', new Blob(['x']), 'x.png');
  const opaque = {mode: 'no-cors', method: 'POST'};
  await note('read', async () => (await fetch(address)).status);
  await note('call', async () => (await fetch(address + 'gradio_api/run/predict',
    {method: 'POST', headers: json, body: call})).status);
  await note('upload', async () => (await fetch(address + 'gradio_api/upload', {method: 'POST', body: form})).status);
  await note('events', () => new Promise((resolve, reject) => {
    const events = new EventSource(address + 'gradio_api/heartbeat/evil');
    events.onmessage = () => resolve('open');
    events.onerror = reject;
  }));
  const picture = path => note(path, () => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve('loaded');
    image.onerror = reject;
    image.src = address + path;
  }));
  await picture('pwa_icon/9');
  await picture('favicon.ico');
  const blind = (path, body) => fetch(address + path, {...opaque, body}).catch(() => null);
  await blind('gradio_api/upload', form);
  await blind('gradio_api/run/predict', call);
  return seen;
}"""


@pytest.fixture
def foreign() -> Iterator[str]:
    """The address of a page on another port of this machine."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><title>elsewhere</title>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{other.server_address[1]}/"
        other.shutdown()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_site_gets_nothing_and_changes_nothing(
    browser: "sync_api.Browser", server: Server, foreign: str, name: str
) -> None:
    """S10: from another port, and from another host: nothing is read, shown, called or written."""
    data = server.log.parent / "data"
    before = {path for folder in ("cache", "jobs", "uploads") for path in (data / folder).rglob("*")}
    context = browser.new_context()
    page = context.new_page()
    page.goto(foreign.replace("127.0.0.1", name))
    seen = page.evaluate(ATTACK, server.address)
    assert set(seen.values()) == {"stopped"}, seen
    page.evaluate("address => { document.body.innerHTML = `<iframe src='${address}'></iframe>`; }", server.address)
    page.wait_for_timeout(500)
    frames = [frame for frame in page.frames if frame is not page.main_frame]
    assert all(frame.locator("gradio-app, #text-start").count() == 0 for frame in frames)
    context.close()
    assert {path for folder in ("cache", "jobs", "uploads") for path in (data / folder).rglob("*")} == before


def test_a_link_on_another_site_opens_the_page(browser: "sync_api.Browser", server: Server, foreign: str) -> None:
    """S10: whoever follows a link comes to a page that works."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(foreign)
    page.evaluate("address => { document.body.innerHTML = `<a href='${address}'>go</a>`; }", server.address)
    page.get_by_text("go").click()
    page.wait_for_selector("#text-start:enabled", timeout=60_000)
    context.close()
