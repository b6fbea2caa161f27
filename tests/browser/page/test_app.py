"""The page in a real browser: what people do with it, from the first click to a broken upload."""

import io
import json
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image

from tests import corpus
from tests.browser.actions import a_jpeg, open_attacks, open_classes, open_fold, stage, upload, wait_for_state
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def test_first_visit_one_click_makes_a_picture(visit: "sync_api.Page") -> None:
    assert visit.locator("#results .cx-result").count() == 0  # those of others are not shown
    visit.click("#image-start")
    wait_for_state(visit, "done")
    assert stage(visit).locator("img").first.evaluate("image => image.naturalWidth") == 192


def test_a_page_on_which_nothing_happens_asks_for_no_frames(used_visit: "sync_api.Page") -> None:
    """It lies open all day: a clock that nobody sees, and that ticks with the screen, would cost a tenth of a core."""
    asked = []
    while not asked or asked[-1] >= 12:  # what the load has set in motion comes to rest; such a clock never does
        assert len(asked) < 30, asked
        before = used_visit.evaluate("framesAsked")
        used_visit.wait_for_timeout(1000)
        asked.append(used_visit.evaluate("framesAsked") - before)


def test_a_chosen_class_is_drawn_while_one_watches(visit: "sync_api.Page", held: Hold, tmp_path: Path) -> None:
    visit.get_by_text("horse", exact=True).click()
    visit.click("#class-create")
    wait_for_state(visit, "running")
    picture = stage(visit).locator("img")
    seen = set()
    while len(seen) < 3:
        seen.add(picture.first.get_attribute("src"))
        visit.wait_for_timeout(60)
    held.release()
    wait_for_state(visit, "done")
    assert "horse" in stage(visit).locator("h2").inner_text()
    assert visit.locator("#results .cx-result").count() == 1
    with visit.expect_download() as download:
        stage(visit).get_by_text("Download PNG").click()
    target = tmp_path / download.value.suggested_filename
    download.value.save_as(target)
    with Image.open(target) as saved:
        assert saved.format == "PNG"
        assert json.loads(saved.info["crossmax-studio"])["classes"] == ["horse"]


def test_a_unit_is_drawn_instead_of_a_class(visit: "sync_api.Page") -> None:
    visit.locator("#class-what").get_by_text("A unit").click()
    visit.wait_for_selector("#class-layer", state="visible")
    visit.wait_for_selector("#class-chips", state="hidden")
    sync_api.expect(visit.locator("#class-layer-line")).to_contain_text("sequence of 17 tokens")
    visit.locator("#class-channel textarea, #class-channel input").first.fill("5@centre")
    visit.click("#class-create")
    wait_for_state(visit, "done")
    sync_api.expect(stage(visit)).to_contain_text("blocks.3:5@centre, seed")
    visit.locator("#class-what").get_by_text("A class").click()
    visit.wait_for_selector("#class-chips", state="visible")
    visit.wait_for_selector("#class-layer", state="hidden")


def test_words_say_how_far_along_it_is(visit: "sync_api.Page", held: Hold) -> None:
    visit.click("#image-start")
    visit.wait_for_function(
        "/step \\d+\\/80 .* left/.test(document.querySelector('#image-stage .cx-words')?.innerText)"
    )
    bar = stage(visit).get_by_role("progressbar")
    assert bar.get_attribute("aria-valuemax") == "80"
    assert visit.locator("#image-more svg polyline").count() >= 1


def test_stop_keeps_the_picture_and_discard_does_not(visit: "sync_api.Page", held: Hold) -> None:
    visit.get_by_text("deer", exact=True).click()
    visit.click("#image-start")
    visit.wait_for_selector("#image-stage [data-status=running] img")
    visit.click("#image-stop")
    wait_for_state(visit, "stopped")
    assert "deer" in stage(visit).locator("h2").inner_text()
    assert stage(visit).locator("img").count() == 1
    visit.click("#class-create")
    wait_for_state(visit, "running")
    visit.click("#image-discard")
    visit.wait_for_selector("#image-stage .cx-empty")
    assert visit.locator("#image-start").is_visible()


