"""Downloads from a server on this machine that cuts off, changes its mind, ignores ranges and lies."""

import hashlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from foundation.downloads import download as module
from foundation.downloads.connection import DownloadError, MissingFile, RemoteFile
from foundation.downloads.download import DownloadStopped, Patience, download
from tests.generator.encoders.server import Site, serving
from tests.generator.encoders.tiny import Recorder, ThrownAway

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HASTY = Patience(timeout_s=5, attempts=2, pause_s=0)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site(files={"/w": CONTENT}, tags={"/w": "one"})) as served:
        yield served


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "weights.bin"


def fetch(site: Site, target: Path, context: Recorder | None = None, digest: str = "", path: str = "/w") -> None:
    download(RemoteFile(site.address + path, digest), target, label="weights", context=context, patience=HASTY)


def left(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()} - {"weights.bin.lock"}


def test_fetches_and_reports_bytes(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)
    monkeypatch.setattr(module, "_REPORT_INTERVAL_S", 0.0)
    context = Recorder()
    fetch(site, target, context, DIGEST)
    assert target.read_bytes() == CONTENT
    assert left(target) == {"weights.bin"}
    received = [report for report in context.reports if report[2] == "Downloading weights"]
    assert len(received) > 100
    assert [done for done, _, _ in received] == sorted(done for done, _, _ in received)
    assert received[-1] == (len(CONTENT), len(CONTENT), "Downloading weights") and context.units == {"bytes"}
    assert any("Checking" in message for _, _, message in context.reports)


