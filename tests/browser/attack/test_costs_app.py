"""What a click costs, said before it; results that are seen whole; and cards that hear of every job."""

import re

import pytest

from tests.browser.actions import a_jpeg, open_classes, stage, upload, wait_for_state
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser


def test_a_large_photo_says_what_it_costs_and_is_seen_whole(text_visit: "sync_api.Page") -> None:
    """U6, U7, U11: the cost before the click, an offer to work smaller, "after" whole at first, pixel for pixel."""
    page = text_visit
    for tab, kind in (("Text to image", "text"), ("Class to image", "class"), ("Attack an image", "attack")):
        page.get_by_role("tab", name=tab).click()
        labels = page.locator(f"#{kind}-preset label")
        labels.first.wait_for()
        assert all("about" in label for label in labels.all_inner_texts()), kind
    upload(page, "#attack-upload", "small.jpg", a_jpeg(480, 320))
    line = page.locator("#attack-cost")
    line.get_by_text(re.compile("about \\d+ s here", re.IGNORECASE)).wait_for()
    page.locator("#attack-smaller").wait_for(state="hidden")
    upload(page, "#attack-upload", "large.jpg", a_jpeg(4000, 3000))
    line.get_by_text(re.compile("about \\d+ (s|min) here", re.IGNORECASE)).wait_for()
    page.get_by_role("button", name=re.compile("Scale the photo to 1024 x 768 first")).click()
    page.get_by_text("1024 x 768 pixels").wait_for()
    page.locator("#attack-smaller").wait_for(state="hidden")
    page.click("#attack-create")
    wait_for_state(page, "done", "attack")
    shown = stage(page, "attack")
    assert shown.locator(".cx-compare input").input_value() == "0"  # nothing of "before" covers it
    shown.get_by_role("button", name="Pixel for pixel (1024 x 768)").click()
    widths = "e => [e.getBoundingClientRect().width, e.naturalWidth / devicePixelRatio]"
    width, natural = shown.locator(".cx-compare > img").first.evaluate(widths)
    assert width == natural == 1024
    card = page.locator("#results .cx-result img").first
    assert card.evaluate("e => getComputedStyle(e).objectFit") == "contain"


def test_what_waits_already_is_said_before_the_click(text_visit: "sync_api.Page", held: Hold) -> None:
    """For pictures and for evaluations, behind a short job that runs; nothing is said while nothing waits."""
    page = text_visit
    held.start("short")
    open_classes(page)
    line = page.locator("#class-cost")
    page.get_by_text("bird", exact=True).click()
    page.locator("#class-images input").first.fill("3")
    page.locator("#class-images input").first.press("Tab")
    sync_api.expect(line).to_contain_text("here", timeout=20_000)
    assert page.locator(".cx-wait").count() == 0
    page.click("#class-create")
    wait_for_state(page, "running")
    page.get_by_text("ship", exact=True).first.click()
    page.locator("#class-images input").first.fill("2")
    page.locator("#class-images input").first.press("Tab")
    wait = line.locator(".cx-wait")
    sync_api.expect(wait).to_contain_text("It waits for one job first", timeout=20_000)
    page.get_by_role("button", name="Evaluate a model").click()
    estimate = page.locator("#evaluate-estimate .cx-wait")
    sync_api.expect(estimate).to_contain_text("It waits for one job first", timeout=20_000)


def test_cards_hear_of_jobs_that_nobody_follows(text_visit: "sync_api.Page", held: Hold) -> None:
    """U8, U6: within 2 s a card shows the change of its job, made elsewhere; no time is left of what is stopping."""
    page = text_visit
    open_classes(page)
    page.get_by_text("deer", exact=True).click()
    page.click("#class-create")
    wait_for_state(page, "running")
    page.get_by_text("ship", exact=True).click()
    page.click("#class-create")
    wait_for_state(page, "queued")
    cards = page.locator("#results .cx-result small")
    page.wait_for_function(
        "[...document.querySelectorAll('#results .cx-result small')].map(e => e.innerText.split(' · ')[1]).join()"
        " === 'waiting,running'"
    )
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("#results .cx-result")
    other.locator("#results .cx-result", has_text="deer").click()
    other.wait_for_selector("#image-stop:enabled")
    other.click("#image-stop")
    other.wait_for_selector("#image-stage [data-status=stopped]")
    held.release()
    page.wait_for_function(
        "[...document.querySelectorAll('#results .cx-result small')].map(e => e.innerText.split(' · ')[1] ?? '').join()"
        " === ',stopped, results kept'",
    )
    assert cards.count() == 2
    other.close()
