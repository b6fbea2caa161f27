"""Choosing the data directory: who wins, what is made and when, and what is said if it cannot be."""

from pathlib import Path

import pytest
from PIL import Image

from app.visitors.data_dir import DataDir, choose_data_dir
from foundation.errors import StudioError
from foundation.files.user_data import VARIABLE

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


def homeless() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_home_is_looked_for_only_where_it_is_needed(monkeypatch, tmp_path):
    """F21: containers have neither HOME nor an entry in passwd."""
    monkeypatch.setattr(Path, "home", homeless)
    place = {"XDG_DATA_HOME": str(tmp_path)}
    assert choose_data_dir(None, environment=place, platform="linux").root == tmp_path / "crossmax-studio"
    assert choose_data_dir("x", environment={}, platform="linux").root == Path.cwd() / "x"
    for platform in ("linux", "darwin", "win32"):
        with pytest.raises(StudioError, match=r"no home directory.*--data-dir"):
            choose_data_dir(None, environment={}, platform=platform)


@pytest.mark.parametrize("nothing", [Path(), "", "  ", None])
def test_what_is_empty_is_not_given(monkeypatch, tmp_path, nothing):
    """F21: an empty --data-dir, or variable, is never the current folder."""
    environment = {"XDG_DATA_HOME": str(tmp_path), "CROSSMAX_STUDIO_DATA": " "}
    found = choose_data_dir(nothing, environment=environment, platform="linux")
    assert found == choose_data_dir(None, environment=environment, platform="linux") != DataDir(Path.cwd())
    assert choose_data_dir(".", environment=environment).root == Path.cwd()


def test_nobody_else_can_read_the_data(tmp_path):
    """S15: a new data directory is 0700, and so is that of an older version; one that others share stays as it is."""
    new, old, shared = (DataDir(tmp_path / name) for name in ("new", "old", "shared"))
    for data, mode in ((old, 0o755), (shared, 0o1777)):
        data.root.mkdir()
        data.root.chmod(mode)
        (data.root / "studio.lock").touch()
    for data, mode in ((new, 0o700), (old, 0o700), (shared, 0o1777)):
        data.create()
        assert data.root.stat().st_mode & 0o7777 == mode
        assert data.uploads.root.stat().st_mode & 0o777 == 0o700
