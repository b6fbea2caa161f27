"""The tab of texts in a real browser: from a prompt to a picture, and on from there."""

import io
import json
from typing import Literal

import pytest
from PIL import Image, ImageChops

from generator.recipes.presets import from_preset
from tests.browser import actions
from tests.browser.actions import (
    a_jpeg,
    click_until_answered,
    open_classes,
    open_fold,
    paint,
    stage,
    upload,
    wait_for_state,
)
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def say(page: "sync_api.Page", prompt: str) -> None:
    page.locator("#text-prompt textarea").fill(prompt)


def create(page: "sync_api.Page", prompt: str = "a frog") -> None:
    """Ask for a quick picture and wait for it."""
    before = job(page) if stage(page, "text").locator("[data-job]").count() else ""
    actions.choose_quickest_text(page)
    say(page, prompt)
    page.click("#text-create")
    wait_for_another_job(page, before, "done")


def job(page: "sync_api.Page") -> str:
    return actions.job(page, "text")


def wait_for_another_job(page: "sync_api.Page", before: str, state: str) -> None:
    actions.wait_for_another_job(page, before, state, "text")


def picture(page: "sync_api.Page") -> Image.Image:
    """The picture that is offered for download."""
    address = stage(page, "text").locator("a[download]").first.get_attribute("href") or ""
    return Image.open(io.BytesIO(page.request.get(page.url + address).body()))


def recipe(page: "sync_api.Page") -> dict[str, object]:
    said: dict[str, object] = json.loads(picture(page).info["crossmax-studio"])
    return said


def open_text_fold(page: "sync_api.Page", name: str) -> None:
    open_fold(page.locator(".cx-text-tab").get_by_role("button", name=name))


def notice(page: "sync_api.Page") -> "sync_api.Locator":
    return page.locator(".cx-text-tab .cx-stage-column .cx-notice-area .cx-bad").first


def test_a_prompt_forms_before_ones_eyes(text_visit: "sync_api.Page", held: Hold) -> None:
    say(text_visit, "a frog")
    text_visit.locator("#text-prompt textarea").press("Enter")
    wait_for_state(text_visit, "running", "text")
    frames = stage(text_visit, "text").locator("img")
    seen = set()
    while len(seen) < 3:
        seen.add(frames.first.get_attribute("src"))
        text_visit.wait_for_timeout(60)
    held.release()
    wait_for_state(text_visit, "done", "text")
    assert stage(text_visit, "text").locator("h2").inner_text() == "a frog, seed 0"
    assert recipe(text_visit)["prompt"] == "a frog"
    near = text_visit.locator("#text-more .cx-cosines")
    assert "a frog" in near.inner_text() and "0.40" in near.inner_text()
    assert text_visit.locator("#text-layers .cx-tile").count() == 4
    assert text_visit.locator("#results .cx-result").count() == 1
    text_visit.get_by_text("slope -2.00").wait_for()
    # From now on the preset says what it costs.
    text_visit.wait_for_function("/about \\d+ s here/.test(document.querySelector('#text-preset').innerText)")


def test_the_first_click_needs_no_prompt(text_visit: "sync_api.Page") -> None:
    actions.choose_quickest_text(text_visit)
    text_visit.click("#text-start")
    wait_for_state(text_visit, "done", "text")
    assert text_visit.locator("#text-prompt textarea").input_value() == "a goldfish"


def test_stopped_and_kept_then_continued(text_visit: "sync_api.Page", held: Hold) -> None:
    say(text_visit, "a lemon")
    text_visit.click("#text-create")
    text_visit.wait_for_selector("#text-stage [data-status=running] img")
    text_visit.click("#text-stop")
    wait_for_state(text_visit, "stopped", "text")
    held.release()
    kept, before = recipe(text_visit), job(text_visit)
    button = text_visit.locator("#text-continue")
    asked = from_preset("text", prompt="a lemon").steps
    assert button.inner_text() == f"Continue, {asked - int(str(kept['steps']))} steps"
    button.click()
    wait_for_another_job(text_visit, before, "done")
    assert stage(text_visit, "text").locator("h2").inner_text() == "a lemon, seed 0, continued"
    assert stage(text_visit, "text").locator(".cx-compare").count() == 1  # beside the picture it went on from
    went_on = recipe(text_visit)
    assert went_on["source"] and int(str(went_on["steps"])) + int(str(kept["steps"])) == asked


