"""The list of the visitor's jobs, and a short job that goes before a long one, in a real browser."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.browser.actions import job, open_classes, wait_for_state
from tests.browser.conftest import Server
from tests.browser.evaluation.sidebar import KIND, choose, open_sidebar, start
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

PLAIN = "CrossMax Studio"


def draw(page: "sync_api.Page", name: str) -> str:
    """Ask for a picture of a class; the job's id."""
    before = job(page) if page.locator("#image-stage [data-job]").count() else ""
    page.locator("#class-chips").get_by_text(name, exact=True).click()
    page.click("#class-create")
    page.wait_for_selector(f"#image-stage [data-job]:not([data-job='{before}'])")
    return job(page)


def opened(page: "sync_api.Page") -> "sync_api.Locator":
    """The list, open."""
    jobs = page.locator("#your-jobs")
    if not jobs.locator("details").evaluate("element => element.open"):
        jobs.locator("summary").click()
    return jobs


def ended(server: Server, job_id: str) -> float:
    """When a job had ended."""
    copy = Path(server.data_dir, "jobs", job_id, "job.json")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        finished = json.loads(copy.read_text())["finished"]
        if finished:
            return float(finished)
        time.sleep(0.05)
    raise AssertionError("it has not ended")


def test_a_short_picture_goes_before_a_running_evaluation(
    text_visit: "sync_api.Page", held: Hold, server: Server, tmp_path: Path
) -> None:
    page = text_visit
    held.start("short")
    open_sidebar(page)
    choose(page, "evaluate-data", "Photos")
    evaluation = start(page)
    page.wait_for_selector("#evaluate-stage [data-status=running]")
    page.get_by_role("button", name="Evaluate a model").click()
    open_classes(page)
    picture = draw(page, "bird")
    waits = page.locator("#image-stage .cx-words")
    sync_api.expect(waits).to_contain_text("next in line · starts now, done in about 5 s")
    held.release()
    page.wait_for_selector("#image-stage [data-status=running]")
    jobs = opened(page)
    line = jobs.locator(f"[data-queued='{evaluation}']")
    sync_api.expect(line).to_contain_text("paused for a short job")
    sync_api.expect(page.locator("#evaluate-stage .cx-words")).to_contain_text("paused for a short job")
    page.screenshot(path=tmp_path / "paused.png")
    held.release("short")
    wait_for_state(page, "done")
    page.wait_for_selector(f"#{KIND}-stage [data-status=done]", state="attached")
    assert ended(server, picture) < ended(server, evaluation)
    sync_api.expect(jobs.locator("summary")).to_have_text("Your jobs none")


def test_the_title_of_the_tab_says_how_far_it_is(visit: "sync_api.Page", held: Hold) -> None:
    icon = "document.querySelector('link[rel~=icon]')?.href ?? ''"
    assert visit.title() == PLAIN
    visit.click("#image-start")
    visit.wait_for_function(f"document.title === '7 % · {PLAIN}'")  # the sixth of eighty steps, where it is held
    visit.wait_for_function(f"({icon}).startsWith('data:image/png')")
    held.release()
    wait_for_state(visit, "done")
    visit.wait_for_function(f"document.title === '{PLAIN}'")
    visit.wait_for_function(f"({icon}).endsWith('/favicon.ico')")


def test_jobs_of_all_tabs_are_listed_moved_and_cancelled(visit: "sync_api.Page", held: Hold, tmp_path: Path) -> None:
    page = visit
    draw(page, "cat")
    wait_for_state(page, "running")
    draw(page, "deer")
    page.get_by_role("tab", name="Text to image").click()
    page.click("#text-start")
    page.wait_for_selector("#text-stage [data-status=queued]")
    jobs = opened(page)
    first = jobs.locator("li[data-status=running]")
    sync_api.expect(first).to_have_count(1)
    waiting = jobs.locator("li[data-status=queued]")
    sync_api.expect(waiting).to_have_count(2)
    order = waiting.evaluate_all("lines => lines.map(line => line.dataset.queued)")
    up = waiting.nth(1).get_by_role("button", name=re.compile("^Move up: "))
    up.focus()
    page.keyboard.press("Enter")
    sync_api.expect(waiting.first).to_have_attribute("data-queued", order[1])
    # The list is new; the keyboard is where it was, on a button that no longer does anything.
    sync_api.expect(waiting.first.get_by_role("button", name=re.compile("^Move up: "))).to_be_disabled()
    page.screenshot(path=tmp_path / "jobs.png")
    waiting.nth(1).get_by_role("button", name=re.compile("^Cancel: ")).click()
    sync_api.expect(waiting).to_have_count(1)
    first.get_by_role("button", name=re.compile("^Stop and keep: ")).click()
    page.reload()
    page.wait_for_selector("#your-jobs details[open] li")  # as it was left
    held.release()
    sync_api.expect(page.locator("#your-jobs summary")).to_have_text("Your jobs none", timeout=60_000)


def test_others_are_a_number_and_nothing_more(visit: "sync_api.Page", held: Hold, server: Server) -> None:
    browser = visit.context.browser
    assert browser is not None
    draw(visit, "deer")
    wait_for_state(visit, "running")
    other = browser.new_context().new_page()
    other.goto(server.address)
    other.wait_for_selector("#text-start:enabled")
    sync_api.expect(other.locator("#your-jobs summary")).to_have_text("Your jobs another visitor's job runs now")
    jobs = opened(other)
    assert "deer" not in jobs.inner_html() and jobs.locator("li").count() == 0
    other.context.close()
    held.release()
    wait_for_state(visit, "done")


def test_a_notification_is_shown_only_where_it_was_asked_for(visit: "sync_api.Page") -> None:
    visit.evaluate(
        """() => {
          window.told = [];
          window.Notification = class {
            static permission = 'default';
            static async requestPermission() { return this.permission = 'granted'; }
            constructor(title, options) { window.told.push([title, options.silent]); }
          };
        }"""
    )
    draw(visit, "cat")
    wait_for_state(visit, "done")
    visit.wait_for_function(f"document.title === '{PLAIN}'")
    jobs = opened(visit)
    jobs.get_by_role("checkbox", name=re.compile("Tell me by a notification")).check()
    visit.wait_for_function("localStorage.getItem('crossmax-studio-notify') === 'yes'")
    assert visit.evaluate("window.told") == []
    draw(visit, "deer")
    visit.wait_for_function("window.told.length === 1")
    [(title, silent)] = visit.evaluate("window.told")
    assert "deer" in title and title.endswith(": done") and silent is True


def test_the_list_fits_a_phone(visit: "sync_api.Page", held: Hold, tmp_path: Path) -> None:
    draw(visit, "cat")
    wait_for_state(visit, "running")
    visit.get_by_role("tab", name="Text to image").click()
    visit.click("#text-start")
    jobs = opened(visit)
    sync_api.expect(jobs.locator("li")).to_have_count(2)
    visit.set_viewport_size({"width": 390, "height": 800})
    visit.screenshot(path=tmp_path / "phone.png")
    assert visit.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = jobs.get_by_role("button").all()
    assert boxes and all(
        (box := one.bounding_box()) and box["x"] >= 0 and box["x"] + box["width"] <= 390 for one in boxes
    )
    named = jobs.locator("button").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert len(set(named)) == len(named) and all(named)
    visit.set_viewport_size({"width": 1400, "height": 900})
