"""`grid text` and `grid class`: the flags of the single commands, two axes, and a folder that is gone on with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foundation.images.files import load_image, save_png
from foundation.jobs import Terminal
from foundation.protocols import JobContext
from generator.cli.main import main
from generator.recipes.recipe import Recipe
from tests.generator.standins import Colours, Words

SMALL = ["--size", "16", "24", "--resolutions", "1..4"]


@pytest.fixture
def loaded() -> list[tuple[str, str]]:
    """Which models were loaded, and whether their names were typed or read."""
    return []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: list[tuple[str, str]]) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    models = {"colours": Colours(), "other": Colours(4.0), "words": Words(), "more": Words(seed=1)}

    def loader(how: str) -> Callable[[str, str, JobContext], Any]:
        def load(name: str, _device: str, _context: JobContext) -> Any:
            loaded.append((how, name))
            return models[name]

        return load

    def call(*argv: str, by: str = "grid") -> int:
        return main(
            [by, *argv],
            load_model=loader("read"),
            load_typed=loader("typed"),
            list_models=list,
            foreground=Terminal(),
        )

    return call


def test_a_grid_of_a_class_is_made_and_gone_on_with(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("class", "--model", "colours", "--class", "red", "--x", "seed=1..3", "--y", "steps=2,3", "--out", "g")
    assert run(*argv, *SMALL) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("Grid: seed x steps, 6 pictures (3 x 2), 15 steps, at most about 0.1 MB.")
    assert said[1:] == ["6 pictures drawn, 0 were there, of 6.", "g/sheet.png", "g/grid.csv"]
    names = sorted(path.name for path in (tmp_path / "g").iterdir())
    cells = [f"cell-steps-{steps}-seed-{seed}" for steps in (2, 3) for seed in (1, 2, 3)]
    assert names == sorted([f"{cell}{end}" for cell in cells for end in (".json", ".png")] + ["grid.csv", "sheet.png"])
    recipe = Recipe.from_png(tmp_path / "g/cell-steps-3-seed-2.png")
    assert (recipe.seed, recipe.steps, recipe.classes, recipe.images) == (2, 3, ("red",), 1)
    assert run(*argv, *SMALL) == 0
    assert "0 pictures drawn, 6 were there, of 6." in capsys.readouterr().out


def test_a_cell_is_the_file_of_the_single_command(run: Callable[..., int], tmp_path: Path) -> None:
    shared = ("--model", "words", "--steps", "3", *SMALL)
    assert run("text", *shared, "--x", "prompt=red; a blue thing", "--y", "seed=1,2", "--out", "g", "--quiet") == 0
    assert run("a blue thing", *shared, "--seed", "2", "--out", "one.png", "--quiet", by="text") == 0
    (cell,) = (tmp_path / "g").glob("cell-seed-2-prompt-a-blue-thing-*.png")
    assert cell.read_bytes() == (tmp_path / "one.png").read_bytes()


def test_models_of_an_axis_are_typed_names(run: Callable[..., int], loaded: list[tuple[str, str]]) -> None:
    shared = ("--class", "red", "--steps", "2", *SMALL, "--quiet")
    assert run("class", "--x", "model=colours; other", "--y", "seed=1", *shared, "--out", "g") == 0
    assert sorted(loaded) == [("typed", "colours"), ("typed", "other")]
    loaded.clear()
    origin = "g/cell-seed-1-model-colours.png"
    assert run("class", "--from", origin, "--x", "seed=1,2", "--y", "steps=2", "--out", "h", "--quiet") == 0
    assert loaded == [("read", "colours")]


def test_a_photo_to_start_from_and_no_recipe_in_the_files(run: Callable[..., int], tmp_path: Path) -> None:
    save_png(torch.rand(1, 3, 20, 12, generator=torch.Generator().manual_seed(0)), tmp_path / "photo.png")
    argv = ("text", "red", "--model", "words", "--start", "photo.png", "--x", "seed=1,2", "--y", "steps=2")
    assert run(*argv, "--resolutions", "1..4", "--no-recipe", "--out", "g", "--quiet") == 0
    cells = sorted((tmp_path / "g").glob("cell-*.png"))
    assert [load_image(cell).size for cell in cells] == [(12, 20), (12, 20)]
    assert b"crossmax" not in cells[0].read_bytes().lower()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--x", "sede=1", "--y", "steps=2"), "'sede' can be no axis: did you mean 'seed'?"),
        (("--x", "seed=1", "--y", "seed=2"), "Both axes are seed"),
        (("--x", "images=1,2", "--y", "seed=2"), "'images' can be no axis"),
        (("--x", "class=red; unicorn", "--y", "seed=2"), "The cell of class unicorn, seed 2 cannot be made"),
        (("--x", "optimiser=sgd,adam", "--y", "momentum=0.5"), "The cell of optimiser adam, momentum 0.5"),
    ],
)
def test_refusals_are_sentences_and_nothing_is_written(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str
) -> None:
    assert run("class", "--model", "colours", "--class", "red", *argv, *SMALL, "--out", "g") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "g").exists()


def test_a_folder_of_other_pictures_is_refused(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("class", "--model", "colours", "--class", "red", "--x", "seed=1,2", "--y", "steps=2", *SMALL, "--out", "g")
    assert run(*argv) == 0
    assert run(*argv, "--learning-rate", "0.5") == 2
    assert "was made by another recipe (its learning_rate)" in capsys.readouterr().err


def test_a_grid_of_a_text_that_a_classifier_leads_is_gone_on_with(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("text", "a red", "--model", "words", "colours", "--x", "seed=1,2", "--y", "steps=2", "--out", "g")
    assert run(*argv, *SMALL) == 0
    made = Recipe.from_png(tmp_path / "g" / "cell-steps-2-seed-1.png")
    assert made.classes == ("red",) and made.class_weight > 0
    capsys.readouterr()
    assert run(*argv, *SMALL) == 0
    assert "0 pictures drawn, 2 were there, of 2." in capsys.readouterr().out
    assert run(*argv, *SMALL, "--class-weight", "3") == 2
    assert "was made by another recipe (its class_weight)" in capsys.readouterr().err
    assert run(*argv, *SMALL, "--objective", "margin") == 2
    assert "was made by another recipe (its objective)" in capsys.readouterr().err
