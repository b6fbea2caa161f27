"""What people do on the page, and what they wait for."""

import pytest
from PIL import Image

from tests import corpus

sync_api = pytest.importorskip("playwright.sync_api")


def stage(page: "sync_api.Page", kind: str = "image") -> "sync_api.Locator":
    return page.locator(f"#{kind}-stage")


def wait_for_state(page: "sync_api.Page", state: str, kind: str = "image") -> None:
    page.wait_for_selector(f"#{kind}-stage [data-status={state}]")


def open_attacks(page: "sync_api.Page") -> None:
    page.get_by_role("tab", name="Attack an image").click()
    page.wait_for_selector("#attack-upload", state="visible")


def upload(page: "sync_api.Page", button: str, name: str, data: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(button).click()
    chooser.value.set_files({"name": name, "mimeType": "application/octet-stream", "buffer": data})


def a_jpeg(width: int = 200, height: int = 120) -> bytes:
    return corpus.encode(Image.fromarray(corpus.gradient(height, width)), "JPEG", quality=90)


def open_classes(page: "sync_api.Page") -> None:
    """Go to the tab of pictures of a class."""
    page.get_by_role("tab", name="Class to image").click()
    page.wait_for_selector("#class-create", state="visible")