def test_discarding_leaves_the_empty_stage(text_visit: "sync_api.Page", held: Hold) -> None:
    text_visit.click("#text-start")
    text_visit.wait_for_selector("#text-stage [data-status=running]")
    text_visit.click("#text-discard")
    text_visit.wait_for_selector("#text-stage .cx-empty")
    assert text_visit.locator("#text-after").is_hidden()


def test_vary_makes_the_same_with_a_new_seed(used_visit: "sync_api.Page") -> None:
    create(used_visit)
    first, before = recipe(used_visit), job(used_visit)
    used_visit.click("#text-vary")
    wait_for_another_job(used_visit, before, "done")
    second = recipe(used_visit)
    assert second["seed"] != first["seed"] and {**second, "seed": first["seed"]} == first
    assert used_visit.locator("#text-seed input").input_value() == str(second["seed"])


def test_a_picture_is_sent_to_attack(text_visit: "sync_api.Page") -> None:
    create(text_visit)
    text_visit.click("#text-attack")
    text_visit.get_by_text("128 x 128 pixels").wait_for()
    text_visit.click("#attack-create")
    wait_for_state(text_visit, "done", "attack")


def test_prompts_that_cannot_be_drawn_are_refused_in_words_and_the_page_goes_on(used_visit: "sync_api.Page") -> None:
    for prompt, words in [
        ("", "prompt is empty"),
        ("x" * 10_000, "of which 2,000 can be read"),
        ("?! ...", "nothing to draw"),
        ("a frog | ", "nothing follows"),
        ("a frog:99", "out of range"),
    ]:
        say(used_visit, prompt)
        click_until_answered(used_visit, "#text-create")
        notice(used_visit).get_by_text(words).wait_for()
        said = notice(used_visit).inner_text()
        assert "Traceback" not in said and "our side" not in said, said
    # The place of an error is shown below it.
    assert used_visit.locator(".cx-text-tab .cx-place").first.inner_text() == "a frog:99\n       ^"
    create(used_visit)


def test_words_that_the_model_does_not_know_are_refused_before_anything_is_queued(used_visit: "sync_api.Page") -> None:
    """U16: and named while one types; U15: so are numbers that are out of range, with the range."""
    results = used_visit.locator("#results .cx-result").count()
    for prompt in ("\U0001f438", "\u4e00\u53ea\u9752\u86d9"):
        say(used_visit, prompt)
        used_visit.locator("#text-hint").get_by_text("never saw").wait_for()
        used_visit.click("#text-create")
        notice(used_visit).get_by_text(f"never saw any of the words in '{prompt}'").wait_for()
    say(used_visit, "a frog")
    for field, value, words in (
        ("#text-images", "0", "Pictures must be a whole number from 1 to 64, not 0."),
        ("#text-images", "99", "Pictures must be a whole number from 1 to 64, not 99."),
        ("#text-images", "1.5", "Pictures must be a whole number from 1 to 64, not 1.5."),
        ("#text-seed", "-1", "Seed must be a whole number from 0 to 9,007,199,254,740,991, not -1."),
    ):
        box = used_visit.locator(f"{field} input")
        before = box.input_value()
        box.fill(value)
        box.press("Tab")
        used_visit.click("#text-create")
        notice(used_visit).get_by_text(words).wait_for()
        assert box.input_value() == value  # what was typed stays, to be mended
        box.fill(before)
    assert used_visit.locator("#results .cx-result").count() == results


