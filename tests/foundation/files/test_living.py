"""Folders that change while one looks: what goes away is passed over, wherever the program looks."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.upkeep import empty
from app.visitors.uploads import Uploads
from app.web.cache import Cache
from foundation.files.living import found_below
from foundation.jobs.history import size_of
from foundation.limits import Limits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / "all" / name / "deep").mkdir(parents=True)
        (tmp_path / "all" / name / "deep" / "file").write_bytes(b"12345")
    return tmp_path / "all"


def test_everything_is_found_contents_first_and_links_are_not_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent)
    found = [path.relative_to(folder).as_posix() for path, _ in found_below(folder)]
    inside = [f"{name}/deep/file" for name in "abc"]
    assert sorted(found) == sorted([*inside, *"abc", *(f"{name}/deep" for name in "abc"), "link"])
    assert all(found.index(f"{name}/deep/file") < found.index(f"{name}/deep") < found.index(name) for name in "abc")
    assert sum(data.st_size for path, data in found_below(folder) if path.name == "file") == 15
    assert list(found_below(folder / "absent")) == []


def test_what_goes_away_meanwhile_is_passed_over(folder: Path) -> None:
    looking = found_below(folder)
    first, _ = next(looking)
    for child in folder.iterdir():
        if child not in first.parents:
            shutil.rmtree(child)
    assert [path.name for path, _ in looking] == ["deep", first.parts[-3]]


LOOKERS: dict[str, Callable[[Path], object]] = {
    "the cache makes room": lambda folder: Cache(folder).make_room(Limits(free_bytes=0)),
    "passing files are emptied": lambda folder: empty(folder, older_than=3600),
    "uploads are counted": lambda folder: Uploads(folder, Limits(free_bytes=0)).check_room("somebody"),
    "uploads are swept": lambda folder: Uploads(folder).sweep({}),
    "a job's size": size_of,
}


@pytest.mark.parametrize("look", LOOKERS.values(), ids=LOOKERS)
def test_nothing_that_looks_minds(
    folder: Path, look: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file is looked at first, somebody has deleted it and all its neighbours a moment ago."""
    lstat, stat = Path.lstat, Path.stat
    gone = []

    def vanish(path: Path, look: Callable[[Path], object]) -> object:
        if path.name == "file" and not gone:
            gone.append(path)
            for child in folder.iterdir():
                shutil.rmtree(child)
        return look(path)

    monkeypatch.setattr(Path, "lstat", lambda path: vanish(path, lstat))
    monkeypatch.setattr(Path, "stat", lambda path, **options: vanish(path, lambda one: stat(one, **options)))
    look(folder)
    assert gone
