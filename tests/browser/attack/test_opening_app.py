"""Pictures of ours that are opened and dropped in a real browser, and choices that stay."""

import pytest

from tests.browser.actions import (
    a_jpeg,
    choose_quickest_text,
    download,
    drop,
    job,
    open_attacks,
    paint,
    stage,
    start_from_picture,
    upload,
    wait_for_another_job,
    wait_for_state,
)
from tests.browser.conftest import Server, first_visit, new_context

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

PAINTED = """() => {
  const canvas = document.querySelector('#text-mask canvas[data-ready]');
  const rows = new Set();
  const {data, width} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 3; i < data.length; i += 4) if (data[i]) rows.add(Math.floor(i / 4 / width));
  return rows.size ? [Math.min(...rows), Math.max(...rows)] : [];
}"""
"""The first and the last row of the canvas with any paint."""


def test_a_mask_comes_back_on_the_canvas_and_a_stroke_adds_to_it(text_visit: "sync_api.Page") -> None:
    """U4, U5: a PNG that was dropped shows its paint, makes the identical file, and can be painted on."""
    page = text_visit
    choose_quickest_text(page)
    page.locator("#text-prompt textarea").fill("a frog")
    page.click("#text-create")
    wait_for_state(page, "done", "text")
    start_from_picture(page)
    paint(page, 0.5)
    before = job(page, "text")
    page.click("#text-create")
    wait_for_another_job(page, before, "done", "text")
    made = download(page, "text")
    page.reload()
    page.wait_for_selector("#text-stage [data-status=done]")
    open_attacks(page)  # wherever it is dropped, it opens where it was made
    drop(page, "mine.png", made)
    page.wait_for_selector("#text-mask canvas[data-ready]", state="visible")
    page.wait_for_function(f"({PAINTED})().length > 0")
    top, bottom = page.evaluate(PAINTED)
    assert 40 < top < bottom < 88  # a band in the middle of 128 rows
    before = job(page, "text")
    page.click("#text-create")
    wait_for_another_job(page, before, "done", "text")
    assert download(page, "text") == made
    paint(page, 0.1)
    higher, lower = page.evaluate(PAINTED)
    assert higher < top - 15 and lower == bottom
    canvas = page.locator("#text-mask canvas")
    canvas.focus()
    canvas.press("ArrowDown")
    canvas.press(" ")  # by keyboard, too
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate(PAINTED) == [higher, lower]
    before = job(page, "text")
    page.click("#text-create")
    wait_for_another_job(page, before, "done", "text")
    assert download(page, "text") != made


def test_an_attack_is_opened_by_its_visitor_and_by_another_who_has_the_photo(
    visit: "sync_api.Page", browser: "sync_api.Browser", server: Server
) -> None:
    """U3, U5: a model more leaves the target; a PNG of an attack fills its tab and makes the identical file."""
    open_attacks(visit)
    upload(visit, "#attack-upload", "photo.jpg", a_jpeg())
    visit.get_by_text("200 x 120 pixels").wait_for()
    visit.get_by_label("a class I choose").click()
    ship = visit.locator("#attack-chips label", has_text="ship").locator("input")
    ship.check(force=True)
    visit.locator("#attack-model input").click()
    visit.get_by_role("option", name="Stand-in, undefended").click()
    visit.get_by_text("They are attacked together").wait_for()
    assert ship.is_checked()
    # U18: what takes a choice away says which.
    assert visit.get_by_role("button", name="Remove Stand-in, undefended").count() >= 1
    visit.click("#attack-create")
    wait_for_state(visit, "done", "attack")
    assert "attack towards ship" in stage(visit, "attack").locator("h2").inner_text()
    made = download(visit, "attack")
    visit.reload()
    visit.wait_for_selector("#attack-stage [data-status=done]")
    drop(visit, "attack.png", made)
    visit.get_by_text("200 x 120 pixels").wait_for()
    sync_api.expect(ship).to_be_checked(timeout=60_000)  # the tab is filled in a step after the photo is there
    assert visit.get_by_label("a class I choose").is_checked()
    before = job(visit, "attack")
    visit.click("#attack-create")
    wait_for_another_job(visit, before, "done", "attack")
    assert download(visit, "attack") == made
    with new_context(browser) as another, first_visit(another, server.address) as other:
        drop(other, "attack.png", made)
        asked = other.locator("#attack-picture-notice")
        asked.get_by_text("Bring the photo that was attacked").wait_for()
        assert other.locator("#attack-chosen img").count() == 0
        upload(other, "#attack-upload", "other.jpg", a_jpeg(100, 80))
        asked.get_by_text("another picture than the one that was asked for").wait_for()
        upload(other, "#attack-upload", "photo.jpg", a_jpeg())
        other.get_by_text("200 x 120 pixels").wait_for()
        other.click("#attack-create")
        wait_for_state(other, "done", "attack")
        assert download(other, "attack") == made
