"""Paths from flags, and places for results, which are tried before the work."""

import argparse
import errno
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foundation.files import places
from foundation.files.places import is_file, is_folder, is_there, user_path, writable_file, writable_folder, wrong_name
from foundation.files.text_files import FileError

LONG = "x" * 256


@pytest.mark.parametrize("text", ["", "  ", "a\0b", LONG, f"a/{LONG}/b", "a/" * 3000, "\ud800", "漢" * 86])
def test_what_can_be_no_path_is_refused(text: str) -> None:
    """F10, F21: empty, over-long and odd paths are refused where the flag is read."""
    with pytest.raises(argparse.ArgumentTypeError, match="is no path: it"):
        user_path(text)
    for check in (writable_file, writable_folder):
        if text.strip():
            with pytest.raises(FileError):
                check(Path(text))
    assert not is_file(text) and not is_folder(text) and not is_there(text)


@pytest.mark.slow
@given(st.text(max_size=300))
@example("caf\udce9.png")
def test_what_is_accepted_can_be_asked_of_the_file_system(text: str) -> None:
    if wrong_name(text):
        return
    assert user_path(text) == Path(text)
    Path("/dev/null/x", text.lstrip("/")).exists()  # no OSError, no ValueError


def test_good_places_are_left_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "later")
    for name in ("old", "new", "a/b/new", "a/../new", "link"):
        writable_file(tmp_path / name)
    for name in (".", "folder", "a/b/c"):
        writable_folder(tmp_path / name)
    writable_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old"]
    assert (tmp_path / "old").read_text() == "old"


def test_places_where_nothing_can_be_written_are_refused(tmp_path: Path) -> None:
    """F11: a file for a folder, a folder for a file, a folder where nobody may write."""
    (tmp_path / "file").write_text("old")
    for name, why in (("", "it is a folder"), ("file/x", "a file"), ("file/x/y", "a file")):
        with pytest.raises(FileError, match=why):
            writable_file(tmp_path / name, "report")
    for name in ("file", "file/x"):
        with pytest.raises(FileError, match="a file"):
            writable_folder(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no such file system here")
def test_places_where_root_may_not_write_either_are_refused() -> None:
    """F11: permissions are tried, not read."""
    for place in ("/proc/report.json", "/proc/new/report.json"):
        with pytest.raises(FileError, match="cannot be written"):
            writable_file(Path(place))
    with pytest.raises(FileError, match="cannot be written to"):
        writable_folder(Path("/proc/new"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_devices_are_tried_too() -> None:
    writable_file(Path("/dev/null"))
    with pytest.raises(FileError, match="the disk is full"):
        writable_file(Path("/dev/full"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_what_the_disk_refuses_is_told_and_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(places, "_try_file", refuse)
    with pytest.raises(FileError, match="cannot be written:"):
        writable_file(tmp_path / "a/b.json")
    with pytest.raises(FileError, match="cannot be written to:"):
        writable_folder(tmp_path / "a/b")
    assert list(tmp_path.iterdir()) == []
