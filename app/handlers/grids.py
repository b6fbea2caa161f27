"""A grid as one job: a picture of a class or of a text for every pair of values of two fields.

In the job's folder lies each cell as `cell-VALUES.png`, with its record, and small as `cell-VALUES.jpg`; `sheet.png`
has all of them with their titles, `grid.csv` the figures. Which cells are there so far is in the findings; see
`app.records.grids`. A later job takes over the cells of one that was ended, and goes on with the rest.
"""

import shutil
from pathlib import Path

from pydantic import JsonValue

from app.evaluation.service import job_folder
from app.handlers.findings import write_grid_findings
from app.handlers.pictures import CARD_NAME, Workshop, bring_pictures, load_models, save_small, write_result
from app.records.grids import GridCell, GridFindings, GridResult
from app.records.params import GridParams
from app.records.pictures import NothingMade
from app.visitors.data_dir import DataDir
from foundation.errors import StudioError
from foundation.jobs import JobContext
from foundation.progress import Progress
from generator.grids.grid import Grid
from generator.grids.output import SHEET, TABLE
from generator.grids.running import GridPiece, make_grid
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureRecord
from generator.synthesis.models import Model

KIND = "grid"
"""The kind of job."""
SHOWN_SIDE = 160
"""The longer side of a cell as the page shows it, in pixels."""


def draw_grid(context: JobContext, shop: Workshop) -> dict[str, JsonValue]:
    """Make the cells one after the other, and keep after each which are there. Asked to stop, keep what there is.

    The result is a `GridResult`, or `NothingMade`. StudioError names the cell that cannot be made, before any is.
    """
    told = GridParams.asked(context.params)
    grid = told.whole()
    if told.continues:
        take_cells(shop.data, told.continues, grid, context.dir)
    pictures = bring_pictures(context, told, shop.data, grid.base.task)
    cells: list[GridCell] = []

    def keep(one: GridPiece) -> None:
        cells.append(_kept(one))
        cells.sort(key=lambda cell: (cell.row, cell.column))  # a cluster ends them in any order
        write_grid_findings(context.dir, GridFindings(cells=tuple(cells)))

    context.progress(Progress(0, 0, "Loading the models", unit="items"))
    try:
        with shop.pool.lent(context) as cluster:

            def load(recipe: Recipe) -> tuple[dict[str, Model], tuple[str, ...]]:
                return load_models(recipe, shop, context, cluster)

            series, _ = make_grid(
                context,
                grid,
                context.dir,
                load,
                pictures=pictures,
                with_recipe=told.with_recipe,
                on_cell=keep,
                cluster=cluster,
            )
    except StudioError as error:
        if not context.stop_requested or cells:
            raise
        return NothingMade(note=str(error), images=()).to_json()  # a download that was stopped, for example
    beside = {}
    if cells:
        save_small(context.dir / SHEET, context.dir / CARD_NAME)
        beside = {"sheet": SHEET, "table": TABLE}
    result = GridResult(
        recipe=grid.base,
        images=(),
        files=(*beside.values(), *(cell.file for cell in cells)),
        **beside,
        failed=tuple(f"{title}: {why}" for title, why in series.failed.items()),
        complete=not series.stopped and not series.failed and len(cells) == len(grid.cells),
    )
    write_result(context, result.to_json())
    return result.to_json()


def take_cells(data: DataDir, job_id: str, grid: Grid, folder: Path) -> None:
    """Copy the cells of a grid that an earlier job has, each with its record, into a folder.

    Raises:
        StudioError: the earlier job is gone.
    """
    earlier = job_folder(data, job_id, "")
    for cell in grid.cells:
        files = [earlier / f"{cell.name}{ending}" for ending in (".png", ".json")]
        if all(file.is_file() for file in files):
            for file in files:
                shutil.copyfile(file, folder / file.name)


def _kept(one: GridPiece) -> GridCell:
    """What the page shows of a cell that is there."""
    piece, record = one.piece, one.piece.record()
    shown = piece.path.with_suffix(".jpg")
    save_small(piece.path, shown, SHOWN_SIDE)
    return GridCell(
        row=one.cell.row,
        column=one.cell.column,
        file=piece.path.name,
        shown=shown.name,
        done=not record.stopped and record.error is None,
        said=_said(record),
    )


def _said(record: PictureRecord) -> str:
    """What the first model makes of a picture: the class that it sees, or how near it is to the prompt."""
    image = record.images[0]
    for said in image.after.values():
        sure = said.top[0].probability
        return said.first if sure is None else f"{said.first} {sure:.0%}"
    for entries in (image.cosines or {}).values():
        near = next((one.after for one in entries if one.role == "prompt"), None)
        if near is not None:
            return f"match {near:.2f}"
    return ""


def goes_on(params: dict[str, JsonValue], result: dict[str, JsonValue] | None) -> bool:
    """Whether an ended job with these is a grid of which not all cells are there."""
    return "grid" in params and not (result or {}).get("complete")
