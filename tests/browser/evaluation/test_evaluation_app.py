"""The sidebar in a real browser: an evaluation from the choice of images to its report."""

import io
import json
import re
from typing import Literal

import pytest
from PIL import Image

from tests import corpus
from tests.browser.actions import wait_for_state
from tests.browser.evaluation.sidebar import KIND, PATIENCE_MS, choose, open_sidebar, start
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def a_picture(shade: int) -> dict[str, object]:
    data = corpus.encode(Image.new("RGB", (90, 60), (shade, 90, 40)), "PNG")
    return {"name": f"{shade}.png", "mimeType": "image/png", "buffer": data}


def test_it_is_closed_at_first_and_says_what_it_costs_before_it_starts(text_visit: "sync_api.Page") -> None:
    assert text_visit.locator("#evaluate-start").is_hidden()
    handle = text_visit.get_by_role("button", name="Evaluate a model")
    assert handle.get_attribute("aria-expanded") == "false"
    open_sidebar(text_visit)
    assert handle.get_attribute("aria-expanded") == "true"
    assert "about 1 s at most" in text_visit.locator("#evaluate-suites").inner_text()
    choose(text_visit, "evaluate-data", "Photos")
    text_visit.locator("#evaluate-estimate").get_by_text("30,000 forward").wait_for()
    text_visit.locator("#evaluate-count input").fill("10")
    text_visit.locator("#evaluate-estimate").get_by_text("3,000 forward").wait_for()
    text_visit.locator("#evaluation").get_by_text("10 images say next to nothing").wait_for()


def test_closed_tab_running_done_report_comparison_and_removal(text_visit: "sync_api.Page", held: Hold) -> None:
    page = text_visit
    open_sidebar(page)
    choose(page, "evaluate-data", "Photos")
    job = start(page)
    page.wait_for_selector("#evaluate-stage [data-status=running] .cx-figures")
    partial = page.locator("#evaluate-stage .cx-headline").inner_text()
    assert re.search(r"of 100 images", partial) and "%" in partial
    page.reload()
    page.wait_for_selector("#text-start:enabled")
    open_sidebar(page)
    page.wait_for_selector(f"#evaluate-stage [data-job='{job}']")
    held.release()
    wait_for_state(page, "done", KIND)
    page.locator("#evaluate-more").get_by_role("button", name="Open the report").click()
    page.frame_locator(".cx-report iframe").get_by_role("heading", name="Report on crossmax-cifar10").wait_for()
    with page.expect_download() as download:
        page.locator(".cx-report").get_by_text("JSON").click()
    assert json.loads(download.value.path().read_bytes())["complete"] is True
    page.keyboard.press("Escape")
    page.wait_for_selector(".cx-report", state="detached")

    page.locator("#evaluate-suites").get_by_text("Quick").click()
    start(page)
    wait_for_state(page, "done", KIND)
    runs = page.locator("#evaluate-runs")
    boxes, compare = runs.locator("input[data-run]"), runs.get_by_role("button", name="Compare the chosen")
    page.wait_for_function("document.querySelectorAll('#evaluate-runs input[data-run]:enabled').length === 2")
    boxes.nth(0).check()
    assert compare.is_disabled()
    boxes.nth(1).check()
    compare.click()
    page.locator(".cx-report").get_by_text("Is it more than chance?").wait_for()
    page.locator(".cx-report").get_by_role("button", name="Close").click()
    page.wait_for_selector(".cx-report", state="detached")
    runs.get_by_text("remove").first.click()
    page.wait_for_function("document.querySelectorAll('#evaluate-runs li').length === 1")


def test_a_published_model_is_typed_by_its_name_and_the_list_still_chooses(text_visit: "sync_api.Page") -> None:
    page = text_visit
    open_sidebar(page)
    menu, start_it = page.locator("#evaluate-model input"), page.locator("#evaluate-start")
    menu.click()
    page.get_by_role("option", name="Stand-in, undefended").click()
    page.locator("#evaluation").get_by_text("Falls for everything.").wait_for()
    menu.click()
    page.locator("#evaluate-eps input").click()  # to look into the menu and leave it changes nothing
    assert start(page)
    wait_for_state(page, "done", KIND)
    assert "Stand-in, undefended on" in page.locator("#evaluate-stage h2").inner_text()
    for name, words in (("torchvision:nothing", "torchvision has no classifier"), ("nothing", "no model 'nothing'")):
        menu.fill(name)
        menu.press("Enter")
        page.locator("#evaluation").get_by_text(words).first.wait_for()
    start_it.click()
    page.locator("#evaluation .cx-notice-area").get_by_text("no model 'nothing'").wait_for()
    menu.fill("torchvision:net")
    menu.press("Enter")
    page.get_by_text("Knows other things. It is downloaded when it is first used (5 MB).").wait_for()
    page.locator("#evaluate-estimate").get_by_text("fetched when the evaluation starts").wait_for()
    assert start(page)
    wait_for_state(page, "done", KIND)
    assert "torchvision:net on" in page.locator("#evaluate-stage h2").inner_text()


