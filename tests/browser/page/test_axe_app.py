"""The page as those who do not see it, or not well, have it: axe finds no serious fault on any tab, menu or dialog."""

from importlib.resources import files

import pytest

from tests.browser.actions import wait_for_state

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python")

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

# A menu's whole box fades in, whoever asks for less motion: half there, its letters are pale. So what moves in a place
# is waited for, but for what never ends.
FAULTS = """async ([place, rules]) => {
  await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const moving = document.querySelector(place).getAnimations({subtree: true});
  const ending = moving.filter(one => one.effect.getComputedTiming().endTime < Infinity);
  await Promise.all(ending.map(one => one.finished.catch(() => undefined)));
  const found = await axe.run(place, {resultTypes: ['violations'], ...(rules && {runOnly: rules})});
  const bad = found.violations.filter(one => ['serious', 'critical'].includes(one.impact));
  return bad.map(one => `${one.id}: ${one.nodes.map(node => node.target.join(' ')).join(', ')}`);
}"""
OPENED = """() => {
  const folds = [...document.querySelectorAll('.cx-fold > button.label-wrap:not(.open)')];
  const closed = folds.filter(fold => fold.offsetParent);
  for (const fold of closed) fold.click();  // and more come with a tab that was never seen before
  for (const fold of document.querySelectorAll('details')) fold.open = true;
  return closed.length === 0;
}"""


OF_COLOURS = ["color-contrast"]
"""The rules that depend on the theme. They take longest."""


def faults(page: "sync_api.Page", place: str, rules: list[str] | None = None) -> list[str]:
    """What axe says of a part of the page, by some rules or by all, once nothing in it moves any more."""
    return list(page.evaluate(FAULTS, [place, rules]))


def test_axe_finds_nothing_serious_in_either_theme_at_either_width(text_visit: "sync_api.Page") -> None:
    page = text_visit
    page.emulate_media(reduced_motion="reduce")
    page.click("#text-start")
    wait_for_state(page, "done", "text")
    page.wait_for_selector("#results [data-look]")
    page.evaluate(files(axe).joinpath("axe.min.js").read_text(encoding="utf-8"))
    theme = page.get_by_role("combobox", name="Theme")
    found: dict[tuple[str, int, str], list[str]] = {}
    for colours, width, rules in (
        ("light", 1280, None),
        ("dark", 390, None),
        ("light", 390, OF_COLOURS),
        ("dark", 1280, OF_COLOURS),
    ):
        theme.select_option(colours)
        page.set_viewport_size({"width": width, "height": 900})

        def judge(
            what: str, place: str, at: tuple[str, int] = (colours, width), rules: list[str] | None = rules
        ) -> None:
            found[(*at, what)] = faults(page, place, rules)

        for tab in page.get_by_role("tab").all():
            tab.click()
            page.wait_for_function(OPENED)
            judge(tab.inner_text(), "body")
        page.get_by_role("button", name="Keys").click()
        judge("keys", "#keys")
        page.keyboard.press("Escape")
        page.locator("#results [data-look]").first.click()
        judge("a picture seen closely", "#viewer")
        page.keyboard.press("Escape")
        page.locator("#results-kind input").click()
        page.get_by_role("option", name="Attack").wait_for()
        judge("a menu", "#results-kind")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Evaluate a model").click()
        page.wait_for_selector("#evaluate-start", state="visible")
        judge("the sidebar", "#evaluation")
        page.keyboard.press("Escape")
        page.wait_for_selector("#evaluate-start", state="hidden")
    assert {place: said for place, said in found.items() if said} == {}