def test_a_reload_in_the_middle_finds_the_running_job(visit: "sync_api.Page", held: Hold) -> None:
    visit.click("#class-create")
    wait_for_state(visit, "running")
    job = stage(visit).locator("[data-job]").get_attribute("data-job")
    visit.reload()
    visit.wait_for_selector(f"#image-stage [data-job='{job}'][data-status=running]")
    held.release()
    visit.wait_for_selector(f"#image-stage [data-job='{job}'][data-status=done]")


def test_a_reload_comes_back_to_the_tab_that_was_open(text_visit: "sync_api.Page") -> None:
    page = text_visit

    def is_open(name: str) -> None:
        sync_api.expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")

    page.get_by_role("tab", name="Attack an image").click()
    is_open("Attack an image")
    page.reload()
    page.wait_for_selector("#attack-start:enabled:visible")
    is_open("Attack an image")
    other = page.context.new_page()  # one that is opened anew begins where the last one was
    other.goto(page.url)
    other.wait_for_selector("#attack-start:enabled:visible")
    other.get_by_role("tab", name="Class to image").click()
    other.wait_for_selector("#image-start:visible")
    page.reload()  # and each comes back as it was
    page.wait_for_selector("#attack-start:enabled:visible")
    is_open("Attack an image")


def test_several_pictures_each_with_its_own_download(visit: "sync_api.Page") -> None:
    visit.locator("#class-images input[type=number]").fill("3")
    visit.locator("#class-images input[type=number]").press("Tab")
    visit.click("#class-create")
    wait_for_state(visit, "done")
    assert stage(visit).locator("figure").count() == 3
    assert stage(visit).locator("a[download]").count() == 3


def test_a_layer_can_be_switched_off(visit: "sync_api.Page") -> None:
    visit.click("#image-start")
    wait_for_state(visit, "done")
    whole = visit.locator("#layers .cx-layer-body > img")
    before = whole.get_attribute("src")
    tile = visit.locator("#layers .cx-tile").nth(1)
    tile.focus()
    tile.press("Enter")
    visit.wait_for_selector("#layers .cx-tile[aria-pressed=false]")
    assert whole.get_attribute("src") != before


def test_a_png_fills_in_its_recipe(visit: "sync_api.Page") -> None:
    visit.get_by_text("ship", exact=True).click()
    visit.locator("#class-seed input").fill("77")
    visit.click("#class-create")
    wait_for_state(visit, "done")
    address = stage(visit).locator("a[download]").get_attribute("href")
    data = visit.request.get(visit.url + (address or "")).body()
    visit.reload()
    open_classes(visit)
    visit.wait_for_selector("#image-stage [data-status=done]")
    open_fold(visit.get_by_role("button", name="Repeat a picture"))
    upload(visit, "#class-repeat", "mine.png", data)
    visit.wait_for_function("document.querySelector('#class-seed input').value === '77'")
    assert visit.locator("#class-chips label", has_text="ship").locator("input").is_checked()


def test_a_fault_of_the_program_is_a_sentence(visit: "sync_api.Page") -> None:
    visit.get_by_text("truck", exact=True).click()
    visit.click("#class-create")
    wait_for_state(visit, "failed")
    words = stage(visit).inner_text()
    assert "Traceback" not in words
    assert "did not work" in words


def test_a_model_that_is_not_there_is_refused_in_words(visit: "sync_api.Page") -> None:
    visit.locator("#class-model input").click()
    visit.get_by_role("option", name="Stand-in, absent (not ready)").click()
    visit.click("#class-create")
    notice = visit.locator(".cx-notice-area .cx-bad").first
    notice.wait_for()
    assert "weights are missing" in notice.inner_text()


