"""Pictures seen closely in a real browser: enlarged, pixel for pixel, one after another, and two compared."""

import pytest

from tests.browser.history.shelf import choose, draw, expect_titles

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser


def box(viewer: "sync_api.Locator", number: int = 0) -> dict[str, float]:
    """Where a picture is, once it has been drawn."""
    image = viewer.locator("figure:not([hidden]) img").nth(number)
    viewer.page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    found = image.bounding_box()
    assert found is not None
    return dict(found)


def words(viewer: "sync_api.Locator") -> "sync_api.Locator":
    return viewer.locator(".cx-viewer-title")


def test_results_are_enlarged_paged_through_and_compared(visit: "sync_api.Page") -> None:
    draw(visit, "frog", "ship", "horse")
    expect_titles(visit, "horse", "ship", "frog")
    visit.locator("#image-stage").get_by_role("button", name="Look closely").click()
    viewer = visit.get_by_role("dialog", name="Pictures seen closely")
    sync_api.expect(words(viewer)).to_contain_text("1 of 3: horse")
    whole = box(viewer)
    view = visit.viewport_size
    assert view is not None and whole["width"] <= view["width"] and whole["y"] + whole["height"] <= view["height"] + 1
    visit.keyboard.press("1")
    side = viewer.locator("img").first.evaluate("image => image.naturalWidth / devicePixelRatio")
    assert box(viewer)["width"] == pytest.approx(side, abs=0.6)
    visit.keyboard.press("0")
    assert box(viewer)["width"] == pytest.approx(whole["width"], abs=0.6)

    for name in ("ship", "frog", "horse"):
        visit.keyboard.press("ArrowRight")
        sync_api.expect(words(viewer)).to_contain_text(name)
    visit.keyboard.press("c")
    sync_api.expect(words(viewer)).to_contain_text("beside ship")
    visit.keyboard.press("ArrowRight")
    sync_api.expect(words(viewer)).to_contain_text("beside frog")
    visit.keyboard.press("+")
    left, right = box(viewer), box(viewer, 1)
    assert left["width"] == pytest.approx(right["width"]) and right["x"] > left["x"]
    panes = viewer.locator(".cx-viewer-panes")
    panes.hover(position={"x": 200, "y": 200})
    visit.mouse.wheel(0, -300)
    visit.mouse.down()
    visit.mouse.move(300, 360, steps=3)
    visit.mouse.up()
    moved, beside = box(viewer), box(viewer, 1)
    assert moved["width"] > left["width"] and moved["width"] == pytest.approx(beside["width"])
    half = viewer.locator("figure").nth(1).bounding_box()
    first = viewer.locator("figure").first.bounding_box()
    assert half is not None and first is not None
    assert moved["x"] - first["x"] == pytest.approx(beside["x"] - half["x"], abs=0.6)  # both alike
    assert moved["y"] == pytest.approx(beside["y"], abs=0.6)

    viewer.get_by_role("button", name="Under a slider").click()
    cut = viewer.get_by_role("slider")
    cut.focus()
    visit.keyboard.press("Home")
    assert viewer.evaluate("one => one.style.getPropertyValue('--cut')") == "0%"
    visit.keyboard.press("Escape")
    sync_api.expect(viewer).to_be_hidden()

    choose(visit, "ship", "frog")
    visit.get_by_role("button", name="Compare two").click()
    sync_api.expect(words(viewer)).to_contain_text("ship")
    sync_api.expect(words(viewer)).to_contain_text("frog")
    visit.keyboard.press("Escape")
    visit.get_by_role("button", name="Delete: frog").click()
    expect_titles(visit, "horse", "ship")
    visit.click("#results-undo")
    expect_titles(visit, "horse", "ship", "frog")
