"""Forged and stale calls, files and paint end in a sentence with a status of 4xx, never as a fault of ours."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.limits import Limits
from app.web import uploads
from app.web.answers import FULL_DISK
from tests import corpus
from tests.app.web.conftest import Site
from tests.browser.actions import a_jpeg
from tests.hostile import Answer, form_of

FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}


def a_png() -> bytes:
    from PIL import Image

    return corpus.encode(Image.fromarray(corpus.gradient(20, 30)), "PNG")


def refused(answer: Answer) -> str:
    """The sentence of an answer that refuses."""
    assert 400 <= answer.status < 500, (answer.status, answer.text[:300])
    sentence = str(answer.json()["error"])
    assert sentence
    assert "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fn_index": 99_999}, "no such function"),
        ({"fn_index": None}, "no such function"),
        ({"fn_index": "0"}, "no such function"),
        ({"fn_index": True}, "no such function"),
        ({"data": None}, "does not have what"),
        ({"data": {}}, "does not have what"),
        ({"data": []}, "does not have what"),
        ({"data": [None] * 500}, "does not have what"),
        ({"session_hash": None}, "which page"),
        ({"session_hash": ""}, "which page"),
        ({"session_hash": "../../x"}, "which page"),
        ({"session_hash": ["a"]}, "which page"),
        ({"session_hash": "a" * 65}, "which page"),
        ({"trigger_id": 99_999}, "nothing on the page"),
        ({"trigger_id": "x"}, "nothing on the page"),
    ],
)
def test_calls_that_no_page_sends_are_refused(site: Site, change: dict[str, Any], words: str) -> None:
    """S14: unknown fn_index, wrong counts, wrong session hash: a sentence and 4xx."""
    sentence = refused(site.client().call({**site.body("arrive"), **change}))
    assert words in sentence
    assert "reload" in sentence


@pytest.mark.parametrize("event", [None, [], "x", 1])
def test_events_without_what_happened_are_refused(site: Site, event: Any) -> None:
    """S14: a missing event_data is refused, for every function that needs it."""
    needing = [number for number, function in site.page.fns.items() if function.collects_event_data]
    assert needing
    for number in needing:
        inputs = site.page.fns[number].inputs
        body = {"data": [None] * len(inputs), "event_data": event, "fn_index": number, "session_hash": "abc"}
        assert "what happened" in refused(site.client().call(body))


@pytest.mark.parametrize(
    "value", [{}, [], {"a": 1}, "\x00", "\ud800", -1, 10**30, 1e308, True, FILE, [FILE], {"path": "x"}, {"meta": 5}]
)
def test_values_of_any_form_end_in_a_sentence(site: Site, value: Any) -> None:
    """S14: whatever stands in a field, every function answers with updates or a refusal."""
    client = site.client()
    for number, function in site.page.fns.items():
        if function.fn is None:
            continue
        body = {
            "data": [value] * len(function.inputs),
            "event_data": {"index": value, "value": value},
            "fn_index": number,
            "session_hash": "forged",
        }
        answer = client.call(body)
        assert answer.status in (200, 404, 422), (function.name, value, answer.text[:300])
        assert "root:" not in answer.text


def test_files_that_lie_elsewhere_are_never_read(site: Site) -> None:
    """S2, S14: a file is what was brought, by its address; no path and no URL is one."""
    private = site.data / "cache" / "x.png"
    private.parent.mkdir(exist_ok=True)
    private.write_bytes(a_png())
    for path in (
        "/etc/passwd",
        str(private),
        "/cache/../x/y",
        "/cache/a/../../x.png",
        "http://127.0.0.1:1/x",
        "/cache",
    ):
        body = site.body("bring")
        body["data"] = [{"path": path, "meta": {"_type": "gradio.FileData"}}, *[None] * (len(body["data"]) - 1)]  # type: ignore[arg-type]
        assert "bring it again" in refused(site.client().call(body))


def test_uploads_do_not_tell_where_they_lie(site: Site) -> None:
    """S15: no answer has a path of this machine in it, and an upload can be used by what it is called."""
    answer = site.client().upload(a_jpeg(), "a photo.jpg")
    assert answer.status == 200
    (address,) = answer.json()
    assert address.startswith("/cache/")
    assert address.endswith("/a photo.jpg")
    data = [{"path": address, "orig_name": "a photo.jpg", "meta": {"_type": "gradio.FileData"}}]
    bring = next(n for n, found in site.page.fns.items() if found.name == "bring" and len(found.inputs) == 1)
    used = site.client().call({"data": data, "fn_index": bring, "session_hash": "abc"})
    assert used.status == 200
    assert "200 x 120 pixels" in used.text
    for said in (answer, used):
        assert str(site.data.parent) not in said.text


@pytest.mark.parametrize(
    "name",
    ["../../x.png", "..", "", ".", "/etc/passwd", "a\\b.png", "漢" * 120 + ".png", "\udce9.png", "CON", "x" * 900],
)
def test_names_of_uploads_stay_where_they_are_put(site: Site, name: str) -> None:
    """S14, S15: whatever a file is called, it lies in its own folder."""
    answer = site.client().upload(b"data", name)
    assert answer.status in (200, 422), answer.text
    if answer.status == 200:
        _, cache, folder, kept = answer.json()[0].split("/")
        assert (cache, len(folder)) == ("cache", 32)
        assert kept not in ("", ".", "..")


def test_an_upload_on_a_full_disk_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """S14: no space left is a sentence, and leaves nothing half."""

    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads.shutil, "copyfileobj", full)
    answer = site.client().upload(b"data")
    assert (answer.status, answer.text.strip()) == (507, FULL_DISK)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"x", 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=a", b"x", 400),
        ("multipart/form-data; boundary=a", b"--a--\r\n", 422),
        ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data\r\n\r\nx\r\n--a--\r\n", 400),
        ("multipart/form-data; boundary=" + "a" * 500, b"x", 400),
        (form_of(b"")[0], form_of(b"x", fields={f"n{i}": "x" for i in range(50)})[1], 413),
        (form_of(b"")[0], form_of(b"x", fields={"n": "x" * 20_000})[1], 413),
    ],
)
def test_forms_that_are_none_are_refused(site: Site, kind: str, body: bytes, status: int) -> None:
    """S14: every broken form has its sentence."""
    answer = site.client().request("POST", "/gradio_api/upload", body, {"Content-Type": kind})
    assert answer.status == status
    assert answer.text.strip().endswith((".", "'"))


def painted(site: Site, data: bytes = b"", session: str = "painter", **change: str) -> Answer:
    """A part of a painted picture, as the editor sends it."""
    import gradio as gr

    editor = next(number for number, block in site.page.blocks.items() if isinstance(block, gr.ImageEditor))
    fields = {"type": "layer", "index": "0", "id": "brush", "component_id": str(editor), "fn_name": "accept_blobs"}
    fields |= {"session_hash": session, **change}
    return site.client().upload(data or a_png(), "blob", fields, path="/gradio_api/component_server")


@pytest.mark.parametrize(
    "change",
    [
        {"index": "40000000"},
        {"index": "5"},
        {"index": "-1"},
        {"index": "x"},
        {"type": "other"},
        {"fn_name": "__init__"},
        {"fn_name": "preprocess"},
        {"component_id": "0"},
        {"component_id": "x"},
        {"component_id": "99999"},
        {"session": "unknown"},
        {"id": "../x"},
        {"data": b"%!PS-Adobe-3.0 EPSF-3.0\n"},
        {"data": b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + b"\x7f\xff\xff\xff" * 2},
    ],
    ids=str,
)
def test_paint_that_no_page_sends_is_refused(site: Site, change: dict[str, Any]) -> None:
    """S7: index at most 4, known pages alone, PNG alone: 4xx, and nothing is kept."""
    assert site.client().call(site.body("arrive", "painter")).status == 200
    answer = painted(site, **change)
    assert answer.status in (404, 413, 422), answer.text
    assert answer.text.strip()


def test_paint_is_bounded_and_given_up_after_a_while(start: Callable[..., Site]) -> None:
    """S7: so many parts, so many bytes, for so long; then there is room again."""
    import gradio as gr

    site = start(Limits(blobs_per_address=2, blob_parts=3, blob_seconds=0.5, blob_bytes=100_000))
    assert site.client().call(site.body("arrive", "painter")).status == 200
    assert [painted(site, id="a").status for _ in range(4)] == [200, 200, 200, 429]
    assert [painted(site, id=name).status for name in ("b", "c")] == [200, 429]
    assert painted(site, id="a", data=a_png() + b"\x00" * 100_000).status == 429
    import time

    time.sleep(0.6)
    assert painted(site, id="e").status == 200
    editor = next(block for block in site.page.blocks.values() if isinstance(block, gr.ImageEditor))
    own = site.page.state_holder["painter"].get(editor._id, editor)
    assert list(own.blob_storage) == ["e"]


def test_paint_that_was_lost_is_not_taken_for_no_paint(site: Site) -> None:
    """S7: a call that names paint which is not there is refused: without a mask all of the photo would change."""
    import gradio as gr

    assert site.client().call(site.body("arrive", "painter")).status == 200
    assert painted(site, id="other").status == 200
    number, place = next(
        (number, function.inputs.index(block))
        for number, function in site.page.fns.items()
        for block in function.inputs
        if isinstance(block, gr.ImageEditor)
    )
    data: list[Any] = [None] * len(site.page.fns[number].inputs)
    data[place] = {"background": None, "layers": [], "composite": None, "id": "lost"}
    answer = site.client().call({"data": data, "fn_index": number, "session_hash": "painter"})
    assert answer.status == 422


def test_painted_files_are_pictures_of_browsers(site: Site) -> None:
    """S1, S14: what an editor's call names as a file is opened by no decoder that runs other programs."""
    import gradio as gr

    (eps,) = site.client().upload(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "x.png").json()
    number, place = next(
        (number, function.inputs.index(block))
        for number, function in site.page.fns.items()
        for block in function.inputs
        if isinstance(block, gr.ImageEditor)
    )
    data: list[Any] = [None] * len(site.page.fns[number].inputs)
    file = {"path": eps, "meta": {"_type": "gradio.FileData"}}
    data[place] = {"background": file, "layers": [file], "composite": None, "id": None}
    answer = site.client().call({"data": data, "fn_index": number, "session_hash": "painter"})
    assert "no picture that a browser makes" in refused(answer)


def test_every_function_of_the_page_answers_at_once(site: Site) -> None:
    """S2: nothing goes through the framework's queue, whose routes are closed."""
    assert [function.name for function in site.page.fns.values() if function.fn is not None and function.queue] == []


def test_the_cache_keeps_what_it_is_given(site: Site, tmp_path: Path) -> None:
    """S15: files are shown under their addresses as pictures alone, and links lead nowhere."""
    (address,) = site.client().upload(a_png(), "x.png").json()
    shown = site.client().get("/gradio_api/file=" + address)
    assert (shown.status, shown.headers["content-type"]) == (200, "image/png")
    (page,) = site.client().upload(b"<script>1</script>", "x.html").json()
    assert site.client().get("/gradio_api/file=" + page).status == 404
    folder = site.data / "cache" / "links"
    folder.mkdir(parents=True)
    (folder / "x.png").symlink_to("/etc/passwd")
    assert site.client().get("/gradio_api/file=/cache/links/x.png").status == 404
    shutil.rmtree(folder)
    assert json.loads("1") == 1
