"""A grid of three by three in the tab of texts: asked for, watched, used, taken along and gone on with."""

import io
import zipfile

import pytest
from PIL import Image

from generator.recipes.recipe import Recipe
from tests.browser.actions import open_fold, stage, wait_for_state
from tests.browser.conftest import Server
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

CELLS = ".cx-cell"


def choose(page: "sync_api.Page", field: str, title: str) -> None:
    """Choose an axis out of its menu."""
    page.locator(field).click()
    page.get_by_role("option", name=title, exact=True).click()


def ask_for_a_grid(page: "sync_api.Page", prefix: str = "text") -> None:
    """Seeds across, steps down, three of each."""
    page.locator(f"#{prefix}-grid-fold > button").click()
    page.locator(f"#{prefix}-grid-x textarea, #{prefix}-grid-x input").first.fill("1..3")
    page.locator(f"#{prefix}-grid-y textarea, #{prefix}-grid-y input").first.fill("20, 50, 90")


def press_make(page: "sync_api.Page", prefix: str = "text") -> None:
    page.locator(f"#{prefix}-grid-make").click()


def test_a_grid_streams_in_its_cells_are_used_and_it_is_taken_along(
    text_visit: "sync_api.Page", held: Hold, server: Server
) -> None:
    page = text_visit
    page.locator("#text-prompt textarea").fill("a frog")
    ask_for_a_grid(page)
    page.locator("#text-grid-cost", has_text="9 pictures, 480 steps, at most about").wait_for()
    press_make(page)
    page.wait_for_selector(f"#text-grid {CELLS} >> nth=2")
    page.locator("#text-stage .cx-words", has_text="4 of 9, seed 1, steps 50").wait_for()
    assert page.locator(f"#text-grid {CELLS}").count() == 3
    assert page.locator("#text-grid td.cx-to-come").count() == 6
    assert page.locator("#text-grid thead th").all_inner_texts()[1:] == ["1", "2", "3"]
    assert page.locator("#text-grid tbody th").all_inner_texts() == ["20", "50", "90"]
    page.locator(f"#text-grid {CELLS} >> nth=1").click()  # while it runs
    page.locator("#text-grid", has_text="The settings of seed 2, steps 20 are in the form.").wait_for()
    held.release()
    wait_for_state(page, "done", "text")
    assert stage(page, "text").get_by_role("heading").first.inner_text() == "Grid: seed x steps, 9 pictures"
    assert page.locator(f"#text-grid {CELLS}").count() == 9
    page.get_by_role("button", name="Use the settings of seed 3, steps 90").click()
    page.locator("#text-grid", has_text="The settings of seed 3, steps 90 are in the form.").wait_for()
    assert page.locator("#text-seed input").input_value() == "3"
    open_fold(page.locator(".cx-text-tab").get_by_role("button", name="Advanced"))
    assert page.locator("#text-steps input").input_value() == "90"
    assert page.locator("#text-prompt textarea").input_value() == "a frog"
    link = stage(page, "text").get_by_role("link", name="Download this picture (PNG)")
    picture = page.request.get(page.url + (link.get_attribute("href") or "")).body()
    recipe = Recipe.from_png(picture)
    assert (recipe.prompt, recipe.seed, recipe.steps) == ("a frog", 3, 90)
    for name, kind in (("Download the sheet (PNG)", b"\x89PNG"), ("Table (CSV)", b"seed,steps")):
        address = stage(page, "text").get_by_role("link", name=name).get_attribute("href") or ""
        assert page.request.get(page.url + address).body().startswith(kind)

    card = page.locator(".cx-card", has_text="Grid: seed x steps, 9 pictures")
    card.locator("input[data-choose]").check()
    page.get_by_role("button", name="Export as ZIP").click()
    address = page.get_by_role("link", name="Download ZIP").get_attribute("href") or ""
    with zipfile.ZipFile(io.BytesIO(page.request.get(page.url + address).body())) as packed:
        names = [name.rpartition("/")[2] for name in packed.namelist()]
    assert sum(name.startswith("cell-") and name.endswith(".png") for name in names) == 9
    assert {"sheet.png", "grid.csv"} <= set(names)


