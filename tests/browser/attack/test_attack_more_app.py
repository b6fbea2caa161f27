"""A folder of photos and a vision-language model on the tab of attacks, in a real browser."""

import io
import zipfile
from pathlib import Path

import pytest

from tests.browser.actions import a_jpeg, open_attacks, stage, upload, wait_for_state
from tests.browser.holding import Hold
from tests.generator.vlm.server import KEY

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser


def unfold(page: "sync_api.Page", title: str) -> None:
    page.get_by_role("button", name=title).click()


def test_a_model_is_asked_after_the_attack_and_its_answers_stand_side_by_side(visit: "sync_api.Page") -> None:
    open_attacks(visit)
    upload(visit, "#attack-upload", "photo.jpg", a_jpeg())
    visit.get_by_text("200 x 120 pixels").wait_for()
    unfold(visit, "What a vision-language model says")
    assert not visit.locator("#attack-vlm-samples").is_visible()
    visit.get_by_label("Ask eyes, too").check()
    visit.locator("#attack-vlm-samples input").fill("2")
    visit.locator("#attack-vlm-line", has_text="at most 4 requests").wait_for()
    assert "cap of 1,000 requests" in visit.locator("#attack-vlm-line").inner_text()
    visit.click("#attack-create")
    wait_for_state(visit, "done", "attack")
    said = visit.locator("#attack-descriptions")
    assert "What eyes says" in said.inner_text() and "4 of 4 answers" in said.inner_text()
    assert said.locator(".cx-answers li").count() == 4
    assert KEY not in visit.content()


def test_a_folder_is_attacked_stopped_gone_on_with_and_taken_home(
    visit: "sync_api.Page", held: Hold, tmp_path: Path
) -> None:
    open_attacks(visit)
    unfold(visit, "A folder of photos")
    for number in range(4):
        (tmp_path / f"p{number}.jpg").write_bytes(a_jpeg(60 + number, 40))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    labels = "filename,label\n" + "".join(f"p{number}.jpg,frog\n" for number in range(4))
    (tmp_path / "labels.csv").write_text(labels)
    with visit.expect_file_chooser() as chooser:
        visit.click("#attack-folder-files")
    chooser.value.set_files(sorted(tmp_path.iterdir()))
    listed = visit.locator("#attack-folder-list", has_text="4 photos")
    listed.wait_for()
    assert "broken.png" in listed.inner_text() and "in the style of TransferAttack" in listed.inner_text()
    unfold(visit, "What a vision-language model says")
    visit.locator("#attack-vlm-line", has_text="For the folder: at most 24 requests").wait_for()
    visit.click("#attack-folder-go")
    visit.locator("#attack-transfer", has_text="After 1 of 4 photos").wait_for()
    assert "Attacking" in stage(visit, "attack").inner_text()
    visit.click("#attack-stop")
    wait_for_state(visit, "stopped", "attack")
    assert "It is not complete" in stage(visit, "attack").inner_text()
    held.release()
    visit.click("#attack-folder-more")
    wait_for_state(visit, "done", "attack")
    more = visit.locator("#attack-more")
    assert "3 of 4" in more.locator("#attack-transfer").inner_text()
    assert "broken.png" in more.inner_text()
    assert not visit.locator("#attack-folder-more").is_visible()
    with visit.expect_download() as download:
        visit.get_by_role("link", name="Download everything").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as packed:
        assert len(packed.namelist()) == 8
    assert visit.evaluate("document.documentElement.scrollWidth") <= 1400
