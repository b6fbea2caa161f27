"""A picture of every class by one command: what is there stays, what was stopped is drawn again, one sheet of all."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from foundation.errors import StudioError
from foundation.images.files import load_image
from foundation.jobs import Terminal
from foundation.protocols import JobContext
from generator.cli.main import main
from generator.production.series import Piece, draw_series, file_name
from generator.recipes.recipe import Recipe
from tests.generator.standins import NAMES, Colours, Words
from tests.generator.watched import Context

SMALL = ["--size", "16", "24", "--steps", "3", "--resolutions", "1..4"]


def pieces(folder: Path, *names: str, **fields: Any) -> list[Piece]:
    own = {"models": ("colours",), "size": (16, 24), "resolutions": "1..4", "steps": 3} | fields
    return [Piece(folder / f"{name}.png", Recipe(classes=(name,), **own), name) for name in names]


def load(_piece: Piece) -> Mapping[str, Colours]:
    return {"colours": Colours()}


def test_progress_counts_the_steps_of_what_is_left(tmp_path: Path) -> None:
    assert draw_series(Context(), pieces(tmp_path, "red"), load).drawn == 1
    context = Context()
    series = draw_series(context, pieces(tmp_path, "red", "green", "blue"), load)
    assert (series.drawn, series.there, series.stopped, series.failed) == (2, 1, False, {})
    assert [done for done, _, _ in context.reports] == [0, 1, 2, 3, 3, 4, 5, 6]
    assert {total for _, total, _ in context.reports} == {6}
    assert context.reports[-1][2] == "2 of 2, blue"


def test_a_stop_ends_within_a_step_and_the_rest_is_drawn_later(tmp_path: Path) -> None:
    all_three = pieces(tmp_path, "red", "green", "blue")
    series = draw_series(Context(stop_at=6), all_three, load)  # after the first step of the second picture
    assert (series.drawn, series.stopped) == (1, True)
    assert Recipe.from_png(tmp_path / "green.png").steps == 1 and not (tmp_path / "blue.png").exists()
    assert [piece.is_done() for piece in all_three] == [True, False, False]
    before = (tmp_path / "red.png").stat().st_mtime_ns
    assert draw_series(Context(), all_three, load).drawn == 2
    assert Recipe.from_png(tmp_path / "green.png").steps == 3
    assert (tmp_path / "red.png").stat().st_mtime_ns == before


def test_pictures_of_others_are_not_overwritten(tmp_path: Path) -> None:
    draw_series(Context(), pieces(tmp_path, "red"), load)
    with pytest.raises(StudioError, match=r"red\.png' was made by another recipe \(its seed\): choose another folder"):
        draw_series(Context(), pieces(tmp_path, "red", seed=5), load)
    Image.new("RGB", (16, 16)).save(tmp_path / "green.png")
    with pytest.raises(StudioError, match=r"green\.png' is in the way: .* carries no recipe"):
        draw_series(Context(), pieces(tmp_path, "green"), load)


def test_names_of_files() -> None:
    assert file_name("crane bird | crane!") == "crane-bird-crane" and file_name("??") == "picture"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)

    def model(name: str, _device: str, _context: JobContext) -> Any:
        return {"colours": Colours(), "words": Words()}[name]

    def call(*argv: str) -> int:
        return main(["gallery", *argv], load_model=model, list_models=list, foreground=Terminal())

    return call


def test_the_command_draws_every_class_and_a_sheet(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("colours", "--out", "all", "--preset", "quick", "--seed", "4", *SMALL) == 0
    names = sorted(path.name for path in (tmp_path / "all").glob("*.png"))
    assert names == ["0-red.png", "1-green.png", "2-blue.png", "3-grey.png", "sheet.png"]
    recipe = Recipe.from_png(tmp_path / "all/1-green.png")
    assert (recipe.classes, recipe.seed, recipe.steps, recipe.size) == (("green",), 4, 3, (16, 24))
    assert recipe.learning_rate == 0.06  # the preset's
    assert json.loads((tmp_path / "all/1-green.json").read_text())["recipe"]["classes"] == ["green"]
    sheet = load_image(tmp_path / "all/sheet.png")
    assert sheet.width == 8 + 2 * (24 + 8) and sheet.height > 2 * 24
    assert "4 pictures drawn, 0 were there, of 4." in capsys.readouterr().out
    assert run("colours", "--out", "all", "--preset", "quick", "--seed", "4", *SMALL) == 0
    assert "0 pictures drawn, 4 were there, of 4." in capsys.readouterr().out


def test_some_classes_and_what_is_refused(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("colours", "--out", "two", "--class", "blue", "0", *SMALL) == 0
    assert sorted(path.name for path in Path("two").glob("*-*.png")) == ["0-red.png", "2-blue.png"]
    assert NAMES[2] == "blue"
    for argv, words in (
        (["colours", "--out", "x", "--class", "unicorn", *SMALL], "knows no class 'unicorn'"),
        (["words", "--out", "x", *SMALL], "reads texts and knows no classes"),
        (["colours", "--out", "x", "--steps", "0"], "steps must be"),
        (["colours", "--out", "two", "--seed", "9", "--class", "blue", *SMALL], "made by another recipe (its seed)"),
    ):
        assert run(*argv) == 2 and words in capsys.readouterr().err
