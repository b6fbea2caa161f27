import errno
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from foundation.errors import StudioError
from foundation.files.json_lines import JsonLines


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    score: float | None = None


def journal(path: Path) -> JsonLines[Entry]:
    return JsonLines(path, Entry, "answers")


def test_lines_come_back_whatever_is_in_them(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.jsonl"
    entries = [Entry(name="a", score=0.1), Entry(name='"\\\n\r\u2028é'), Entry(name="")]
    for entry in entries:
        journal(path).add(entry)
    assert journal(path).read() == entries
    assert path.read_bytes().count(b"\n") == 3
    assert journal(tmp_path / "none.jsonl").read() == [] and not (tmp_path / "none.jsonl").exists()


def test_it_is_whole_again_after_a_cut_at_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    entries = [Entry(name="é", score=1.0), Entry(name="b")]
    for entry in entries:
        journal(path).add(entry)
    data = path.read_bytes()
    first = data.index(b"\n") + 1
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        kept = (length >= first) + (length == len(data))
        assert journal(path).read() == entries[:kept]
        journal(path).add(Entry(name="next"))
        assert journal(path).read() == [*entries[:kept], Entry(name="next")]


@pytest.mark.parametrize("bad", [b"[]", b"", b"\xff", b'{"name": "a", "more": 1}'])
def test_any_other_damage_is_a_sentence_with_the_line(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"name": "a"}\n' + bad + b'\n{"name": "b"}\n')
    with pytest.raises(StudioError, match=r"Line 2 of the answers .* delete that line"):
        journal(path).read()
    path.write_bytes(b'{"name": "a"}\n{"name": "b"}\n')
    assert [entry.name for entry in journal(path).read()] == ["a", "b"]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    journal(path).add(Entry(name="a"))
    synced: list[bytes] = []

    def full(descriptor: int) -> None:
        synced.append(path.read_bytes())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StudioError, match="No space left"):
            journal(path).add(Entry(name="b"))
    assert synced[0].count(b"\n") == 2  # it was written in full before it was asked to be on the disk
    journal(path).add(Entry(name="c"))
    assert [entry.name for entry in journal(path).read()] == ["a", "c"]


def test_what_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StudioError, match="cannot be read"):
        journal(tmp_path / "folder").read()
    with pytest.raises(StudioError, match="cannot be saved"):
        journal(tmp_path / "folder").add(Entry(name="a"))
    with pytest.raises(StudioError, match="cannot be saved"):
        journal(tmp_path / "file" / "a.jsonl").add(Entry(name="a"))