def test_unknown_words_are_named_while_one_types(used_visit: "sync_api.Page") -> None:
    say(used_visit, "a red zebra")
    used_visit.locator("#text-hint").get_by_text("\u201czebra\u201d").wait_for()
    say(used_visit, "a red frog")
    used_visit.wait_for_function("document.querySelector('#text-hint').innerText.trim() === ''")


def test_the_vocabulary_is_searched_and_clicked(used_visit: "sync_api.Page") -> None:
    used_visit.get_by_text("What it knows: 5 things and 2 colours").click()
    words = used_visit.locator("#text-vocabulary li:visible")
    assert words.count() == 5
    used_visit.locator("#text-vocabulary input").fill("light")
    assert words.count() == 1
    words.first.get_by_role("button").click()
    used_visit.wait_for_function("document.querySelector('#text-prompt textarea').value === 'lighthouse'")
    used_visit.locator("#text-vocabulary input").fill("xyz")
    assert words.count() == 0 and used_visit.get_by_text("It knows no such word.").is_visible()
    used_visit.locator("#text-examples").get_by_text("a school bus").click()
    used_visit.wait_for_function("document.querySelector('#text-prompt textarea').value === 'a school bus'")


def test_only_what_is_painted_changes(text_visit: "sync_api.Page") -> None:
    create(text_visit)
    actions.start_from_picture(text_visit)
    text_visit.locator("#text-source-chosen").get_by_text("128 x 128 pixels").wait_for()
    before, photo = job(text_visit), picture(text_visit).convert("RGB")
    paint(text_visit, 0.5)
    text_visit.locator("#text-seed input").fill("1")
    text_visit.click("#text-create")
    wait_for_another_job(text_visit, before, "done")
    assert recipe(text_visit)["mask"]
    changed = ImageChops.difference(photo, picture(text_visit).convert("RGB")).getbbox()
    assert changed is not None
    left, top, right, bottom = changed
    assert left > 0 and top > 26 and right < 128 and bottom < 102, changed  # a band in the middle
    text_visit.locator("#text-source-remove").click()
    text_visit.wait_for_selector("#text-mask", state="hidden")


def test_several_pictures_one_is_enlarged_and_gone_on_with(text_visit: "sync_api.Page") -> None:
    text_visit.locator("#text-images input[type=number]").fill("3")
    text_visit.locator("#text-images input[type=number]").press("Tab")
    create(text_visit)
    thumbs, large = stage(text_visit, "text").locator(".cx-thumb"), stage(text_visit, "text").locator(".cx-canvas img")
    assert thumbs.count() == 3
    first = large.get_attribute("src")
    thumbs.nth(2).click()
    text_visit.wait_for_selector("#text-stage .cx-thumb:nth-child(3)[aria-pressed=true]")
    assert large.get_attribute("src") != first
    chosen, before = picture(text_visit).convert("RGB"), job(text_visit)
    text_visit.click("#text-continue")
    wait_for_another_job(text_visit, before, "done")
    source = stage(text_visit, "text").locator(".cx-compare .cx-before").get_attribute("src") or ""
    start = Image.open(io.BytesIO(text_visit.request.get(text_visit.url + source).body())).convert("RGB")
    assert ImageChops.difference(start, chosen).getbbox() is None


def test_a_reload_in_the_middle_finds_the_running_text(text_visit: "sync_api.Page", held: Hold) -> None:
    text_visit.click("#text-start")
    wait_for_state(text_visit, "running", "text")
    running = job(text_visit)
    text_visit.reload()
    text_visit.wait_for_selector(f"#text-stage [data-job='{running}'][data-status=running]")
    held.release()
    text_visit.wait_for_selector(f"#text-stage [data-job='{running}'][data-status=done]")
    assert text_visit.locator("#text-after").is_visible()


