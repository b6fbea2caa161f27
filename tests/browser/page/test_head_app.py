"""What stands over the whole page: light and dark, keys, jobs that stay in sight; nothing lies over anything."""

import pytest

from tests.browser.actions import a_jpeg, drop, wait_for_state
from tests.browser.conftest import VIEWPORT, UsedPage
from tests.browser.evaluation.sidebar import choose, open_sidebar, start
from tests.browser.holding import Hold

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

WIDTHS = (390, 768, 1280, 2560)
COVERED = """() => {
  const found = [];
  const all = 'button, input:not([type=file]), textarea, select, a[href], summary';
  for (const one of document.querySelectorAll(`.main :is(${all})`)) {
    const {visibility, opacity, pointerEvents} = getComputedStyle(one), hidden = visibility === "hidden";
    if (!one.offsetParent || hidden || opacity === "0" || pointerEvents === 'none' || one.disabled) continue;
    const folded = one.closest('details:not([open])') && !one.matches('summary');
    if (folded || one.closest('.cx-sidebar, dialog, .cx-visually-hidden, .visually-hidden')) continue;
    one.scrollIntoView({block: 'center', behavior: 'instant'});
    const box = one.getBoundingClientRect();
    if (box.width < 4 || box.height < 4) continue;
    const places = one.closest('label, .cx-words-row') ? [[0.5, 0.5]] : [[0.5, 0.5], [0.03, 0.5], [0.97, 0.5]];
    for (const [x, y] of places) {
      const over = document.elementFromPoint(box.left + x * box.width, box.top + y * box.height);
      const same = !over || (one.contains(over) || over.contains(one) || over.closest('label')?.contains(one)
        || one.closest('label, .wrap, .block')?.contains(over));
      if (!same) found.push(`${over?.className} over ${one.id || one.textContent || one.tagName}`);
    }
  }
  return found;
}"""


def is_dark(page: "sync_api.Page") -> bool:
    return bool(page.evaluate("document.body.classList.contains('dark')"))


def test_light_and_dark_are_chosen_and_remembered(used_visit: "sync_api.Page") -> None:
    page = used_visit
    theme = page.get_by_role("combobox", name="Theme")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.body.classList.contains('dark')")
    theme.select_option("light")
    assert not is_dark(page)
    page.reload()
    page.wait_for_selector("#text-start:enabled")
    sync_api.expect(theme).to_have_value("light")
    assert not is_dark(page)
    page.emulate_media(color_scheme="light")
    theme.select_option("dark")
    assert is_dark(page)
    theme.select_option("system")
    assert not is_dark(page)


def test_motion_stops_for_whoever_asks_for_less(used_visit: "sync_api.Page") -> None:
    page = used_visit
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(
        "document.querySelector('main')"
        ".insertAdjacentHTML('beforeend', '<div id=probe class=\"cx-canvas cx-waiting\"></div>')"
    )
    assert page.evaluate("getComputedStyle(document.getElementById('probe')).animationName") == "none"
    longest = (
        "Math.max(...[...document.querySelectorAll('*')].map(e => parseFloat(getComputedStyle(e).transitionDuration)))"
    )
    assert page.evaluate(longest) < 0.001
    page.evaluate("window.cxToTop()")
    page.emulate_media(reduced_motion="no-preference")


def test_arrow_keys_go_through_the_choices_of_a_group(used_visit: "sync_api.Page") -> None:
    page = used_visit
    choices = page.locator("#text-preset input[type=radio]")
    one_group = """() => {
      const names = [...document.querySelectorAll('#text-preset input[type=radio]')].map(one => one.name);
      return names.length > 2 && new Set(names).size === 1;
    }"""
    page.wait_for_function(one_group)
    chosen = "[...document.querySelectorAll('#text-preset input[type=radio]')].findIndex(one => one.checked)"
    before = page.evaluate(chosen)
    choices.nth(before).focus()
    named_anew = """() => {
      const all = document.querySelectorAll('#text-preset input[type=radio]');
      all.forEach((one, i) => { one.name = `own-${i}`; });
    }"""
    for key, place in (("ArrowRight", before + 1), ("ArrowLeft", before)):
        page.evaluate(named_anew)  # as the answer of the server does it
        page.keyboard.press(key)
        page.wait_for_function(f"place => {chosen} === place", arg=place)
        assert choices.nth(place).evaluate("one => one === document.activeElement")
    page.wait_for_timeout(500)  # the answer of the server may draw the choices anew
    page.wait_for_function(one_group)
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.matches('#text-preset input[type=radio]')"), (
        "one stop for all of them"
    )