def test_a_grid_that_was_stopped_goes_on_with_the_rest(text_visit: "sync_api.Page", held: Hold) -> None:
    page = text_visit
    page.locator("#text-prompt textarea").fill("a frog")
    ask_for_a_grid(page)
    press_make(page)
    page.wait_for_selector(f"#text-grid {CELLS} >> nth=2")
    page.locator("#text-stop").click()
    wait_for_state(page, "stopped", "text")
    assert page.locator(f"#text-grid {CELLS}").count() == 3
    page.reload()
    page.wait_for_selector("#text-start, #text-stage [data-status=stopped]")
    wait_for_state(page, "stopped", "text")
    held.release()
    page.locator("#text-again-settings", has_text="Go on with the rest").click()
    wait_for_state(page, "done", "text")
    assert page.locator(f"#text-grid {CELLS}").count() == 9
    page.locator("#text-grid-fold > button").click()
    assert page.locator("#text-grid-x textarea, #text-grid-x input").first.input_value() == "1..3"  # as it was left


def test_refusals_name_the_field_or_the_cell_before_anything_is_made(text_visit: "sync_api.Page") -> None:
    page = text_visit
    page.locator("#text-prompt textarea").fill("a frog")
    ask_for_a_grid(page)
    page.locator("#text-grid-y textarea, #text-grid-y input").first.fill("0")
    page.locator("#text-grid-cost", has_text="steps must be at least 1").wait_for()
    choose(page, "#text-grid-y-field input", "Prompt")
    page.locator("#text-grid-y textarea, #text-grid-y input").first.fill("a frog; zyzzyva")
    page.locator("#text-grid-cost", has_text="6 pictures").wait_for()
    press_make(page)
    page.locator(".cx-notice.cx-bad", has_text="The cell of seed 1, prompt zyzzyva cannot be made").wait_for()
    assert page.locator("#text-stage [data-job]").count() == 0


def test_a_grid_of_classes_on_a_phone_scrolls_in_its_own_box(visit: "sync_api.Page") -> None:
    page = visit
    page.set_viewport_size({"width": 390, "height": 844})
    ask_for_a_grid(page, "class")
    page.locator("#class-grid-x textarea, #class-grid-x input").first.fill("1..6")
    page.locator("#class-grid-cost", has_text="18 pictures").wait_for()
    press_make(page, "class")
    wait_for_state(page, "done")
    box = page.locator("#image-grid .cx-scroll")
    assert box.evaluate("one => one.scrollWidth > one.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    box.evaluate("one => one.scrollLeft = one.scrollWidth")
    page.get_by_role("button", name="Use the settings of seed 6, steps 90").click()
    page.locator("#image-grid", has_text="The settings of seed 6, steps 90 are in the form.").wait_for()
    assert page.locator("#class-seed input").input_value() == "6"


def test_the_thumbnails_are_pictures(text_visit: "sync_api.Page") -> None:
    page = text_visit
    page.locator("#text-prompt textarea").fill("a frog")
    ask_for_a_grid(page)
    press_make(page)
    wait_for_state(page, "done", "text")
    addresses = [one.get_attribute("src") or "" for one in page.locator(f"#text-grid {CELLS} img").all()]
    assert len(set(addresses)) == 9
    for address in addresses:
        with Image.open(io.BytesIO(page.request.get(page.url + address).body())) as picture:
            assert max(picture.size) <= 160


def test_a_grid_is_copied_as_a_command_and_as_a_link_that_fills_its_axes_in(text_visit: "sync_api.Page") -> None:
    page = text_visit
    page.locator("#text-prompt textarea").fill("a frog")
    ask_for_a_grid(page)
    press_make(page)
    wait_for_state(page, "done", "text")
    copies = page.locator("#text-copy pre").all_text_contents()
    assert copies[0].startswith(
        "python -m generator grid text --x 'seed=1, 2, 3' --y 'steps=20, 50, 90' --out grid 'a fr"
    )
    assert "studio.grid(" in copies[1]
    link = page.locator("#text-copy [data-link] pre").text_content() or ""
    page.evaluate("localStorage.clear()")
    page.goto("about:blank")
    page.goto(link)
    for axis, values in (("x", "1; 2; 3"), ("y", "20; 50; 90")):
        box = page.locator(f"#text-grid-{axis} textarea, #text-grid-{axis} input").first
        sync_api.expect(box).to_have_value(values)
        sync_api.expect(box).to_be_visible()
    sync_api.expect(page.locator("#text-prompt textarea")).to_have_value("a frog")
