import os
from pathlib import Path

import pytest

from foundation.files.read_once import read_once
from foundation.files.text_files import write_text


def test_a_file_is_read_again_when_it_has_changed_and_only_then(tmp_path: Path) -> None:
    reads: list[str] = []

    @read_once(2)
    def read(path: Path) -> str:
        reads.append(path.name)
        return path.read_text()

    file = tmp_path / "a"
    write_text(file, "one")
    when = file.stat().st_mtime_ns
    assert [read(file), read(file)] == ["one", "one"] and reads == ["a"]
    write_text(file, "two")  # of the same size
    os.utime(file, ns=(when, when))
    assert [read(file), read(file)] == ["two", "two"] and reads == ["a", "a"]
    for name in ("b", "c"):
        write_text(tmp_path / name, name)
        assert read(tmp_path / name) == name
    assert read(file) == "two" and reads == ["a", "a", "b", "c", "a"]  # only two are remembered
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")


def test_what_fails_is_tried_again(tmp_path: Path) -> None:
    answers = iter([ValueError("not yet"), 7])

    @read_once(1)
    def read(_path: Path) -> int:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    (tmp_path / "a").touch()
    with pytest.raises(ValueError, match="not yet"):
        read(tmp_path / "a")
    assert read(tmp_path / "a") == 7