def test_what_is_on_this_machine_takes_no_proxy(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F4: a mirror or a tunnel on localhost is asked itself, whatever the variables say."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetch(site, target)
    assert target.read_bytes() == CONTENT


def test_reports_are_not_too_many(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)
    monkeypatch.setattr(module, "_REPORT_INTERVAL_S", 1000.0)
    context = Recorder()
    fetch(site, target, context)
    assert len(context.reports) == 2  # the first chunk, and the end
    assert context.asked > 100  # but whether to stop is asked after every chunk


def test_what_is_there_is_not_fetched(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"mine")
    fetch(site, target)
    assert target.read_bytes() == b"mine"
    assert site.requests == []


def test_a_cut_connection_is_taken_up_again(site: Site, target: Path) -> None:
    site.cut_after = [100_000, 50_000, 1]
    fetch(site, target, digest=DIGEST)
    assert target.read_bytes() == CONTENT
    assert site.asked_ranges() == ["", "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_without_headway_it_fails_and_the_next_call_goes_on(site: Site, target: Path) -> None:
    site.cut_after = [100_000, 0, 0]
    with pytest.raises(DownloadError, match=r"failed after 0 of 0 MB: the connection was cut.*is kept"):
        fetch(site, target)
    assert not target.exists()
    assert left(target) == {"weights.bin.part", "weights.bin.part.tag"}
    context = Recorder()
    fetch(site, target, context)
    assert target.read_bytes() == CONTENT
    assert site.asked_ranges()[-1] == "bytes=100000-"
    assert context.reports[0][0] >= 100_000
    assert left(target) == {"weights.bin"}


def test_a_server_that_ignores_ranges_sends_all_again(site: Site, target: Path) -> None:
    site.ranges, site.cut_after = False, [100_000]
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    assert site.asked_ranges() == ["", "bytes=100000-"]


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(site: Site, target: Path) -> None:
    site.cut_after = [100_000, 0, 0]
    with pytest.raises(DownloadError):
        fetch(site, target)
    site.files["/w"], site.tags["/w"] = CONTENT[::-1], "two"
    fetch(site, target)
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("digest", ["", DIGEST])
def test_without_a_tag_only_what_can_be_checked_is_resumed(site: Site, target: Path, digest: str) -> None:
    site.tags, site.cut_after = {}, [100_000]
    fetch(site, target, digest=digest)
    assert target.read_bytes() == CONTENT
    expected = ["", "bytes=100000-"] if digest else ["", "bytes=100000-", ""]
    assert site.asked_ranges() == expected


def test_a_server_that_never_lets_us_go_on_is_left_in_the_end(site: Site, target: Path) -> None:
    site.tags, site.cut_after = {}, [100_000] * 50
    with pytest.raises(DownloadError, match=r"cannot go on where it was cut off|the connection was cut"):
        fetch(site, target)
    assert len(site.requests) < 10


def test_a_wrong_checksum_leaves_nothing(site: Site, target: Path) -> None:
    with pytest.raises(DownloadError, match="checksum"):
        fetch(site, target, digest="0" * 64)
    assert left(target) == set()


def test_the_first_digits_of_a_checksum_will_do(site: Site, target: Path) -> None:
    fetch(site, target, digest=DIGEST[:8].upper())
    assert target.exists()


def test_a_complete_part_is_recognised(site: Site, target: Path) -> None:
    target.parent.mkdir()
    (target.parent / "weights.bin.part").write_bytes(CONTENT)
    fetch(site, target, digest=DIGEST)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_thrown_away(site: Site, target: Path) -> None:
    target.parent.mkdir()
    (target.parent / "weights.bin.part").write_bytes(CONTENT + b"more")
    fetch(site, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_does_not_tell_the_length(site: Site, target: Path) -> None:
    site.lengths = False
    context = Recorder()
    fetch(site, target, context, DIGEST)
    assert target.read_bytes() == CONTENT
    assert context.reports[-1][:2] == (len(CONTENT), 0)


def test_stopping_keeps_what_has_arrived(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)
    with pytest.raises(DownloadStopped, match="kept"):
        fetch(site, target, Recorder(stop_after=9))
    part = target.parent / "weights.bin.part"
    assert 0 < part.stat().st_size <= 10_000
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    assert site.asked_ranges()[1].startswith("bytes=")


def test_throwing_the_work_away_passes_within_a_chunk(
    site: Site, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 1000)
    monkeypatch.setattr(module, "_REPORT_INTERVAL_S", 1000.0)
    with pytest.raises(ThrownAway):
        fetch(site, target, Recorder(discard_after=9))
    assert not target.exists()
    assert (target.parent / "weights.bin.part").stat().st_size <= 10_000


def test_a_busy_server_is_asked_again(site: Site, target: Path) -> None:
    site.statuses = [503]
    fetch(site, target)
    assert target.read_bytes() == CONTENT
    site.statuses = [429, 503]
    with pytest.raises(DownloadError, match=r"busy.*503"):
        fetch(site, target.with_name("other"))


@pytest.mark.parametrize(
    ("status", "sentence"), [(401, "hf auth login"), (403, "licence"), (400, "HTTP 400"), (418, "HTTP 418")]
)
def test_refusals_get_a_sentence_and_no_second_try(site: Site, target: Path, status: int, sentence: str) -> None:
    site.statuses = [status]
    with pytest.raises(DownloadError, match=sentence):
        fetch(site, target)
    assert len(site.requests) == 1


def test_a_missing_file_is_told_apart(site: Site, target: Path) -> None:
    with pytest.raises(MissingFile, match="not to be found"):
        fetch(site, target, path="/other")


def test_no_connection(target: Path) -> None:
    with serving(Site()) as closed:
        address = closed.address
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 cannot be reached .*connected; then try again"):
        download(RemoteFile(address + "/w"), target, label="weights", patience=HASTY)


def test_a_pause_between_tries_can_be_ended(target: Path) -> None:
    with serving(Site()) as closed:
        address = closed.address
    patient = Patience(timeout_s=5, attempts=3, pause_s=1000)
    with pytest.raises(DownloadStopped):
        download(RemoteFile(address + "/w"), target, label="weights", context=Recorder(stop_after=2), patience=patient)


def test_only_the_web_is_read(target: Path) -> None:
    for url in ("file:///etc/hostname", "ftp://x/y", "w"):
        with pytest.raises(DownloadError, match="only http"):
            download(RemoteFile(url), target, label="weights")


def test_a_full_disk_is_seen_before(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(DownloadError, match="make room"):
        fetch(site, target)


def test_a_folder_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="cannot be stored"):
        fetch(site, tmp_path / "file" / "weights.bin")


def test_another_download_of_the_same_file_is_waited_for(site: Site, target: Path) -> None:
    target.parent.mkdir()
    other = FileLock(f"{target}.lock")
    other.acquire()
    with pytest.raises(DownloadStopped):
        fetch(site, target, Recorder(stop_after=1))
    assert site.requests == []
    context = Recorder()
    waiting = threading.Thread(target=fetch, args=(site, target, context))
    waiting.start()
    while not context.reports:
        pass
    assert "another download" in context.reports[0][2]
    target.write_bytes(b"theirs")
    other.release()
    waiting.join(timeout=10)
    assert target.read_bytes() == b"theirs"
    assert site.requests == []


def test_redirects_are_followed_and_the_hubs_checksum_counts(site: Site, target: Path) -> None:
    said = {"X-Linked-ETag": f'"{DIGEST}"', "X-Linked-Size": str(len(CONTENT))}
    site.redirects["/hub"] = (site.address + "/w", said)
    site.cut_after = [100_000]
    fetch(site, target, path="/hub")
    assert target.read_bytes() == CONTENT
    assert [path for path, _ in site.requests] == ["/hub", "/w", "/hub", "/w"]
    site.redirects["/hub"] = (site.address + "/w", {**said, "X-Linked-ETag": '"' + "0" * 64 + '"'})
    with pytest.raises(DownloadError, match="checksum"):
        fetch(site, target.with_name("other"), path="/hub")


def test_nobody_but_the_first_host_is_told_our_headers(site: Site, target: Path) -> None:
    with serving(Site(files={"/w": CONTENT})) as other:
        site.redirects["/hub"] = ("/next", {})
        site.redirects["/next"] = (other.address + "/w", {})
        remote = RemoteFile(site.address + "/hub", headers={"Authorization": "Bearer secret"})
        download(remote, target, label="weights", patience=HASTY)
    assert [headers.get("authorization") for _, headers in site.requests] == ["Bearer secret"] * 2
    assert [headers.get("authorization") for _, headers in other.requests] == [None]
    assert target.read_bytes() == CONTENT
