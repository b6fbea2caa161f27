"""Your results in a real browser: found again, marked, named, deleted and had back, taken along."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from tests.browser.actions import open_classes, wait_for_state
from tests.browser.conftest import Server, first_visit, new_context
from tests.browser.evaluation.sidebar import choose as choose_in_menu
from tests.browser.evaluation.sidebar import open_sidebar, start
from tests.browser.history.shelf import SOON, card, choose, draw, expect_titles, exported, search

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser


def test_results_are_found_marked_named_deleted_and_had_back(visit: "sync_api.Page") -> None:
    draw(visit, "frog", "ship", "horse")
    expect_titles(visit, "horse", "ship", "frog")
    assert "on Stand-in, defended" in card(visit, "ship").inner_text()
    assert "80 steps" in card(visit, "ship").inner_text()

    search(visit, "SHIP")
    expect_titles(visit, "ship")
    sync_api.expect(visit.locator("#results .cx-card-count")).to_have_text("1 found, of 3", timeout=SOON)
    search(visit, "stand-in defended")
    expect_titles(visit, "horse", "ship", "frog")
    search(visit, "zebra")
    sync_api.expect(visit.locator("#results")).to_contain_text("None of your 3 results is like that", timeout=SOON)
    search(visit, "")

    card(visit, "frog").locator("[data-act=star]").click()
    visit.wait_for_selector("#results [data-act=star][aria-pressed=true]")
    visit.locator("#results-favourites input").check()
    expect_titles(visit, "frog")
    visit.locator("#results-favourites input").uncheck()
    expect_titles(visit, "horse", "ship", "frog")

    card(visit, "horse").locator("[data-act=edit]").click()
    visit.locator("#results-title input, #results-title textarea").first.fill("my <b>zebra</b>")
    visit.locator("#results-note textarea").fill("for the talk")
    visit.click("#results-save")
    expect_titles(visit, "my <b>zebra</b>", "ship", "frog")
    sync_api.expect(visit.locator("#image-stage h2")).to_have_text("my <b>zebra</b>", timeout=SOON)
    search(visit, "talk")
    expect_titles(visit, "my <b>zebra</b>")
    search(visit, "")
    expect_titles(visit, "my <b>zebra</b>", "ship", "frog")

    choose(visit, "zebra", "ship")
    sync_api.expect(visit.locator("#results .cx-chosen-words")).to_have_text("2 chosen", timeout=SOON)
    visit.locator("#results [data-act=delete]").click()
    expect_titles(visit, "frog")
    visit.wait_for_selector("#image-stage .cx-empty")  # what stood on the stage is gone from there, too
    sync_api.expect(visit.locator("#results-notice")).to_contain_text("2 results deleted", timeout=SOON)
    visit.click("#results-undo")
    expect_titles(visit, "my <b>zebra</b>", "ship", "frog")
    visit.wait_for_selector("#results-undo", state="hidden")
    visit.reload()
    expect_titles(visit, "my <b>zebra</b>", "ship", "frog")
    card(visit, "ship").locator(".cx-result").click()
    visit.wait_for_selector("#image-stage [data-status=done]")
    sync_api.expect(visit.locator("#image-stage h2")).to_contain_text("ship", timeout=SOON)


def test_what_was_deleted_is_had_back_also_after_a_reload(visit: "sync_api.Page") -> None:
    draw(visit, "frog", "ship")
    expect_titles(visit, "ship", "frog")
    for name in ("ship", "frog"):  # one after the other: each can be had back
        choose(visit, name)
        visit.locator("#results [data-act=delete]").click()
        sync_api.expect(visit.locator("#results .cx-result", has_text=name)).to_have_count(0, timeout=SOON)
    visit.click("#results-undo")
    expect_titles(visit, "frog")
    sync_api.expect(visit.locator("#results-notice")).to_contain_text("1 result is back", timeout=SOON)
    visit.reload()
    expect_titles(visit, "frog")
    sync_api.expect(visit.locator("#results-notice")).to_contain_text("1 result deleted", timeout=SOON)
    visit.click("#results-undo")
    expect_titles(visit, "ship", "frog")
    visit.reload()
    expect_titles(visit, "ship", "frog")
    assert visit.locator("#results-undo:visible").count() == 0


def test_a_long_note_leaves_the_list_a_list(visit: "sync_api.Page") -> None:
    draw(visit, "frog")
    card(visit, "frog").locator("[data-act=edit]").click()
    visit.locator("#results-note textarea").fill("n" * 2000)
    visit.click("#results-save")
    visit.wait_for_selector("#results .cx-note")
    heights = visit.locator("#results .cx-note").evaluate("note => [note.clientHeight, note.scrollHeight]")
    assert heights[0] < 150 and heights[1] > 1000


def test_a_zip_has_pictures_recipes_and_a_table(visit: "sync_api.Page") -> None:
    draw(visit, "frog", "ship")
    expect_titles(visit, "ship", "frog")
    with exported(visit) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        rows = list(csv.DictReader(io.StringIO(archive.read("results.csv").decode())))
        recipe = json.loads(archive.read(f"{rows[1]['folder']}/recipe.json"))
        picture = archive.read(f"{rows[1]['folder']}/image-1.png")
    assert len(names) == 5 and [row["what"] for row in rows] == ["ship", "frog"]
    assert recipe["classes"] == ["frog"] and picture.startswith(b"\x89PNG")
    assert rows[0]["models"] == "Stand-in, defended"


def test_evaluations_are_results_like_others(text_visit: "sync_api.Page") -> None:
    page = text_visit
    for count in ("20", "30"):
        open_sidebar(page)
        choose_in_menu(page, "evaluate-data", "Photos")
        page.locator("#evaluate-count input").fill(count)
        start(page)
        wait_for_state(page, "done", "evaluate")
        page.get_by_role("button", name="Evaluate a model").click()
    expect_titles(page, "Stand-in, defended on Photos", "Stand-in, defended on Photos")
    search(page, "20 images")  # what is said of the budget is not searched, what people wrote is
    sync_api.expect(page.locator("#results")).to_contain_text("None of your 2 results", timeout=SOON)
    search(page, "")
    first = page.locator("#results .cx-card", has_text="20 images")
    assert "worst case" in first.inner_text() and "right of 20 under attack" in first.inner_text()
    first.locator("[data-act=edit]").click()
    page.locator("#results-note textarea").fill("for the talk")
    page.click("#results-save")
    first.locator("[data-act=star]").click()
    page.wait_for_selector("#results [data-act=star][aria-pressed=true]")
    search(page, "talk")
    expect_titles(page, "Stand-in, defended on Photos")
    search(page, "")
    expect_titles(page, "Stand-in, defended on Photos", "Stand-in, defended on Photos")  # what is shown is exported

    with exported(page) as archive:
        endings = sorted(name.partition("/")[2] for name in archive.namelist())
    assert endings == ["", *sorted(2 * ["config.json", "report.html", "report.json", "report.md"])]

    page.locator("#results [data-act=compare]").click()
    page.locator(".cx-report").get_by_text("Is it more than chance?").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector(".cx-report", state="detached")

    first.locator("[data-act=use]").click()
    page.wait_for_selector("#evaluate-start:visible")
    sync_api.expect(page.locator("#evaluate-count input")).to_have_value("20", timeout=SOON)
    page.locator("#evaluate-estimate").get_by_text("6,000 forward").wait_for()
    page.get_by_role("button", name="Evaluate a model").click()
    page.wait_for_selector("#evaluate-start", state="hidden")

    first.locator(".cx-result").click()  # opens the sidebar, and the report over it
    page.frame_locator(".cx-report iframe").get_by_role("heading", name="Report on").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector(".cx-report", state="detached")
    sync_api.expect(page.locator("#evaluate-stage .cx-headline")).to_contain_text("20 images", timeout=SOON)

    page.locator("#evaluate-runs").get_by_text("remove").first.click()
    page.locator("#evaluation").get_by_text("Undo has it back").wait_for()
    expect_titles(page, "Stand-in, defended on Photos")
    page.get_by_role("button", name="Evaluate a model").click()
    page.click("#results-undo")
    expect_titles(page, "Stand-in, defended on Photos", "Stand-in, defended on Photos")
    first.locator("[data-act=delete-one]").click()
    page.wait_for_selector("#evaluate-stage [data-job]", state="detached")  # gone from there, too
    expect_titles(page, "Stand-in, defended on Photos")


def test_a_picture_and_an_evaluation_are_not_compared(visit: "sync_api.Page") -> None:
    draw(visit, "frog")
    open_sidebar(visit)
    start(visit)
    wait_for_state(visit, "done", "evaluate")
    visit.get_by_role("button", name="Evaluate a model").click()
    expect_titles(visit, "Stand-in, defended on", "frog")
    visit.locator("#results [data-all='1']").click()
    visit.locator("#results [data-act=compare]").click()
    sync_api.expect(visit.locator("#results-notice")).to_contain_text("choose two of a kind", timeout=SOON)


def test_a_click_counts_also_while_the_list_is_drawn_anew(visit: "sync_api.Page") -> None:
    """Once, whether or not the button is exchanged between the pointer's way down and up; another button gets none."""
    draw(visit, "frog", "ship")
    expect_titles(visit, "ship", "frog")
    stars = visit.locator("#results [data-act=star]")
    exchange = "one => { const card = one.closest('.cx-card'); card.innerHTML = card.innerHTML; }"
    for presses, exchanged in enumerate((True, False, True), start=1):
        stars.first.hover()
        visit.mouse.down()
        if exchanged:
            stars.first.evaluate(exchange)
        visit.mouse.up()
        sync_api.expect(stars.first).to_have_attribute("aria-pressed", "true" if presses % 2 else "false", timeout=SOON)
    stars.first.hover()
    visit.mouse.down()
    stars.first.evaluate(exchange)
    stars.last.hover()
    visit.mouse.up()
    card(visit, "frog").locator("[data-act=edit]").click()
    visit.wait_for_selector("#results-save")
    assert [one.get_attribute("aria-pressed") for one in stars.all()] == ["true", "false"]


