"""Folders of a user are walked by one rule: what is a picture, what is passed over, where links lead."""

import subprocess
from pathlib import Path

import pytest

from foundation.errors import StudioError
from foundation.files.folders import ENDINGS, by_number, folders_in, left_out, walk
from foundation.images.files import accepted_formats
from tests.corpus import valid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures by their endings alone, beside what others keep there; a link to a folder, and one in a circle."""
    names = (
        *("b.png", "a.JPG", "c.tif", "d.gif", "e.avif", "._b.png", ".hidden/x.png", "__MACOSX/b.png", "@eaDir/b.png"),
        *("notes.txt", "Thumbs.db", "more.txt", "plain", "in/deep/f.webp", "in/.ipynb_checkpoints/f-checkpoint.webp"),
    )
    for name in names:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "g.png").touch()
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "round").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "photos" / "itself").symlink_to(tmp_path / "photos" / "itself")
    return tmp_path / "photos"


def names(folder: Path, paths: tuple[Path, ...]) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths]


def test_hidden_files_are_passed_over_and_others_are_counted(folder: Path) -> None:
    """F7, F23: hidden files are no pictures; TIFF, GIF and AVIF are; what is left out is said."""
    found = walk(folder, deep=False)
    assert names(folder, found.pictures) == ["a.JPG", "b.png", "broken.png", "c.tif", "d.gif", "e.avif"]
    assert found.others == {".txt": 2, ".db": 1, "": 2}
    note = left_out(found.others, "photos")
    assert note.startswith("5 files in 'photos' are left out") and ".txt" in note
    assert left_out(walk(folder / "in" / "deep", deep=False).others, "x") == ""


def test_links_are_followed_and_no_folder_is_entered_twice(folder: Path) -> None:
    """F30: a link to a folder is a folder; F7: hidden folders are passed over at any depth."""
    deep = names(folder, walk(folder, deep=True).pictures)
    flat = ["a.JPG", "b.png", "broken.png", "c.tif", "d.gif", "e.avif"]
    assert deep == [*flat, "in/deep/f.webp", "linked/g.png"]
    assert [path.name for path in folders_in(folder)] == ["in", "linked", "round"]
    hidden = folder / ".hidden"
    assert names(hidden, walk(hidden, deep=True).pictures) == ["x.png"]  # it was named


def test_every_format_that_is_read_has_its_endings(tmp_path: Path) -> None:
    """F23: a picture that `load_image` reads is seen in a folder."""
    endings = {Path(name).suffix.lower() for name in valid()}
    assert endings and endings <= ENDINGS
    assert {".tif", ".tiff", ".gif", ".webp", ".bmp", ".jfif", ".png", ".jpeg"} <= ENDINGS
    assert (".avif" in ENDINGS) or "AVIF" not in accepted_formats()


def test_a_folder_that_is_none_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(StudioError, match="cannot be read"):
            walk(place, deep=True)
        with pytest.raises(StudioError, match="cannot be read"):
            folders_in(place)


def test_names_that_are_numbers_sort_by_number() -> None:
    """F2: a place in an alphabetical list is no label."""
    assert by_number(["10", "cat", "2", "0", "011", "Dog", "1"]) == ["0", "1", "2", "10", "011", "Dog", "cat"]
    assert by_number(["n02", "n01", "-1", "1.5"]) == ["-1", "1.5", "n01", "n02"]


@pytest.mark.parametrize("script", ["scripts/start.sh", "scripts/test.sh", ".ci/run"])
def test_scripts_find_the_project_through_links(tmp_path: Path, script: str) -> None:
    """F30: scripts/start.sh called by a symbolic link."""
    root = Path(__file__).parents[3]
    copy = tmp_path / "project" / script
    copy.parent.mkdir(parents=True)
    lines = (root / script).read_text().splitlines()
    last = next(number for number, line in enumerate(lines) if line.startswith("cd "))
    copy.write_text("\n".join([*lines[: last + 1], "pwd -P"]) + "\n")
    (tmp_path / "far").symlink_to(copy)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "near").symlink_to("../far")
    found = subprocess.run(["bash", tmp_path / "bin" / "near"], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str((tmp_path / "project").resolve())