def test_stopping_keeps_what_is_done_and_it_can_be_gone_on_with(text_visit: "sync_api.Page", held: Hold) -> None:
    page = text_visit
    open_sidebar(page)
    choose(page, "evaluate-data", "Photos")
    page.locator("#evaluate-suites").get_by_text("Thorough").click()
    job = start(page)
    page.wait_for_selector("#evaluate-stage [data-status=running] .cx-figures")
    page.click("#evaluate-stop")
    wait_for_state(page, "stopped", KIND)
    assert "kept" in page.locator("#evaluate-stage").inner_text()
    assert "%" in page.locator("#evaluate-stage .cx-headline").inner_text()
    page.click("#evaluate-go-on")
    page.wait_for_selector(f"#evaluate-stage [data-job]:not([data-job='{job}'])[data-status=running]")
    page.click("#evaluate-discard")
    page.wait_for_selector("#evaluate-stage [data-job]", state="detached")


def test_own_images_get_labels_and_only_those_take_part(text_visit: "sync_api.Page") -> None:
    page = text_visit
    open_sidebar(page)
    choose(page, "evaluate-data", "My own images")
    page.click("#evaluate-start")
    page.locator("#evaluation").get_by_text("No image has a label yet").wait_for()
    with page.expect_file_chooser() as chooser:
        page.click("#evaluate-own-add")
    chooser.value.set_files([a_picture(30), a_picture(200)])
    page.locator("#evaluate-own-labels").get_by_text("0 of 2 have a label").wait_for()
    page.locator("#evaluate-own-labels select").first.select_option("frog")
    page.locator("#evaluate-own-labels").get_by_text("1 of 2 have a label").wait_for()
    page.get_by_role("button", name="Remove image 2").click()
    page.wait_for_function("document.querySelectorAll('#evaluate-own-labels li').length === 1")
    start(page)
    wait_for_state(page, "done", KIND)
    assert "of 1 images" in page.locator("#evaluate-stage").inner_text()


def test_data_that_are_not_here_say_where_to_put_them(text_visit: "sync_api.Page") -> None:
    open_sidebar(text_visit)
    choose(text_visit, "evaluate-data", "Far away (not here)")
    text_visit.locator("#evaluate-data-line").get_by_text("Put it into the folder").wait_for()
    text_visit.click("#evaluate-start")
    text_visit.locator("#evaluation .cx-notice-area").get_by_text("These data are not here").wait_for()


def test_the_sidebar_fits_a_phone(text_visit: "sync_api.Page") -> None:
    page = text_visit
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator("#evaluate-start").is_hidden()  # an open one would cover the page
    open_sidebar(page)
    choose(page, "evaluate-data", "Photos")
    start(page)
    wait_for_state(page, "done", KIND)
    content = ".cx-sidebar .sidebar-content"
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(f"(e => e.scrollWidth - e.clientWidth)(document.querySelector('{content}'))") <= 0
    page.get_by_role("button", name="Evaluate a model").click()
    page.wait_for_selector("#evaluate-start", state="hidden")


def test_the_shipped_model_on_the_example_drawings(real_text_visit: "sync_api.Page") -> None:
    page = real_text_visit
    open_sidebar(page)
    assert "Four example drawings" in page.locator("#evaluate-data input").input_value()
    quick = page.locator("#evaluate-suites label").filter(has_text="a first look, no result").locator("input")
    adaptive = page.locator("#evaluate-suites label").filter(has_text="on the deepest predictor").locator("input")
    quick.check()
    adaptive.uncheck()
    job = start(page)
    page.reload()
    page.wait_for_selector("#text-start:enabled", timeout=PATIENCE_MS)
    open_sidebar(page)
    page.wait_for_selector(f"#evaluate-stage [data-job='{job}'][data-status=done]", timeout=PATIENCE_MS)
    figures = page.locator("#evaluate-stage .cx-figures").inner_text()
    assert "of 4 images" in figures and "mean/margin" in figures
    page.locator("#evaluate-more").get_by_role("button", name="Open the report").click()
    report = page.frame_locator(".cx-report iframe")
    report.get_by_role("heading", name="crossmax-cifar10").wait_for(timeout=PATIENCE_MS)
    picture = page.screenshot()
    assert Image.open(io.BytesIO(picture)).size == (1400, 900)

    page.keyboard.press("Escape")
    page.wait_for_selector(".cx-report", state="detached")
    runs = page.locator("#evaluate-runs")
    shipped = runs.locator("li", has_text="shipped with the model")
    assert shipped.count() >= 2 and "remove" not in shipped.first.inner_text()
    shipped.first.locator(".cx-run").click()
    report.get_by_text("worst case").first.wait_for(timeout=PATIENCE_MS)
    page.locator(".cx-report").get_by_role("button", name="Close").click()
    page.wait_for_selector(".cx-report", state="detached")
    runs.locator(f"input[data-run='{job}']").check()
    shipped.first.locator("input").check()
    runs.get_by_role("button", name="Compare the chosen").click()
    page.locator(".cx-report").get_by_text("worst case").first.wait_for(timeout=PATIENCE_MS)
