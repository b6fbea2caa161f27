"""Text on disk: encodings, marks, names that are not UTF-8, and what the file system refuses."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.files import text_files
from foundation.files.text_files import (
    FileError,
    NoFileError,
    json_text,
    printable,
    read_bytes,
    read_json,
    read_object,
    read_text,
    shown,
    write_bytes,
    write_json,
    write_text,
)

LONG = "x" * 300
WORDS = "Grüße, 漢字 🐸\n"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_utf8_is_read_with_and_without_a_mark(tmp_path: Path, mark: bytes) -> None:
    """F10: a byte-order mark, as many editors write it, is no part of the text."""
    (tmp_path / "a.txt").write_bytes(mark + WORDS.encode())
    assert read_text(tmp_path / "a.txt") == WORDS


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_is_refused_by_name(tmp_path: Path, codec: str) -> None:
    """F10: what PowerShell's > writes is named, with what to do."""
    (tmp_path / "a.json").write_bytes('[{"kind": "pgd"}]'.encode(codec))
    with pytest.raises(FileError, match=r"The list 'a.json' cannot be read: it is UTF-\d\d, .* save it as UTF-8"):
        _within(tmp_path, lambda: read_json(Path("a.json"), "list"))


def test_other_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("one\nGrüße".encode("latin-1"))
    with pytest.raises(FileError, match=r"no text in UTF-8 \(line 2\); save it as UTF-8"):
        read_text(tmp_path / "a.txt")


def test_what_is_only_shown_is_read_in_any_case(tmp_path: Path) -> None:
    """F6: a card in latin-1 or UTF-16 ends nothing."""
    path = tmp_path / "README.md"
    path.write_bytes("Grüße".encode("latin-1"))
    assert read_text(path, lenient=True) == "Gr\ufffd\ufffde"
    path.write_bytes(WORDS.encode("utf-16"))
    assert read_text(path, lenient=True) == WORDS


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "no JSON"),
        (b"", "no JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"1" * 5000, "numbers are too long"),
        (b"[]", "no JSON object"),
    ],
)
def test_what_is_no_object_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(FileError, match=why):
        read_object(tmp_path / "a.json")


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    """F10: a folder, a missing file, a file for a folder, an over-long name, a name that no file can have."""
    (tmp_path / "file").write_text("text")
    for name, why in (
        ("", "it is a folder"),
        ("missing", "it is not there"),
        ("file/x", "takes for a folder is a file"),
        (LONG, "the name is too long"),
        ("a\0b", "no file can have that name"),
        ("a\ud800", "no file can have that name"),
    ):
        with pytest.raises(FileError, match=why) as refused:
            read_text(tmp_path / name, "plan")
        assert len(str(refused.value)) < 600 and printable(str(refused.value)) == str(refused.value)
    with pytest.raises(NoFileError):
        read_text(tmp_path / "missing")
    with pytest.raises(FileError, match="larger than 3 bytes"):
        read_bytes(tmp_path / "file", most=3)


def test_what_cannot_be_written_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F10: nothing half-written, and the old content stays."""
    (tmp_path / "file").write_text("old")
    for name, why in (
        ("", "it is a folder"),
        ("file/x", "a file"),
        (LONG, "the name is too long"),
        ("a\0b", "no file can have that name"),
    ):
        with pytest.raises(FileError, match=why):
            write_text(tmp_path / name, "new", "report")

    def full(_descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(text_files.os, "write", full)
    with pytest.raises(FileError, match=r"The report '.*file' cannot be written: the disk is full; make room there"):
        write_text(tmp_path / "file", "new", "report")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_devices_are_written_to_and_never_replaced() -> None:
    """F10: `--json /dev/null` of root does not make a file of the device."""
    with pytest.raises(FileError, match="the disk is full"):
        write_text(Path("/dev/full"), "text")
    write_text(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device() and Path("/dev/full").is_char_device()


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    (tmp_path / "dangling").symlink_to(tmp_path / "later")
    write_text(tmp_path / "dangling", "new")
    assert (tmp_path / "later").read_text() == "new"


def test_folders_are_made_and_permissions_are_those_asked_for(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a/b/secret", b"123", mode=0o600)
    assert stat.S_IMODE((tmp_path / "a/b/secret").stat().st_mode) == 0o600


def test_names_that_are_not_utf8_are_shown_and_come_back(tmp_path: Path) -> None:
    """F12: text shows the byte; JSON gives back the very name."""
    name = os.fsdecode(b"caf\xe9.png")
    write_text(tmp_path / "a.txt", name)
    assert (tmp_path / "a.txt").read_bytes() == rb"caf\xe9.png"
    write_json(tmp_path / "a.json", {"photo": name, "é": "漢"})
    assert read_json(tmp_path / "a.json") == {"photo": name, "é": "漢"}
    assert "漢" in (tmp_path / "a.json").read_text("utf-8")
    assert shown(Path(name)) == r"caf\xe9.png"


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text({"a": float("nan")})


@given(st.text(alphabet=st.characters(), max_size=200))
def test_every_text_can_be_written_and_shown(text: str) -> None:
    """F12: no text ends in an error of encoding; texts without surrogates stay what they are."""
    assert printable(text).encode("utf-8").decode() == (text if _encodable(text) else printable(text))
    assert json.loads(json_text(text)) == text
    assert "\n" not in shown(text) and len(shown(text)) <= 170


def _encodable(text: str) -> bool:
    return not any(0xD800 <= ord(char) <= 0xDFFF for char in text)


def _within(folder: Path, work: object) -> None:
    before = Path.cwd()
    os.chdir(folder)
    try:
        work()  # type: ignore[operator]
    finally:
        os.chdir(before)
