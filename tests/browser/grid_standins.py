"""Grids without a model: a fade for each cell, the fourth for as long as a test wants."""

import time
from typing import Any

from app.handlers.findings import write_grid_findings
from app.handlers.grids import take_cells
from app.handlers.pictures import CARD_NAME, save_small
from app.records.grids import GridCell, GridFindings
from app.records.params import GridParams
from app.visitors.data_dir import DataDir
from foundation.files.text_files import write_json, write_text
from foundation.images.files import save_png
from foundation.jobs.context import JobContext
from foundation.progress import Progress
from tests.browser.holding import is_held
from tests.browser.standins import MODELS, fade, says
from tests.picture_results import picture, result

HELD_CELL = 3
"""The cell at which a test can hold work back, from 0."""
CELL_SECONDS = 0.05


class Grids:
    """A stand-in for grids of both tasks."""

    def __init__(self, data: DataDir) -> None:
        self._data = data

    def __call__(self, context: JobContext) -> dict[str, Any]:
        told = GridParams.asked(context.params)
        grid = told.whole()
        if told.continues:
            take_cells(self._data, told.continues, grid, context.dir)
        cells: list[GridCell] = []
        number = len(grid.cells)
        for place, cell in enumerate(grid.cells):
            words = f"{place + 1} of {number}, {cell.title}"
            file = f"{cell.name}.png"
            while place == HELD_CELL and is_held(context):
                frame = fade(place, number, cell.recipe.size, cell.recipe.seed)
                context.progress(Progress(place, number, words, unit="items", preview=lambda frame=frame: frame))
                time.sleep(CELL_SECONDS)
            if context.stop_requested:
                break
            if not (context.dir / file).is_file():
                save_png(
                    fade(cell.recipe.steps, 100, cell.recipe.size, cell.recipe.seed),
                    context.dir / file,
                    cell.recipe.png_metadata(),
                )
                said = {MODELS[0].name: says("frog", "cat")}
                made = result(cell.recipe, picture(file, seed=cell.recipe.seed, before=said, after=said))
                write_json(context.dir / f"{cell.name}.json", made)
            save_small(context.dir / file, context.dir / f"{cell.name}.jpg", 160)
            cells.append(
                GridCell(
                    row=cell.row, column=cell.column, file=file, shown=f"{cell.name}.jpg", done=True, said="frog 80%"
                )
            )
            write_grid_findings(context.dir, GridFindings(cells=tuple(cells)))
            context.progress(Progress(place + 1, number, words, unit="items"))
            time.sleep(CELL_SECONDS)
        save_png(fade(1, 2, (64, 64), 0), context.dir / "sheet.png")
        write_text(context.dir / "grid.csv", "seed,steps\n")
        save_small(context.dir / "sheet.png", context.dir / CARD_NAME)
        return {
            "recipe": grid.base.model_dump(mode="json"), "images": [], "sheet": "sheet.png", "table": "grid.csv",
            "files": ["sheet.png", "grid.csv", *(cell.file for cell in cells)], "failed": [],
            "complete": len(cells) == number,
        }  # fmt: skip