def test_a_model_is_downloaded_inside_the_job_and_can_be_stopped(text_visit: "sync_api.Page") -> None:
    text_visit.locator("#text-model input").click()
    text_visit.get_by_role("option", name="Stand-in, large, needs a download (605 MB)").click()
    text_visit.get_by_text("can be stopped, and goes on").wait_for()
    say(text_visit, "a frog")
    text_visit.click("#text-create")
    stage(text_visit, "text").get_by_text("of 605 MB").wait_for()
    text_visit.click("#text-stop")
    wait_for_state(text_visit, "stopped", "text")
    assert "What has arrived is kept." in stage(text_visit, "text").inner_text()
    text_visit.click("#text-create")
    wait_for_state(text_visit, "failed", "text")
    assert "Without a network there are" in stage(text_visit, "text").inner_text()


def test_the_spectrum_stands_beside_that_of_a_photo(used_visit: "sync_api.Page") -> None:
    create(used_visit)
    upload(used_visit, "#text-photo-upload", "photo.jpg", a_jpeg())
    used_visit.get_by_text("slope -1.50").wait_for()
    assert used_visit.locator("#text-spectrum .cx-series").count() == 2
    upload(used_visit, "#text-photo-upload", "small.jpg", a_jpeg(40, 40))
    used_visit.locator("#text-spectrum").get_by_text("The photo is too small").wait_for()


def test_classifiers_can_be_asked(used_visit: "sync_api.Page") -> None:
    create(used_visit)
    used_visit.click("#text-ask")
    used_visit.locator("#text-opinions").get_by_role("heading", name="Stand-in, defended").wait_for()


def test_layers_one_by_one_and_up_to_each(used_visit: "sync_api.Page") -> None:
    create(used_visit)
    layers = used_visit.locator("#text-layers")
    layers.get_by_text("One by one").click()
    used_visit.wait_for_function("document.querySelectorAll('#text-layers .cx-tile[aria-pressed=true]').length === 1")
    layers.get_by_text("Up to", exact=True).click()
    layers.get_by_text("to 4", exact=True).click()
    used_visit.wait_for_function("document.querySelectorAll('#text-layers .cx-tile[aria-pressed=true]').length === 3")


def test_a_png_fills_in_its_recipe_and_the_shelf_opens_it(text_visit: "sync_api.Page") -> None:
    text_visit.locator("#text-seed input").fill("77")
    text_visit.locator("#text-negative textarea").fill("text:0.2")
    create(text_visit, "a red frog")
    address = stage(text_visit, "text").locator("a[download]").get_attribute("href") or ""
    data = text_visit.request.get(text_visit.url + address).body()
    text_visit.reload()
    text_visit.wait_for_selector("#text-stage [data-status=done]")
    open_text_fold(text_visit, "Repeat a picture")
    upload(text_visit, "#text-repeat", "mine.png", data)
    text_visit.wait_for_function("document.querySelector('#text-prompt textarea').value === 'a red frog'")
    assert text_visit.locator("#text-seed input").input_value() == "77"
    assert text_visit.locator("#text-negative textarea").input_value() == "text:0.2"
    open_text_fold(text_visit, "Advanced")
    assert text_visit.locator("#text-steps input").input_value() == str(from_preset("text", "fast", prompt="a").steps)
    open_classes(text_visit)
    text_visit.locator("#results .cx-result").first.click()
    text_visit.wait_for_selector("#text-stage [data-status=done]", state="visible")


def test_texts_fit_a_phone(text_visit: "sync_api.Page") -> None:
    text_visit.set_viewport_size({"width": 390, "height": 844})
    width = "document.documentElement.scrollWidth"
    assert text_visit.evaluate(width) <= 390
    create(text_visit)
    actions.start_from_picture(text_visit)
    text_visit.locator("#text-mask canvas").first.wait_for()
    for fold in ("Target and style", "From one prompt to another", "Advanced", "Repeat a picture"):
        open_text_fold(text_visit, fold)
        for scheme in SCHEMES:
            text_visit.emulate_media(color_scheme=scheme)
            assert text_visit.evaluate(width) <= 390, (fold, scheme)
