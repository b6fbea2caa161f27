"""Forged and stale calls, files and paint end in a sentence with a status of 4xx, never as a fault of ours."""

import dataclasses
import errno
from pathlib import Path
from typing import Any

import pytest

from app.ui.markup.media import Media
from app.web import uploads
from app.web.answers import FULL_DISK
from app.web.cache import Cache, CacheError
from benchmarks.hostile.visitors import UPLOAD, PageConfig
from foundation.errors import StudioError
from foundation.limits import Limits
from tests.app.web.conftest import Site
from tests.browser.actions import a_jpeg
from tests.hostile import Answer, form_of

FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_files_that_lie_elsewhere_are_never_read(site: Site) -> None:
    """S2, S14: a file is what was brought, by its address; no path and no URL is one."""
    private = site.data / "cache" / "x.png"
    private.parent.mkdir(exist_ok=True)
    private.write_bytes(a_jpeg())
    page = PageConfig(site.client().get("/").text)
    bring = page.triggered("upload", UPLOAD)
    odd = ("/cache/../x/y", "/cache/a/../../x.png", "http://127.0.0.1:1/x", "/cache")
    for path in ("/etc/passwd", str(private), *odd):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        data = page.fields(bring, {"owner": "a" * 32}, {UPLOAD: file})
        answer = site.client().call({"data": data, "fn_index": bring, "session_hash": "abc"})
        assert answer.status in (200, 422)
        assert any(words in answer.text for words in ("cannot be read", "bring it again", "still loading"))
        assert not any(words in answer.text for words in ("pixels", "root:"))


def test_the_database_is_never_served(site: Site) -> None:
    """Nor what lies beside it, by any address there is for files; not even by one that the page itself would sign."""
    media = Media({"data": site.data}, b"s" * 32)
    for name in ("studio.db", "studio.db-wal", "studio.db-shm", "studio.db.lock"):
        path = site.data / name
        path.write_bytes(b"SQLite format 3\0 prompts")
        signed = media.url(path)
        address, _, signature = signed.removeprefix("media/").partition("?k=")
        assert media.find(address, signature) is None
        for asked in (f"/file={path}", f"/gradio_api/file={path}", f"/cache/../{name}", f"/{name}", f"/{signed}"):
            answer = site.client().get(asked)
            assert answer.status in (400, 403, 404, 405), (asked, answer.status)
            assert "SQLite" not in answer.text


def test_uploads_do_not_tell_where_they_lie(site: Site) -> None:
    """S15: no answer has a path of this machine in it, and an upload can be used by what it is called."""
    answer = site.client().upload(a_jpeg(), "a photo.jpg")
    assert answer.status == 200
    (address,) = answer.json()
    assert address.startswith("/cache/")
    assert address.endswith("/a photo.jpg")
    page = PageConfig(site.client().get("/").text)
    bring = page.triggered("upload", UPLOAD)
    file = {"path": address, "orig_name": "a photo.jpg", "meta": {"_type": "gradio.FileData"}}
    data = page.fields(bring, {"owner": "a" * 32}, {UPLOAD: file})
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


def test_the_server_functions_of_components_are_closed(site: Site) -> None:
    """S7: component_server, which kept what anybody sent, answers nobody; nothing on the page needs it."""
    fields = {"type": "layer", "index": "40000000", "id": "a", "component_id": "1", "fn_name": "accept_blobs"}
    for path in ("/gradio_api/component_server", "/gradio_api/component_server/"):
        answer = site.client().upload(b"x", "blob", {**fields, "session_hash": "abc"}, path=path)
        assert answer.status == 404
    served = [block for block in site.page.blocks.values() if getattr(block, "server_fns", None)]
    assert [type(block).__name__ for block in served if type(block).__name__ == "ImageEditor"] == []


def test_every_function_of_the_page_answers_at_once(site: Site) -> None:
    """S2: nothing goes through the framework's queue, whose routes are closed."""
    assert [function.name for function in site.page.fns.values() if function.fn is not None and function.queue] == []


def test_the_cache_finds_what_it_was_given_alone(tmp_path: Path) -> None:
    """S15: addresses lead to files of the cache, and links in it lead nowhere."""
    cache = Cache(tmp_path / "cache")
    kept = cache.place("../../x y.png")
    kept.write_bytes(b"data")
    assert kept.parent.stat().st_mode & 0o077 == 0
    assert cache.find(cache.address(str(kept))) == kept
    (kept.parent / "link.png").symlink_to("/etc/passwd")
    for odd in ("link.png", "..", ".", "", "x y.png/", "x\x00y"):
        with pytest.raises(CacheError):
            cache.find(f"/cache/{kept.parent.name}/{odd}")
    with pytest.raises(ValueError, match="subpath"):
        cache.address("/etc/passwd")


def test_what_waits_in_the_cache_has_an_end(tmp_path: Path) -> None:
    """S11: files that nobody uses go after a while; too many are refused."""
    cache = Cache(tmp_path / "cache")
    limits = dataclasses.replace(Limits(), cache_bytes=100, free_bytes=0, cache_seconds=1000)
    kept = cache.place("a.png")
    kept.write_bytes(b"x" * 101)
    with pytest.raises(StudioError, match="Too many files wait"):
        cache.make_room(limits)
    now = kept.stat().st_mtime
    cache.make_room(limits, now + 2000)
    assert not kept.exists()


def test_no_event_shows_progress_on_all_that_it_may_change(site: Site) -> None:
    """Each would make the browser look for every one of them, at every event after it."""
    events = [event for event in site.page.fns.values() if event.fn is not None]
    assert events and not [event.targets for event in events if event.show_progress_on is None]