def test_the_head_keeps_its_lines_at_every_width_also_beside_the_sidebar(used_visit: "sync_api.Page") -> None:
    page = used_visit
    high = "place => document.querySelector(place).getBoundingClientRect().height"
    seen = {}
    for width in (390, 1024, 1280, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        for open_ in (True, False):
            page.evaluate(f"cxEvaluation({str(open_).lower()})")
            page.wait_for_selector("#evaluate-start", state="visible" if open_ else "hidden")
            page.wait_for_timeout(400)  # it slides
            seen[width, open_] = page.evaluate(high, ".cx-header h1"), page.evaluate(high, ".cx-tools [data-keys]")
    page.set_viewport_size(VIEWPORT)
    assert all(title < 45 and button < 45 for title, button in seen.values()), seen


def test_all_is_done_by_the_keyboard(text_visit: "sync_api.Page", held: Hold) -> None:
    """From the list of the keys to a picture that is stopped, kept, looked at and used again, without a mouse."""
    page = text_visit
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    sync_api.expect(keys).to_contain_text("stop the picture and keep it")
    page.keyboard.press("Escape")
    sync_api.expect(keys).to_be_hidden()
    prompt = page.locator("#text-prompt").locator("textarea, input").first
    prompt.focus()
    page.keyboard.type("a frog?")  # a question mark in a text is one
    sync_api.expect(keys).to_be_hidden()
    page.keyboard.press("Backspace")
    page.keyboard.press("Control+Enter")
    wait_for_state(page, "running", "text")
    sync_api.expect(page.locator("#your-jobs li")).to_have_count(1)  # and not two
    page.locator("#text-stop").focus()
    page.keyboard.press("Escape")
    wait_for_state(page, "stopped", "text")
    sync_api.expect(page.locator("#cx-said")).to_have_text("a frog, seed 0: stopped, results kept")

    tabs = page.get_by_role("tab")
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    sync_api.expect(tabs.nth(1)).to_be_focused()
    sync_api.expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    assert tabs.evaluate_all("all => all.map(one => one.tabIndex)") == [-1, 0, -1]
    page.keyboard.press("End")
    page.wait_for_selector("#attack-upload", state="visible")
    page.keyboard.press("Home")
    page.wait_for_selector("#text-create", state="visible")

    held.release()
    look = page.locator("#results [data-look]")
    look.focus()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog", name="Pictures seen closely")
    sync_api.expect(viewer.locator("img").first).to_have_attribute("alt", "a frog, seed 0")
    page.keyboard.press("Escape")
    sync_api.expect(look).to_be_focused()
    prompt.fill("")
    page.locator("#results [data-act=use]").focus()
    page.keyboard.press("Enter")
    sync_api.expect(prompt).to_have_value("a frog")


def test_a_running_evaluation_is_in_sight_wherever_one_is(text_visit: "sync_api.Page", held: Hold) -> None:
    page = text_visit
    open_sidebar(page)
    choose(page, "evaluate-data", "Photos")
    start(page)
    page.wait_for_selector("#evaluate-stage [data-status=running]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#evaluate-start", state="hidden")
    sync_api.expect(page.get_by_role("button", name="Evaluate a model")).to_be_focused()
    line = page.locator("#your-jobs summary")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for tab in page.get_by_role("tab").all():
            tab.click()
            page.evaluate("scrollTo({top: document.documentElement.scrollHeight, behavior: 'instant'})")
            sync_api.expect(line).to_be_in_viewport(ratio=1)
            sync_api.expect(line).to_contain_text(" %")
            assert page.evaluate("document.querySelector('#your-jobs').getBoundingClientRect().top") == 0
            page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    line.click()
    page.locator("#your-jobs").get_by_role("button", name="Show: ").click()
    page.wait_for_selector("#evaluate-stage [data-status=running]", state="visible")
    held.release()
    wait_for_state(page, "done", "evaluate")


def test_nothing_covers_a_field_or_a_button(used: UsedPage, used_visit: "sync_api.Page") -> None:
    page = used_visit
    found = {}
    for tab in page.get_by_role("tab").all():
        tab.click()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found[tab.inner_text(), width] = page.evaluate(COVERED)
    used.close()
    assert found == {place: [] for place in found}


def test_a_picture_that_is_pasted_is_opened(visit: "sync_api.Page") -> None:
    visit.locator("#class-seed input").fill("31")
    visit.click("#class-create")
    wait_for_state(visit, "done")
    address = visit.locator("#image-stage a[download]").first.get_attribute("href") or ""
    visit.click("#class-reset")
    sync_api.expect(visit.locator("#class-seed input")).to_have_value("0")
    visit.evaluate(
        """async address => {
          const data = await (await fetch(address)).arrayBuffer(), clipboardData = new DataTransfer();
          clipboardData.items.add(new File([data], 'image.png', {type: 'image/png'}));
          document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData, bubbles: true, cancelable: true}));
        }""",
        address,
    )
    sync_api.expect(visit.locator("#class-seed input")).to_have_value("31")


def test_a_foreign_picture_becomes_the_photo_a_link_fills_the_form_and_a_field_is_put_back(
    text_visit: "sync_api.Page",
) -> None:
    page = text_visit
    drop(page, "photo.jpg", a_jpeg())
    sync_api.expect(page.locator("#text-source-chosen")).to_contain_text("200 x 120 pixels")
    page.click("#text-source-remove")
    page.get_by_role("tab", name="Class to image").click()
    page.wait_for_selector("#class-create", state="visible")
    drop(page, "photo.jpg", a_jpeg())
    sync_api.expect(page.locator("#attack-chosen")).to_contain_text("200 x 120 pixels")
    page.wait_for_selector("#attack-create", state="visible")

    page.get_by_role("tab", name="Class to image").click()
    seed = page.locator("#class-seed input")
    seed.fill("41")
    page.click("#class-create")
    wait_for_state(page, "done")
    link = page.locator("#image-copy [data-link] pre").text_content() or ""
    assert link.startswith(f"{page.url.partition('?')[0]}#recipe=")
    page.get_by_role("button", name="Seed: back to 0").click()
    sync_api.expect(seed).to_have_value("0")
    sync_api.expect(page.locator("#class-seed .cx-undo")).to_have_count(0)
    page.goto(link)
    sync_api.expect(seed).to_have_value("41")
    assert "recipe" not in page.url  # what is changed from now on is not undone by a reload
