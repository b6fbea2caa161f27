"""A grid's cells: each a recipe by itself, judged before anything is made, with a name of its own."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import StudioError
from generator.grids.axis import parse_axis
from generator.grids.grid import MOST_CELLS, Grid, disk_of
from generator.recipes.presets import from_preset
from generator.recipes.recipe import RECIPE_VERSION, Recipe

TEXT = from_preset("text", "fast", prompt="a frog", images=4)
CLASS = Recipe(classes=("frog",), size=(32, 48), steps=7)


def grid(x: str, y: str, base: Recipe = CLASS) -> Grid:
    return Grid(base, parse_axis(x, base.task), parse_axis(y, base.task))


def test_cells_by_hand() -> None:
    found = grid("seed=1,2,3", "steps=5,9")
    assert [(cell.row, cell.column, cell.recipe.seed, cell.recipe.steps) for cell in found.cells] == [
        (0, 0, 1, 5), (0, 1, 2, 5), (0, 2, 3, 5), (1, 0, 1, 9), (1, 1, 2, 9), (1, 2, 3, 9),
    ]  # fmt: skip
    assert found.title == "Grid: seed x steps, 6 pictures" and found.steps == 3 * 5 + 3 * 9
    assert found.cells[4].title == "seed 2, steps 9" and found.cells[4].name == "cell-steps-9-seed-2"
    assert grid("class=frog; ship", "seed=0").title == "Grid: class x seed, 2 pictures"


def test_a_cell_differs_from_the_recipe_in_its_two_fields_alone() -> None:
    for cell in grid("prompt=a ship; a lemon", "learning_rate=0.1,0.2", TEXT).cells:
        expected = TEXT.with_changes(images=1, prompt=cell.x.given, learning_rate=cell.y.given)
        assert cell.recipe == expected


def test_what_goes_with_a_field_goes_with_its_axis() -> None:
    adam = grid("optimiser=adam,sgd", "seed=0", CLASS.with_changes(momentum=0.5)).cells
    assert [cell.recipe.momentum for cell in adam] == [0.0, 0.5]
    mixed = CLASS.with_changes(classes=("frog", "ship"), weights=(0.7, 0.3), objective="cross_entropy")
    assert [cell.recipe.weights for cell in grid("class=cat; dog + cat", "seed=0", mixed).cells] == [(), ()]
    units = grid("unit=a.b:1; a.b:2", "seed=0").cells
    assert [(cell.recipe.unit, cell.recipe.classes) for cell in units] == [("a.b:1", ()), ("a.b:2", ())]
    planned = CLASS.with_changes(planned_steps=7)
    assert [cell.recipe.planned_steps for cell in grid("steps=5,90", "seed=0", planned).cells] == [0, 0]
    weighted = CLASS.with_changes(models=("a", "b"), model_weights=(2, 1))
    assert [cell.recipe.model_weights for cell in grid("model=a; b + a", "seed=0", weighted).cells] == [(), (2, 1)]


def test_older_recipes_learn_the_fields_of_newer_ones() -> None:
    old = Recipe(version=1, classes=("frog",))
    assert {cell.recipe.version for cell in grid("redraw=0,1", "seed=0", old).cells} == {RECIPE_VERSION}
    assert {cell.recipe.version for cell in grid("steps=5,6", "seed=0", old).cells} == {1}


@pytest.mark.parametrize(
    ("x", "y", "base", "words"),
    [
        ("seed=1", "seed=2", CLASS, "Both axes are seed: give the grid two fields that differ."),
        ("seed=1..17", "steps=1..16", CLASS, f"A grid has at most {MOST_CELLS} pictures, and 17 x 16 are 272"),
        ("optimiser=sgd,adam", "momentum=0,0.5", CLASS, "The cell of optimiser adam, momentum 0.5 cannot be made"),
        ("score=cosine,contrastive", "seed=1,2", TEXT, "The cell of score contrastive, seed 1 cannot be made: score"),
        ("redraw=2", "seed=1,9007199254740991", CLASS, "The cell of redraw 2, seed 9007199254740991 cannot be made"),
    ],
)
def test_a_refusal_comes_before_the_work_and_names_the_cell(x: str, y: str, base: Recipe, words: str) -> None:
    with pytest.raises(StudioError) as caught:
        grid(x, y, base)
    assert words in str(caught.value)


def test_no_grid_of_the_way_between_two_prompts() -> None:
    with pytest.raises(StudioError, match="leave out prompt_to"):
        grid("seed=1", "steps=2", TEXT.with_changes(prompt_to="a ship"))


prompts = (
    st.text(min_size=1, max_size=60)
    .map(lambda text: " ".join(text.split()))
    .filter(lambda text: text.strip() and ";" not in text)
)


@pytest.mark.slow
@given(st.lists(prompts, min_size=1, max_size=5, unique=True))
def test_names_differ_whatever_the_values_and_do_not_change_as_axes_grow(texts: list[str]) -> None:
    def names(texts: list[str]) -> list[str]:
        axes = parse_axis("seed=1,2", "text"), parse_axis("resolutions=" + "\n".join([*texts, "1..2"]), "text")
        return [cell.name for cell in Grid(TEXT, *axes).cells]

    try:
        found = names(texts)
    except StudioError:  # a text that is no resolutions, or stands twice
        return
    assert len({name.lower() for name in found}) == len(found)
    assert names(texts[:1])[:2] == found[:2]
    assert all(name == name.strip() and "/" not in name and len(name.encode()) < 250 for name in found)


def test_the_disk_grows_with_the_pixels() -> None:
    small, large = CLASS.with_changes(size=(64, 64)), CLASS.with_changes(size=(128, 64))
    assert disk_of([large]) - disk_of([small]) == 3 * 64 * 64
    assert disk_of([small, large]) == disk_of([small]) + disk_of([large])
    assert disk_of([small], (200, 100)) - disk_of([small]) == 3 * (200 * 100 - 64 * 64)


def test_every_pair_is_there_once() -> None:
    cells = grid("seed=1..4", "steps=1..3").cells
    assert [(cell.recipe.steps, cell.recipe.seed) for cell in cells] == list(product(range(1, 4), range(1, 5)))
