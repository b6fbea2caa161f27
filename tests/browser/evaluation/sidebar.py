"""What a visitor does in the sidebar of evaluations."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright import sync_api

KIND = "evaluate"
PATIENCE_MS = 240_000  # a slow machine may take its time


def open_sidebar(page: "sync_api.Page") -> None:
    page.get_by_role("button", name="Evaluate a model").click()
    page.wait_for_selector("#evaluate-estimate strong", timeout=PATIENCE_MS)


def choose(page: "sync_api.Page", menu: str, option: str) -> None:
    page.locator(f"#{menu} input").click()
    page.get_by_role("option", name=option).click()


def start(page: "sync_api.Page") -> str:
    """Start what the form says; the job's id."""
    before = page.locator("#evaluate-stage [data-job]").all()
    seen = before[0].get_attribute("data-job") if before else ""
    page.click("#evaluate-start")
    page.wait_for_selector(f"#evaluate-stage [data-job]:not([data-job='{seen}'])")
    return page.locator("#evaluate-stage [data-job]").get_attribute("data-job") or ""
