"""The tab of attacks in a real browser: whom to attack, what came out, what survives, and why."""

import pytest

from foundation.images.files import read_metadata
from tests.browser.actions import a_jpeg, open_attacks, open_fold, stage, upload, wait_for_state
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser


def attack(page: "sync_api.Page") -> None:
    open_attacks(page)
    upload(page, "#attack-upload", "photo.jpg", a_jpeg())
    page.get_by_text("200 x 120 pixels").wait_for()


def test_the_tables_come_while_one_watches_and_the_rest_is_folded_away(visit: "sync_api.Page", held: Hold) -> None:
    held.start("measuring")
    attack(visit)
    visit.click("#attack-create")
    wait_for_state(visit, "running", "attack")
    held.release()
    visit.wait_for_selector("#attack-more .cx-to-come")
    held.release("measuring")
    wait_for_state(visit, "done", "attack")
    more = visit.locator("#attack-more")
    assert more.locator(".cx-to-come").count() == 0
    assert "1 of 1 held out" in more.locator("#attack-transfer").inner_text()
    survived = more.locator("#attack-survival tbody tr")
    assert survived.count() == 8
    assert "not comparable" in survived.first.inner_text()
    assert "SSIM" in stage(visit, "attack").inner_text()
    slider = stage(visit, "attack").locator(".cx-compare img")
    assert all(".png" in (slider.nth(index).get_attribute("src") or "") for index in range(2))
    fold = more.locator("details", has_text="Which read-outs were fooled")
    assert not fold.locator("svg").first.is_visible()
    fold.locator("summary").first.click()
    fold.locator("svg.cx-heat").first.wait_for()
    assert fold.locator(".cx-heat-fell").count() == 2
    more.get_by_text("From the photo to the picture, and beyond").click()
    more.locator(".cx-path svg polyline").first.wait_for()
    assert "frog becomes ship at 0.60" in more.inner_text()


def test_the_true_class_is_left_and_the_picture_can_go_without_its_recipe(visit: "sync_api.Page") -> None:
    attack(visit)
    visit.locator("#attack-truth input").fill("unicorn")
    visit.click("#attack-create")
    visit.get_by_text("know no class 'unicorn'").wait_for()
    visit.locator("#attack-truth input").fill("frog")
    open_fold(visit.get_by_role("button", name="Advanced").locator("visible=true"))
    visit.get_by_label("The picture carries its recipe").uncheck()
    visit.click("#attack-create")
    wait_for_state(visit, "done", "attack")
    assert "attack away from frog" in stage(visit, "attack").inner_text()
    assert "carries no recipe" in stage(visit, "attack").inner_text()
    more = visit.locator("#attack-more")
    assert "The photo shows frog" in more.locator("#attack-transfer").inner_text()
    assert more.locator(".cx-parts figure").count() == 4
    assert "shown 62 times as strong" in more.locator(".cx-parts").inner_text()
    assert all(more.locator(".cx-parts img").evaluate_all("all => all.map(one => one.naturalWidth > 0)"))
    for link, name in ((stage(visit, "attack").get_by_text("Download PNG"), "png"), (more.get_by_text("CSV"), "csv")):
        with visit.expect_download() as download:
            link.click()
        assert download.value.suggested_filename.endswith(name)
        if name == "png":
            assert read_metadata(download.value.path().read_bytes()) == {}
    upload(visit, "#attack-upload", "other.jpg", a_jpeg(120, 90))
    visit.get_by_text("120 x 90 pixels").wait_for()
    assert visit.locator("#attack-truth input").input_value() == ""


def test_a_published_model_is_typed_by_its_name(visit: "sync_api.Page") -> None:
    attack(visit)
    menu = visit.locator("#attack-model input")
    visit.locator("#attack-model .token-remove").first.click()
    menu.fill("torchvision:nothing")
    menu.press("Enter")
    visit.get_by_text("torchvision has no classifier 'torchvision:nothing'").first.wait_for()
    visit.locator("#attack-model .token-remove").first.click()
    menu.fill("torchvision:net")
    menu.press("Enter")
    visit.get_by_text("Knows other things. It is downloaded when it is first used (5 MB).").wait_for()
    visit.get_by_label("a class I choose").click()
    visit.locator("#attack-chips").get_by_text("tench").click()
    visit.click("#attack-create")
    wait_for_state(visit, "done", "attack")
    assert "attack towards tench" in stage(visit, "attack").inner_text()


def test_a_clip_model_is_led_by_words_and_a_phone_never_scrolls_sideways(visit: "sync_api.Page") -> None:
    visit.set_viewport_size({"width": 390, "height": 844})
    attack(visit)
    assert not visit.locator("#attack-prompt").is_visible()
    visit.locator("#attack-model input").click()
    visit.get_by_role("option", name="Stand-in CLIP").click()
    visit.locator("#attack-prompt textarea").wait_for()
    visit.click("#attack-create")
    visit.get_by_text("Say in Text what the CLIP models should see").wait_for()
    visit.locator("#attack-prompt textarea").fill("a photo of a <b>ship</b>")
    visit.click("#attack-create")
    wait_for_state(visit, "done", "attack")
    assert "<b>ship</b>" in stage(visit, "attack").locator("h2").inner_text()
    visit.evaluate("document.querySelectorAll('#attack-more details').forEach(fold => { fold.open = true; })")
    assert visit.evaluate("document.documentElement.scrollWidth") <= 390
