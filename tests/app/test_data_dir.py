"""Choosing the data directory: who wins, what is made and when, and what is said if it cannot be."""

from pathlib import Path

import pytest
from PIL import Image

from app.data_dir import VARIABLE, DataDir, choose_data_dir
from generator.errors import StudioError

HOME = Path("/home/anna")


def chosen(argument=None, platform="linux", **environment) -> Path:
    return choose_data_dir(argument, environment=environment, platform=platform, home=HOME).root


def test_the_argument_wins_over_the_variable_over_the_default():
    assert chosen("/a", **{VARIABLE: "/b"}) == Path("/a")
    assert chosen(**{VARIABLE: "/b"}) == Path("/b")
    assert chosen("", **{VARIABLE: ""}) == HOME / ".local/share/crossmax-studio"
    assert chosen(Path("/a")) == Path("/a")


def test_defaults_follow_the_platform():
    assert chosen(XDG_DATA_HOME="/xdg") == Path("/xdg/crossmax-studio")
    assert chosen(XDG_DATA_HOME="relative") == HOME / ".local/share/crossmax-studio"
    assert chosen(platform="darwin") == HOME / "Library/Application Support/crossmax-studio"
    assert chosen(platform="win32", LOCALAPPDATA="/local") == Path("/local/crossmax-studio")
    assert chosen(platform="win32") == HOME / "AppData/Local/crossmax-studio"


def test_paths_are_made_absolute_and_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert chosen("here") == tmp_path / "here"
    assert chosen("~/data") == tmp_path / "data"
    with pytest.raises(StudioError, match="cannot be found"):
        chosen("~nobody-of-this-name/data")


def test_nothing_is_made_before_the_app_starts(tmp_path):
    data = choose_data_dir(tmp_path / "new" / "data")
    assert list(tmp_path.iterdir()) == []
    data.create()
    data.create()
    assert sorted(path.name for path in data.root.iterdir()) == ["datasets", "models", "uploads"]


def test_a_place_that_cannot_be_written_is_said_with_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudioError, match=r"cannot be written to .*--data-dir"):
        DataDir(tmp_path / "file").create()

    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(StudioError, match="Permission denied"):
        DataDir(tmp_path / "data").create()


@pytest.mark.parametrize(
    "name", ["", "x", "../jobs/secret", "/etc/passwd", "a" * 63, "A" * 64, "b" * 64, "a" * 64 + "\n"]
)
def test_uploads_are_named_by_digests_only(tmp_path, name):
    """S1, S3: a digest becomes a path in one place alone, and only for the visitor whose picture it is."""
    data = DataDir(tmp_path)
    data.create()
    place = data.uploads.keep(Image.new("RGB", (9, 8)), "anna")
    file = data.upload(place.digest, "anna")
    file.rename(file.with_name(f"{'a' * 64}.png"))
    with pytest.raises(StudioError, match="bring it again"):
        data.upload(name, "anna")
    with pytest.raises(StudioError, match="bring it again"):
        data.upload("a" * 64, "ben")
    assert data.upload("a" * 64, "anna").is_file()
