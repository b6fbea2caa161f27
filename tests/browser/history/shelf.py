"""What people do with the list of their results."""

import io
import re
import zipfile

import pytest

from tests.browser.actions import wait_for_another_job

sync_api = pytest.importorskip("playwright.sync_api")

SOON = 60_000
"""Milliseconds within which an answer of the server is on the page, however busy the machine."""


def titles(page: "sync_api.Page") -> list[str]:
    return page.locator("#results .cx-result > span:nth-child(2)").all_inner_texts()


def expect_titles(page: "sync_api.Page", *starts: str) -> None:
    """Wait until these are listed, each by the beginning of its title."""
    found = page.locator("#results .cx-result > span:nth-child(2)")
    sync_api.expect(found).to_have_text([re.compile(f"^{re.escape(start)}") for start in starts], timeout=SOON)


def card(page: "sync_api.Page", title: str) -> "sync_api.Locator":
    return page.locator("#results .cx-card", has_text=title)


def draw(page: "sync_api.Page", *names: str) -> None:
    """Make a picture of each of these classes, one after another."""
    before = ""
    for name in names:
        page.locator("#class-chips").get_by_text(name, exact=True).click()
        page.click("#class-create")
        wait_for_another_job(page, before, "done", "image")
        before = page.locator("#image-stage [data-job]").get_attribute("data-job") or ""


def search(page: "sync_api.Page", words: str) -> None:
    page.locator("#results-search textarea, #results-search input").first.fill(words)


def exported(page: "sync_api.Page") -> zipfile.ZipFile:
    """All results that are shown, as the file that their export is."""
    page.locator("#results [data-all='1']").click()
    page.locator("#results [data-act=export]").click()
    link = page.locator("#results-notice a[download]")
    link.wait_for()
    data = page.request.get(page.url + (link.get_attribute("href") or "")).body()
    return zipfile.ZipFile(io.BytesIO(data))


def choose(page: "sync_api.Page", *names: str) -> None:
    for name in names:
        card(page, name).locator("input[data-choose]").check()
