"""How long a person waits on the page for a picture of a prompt: from the click, in a browser, with the real app.

    python -m benchmarks.page_times --json page_times.json

Starts `python -m app` with a data directory of its own, opens it in Chromium (`chromium` on the path, or what CHROMIUM
names; with Playwright from requirements-dev.txt), and clicks as a person does. The clock runs in the page: from the
click on Create until the first preview is drawn, and until the finished picture is. Medians over `--repeats` pictures,
each of another prompt; nothing is measured of the first, before which models may still be loading.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import machine, run_benchmark, table, write_json
from foundation.command_line.program import Parser
from foundation.files.places import result_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROMPTS = ("a goldfish", "a lighthouse", "a lemon", "a mushroom", "a king penguin", "a school bus")
START_SECONDS = 120
PATIENCE_MS = 300_000
GALLERY = 16
CLOCK_JS = """before => new Promise(done => {
  const stage = () => document.querySelector('#text-stage [data-status]');
  const drawn = () => { const i = stage()?.querySelector('img'); return i && i.complete && i.naturalWidth > 0; };
  const began = performance.now();
  let preview = null;
  document.querySelector('#text-create').click();
  const look = () => {
    const now = stage(), elapsed = (performance.now() - began) / 1000;
    if (now && now.dataset.job !== before && drawn()) {
      preview ??= elapsed;
      if (now.dataset.status === 'done') return done([preview, elapsed]);
      if (now.dataset.status !== 'running') return done(null);
    }
    requestAnimationFrame(look);
  };
  look();
})"""
"""Clicks, and returns seconds to the first preview and to the finished picture; null if the job ended otherwise."""


@contextmanager
def app_running(data: Path) -> Iterator[str]:
    """The real app on a free port, for as long as the context lasts; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = ["--port", str(port), "--data-dir", str(data), "--device", "cpu", "--no-browser"]
    process = subprocess.Popen([sys.executable, "-m", "app", *options], stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait_until_answering(address, process)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:  # on a busy machine; nothing of it is kept anyway
            process.kill()
            process.wait()


def _wait_until_answering(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy leads to one's own machine
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with direct.open(address, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise SystemExit("The app did not start: run `python -m app` to see why.")


def chromium() -> str:
    """Where the browser is."""
    names = (os.environ.get("CHROMIUM", ""), "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("There is no Chromium here: install it, or set CHROMIUM to its program.")
    return found


def open_page(browser: "Browser", address: str) -> "Page":
    """A first visit to the tab of texts."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.wait_for_selector("#text-create:enabled")
    return page


def wait(page: "Page", prompt: str, images: int) -> tuple[float, float]:
    """Seconds from the click to the first preview, and to the finished picture or pictures."""
    page.locator("#text-prompt textarea").fill(prompt)
    page.locator("#text-images input[type=number]").fill(str(images))
    page.locator("#text-images input[type=number]").press("Tab")
    time.sleep(1.5)  # the page reads along while one types; what it then asks the server is not part of the wait
    before = page.evaluate("() => document.querySelector('#text-stage [data-status]')?.dataset.job ?? null")
    found = page.evaluate(CLOCK_JS, before)
    if found is None:
        raise SystemExit(f"The job for '{prompt}' did not end well: {page.locator('#text-stage').inner_text()}")
    return found[0], found[1]


def measure(page: "Page", repeats: int) -> list[dict[str, float]]:
    """One row for a single picture and one for a gallery, of the preset that is chosen at first."""
    wait(page, "a frog", 1)
    rows = []
    for images, count in ((1, repeats), (GALLERY, max(1, repeats // 3))):
        times = [wait(page, PROMPTS[i % len(PROMPTS)], images) for i in range(count)]
        preview, finished = (statistics.median(column) for column in zip(*times, strict=True))
        rows.append({"images": images, "first_preview_s": preview, "finished_s": finished, "runs": count})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write the figures if asked to."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=6, help="single pictures; galleries a third of it")
    parser.add_argument("--json", type=result_file, help="write the figures here as well")
    options = parser.parse_args(arguments)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("This needs Playwright: pip install -r requirements-dev.txt") from None
    with tempfile.TemporaryDirectory() as folder, app_running(Path(folder)) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        rows = measure(open_page(browser, address), options.repeats)
        browser.close()
    shown = [[f"{row['images']:g}", f"{row['first_preview_s']:.2f} s", f"{row['finished_s']:.1f} s"] for row in rows]
    print(table([["pictures, default preset", "first preview", "finished"], *shown]))
    if options.json:
        write_json(options.json, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    run_benchmark(main)