def test_settings_of_a_result_are_kept_and_used_again(visit: "sync_api.Page") -> None:
    visit.locator("#class-seed input").fill("77")
    draw(visit, "frog")
    card(visit, "frog").locator("[data-act=edit]").click()
    visit.locator("#results-title input, #results-title textarea").first.fill("green things")
    visit.click("#results-preset")
    sync_api.expect(visit.locator("#results-notice")).to_contain_text("Kept among the presets", timeout=SOON)
    visit.reload()
    expect_titles(visit, "frog")  # the result itself keeps its title
    seed = visit.locator("#class-seed input")
    sync_api.expect(seed).to_have_value("77", timeout=SOON)  # the form is as it was left
    visit.locator("#class-chips").get_by_text("ship", exact=True).click()
    seed.fill("5")
    card(visit, "frog").locator("[data-act=use-but-seed]").click()
    frog = visit.locator("#class-chips label", has_text="frog").locator("input")
    sync_api.expect(frog).to_be_checked(timeout=SOON)
    sync_api.expect(seed).to_have_value("5")
    visit.click("#image-use-settings")
    sync_api.expect(seed).to_have_value("77", timeout=SOON)
    visit.locator("#image-copy summary").click()
    visit.locator("#image-copy [data-copy]").first.click()
    said = visit.locator("#image-copy [role=status]").first
    sync_api.expect(said).to_have_text(re.compile("copied|selected"), timeout=SOON)
    assert "python -m generator class" in visit.evaluate("getSelection().toString()")
    visit.click("#class-reset")
    sync_api.expect(seed).to_have_value("0", timeout=SOON)
    visit.get_by_text("Presets of your own").click()
    visit.locator("#presets-choice input").click()
    visit.get_by_role("option", name="green things (class)").click()
    visit.click("#presets-use")
    visit.wait_for_function("document.querySelector('#class-seed input').value === '77'")
    visit.locator("#presets-choice input").click()
    visit.get_by_role("option", name="green things (class)").click()
    visit.click("#presets-delete")
    sync_api.expect(visit.locator("#presets-choice input")).to_have_value("", timeout=SOON)
    visit.click("#presets-delete")
    sync_api.expect(visit.locator("#results-notice")).to_contain_text("Choose one of your presets", timeout=SOON)


