"""Cells as files: each what its recipe makes by itself, kept when it is there, with a sheet and a table of all."""

import csv
import io
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from foundation.errors import StudioError
from foundation.images.files import load_image, to_tensor
from foundation.progress import Progress
from generator.grids.axis import parse_axis
from generator.grids.grid import Grid
from generator.grids.output import SHEET, TABLE
from generator.grids.running import GridPiece, make_grid
from generator.production.production import Outputs, produce
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from tests.generator.standins import BreaksAfter, Colours, Words
from tests.generator.watched import Context

CLASS = Recipe(models=("colours",), classes=("red",), size=(16, 24), resolutions="1..4", steps=3)
TEXT = Recipe(task="text", models=("words",), prompt="red", size=(16, 24), resolutions="1..4", steps=3)
MODELS: Mapping[str, Model] = {"colours": Colours(), "other": Colours(4.0), "words": Words(), "more": Words(seed=1)}


def load(recipe: Recipe) -> tuple[Mapping[str, Model], tuple[str, ...]]:
    return MODELS, tuple("ab" * len(name) for name in recipe.models)


def grid(x: str, y: str, base: Recipe = CLASS) -> Grid:
    return Grid(base, parse_axis(x, base.task), parse_axis(y, base.task))


def files_in(folder: Path) -> dict[str, bytes]:
    """The pictures and the table: records have times in them."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".png", ".csv")}


def rows_in(folder: Path) -> list[dict[str, str]]:
    """The table of a grid."""
    return list(csv.DictReader(io.StringIO((folder / TABLE).read_text("utf-8"))))


@pytest.mark.parametrize(
    ("base", "x", "y"),
    [
        (CLASS, "class=red; green; blue", "seed=1,2"),
        (CLASS, "model=colours; other; colours + other", "steps=2,4"),
        (CLASS, "size=16, 16 x 32", "views=noise:0.1; flip | noise:0.2"),
        (TEXT, "prompt=red; a blue thing", "score=cosine,spherical"),
        (TEXT, "model=words; more", "learning_rate=0.1,0.4"),
    ],
)
def test_each_cell_is_bit_for_bit_what_its_recipe_alone_makes(tmp_path: Path, base: Recipe, x: str, y: str) -> None:
    made = grid(x, y, base)
    there: list[GridPiece] = []
    series, pieces = make_grid(Context(), made, tmp_path / "all", load, on_cell=there.append)
    assert (series.drawn, series.there, series.stopped, series.failed) == (len(made.cells), 0, False, {})
    assert there == list(pieces)
    for cell, one in zip(made.cells, pieces, strict=True):
        alone = tmp_path / "alone.png"
        recipe = cell.recipe.with_changes(revisions=load(cell.recipe)[1])
        produce(recipe, MODELS, outputs=Outputs((alone,), alone.with_suffix(".json")))
        assert one.piece.path.read_bytes() == alone.read_bytes(), cell.title
        carried = Recipe.from_png(one.piece.path)
        again = tmp_path / "again.png"
        produce(carried, MODELS, outputs=Outputs((again,), again.with_suffix(".json")))
        assert again.read_bytes() == alone.read_bytes()


def test_progress_counts_the_steps_of_all_cells_in_words(tmp_path: Path) -> None:
    context = Context()
    make_grid(context, grid("seed=1,2", "steps=2,3"), tmp_path, load)
    assert {total for _, total, _ in context.reports if total} == {10}
    assert "4 of 4, seed 2, steps 3" in {words for _, _, words in context.reports}
    assert context.reports[-1][:2] == (10, 10)


@pytest.mark.parametrize("stop_at", [0, 5, 6, 9, 14, 19])
def test_stopped_anywhere_and_gone_on_with_the_files_are_the_same(tmp_path: Path, stop_at: int) -> None:
    made = grid("class=red; green", "seed=1,2")
    make_grid(Context(), made, tmp_path / "whole", load)
    series, _ = make_grid(Context(stop_at), made, tmp_path / "cut", load)
    assert series.stopped
    taken = len(list((tmp_path / "cut").glob("cell-*.png")))
    assert ((tmp_path / "cut" / SHEET).exists()) == (taken > 0)
    there: list[GridPiece] = []
    series, _ = make_grid(Context(), made, tmp_path / "cut", load, on_cell=there.append)
    assert series.drawn + series.there == 4 and series.there <= taken and len(there) == 4
    assert files_in(tmp_path / "cut") == files_in(tmp_path / "whole")


class Slow(Context):
    """A job whose steps take a while."""

    def progress(self, now: Progress, /) -> None:
        time.sleep(0.05)


def _make_slowly(folder: Path) -> None:
    torch.set_num_threads(1)
    make_grid(Slow(), grid("class=red; green; blue", "seed=1,2"), folder, load)


@pytest.mark.slow
def test_killed_and_gone_on_with_the_files_are_the_same(tmp_path: Path) -> None:
    made = grid("class=red; green; blue", "seed=1,2")
    make_grid(Context(), made, tmp_path / "whole", load)
    process = multiprocessing.get_context("spawn").Process(target=_make_slowly, args=(tmp_path / "cut",))
    process.start()
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "cut").glob("cell-*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    series, _ = make_grid(Context(), made, tmp_path / "cut", load)
    assert 2 <= series.there < 6 and series.drawn == 6 - series.there
    assert files_in(tmp_path / "cut") == files_in(tmp_path / "whole")


def test_a_longer_axis_keeps_the_cells_that_are_there(tmp_path: Path) -> None:
    make_grid(Context(), grid("seed=2,4", "steps=2,3"), tmp_path, load)
    series, _ = make_grid(Context(), grid("seed=1..4", "steps=2,3"), tmp_path, load)
    assert (series.there, series.drawn) == (4, 4)


def test_without_recipes_in_the_files_the_records_say_what_is_there(tmp_path: Path) -> None:
    made = grid("seed=1,2", "steps=2,3")
    make_grid(Context(stop_at=10), made, tmp_path, load, with_recipe=False)
    series, pieces = make_grid(Context(), made, tmp_path, load, with_recipe=False)
    assert series.there >= 1 and series.there + series.drawn == 4
    with pytest.raises(StudioError, match="carries no recipe"):
        Recipe.from_png(pieces[0].piece.path)


@pytest.mark.parametrize(
    ("x", "y", "base", "words"),
    [
        ("class=red; unicorn", "seed=1,2", CLASS, "The cell of class unicorn, seed 1 cannot be made: .*'unicorn'"),
        (
            "model=colours; words",
            "seed=1,2",
            CLASS,
            "The cell of model words, seed 1 cannot be made: .*knows no classes",
        ),
        ("views=flip; flop", "seed=1,2", CLASS, "The cell of views flop, seed 1 cannot be made"),
        ("resolutions=1..4; many", "seed=1,2", CLASS, "The cell of resolutions many, seed 1 cannot be made"),
        ("margin=0, 0.1", "seed=1,2", TEXT, "The cell of margin 0.1, seed 1 cannot be made: .*a photo to start from"),
    ],
)
def test_what_a_model_does_not_know_is_refused_before_the_first_step(
    tmp_path: Path, x: str, y: str, base: Recipe, words: str
) -> None:
    context = Context()
    with pytest.raises(StudioError, match=words):
        make_grid(context, grid(x, y, base), tmp_path, load)
    assert not list(tmp_path.iterdir()) and {total for _, total, _ in context.reports} == {0}


def test_a_photo_to_start_from_goes_into_every_cell(tmp_path: Path) -> None:
    photo = torch.rand(1, 3, 20, 12, generator=torch.Generator().manual_seed(0))
    pictures = Pictures(source=photo)
    base = TEXT.with_changes(start_std=0.0, **pictures.digests())
    made = grid("prompt=red; blue", "steps=1,2", base)
    _, pieces = make_grid(Context(), made, tmp_path, load, pictures=pictures)
    assert {load_image(one.piece.path).size for one in pieces} == {(12, 20)}
    series, _ = make_grid(Context(), made, tmp_path, load, pictures=pictures)
    assert (series.there, series.drawn) == (4, 0)


def test_the_table_has_what_the_records_say(tmp_path: Path) -> None:
    _, pieces = make_grid(Context(), grid("class=red; green", "seed=1,2"), tmp_path, load)
    rows = rows_in(tmp_path)
    assert [(row["class"], row["seed"], row["state"]) for row in rows] == [
        ("red", "1", "made"), ("green", "1", "made"), ("red", "2", "made"), ("green", "2", "made"),
    ]  # fmt: skip
    for row, one in zip(rows, pieces, strict=True):
        record = one.piece.record()
        said = record.images[0].after["colours"].top[0]
        assert (tmp_path / row["file"]).samefile(one.piece.path)
        assert record.losses is not None and float(row["loss"]) == record.losses["total"][-1][0]
        assert (row["colours: answer"], float(row["colours: probability"])) == (said.name, said.probability)
        assert (row["seed used"], row["steps taken"]) == (row["seed"], "3")


def test_the_table_says_what_is_not_there_and_starts_no_formula(tmp_path: Path) -> None:
    made = grid("prompt==red; blue", "seed=1,2", TEXT)
    make_grid(Context(stop_at=6), made, tmp_path, load)
    rows = rows_in(tmp_path)
    assert rows[0]["prompt"] == "'=red" and rows[1]["prompt"] == "blue"
    assert [row["state"] for row in rows] == ["cut short", "not made", "not made", "not made"]
    assert rows[0]["words: cosine with the prompt"] and not rows[1]["file"]


def test_the_sheet_shows_every_cell_in_its_place(tmp_path: Path) -> None:
    _, pieces = make_grid(Context(), grid("class=red; green; blue", "seed=1,2"), tmp_path, load)
    sheet = to_tensor(load_image(tmp_path / SHEET))
    height, width = sheet.shape[2:]
    found = set()
    for one in pieces:
        picture = to_tensor(load_image(one.piece.path))
        windows = sheet.unfold(2, 16, 1).unfold(3, 24, 1)[0].permute(1, 2, 0, 3, 4)
        alike = (windows == picture).flatten(2).all(dim=2).nonzero().tolist()
        assert len(alike) == 1
        found.add((one.cell.row, one.cell.column, *alike[0]))
    tops = {row: top for row, _, top, _ in found}
    lefts = {column: left for _, column, _, left in found}
    assert len(found) == 6 == len({(tops[row], lefts[column]) for row, column, _, _ in found})
    assert tops[1] - tops[0] == 16 + 8 and lefts[1] - lefts[0] == lefts[2] - lefts[1] == 24 + 8
    assert lefts[2] + 24 + 8 == width and tops[1] + 16 + 8 == height


def test_one_that_diverges_is_told_and_the_others_are_made(tmp_path: Path) -> None:
    broken = {**MODELS, "other": BreaksAfter(0)}
    series, _ = make_grid(
        Context(), grid("model=other; colours", "seed=1"), tmp_path, lambda recipe: (broken, load(recipe)[1])
    )
    assert list(series.failed) == ["model other, seed 1"] and series.drawn == 1
