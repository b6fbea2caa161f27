"""Sheets of channels, with the photos that excite them."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from foundation.errors import StudioError
from foundation.images.files import load_image
from generator.production.unit_grid import Grid, most_exciting, parse_channels, square
from generator.recipes.recipe import Recipe
from generator.units.layers import WholeModule, find_layer
from tests.generator.encoders.tiny import Recorder
from tests.generator.production.commands import run
from tests.generator.units.networks import Painter

COLOURS = {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250), "pink": (250, 120, 120), "grey": (9, 9, 9)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of one colour, wider than high, whose margins are of another."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in COLOURS.items():
        photo = Image.new("RGB", (90, 30), (255, 255, 255))
        photo.paste(colour, (30, 0, 60, 30))
        photo.save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize(
    ("text", "channels"),
    [("0..3", (0, 1, 2, 3)), ("7", (7,)), ("1, 4,20..22", (1, 4, 20, 21, 22)), ("3,1..3", (3, 1, 2))],
)
def test_channels_are_read(text: str, channels: tuple[int, ...]) -> None:
    assert parse_channels(text) == channels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no channels"),
        ("a", "names no channels: write 0..15"),
        ("1..", "names no channels"),
        ("-1", "names no channels"),
        ("5..3", "ends before it begins: write 3..5"),
        ("0..256", "at most 256 channels"),
    ],
)
def test_what_names_no_channels_has_a_sentence(text: str, words: str) -> None:
    with pytest.raises(StudioError, match=words):
        parse_channels(text)


def test_the_photos_that_excite_most_come_first(photos: Path) -> None:
    model = WholeModule(Painter())
    grid = Grid("hand", "see", (0, 2, 3))
    (photos / "broken.png").write_bytes(b"no picture")
    found, left_out = most_exciting(grid, model, find_layer(model, "see", "hand"), photos, Recorder())
    assert [path.name for path in left_out] == ["broken.png"]
    assert [path.stem for path, _ in found[0]] == ["red", "pink", "grey", "blue"]
    assert next(path.stem for path, _ in found[2]) == "blue"
    assert next(path.stem for path, _ in found[3]) == "grey"
    red, _, _ = (channel / 255 for channel in COLOURS["red"])
    assert found[0][0][1] == pytest.approx(red - 5 / 255, abs=1e-3)  # the square in the middle, without the margins
    assert torch.allclose(square(photos / "red.png", 12)[0, 0], torch.full((12, 12), red), atol=1e-3)


@pytest.mark.slow
def test_the_command_makes_a_sheet_and_a_record(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["units", "hand", "--grid", "see", "--channels", "0..2", "--seed", "5"]
    assert run(*flags, "--photos", "photos", "--out", "with.png") == 0
    assert capsys.readouterr().out.endswith("with.png\n")
    made = json.loads(Path("with.json").read_text(encoding="utf-8"))
    assert [one["channel"] for one in made["channels"]] == [0, 1, 2]
    assert next(photo["file"] for photo in made["channels"][1]["photos"]) == "green.png"
    recipe = Recipe(**made["channels"][2]["recipe"])
    assert (recipe.unit, recipe.seed, recipe.models) == ("see:2", 5, ("hand",))
    sheet = load_image("with.png")
    across = [sheet.getpixel((8 + 168 * place + 80, 8 + 80)) for place in range(10)]
    assert across[1] == COLOURS["red"] and across[6] == COLOURS["green"]  # after each picture, its photos
    for place, channel in ((0, 0), (5, 1)):  # the pictures themselves
        assert max(range(3), key=across[place].__getitem__) == channel
    assert run(*flags, "--out", "without.png") == 0
    assert load_image("without.png").width == 2 * 168 + 8


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--channels", "0..3"], "--channels is of a sheet of channels: say of which layer, with --grid LAYER"),
        (["--grid", "see", "--channels", "0..4"], "has no channel 4"),
        (["--grid", "sea"], "The nearest are 'see'"),
        (["--grid", "see", "--channels", "all"], "names no channels"),
        (["--grid", "see", "--photos", "nowhere"], "no photo or folder 'nowhere'"),
        (["--grid", "see", "--out", "grid.jpg"], "give a name that ends in .png"),
    ],
)
def test_what_does_not_fit_is_refused(
    flags: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("units", "hand", *flags) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
