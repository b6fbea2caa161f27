"""A grid as one labelled picture, and as a table of figures."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from foundation.files.places import is_there
from foundation.files.tables import inert
from foundation.files.text_files import write_text
from foundation.images.animation import table_sheet
from foundation.images.files import load_image, save_png
from generator.grids.grid import Cell, Grid
from generator.production.series import Piece
from generator.records.pictures import PictureRecord

SHEET, TABLE = "sheet.png", "grid.csv"
MOST_TILE = 256
"""The longer side of a picture on the sheet, at most, in pixels."""
MOST_SIDE = 8192
"""Of the sheet, about: beyond it, pictures on it are made smaller."""
_LEAST_TILE = 32
DONE, STOPPED, MISSING = "made", "cut short", "not made"
"""What may be said of a cell."""

Pieces = Mapping[tuple[int, int], Piece]
"""By row and column, from 0, what the cells ask for."""


def save_sheet(grid: Grid, pieces: Pieces, folder: Path) -> None:
    """Save the pictures that are there as one, with the values of the axes beside them; nothing where none is."""
    if not any(is_there(piece.path) for piece in pieces.values()):
        return
    across, down = grid.x.values, grid.y.values
    sides = [side for piece in pieces.values() for side in piece.recipe.size]
    side = max(_LEAST_TILE, min(MOST_TILE, max(sides), MOST_SIDE // max(len(across), len(down))))
    heights, widths = zip(*(piece.recipe.size for piece in pieces.values()), strict=True)
    factor = min(1.0, side / max(sides))
    tile = max(1, round(factor * max(widths))), max(1, round(factor * max(heights)))
    cells = [[_picture(pieces[row, column], tile) for column in range(len(across))] for row in range(len(down))]
    titles = [[f"{axis.title} {value.short}" for value in axis.values] for axis in (grid.y, grid.x)]
    save_png(table_sheet(cells, titles[0], titles[1], tile=tile), folder / SHEET)


def _picture(piece: Piece, tile: tuple[int, int]) -> Image.Image | None:
    """A picture no larger than it is shown: a sheet of many large ones would not fit into memory."""
    if not is_there(piece.path):
        return None
    picture = load_image(piece.path)
    picture.thumbnail(tile, Image.Resampling.LANCZOS)
    return picture


def save_table(grid: Grid, pieces: Pieces, folder: Path) -> None:
    """Save what is known of all cells as CSV; see `to_csv`."""
    records = {place: piece.record() for place, piece in pieces.items() if is_there(piece.record_path)}
    write_text(folder / TABLE, to_csv(grid, records), "table")


def to_csv(grid: Grid, records: Mapping[tuple[int, int], PictureRecord]) -> str:
    """The cells as CSV, row by row: their values, their file, the last score and what the models say.

    Of each classifier there is its most probable class and how probable that is, of each encoder the cosine of picture
    and prompt: all in the saved file. Cells without a record are there, too.
    """
    lines = [_line(cell, grid, records.get((cell.row, cell.column))) for cell in grid.cells]
    columns = dict.fromkeys(name for line in lines for name in line)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [inert(name) for name in columns], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({inert(name): inert(value) for name, value in line.items()} for line in lines)
    return buffer.getvalue()


def _line(cell: Cell, grid: Grid, record: PictureRecord | None) -> dict[str, object]:
    line: dict[str, object] = {grid.x.title: cell.x.text, grid.y.title: cell.y.text}
    if record is None:
        return {**line, "file": "", "state": MISSING}
    image = record.images[0]
    ended = record.stopped or record.error is not None
    line |= {"file": image.file, "state": STOPPED if ended else DONE, "seed used": image.seed}
    line |= {"steps taken": record.recipe.steps, "loss": final_loss(record)}
    for model, said in image.after.items():
        line |= {f"{model}: answer": said.first, f"{model}: probability": said.top[0].probability}
    for model, entries in (image.cosines or {}).items():
        near = next((one.after for one in entries if one.role == "prompt"), None)
        line |= {f"{model}: cosine with the prompt": near}
    return line


def final_loss(record: PictureRecord) -> float | None:
    """The weighted sum of all terms in the last step; None where it is no number, or was not kept."""
    steps = (record.losses or {}).get("total", [])
    return steps[-1][0] if steps and steps[-1] else None
