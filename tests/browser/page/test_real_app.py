"""The main job of the real app: `python -m app` with the shipped models, as a person uses it."""

import io
import re
import time

import pytest
from PIL import Image

from tests.browser.actions import choose_quickest_text, open_attacks, open_fold
from tests.browser.conftest import Server
from tests.sources import ROOT

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

EXAMPLES = ROOT / "assets" / "examples"
TINY_CLIP = EXAMPLES.parent / "tiny-clip"
PATIENCE_MS = 180_000  # a slow machine may take its time; that it is quick is measured elsewhere


def done(page: "sync_api.Page", kind: str) -> "sync_api.Locator":
    page.wait_for_selector(f"#{kind}-stage [data-status=done]", timeout=PATIENCE_MS)
    return page.locator(f"#{kind}-stage")


def test_a_class_forms_before_ones_eyes_survives_a_reload_and_is_what_was_asked_for(
    real_visit: "sync_api.Page",
) -> None:
    real_visit.click("#class-create")
    stage = real_visit.locator("#image-stage")
    # of the very picture that was waited for: asked for a step later, the stage may show the last one
    first = real_visit.wait_for_selector("#image-stage [data-status=running] img").get_attribute("src")
    real_visit.wait_for_function(
        "first => document.querySelector('#image-stage img')?.getAttribute('src') !== first", arg=first
    )
    job = stage.locator("[data-job]").get_attribute("data-job")
    real_visit.reload()
    real_visit.wait_for_selector(f"#image-stage [data-job='{job}']")
    picture = done(real_visit, "image").locator("img").first
    assert picture.evaluate("image => image.naturalWidth") >= 128
    assert re.search(r"goldfish\s*\n?\s*\d+\s?%", real_visit.locator("#image-more").inner_text())


def test_a_form_comes_back_with_a_model_of_other_classes_and_without_a_word(real_visit: "sync_api.Page") -> None:
    models = real_visit.locator("input[aria-label=Model]").locator("visible=true").first
    models.click()
    real_visit.get_by_role("option", name=re.compile("Robust CrossMax, CIFAR-10")).first.click()
    real_visit.locator("#class-chips").get_by_text("airplane", exact=True).wait_for()
    real_visit.wait_for_function("JSON.stringify(localStorage).includes('crossmax-cifar10')")
    real_visit.reload()
    real_visit.get_by_role("tab", name="Class to image").click()
    real_visit.locator("#class-chips").get_by_text("airplane", exact=True).wait_for()
    sync_api.expect(models).to_have_value(re.compile("Robust CrossMax, CIFAR-10"))
    real_visit.wait_for_timeout(1000)
    assert real_visit.locator(".cx-notice.cx-bad").all_inner_texts() == []


def test_the_largest_picture_is_stopped_and_kept_within_a_second(
    real_visit: "sync_api.Page", real_server: Server
) -> None:
    """Or within one of its own steps, on a machine where those take longer; the click lies in the middle of one."""
    open_fold(real_visit.locator("button.label-wrap", has_text="Advanced").locator("visible=true").first)
    size = real_visit.locator("#class-size textarea, #class-size input")
    size.fill("2048 x 2048")
    size.press("Tab")
    sync_api.expect(size).to_have_value("2048 x 2048")
    real_visit.click("#class-create")
    words, seen = "document.querySelector('#image-stage .cx-words')?.innerText", []
    for step in (2, 3):
        real_visit.wait_for_function(f"/step [{step}-9]\\//.test({words})", timeout=PATIENCE_MS)
        seen.append(time.time())
    job = real_visit.locator("#image-stage [data-job]").get_attribute("data-job") or ""
    real_visit.wait_for_timeout(250 * (seen[1] - seen[0]))
    asked = time.time()
    real_visit.click("#image-stop")
    real_visit.wait_for_selector("#image-stage [data-status=stopped] img")
    shown = time.time()
    folder = real_server.data_dir / "jobs" / job
    kept = (folder / "image-1.png").stat().st_mtime
    allowed = max(1.0, seen[1] - seen[0])
    assert kept - asked < allowed and shown - asked < 3 * allowed
    with Image.open(folder / "image-1.png") as picture:
        assert picture.size == (2048, 2048)
    whole = real_visit.locator("#image-stage [data-status=stopped] img").first
    assert whole.evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 2048


def test_an_uploaded_jpeg_is_attacked_and_the_undefended_network_changes_its_mind(real_visit: "sync_api.Page") -> None:
    with Image.open(EXAMPLES / "frog.png") as drawing:
        data = io.BytesIO()
        drawing.convert("RGB").resize((240, 180)).save(data, "JPEG", quality=92)
    open_attacks(real_visit)
    models = real_visit.locator("#attack-model input")
    models.press("Backspace")  # takes the one out that is chosen at first
    models.click()
    real_visit.get_by_role("option", name=re.compile("Undefended")).click()
    models.press("Escape")
    with real_visit.expect_file_chooser() as chooser:
        real_visit.locator("#attack-upload").click()
    chooser.value.set_files({"name": "frog.jpg", "mimeType": "image/jpeg", "buffer": data.getvalue()})
    real_visit.get_by_text("240 x 180 pixels").wait_for()
    real_visit.click("#attack-create")
    stage = done(real_visit, "attack")
    assert re.search(r"\d(\.\d)?/255", stage.inner_text())
    fell = real_visit.locator("#attack-more .cx-verdict .cx-fell").first
    assert re.search(r"frog became (?!frog)", fell.text_content() or "")
    table = real_visit.locator("#attack-transfer tbody tr")
    assert (
        table.count() == 9  # the shipped classifiers, those of packages, and the CLIP
        and "fooled" in table.first.inner_text()
        and "1 of 1 attacked" in table.locator("xpath=ancestor::section").first.inner_text()
    )


@pytest.mark.skipif(not TINY_CLIP.is_dir(), reason="the small CLIP model is not there")
def test_a_prompt_is_drawn_by_the_model_that_came_with_the_program(real_text_visit: "sync_api.Page") -> None:
    choose_quickest_text(real_text_visit)
    real_text_visit.locator("#text-prompt textarea").fill("a goldfish | an antidisestablishmentarian")
    real_text_visit.locator("#text-hint").get_by_text("antidisestablishmentarian").wait_for()
    real_text_visit.click("#text-create")
    real_text_visit.wait_for_selector("#text-stage [data-status=running] img", timeout=PATIENCE_MS)
    stage = done(real_text_visit, "text")
    assert stage.locator("img").first.evaluate("image => image.naturalWidth") >= 96
    after, before = re.findall(r"0\.\d\d", real_text_visit.locator("#text-more .cx-cosines").inner_text())[:2]
    assert float(after) > float(before)
    real_text_visit.wait_for_selector("#text-spectrum svg circle")
    assert real_text_visit.locator("#text-layers .cx-tile").count() >= 6
    real_text_visit.click("#text-ask")
    real_text_visit.locator("#text-opinions .cx-bar").first.wait_for(timeout=PATIENCE_MS)
