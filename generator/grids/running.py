"""A grid is made cell after cell, each as its recipe alone makes it, and goes on where it was ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from foundation.cluster.cluster import Cluster
from foundation.errors import StudioError
from foundation.progress import Progress
from foundation.protocols import JobContext
from generator.grids.grid import Cell, Grid, cell_error
from generator.grids.output import save_sheet, save_table
from generator.production.series import Piece, Series, draw_series
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model
from generator.synthesis.synthesis import synthesise

Load = Callable[[Recipe], tuple[Mapping[str, Model], tuple[str, ...]]]
"""The models of a recipe by name, and their revisions, as far as they are known."""


@dataclass(frozen=True)
class GridPiece:
    """A cell and the picture that it asks for."""

    cell: Cell
    piece: Piece


def make_grid(
    context: JobContext,
    grid: Grid,
    folder: Path,
    load: Load,
    *,
    pictures: Pictures | None = None,
    with_recipe: bool = True,
    on_cell: Callable[[GridPiece], None] = lambda _cell: None,
    cluster: Cluster | None = None,
) -> tuple[Series, tuple[GridPiece, ...]]:
    """Make the cells that are not there yet; the sheet and the table of what there is follow, also after a stop.

    First all models are loaded and all cells prepared: StudioError names the one that cannot be made, before the first
    step. `on_cell` hears of each cell that is there, those of before first. A stop ends within a step; the cell that it
    cut short is there, and is made again the next time. With a `cluster` its workers draw.
    """
    pieces = prepared(context, grid, folder, load, pictures=pictures or Pictures(), with_recipe=with_recipe)
    by_path = {one.piece.path: one for one in pieces}
    for one in pieces:
        if one.piece.is_done():
            on_cell(one)
    series = draw_series(
        context,
        [one.piece for one in pieces],
        lambda piece: load(piece.recipe)[0],
        unit="items",
        on_piece=lambda piece: on_cell(by_path[piece.path]),
        cluster=cluster,
    )
    found = {(one.cell.row, one.cell.column): one.piece for one in pieces}
    save_table(grid, found, folder)
    save_sheet(grid, found, folder)
    return series, pieces


def prepared(
    context: JobContext, grid: Grid, folder: Path, load: Load, *, pictures: Pictures, with_recipe: bool
) -> tuple[GridPiece, ...]:
    """The pictures of all cells, with all that their recipes leave open; nothing is drawn.

    StudioError names the first cell that cannot be made.
    """
    pieces = []
    for number, cell in enumerate(grid.cells, start=1):
        context.progress(Progress(0, 0, f"Preparing {number} of {len(grid.cells)}, {cell.title}", unit="items"))
        models, revisions = load(cell.recipe)
        try:
            recipe = cell.recipe.with_changes(revisions=revisions if any(revisions) else ())
            whole = synthesise(recipe, models, pictures=pictures, device=context.device).recipe
        except StudioError as error:
            raise cell_error(cell.title, error) from error
        path = folder / f"{cell.name}.png"
        pieces.append(GridPiece(cell, Piece(path, whole, cell.title, pictures, with_recipe)))
    return tuple(pieces)
