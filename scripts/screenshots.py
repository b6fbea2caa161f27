"""Takes the README's pictures of the page: the real app, with the shipped models, in a browser.

python scripts/screenshots.py [--out docs/screenshots]

Starts `python -m app` with a data directory of its own, makes a few pictures and an attack, and writes one WebP file
for each scene. It needs Playwright (requirements-dev.txt) and a Chromium on the path, or named by CHROMIUM.
"""

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.page_times import PATIENCE_MS, app_running, chromium, open_page  # noqa: E402
from foundation.command_line.program import Parser, answered, run_program  # noqa: E402
from foundation.files.places import result_folder  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
QUALITY = 82
MOST_BYTES = 300_000


def draw(page: "Page", prompt: str) -> None:
    """Make a picture of a prompt."""
    page.get_by_role("tab", name="Text to image").click()
    page.locator("#text-prompt").locator("textarea, input").first.fill(prompt)
    page.click("#text-create")
    page.wait_for_function(
        "said => document.querySelector('#text-stage [data-status=done] h2')?.textContent.startsWith(said)", arg=prompt
    )


def text(page: "Page") -> None:
    """A picture of a prompt."""
    draw(page, "a school bus")
    draw(page, "a goldfish")


def attack(page: "Page") -> None:
    """A photo that was attacked, and what the models say of it."""
    page.get_by_role("tab", name="Attack an image").click()
    page.click("#attack-start")
    page.wait_for_selector("#attack-stage [data-status=done]")
    page.locator("#attack-stage h2").scroll_into_view_if_needed()
    page.evaluate("scrollBy({top: document.querySelector('#attack-stage').getBoundingClientRect().top - 20})")


def comparison(page: "Page") -> None:
    """Two results beside each other."""
    page.wait_for_function("document.querySelectorAll('#results [data-look]').length >= 3")
    for title in ("a goldfish, seed 0", "a school bus, seed 0"):
        page.get_by_role("checkbox", name=f"Choose {title}").check()
    page.get_by_role("button", name="Compare two").click()
    page.wait_for_function("[...document.querySelectorAll('#viewer img')].every(image => image.naturalWidth > 0)")


def results(page: "Page") -> None:
    """The results, in the dark."""
    page.keyboard.press("Escape")
    page.get_by_role("button", name="choose none").click()
    page.get_by_role("combobox", name="Theme").select_option("dark")
    page.evaluate("scrollBy({top: document.querySelector('.cx-find').getBoundingClientRect().top - 90})")


def phone(page: "Page") -> None:
    """The answer of an attack on a phone."""
    page.get_by_role("combobox", name="Theme").select_option("light")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.get_by_role("tab", name="Attack an image").click()
    page.evaluate("scrollBy({top: document.querySelector('#attack-stage').getBoundingClientRect().top - 20})")


SCENES: Mapping[str, Callable[["Page"], None]] = {
    "text": text,
    "attack": attack,
    "comparison": comparison,
    "results": results,
    "phone": phone,
}
"""In this order: each goes on from the one before."""


def take(page: "Page", path: Path) -> None:
    """Write what is seen of the page, once nothing moves any more. SystemExit if the file is too large for a README."""
    page.evaluate("document.activeElement?.blur()")
    with Image.open(io.BytesIO(page.screenshot(animations="disabled")), formats=["PNG"]) as shot:
        shot.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path} has more than {MOST_BYTES:,} bytes: choose another scene.")
    print(f"{path.name}: {path.stat().st_size:,} bytes", file=sys.stderr)


def main() -> None:
    """Take them all."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    place = ROOT / "docs" / "screenshots"
    parser.add_argument("--out", type=result_folder, default=place, help="a folder for the pictures")
    options = parser.parse_args()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise SystemExit("This needs Playwright: pip install -r requirements-dev.txt") from None
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, app_running(Path(folder)) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = open_page(browser, address)
        page.set_default_timeout(PATIENCE_MS)
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        for name, scene in SCENES.items():
            scene(page)
            take(page, options.out / f"{name}.webp")
        browser.close()


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(run_program(lambda: answered(lambda: main() or 0)))