def test_an_uploaded_jpeg_is_attacked_and_the_prediction_flips(visit: "sync_api.Page") -> None:
    open_attacks(visit)
    upload(visit, "#attack-upload", "photo.jpg", a_jpeg())
    visit.get_by_text("200 x 120 pixels").wait_for()
    visit.click("#attack-create")
    wait_for_state(visit, "done", "attack")
    fell = visit.locator("#attack-transfer tr", has=visit.locator(".cx-fell"))
    assert "undefended" in fell.inner_text() and "fooled" in fell.inner_text()
    assert "8.0/255" in stage(visit, "attack").inner_text()
    slider = stage(visit, "attack").locator(".cx-compare input")
    slider.focus()
    slider.press("Home")
    assert stage(visit, "attack").locator(".cx-compare").evaluate("e => e.style.getPropertyValue('--cut')") == "0%"


def test_an_example_is_one_click_away(visit: "sync_api.Page") -> None:
    open_attacks(visit)
    visit.locator("#attack-examples button").first.click()
    visit.get_by_text("64 x 48 pixels").wait_for()


def test_malformed_uploads_are_refused_in_words_and_the_page_goes_on(visit: "sync_api.Page") -> None:
    open_attacks(visit)
    area = visit.locator("#attack-picture-notice")
    for name, data in corpus.malformed().items():
        upload(visit, "#attack-upload", "fine.jpg", a_jpeg())
        visit.wait_for_function("!document.querySelector('#attack-picture-notice .cx-bad')")
        upload(visit, "#attack-upload", name, data)
        area.locator(".cx-bad").wait_for()
        words = area.inner_text()
        assert words.strip().endswith("."), (name, words)
        assert "Traceback" not in words and "our side" not in words, (name, words)
    upload(visit, "#attack-upload", "fine.jpg", a_jpeg(90, 60))
    visit.get_by_text("90 x 60 pixels").wait_for()
    visit.click("#attack-create")
    wait_for_state(visit, "done", "attack")


def test_a_phone_never_scrolls_sideways(visit: "sync_api.Page") -> None:
    visit.set_viewport_size({"width": 390, "height": 844})

    def assert_it_fits() -> None:
        for scheme in SCHEMES:
            visit.emulate_media(color_scheme=scheme)
            assert visit.evaluate("document.documentElement.scrollWidth") <= 390, scheme

    assert_it_fits()
    visit.click("#image-start")
    wait_for_state(visit, "done")
    assert_it_fits()
    open_fold(visit.get_by_role("button", name="Advanced").first)
    assert_it_fits()
    open_attacks(visit)
    assert_it_fits()
    visit.click("#attack-start")
    wait_for_state(visit, "done", "attack")
    assert_it_fits()


def test_pictures_need_their_signature(visit: "sync_api.Page") -> None:
    visit.click("#image-start")
    wait_for_state(visit, "done")
    address = visit.url + (stage(visit).locator("a[download]").get_attribute("href") or "")
    whole = visit.request.get(address)
    assert whole.ok
    with Image.open(io.BytesIO(whole.body())) as picture:
        assert picture.format == "PNG"
    assert visit.request.get(address.split("?")[0]).status == 404
    assert visit.request.get(visit.url + "media/data/secret?k=0").status == 404
    assert visit.request.get(visit.url, headers={"Host": "evil.example"}).status == 403


def test_on_a_phone_the_form_follows_the_first_button_at_once(visit: "sync_api.Page") -> None:
    """What has nothing to say yet takes no gap of its own between the two, in any tab."""
    visit.set_viewport_size({"width": 390, "height": 844})
    for kind, tab in (("text", "Text to image"), ("image", "Class to image"), ("attack", "Attack an image")):
        visit.get_by_role("tab", name=tab).click()
        button = visit.locator(f"#{kind}-start")
        button.wait_for()
        controls = visit.locator(f".cx-desk:has(#{kind}-start) .cx-controls")
        above, below = button.bounding_box(), controls.bounding_box()
        assert above is not None and below is not None
        assert 0 < below["y"] - (above["y"] + above["height"]) <= 24, tab
