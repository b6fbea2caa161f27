"""What people do on the page, and what they wait for."""

import base64
import re

import pytest
from PIL import Image

from generator.recipes.presets import presets_of
from tests import corpus

sync_api = pytest.importorskip("playwright.sync_api")


def stage(page: "sync_api.Page", kind: str = "image") -> "sync_api.Locator":
    return page.locator(f"#{kind}-stage")


def wait_for_state(page: "sync_api.Page", state: str, kind: str = "image") -> None:
    page.wait_for_selector(f"#{kind}-stage [data-status={state}]")
    let_pictures_come(page, kind)


def let_pictures_come(page: "sync_api.Page", kind: str) -> None:
    """Wait for the pictures of a stage: what is below them moves once they are there."""
    page.wait_for_function(
        "kind => [...document.querySelectorAll(`#${kind}-stage img`)].every(one => one.complete)", arg=kind
    )


def click_until_answered(page: "sync_api.Page", button: str) -> None:
    """Click a button that asks for a picture, and wait for the answer, be it a refusal.

    A click while an answer is on its way is none (of a double click, Gradio sends the first), and what the answer says
    may stand there before, told by another event.
    """
    page.evaluate(
        """() => {
          const show = window.cxShowStage;
          window.answered = new Promise(done => {
            window.cxShowStage = kind => { window.cxShowStage = show; show(kind); done(); };
          });
        }"""
    )
    page.click(button)
    page.evaluate("window.answered")


def open_attacks(page: "sync_api.Page") -> None:
    page.get_by_role("tab", name="Attack an image").click()
    page.wait_for_selector("#attack-upload", state="visible")
    _let_be_drawn(page)  # as what is in a fold


def open_fold(fold: "sync_api.Locator") -> None:
    """Open a fold, as far as anyone can type into it.

    Gradio makes what is in it only now, and gives all of that its first values once more in the frame after the one in
    which it is seen: nobody types within a frame, but a browser that is told to does, and loses it.
    """
    fold.click()
    sync_api.expect(fold).to_have_class(re.compile(r"\bopen\b"))
    _let_be_drawn(fold.page)


def _let_be_drawn(page: "sync_api.Page") -> None:
    """Wait for a few frames."""
    page.evaluate(
        """async () => {
          for (let frame = 0; frame < 4; frame += 1) await new Promise(drawn => requestAnimationFrame(drawn));
        }"""
    )


def upload(page: "sync_api.Page", button: str, name: str, data: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(button).click()
    chooser.value.set_files({"name": name, "mimeType": "application/octet-stream", "buffer": data})


def a_jpeg(width: int = 200, height: int = 120) -> bytes:
    return corpus.encode(Image.fromarray(corpus.gradient(height, width)), "JPEG", quality=90)


def drop(page: "sync_api.Page", name: str, data: bytes) -> None:
    """Drop a file somewhere on the page, as from the desktop."""
    page.evaluate(
        """([name, letters]) => {
          const data = Uint8Array.from(atob(letters), letter => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([data], name));
          for (const kind of ['dragenter', 'dragover', 'drop']) {
            document.body.dispatchEvent(new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}));
          }
        }""",
        [name, base64.b64encode(data).decode()],
    )


def download(page: "sync_api.Page", kind: str = "image") -> bytes:
    """The picture that is offered for download."""
    address = stage(page, kind).locator("a[download]").first.get_attribute("href") or ""
    return page.request.get(page.url + address).body()


def job(page: "sync_api.Page", kind: str = "image") -> str:
    return stage(page, kind).locator("[data-job]").get_attribute("data-job") or ""


def wait_for_another_job(page: "sync_api.Page", before: str, state: str, kind: str) -> None:
    page.wait_for_selector(f"#{kind}-stage [data-status={state}]:not([data-job='{before}'])")
    let_pictures_come(page, kind)


def choose_quickest_text(page: "sync_api.Page") -> None:
    """Choose the first preset of texts, until the page has filled in what it means."""
    page.locator("#text-preset label").first.click()
    page.locator("#text-preset").get_by_text(next(iter(presets_of("text").values())).description).wait_for()


def start_from_picture(page: "sync_api.Page") -> None:
    """Take the picture on the stage of texts for the photo to start from, until the page has brought that into view."""
    page.evaluate(
        """() => {
          const proto = Element.prototype, bring = proto.scrollIntoView;
          window.brought = new Promise(done => {
            proto.scrollIntoView = function (...how) { proto.scrollIntoView = bring; bring.apply(this, how); done(); };
          });
        }"""
    )
    page.click("#text-use")
    page.evaluate("window.brought")
    page.wait_for_function("[...document.querySelectorAll('#text-source-chosen img')].every(one => one.complete)")


def paint(page: "sync_api.Page", place: float) -> None:
    """A stroke across the middle of the photo to start from, at a share of its height."""
    canvas = page.locator("#text-mask canvas[data-ready]")
    canvas.wait_for()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["width"] / 2, box["height"] * place
    # Both ends are places on the canvas, wherever it is by then: what else comes in may still move it.
    canvas.drag_to(canvas, source_position={"x": x - 40, "y": y}, target_position={"x": x + 40, "y": y}, steps=8)


def open_classes(page: "sync_api.Page") -> None:
    """Go to the tab of pictures of a class."""
    page.get_by_role("tab", name="Class to image").click()
    page.wait_for_selector("#class-create", state="visible")
    _let_be_drawn(page)  # as what is in a fold
