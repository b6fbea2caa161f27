"""A grid: a recipe and two axes. Each cell is a recipe of its own, which makes the same picture by itself."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from foundation.catalogue.entry import ModelInfo
from foundation.errors import StudioError
from generator.grids.axis import Axis, Value
from generator.priors.operators import Size
from generator.production.series import file_name
from generator.recipes.common import RECIPE_VERSION
from generator.recipes.fields import oldest_version
from generator.recipes.recipe import Recipe
from generator.synthesis.drawers import usual_models

MOST_CELLS = 256
_PREFIX = "cell"
_PART = 40
"""Letters of a value in the name of a file."""
_PIXEL_BYTES = 3.0
"""Bytes of a pixel in a PNG of a picture like these, at most: noise does not get smaller by packing."""
_STEP_BYTES = 110
"""Of a step in a record, about: the value of each term, on a line of its own."""
_RECORD_BYTES = 3_000


@dataclass(frozen=True)
class Cell:
    """A cell of a grid.

    Attributes:
        row, column: its place, from 0; a row has one value of `y`, a column one of `x`.
        x, y: its values.
        recipe: that makes its picture.
        title: what it is called, "seed 1, steps 50".
        name: of its files, without an ending: of its values alone, so that it stays when an axis grows.
    """

    row: int
    column: int
    x: Value
    y: Value
    recipe: Recipe
    title: str
    name: str


@dataclass(frozen=True)
class Grid:
    """A recipe and its two axes: `x` from left to right, `y` from top to bottom.

    Making one makes and judges the recipes of all cells: StudioError names the first cell that is none, and says so of
    axes that do not differ, and of more than `MOST_CELLS` cells.
    """

    base: Recipe
    x: Axis
    y: Axis
    cells: tuple[Cell, ...] = field(init=False)

    def __post_init__(self) -> None:
        check_axes(self.x, self.y)
        base = self.base
        if base.prompt_to:
            raise StudioError("A cell of a grid is one picture: leave out prompt_to, which makes several.")
        base = base.with_changes(images=1, together=False)
        if oldest_version((self.x.field, self.y.field)) > base.version:
            base = base.with_changes(version=RECIPE_VERSION)
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "cells", tuple(self._cells(base)))

    @property
    def title(self) -> str:
        """A short name: ``Grid: prompt x seed, 9 pictures``."""
        count = len(self.cells)
        return f"Grid: {self.x.title} x {self.y.title}, {'one picture' if count == 1 else f'{count} pictures'}"

    @property
    def steps(self) -> int:
        """The steps of all cells together."""
        return sum(cell.recipe.steps for cell in self.cells)

    def drawn_by_usual_models(self, preset: str | None, listed: Sequence[ModelInfo], *, named: bool) -> "Grid":
        """The grid for which nobody chose models, with those that draw best of what is `listed`: see `usual_models`.

        One choice for all cells, of models that know every class of theirs; `named` says whether the recipe's classes
        are somebody's choice, as those of an axis are.
        """
        axes = {self.x.field, self.y.field}
        if self.base.unit or axes & {"models", "unit"}:
            return self
        chosen = self.cells if named or "classes" in axes else ()
        classes = dict.fromkeys(name for cell in chosen for name in cell.recipe.classes)
        usual = usual_models(self.base.task, preset, tuple(classes), listed)
        return Grid(self.base.with_changes(**usual, revisions=()), self.x, self.y) if usual else self

    def _cells(self, base: Recipe) -> list[Cell]:
        across, down = (_parts(axis) for axis in (self.x, self.y))
        return [
            self._cell(base, (row, column), (x, y), f"{_PREFIX}-{down[row]}-{across[column]}")
            for row, y in enumerate(self.y.values)
            for column, x in enumerate(self.x.values)
        ]

    def _cell(self, base: Recipe, place: tuple[int, int], values: tuple[Value, Value], name: str) -> Cell:
        x, y = values
        title = f"{self.x.title} {x.short}, {self.y.title} {y.short}"
        changes = {**self.x.companions(x, base), **self.y.companions(y, base)}
        try:
            recipe = base.with_changes(**changes | {self.x.field: x.given, self.y.field: y.given})
        except StudioError as error:
            raise cell_error(title, error) from error
        return Cell(*place, x, y, recipe, title, name)


def check_axes(x: Axis, y: Axis) -> None:
    """Raise StudioError for two axes that are no grid."""
    if x.field == y.field:
        raise StudioError(f"Both axes are {x.title}: give the grid two fields that differ.")
    count = len(x.values) * len(y.values)
    if count > MOST_CELLS:
        raise StudioError(
            f"A grid has at most {MOST_CELLS} pictures, and {len(x.values)} x {len(y.values)} are {count:,}: give "
            "fewer values."
        )


def cell_error(title: str, error: StudioError) -> StudioError:
    """What is wrong with a cell, with its name."""
    return StudioError(f"The cell of {title} cannot be made: {error}")


def disk_of(recipes: Sequence[Recipe], photo: Size | None = None) -> int:
    """Bytes that the pictures of these recipes take with their records, at most about.

    `photo` is the (height, width) of the photo that they start from, if they do: their canvas has its size.
    """
    pictures = sum(_PIXEL_BYTES * math.prod(photo or recipe.size) for recipe in recipes)
    return round(pictures) + sum(_RECORD_BYTES + _STEP_BYTES * recipe.steps for recipe in recipes)


def _parts(axis: Axis) -> list[str]:
    """The part of each value in the names of files: readable, and never the same for two values."""
    return [f"{file_name(axis.title)}-{_part(value.text)}" for value in axis.values]


def _part(text: str) -> str:
    kept = file_name(text)[:_PART].strip("-").lower()
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:6]
    return kept if kept == text else f"{kept}-{digest}"