def test_presets_go_to_another_browser_as_a_file(
    visit: "sync_api.Page", browser: "sync_api.Browser", server: Server, tmp_path: Path
) -> None:
    """Exported, and imported by somebody else; a name that is taken there gets a number; a broken file changes none."""
    visit.locator("#class-seed input").fill("77")
    draw(visit, "frog")
    card(visit, "frog").locator("[data-act=edit]").click()
    visit.locator("#results-title input, #results-title textarea").first.fill("green things")
    visit.click("#results-preset")
    sync_api.expect(visit.locator("#results-notice")).to_contain_text("Kept among the presets", timeout=SOON)
    visit.locator("#presets").get_by_text("Presets of your own").click()
    visit.click("#presets-export")
    link = visit.locator("#presets-said a[download]")
    link.wait_for()
    file = tmp_path / "presets.json"
    file.write_bytes(visit.request.get(visit.url + (link.get_attribute("href") or "")).body())
    settings = json.loads(file.read_text(encoding="utf-8"))
    assert (settings["version"], [one["name"] for one in settings["presets"]]) == (1, ["green things"])
    settings["presets"][0]["settings"]["seed"] = 78
    (tmp_path / "changed.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "broken.json").write_bytes(file.read_bytes()[:200])
    with new_context(browser) as another, first_visit(another, server.address) as other:
        open_classes(other)
        other.locator("#presets").get_by_text("Presets of your own").click()
        said = other.locator("#presets-said")
        for name, words in (
            ("presets.json", "One preset imported."),
            ("changed.json", "'green things' as 'green things (2)'"),
            ("broken.json", "no JSON"),
        ):
            with other.expect_file_chooser() as chooser:
                other.click("#presets-import")
            chooser.value.set_files(tmp_path / name)
            sync_api.expect(said).to_contain_text(words, timeout=SOON)
        other.locator("#presets-choice input").click()
        assert other.get_by_role("listbox").get_by_role("option").all_inner_texts() == [
            "green things (class)",
            "green things (2) (class)",
        ]
        other.get_by_role("option", name="green things (2) (class)").click()
        other.click("#presets-use")
        other.wait_for_function("document.querySelector('#class-seed input').value === '78'")
        other.locator("#presets").screenshot(path=tmp_path / "presets.png")


def test_two_owners_never_see_each_others(visit: "sync_api.Page", browser: "sync_api.Browser", server: Server) -> None:
    """Neither listed, nor found, opened, changed, deleted or exported by who knows its id."""
    draw(visit, "frog")
    expect_titles(visit, "frog")
    job = visit.locator("#results [data-pick]").first.get_attribute("data-pick") or ""
    with new_context(browser) as another, first_visit(another, server.address) as other:
        open_classes(other)
        draw(other, "ship")
        expect_titles(other, "ship")
        search(other, "frog")
        sync_api.expect(other.locator("#results")).to_contain_text("Your one result is not like that", timeout=SOON)
        search(other, "")
        expect_titles(other, "ship")
        for forge in (
            "b => { b = b.querySelector('[data-pick]'); b.dataset.pick = ID; b.click(); }",
            "b => { b = b.querySelector('[data-act=star]'); b.dataset.id = ID; b.click(); }",
            "b => { b = b.querySelector('[data-act=edit]'); b.dataset.id = ID; b.click(); }",
            "b => { const box = b.querySelector('[data-choose]'); box.dataset.choose = ID; box.click();"
            " document.querySelector('#results [data-act=delete]').click(); }",
            "b => { const box = b.querySelector('[data-choose]'); box.dataset.choose = ID; box.click();"
            " document.querySelector('#results [data-act=export]').click(); }",
        ):
            other.locator("#results .cx-card").first.evaluate(forge.replace("ID", f"'{job}'"))
            other.wait_for_selector("#results-notice .cx-bad")
            words = other.locator("#results-notice").inner_text()
            assert "our side" not in words and "frog" not in words, words
            other.reload()
            expect_titles(other, "ship")
    expect_titles(visit, "frog")
    assert visit.locator("#results [data-act=star]").get_attribute("aria-pressed") == "false"
